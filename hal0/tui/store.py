"""The dashboard's picture of the daemon: a state, then one event after another reduced into it.

No I/O and no Textual here. Every change marks the topics it touched; the paint clock takes them and asks only those
widgets that show them. The store never guesses what a verb will do: it changes when the daemon says so.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from hal0.errors import Hal0Error
from hal0.tui.effects import summary
from hal0.tui.facts import DeviceSample, Fact
from hal0.tui.fixes import is_certain
from hal0.tui.happenings import Happening, from_record, happening
from hal0.tui.memories import Memories
from hal0.tui.speeds import Speeds
from hal0.tui.streams import Load, Stream, Streams
from hal0.wire import (
    ConfigView,
    DeviceView,
    ErrorRecord,
    ErrorView,
    PastView,
    PullView,
    RequestView,
    SlotView,
    State,
    TokenBatch,
)

Topic = Literal[
    "link",
    "host",
    "slots",
    "requests",
    "text",
    "devices",
    "config",
    "errors",
    "happenings",
    "log",
    "chat",
    "notice",
    "time",
]
ALL_TOPICS: frozenset[Topic] = frozenset(get_args(Topic))
HAPPENINGS_KEPT = 2_000
NOTICE_SECONDS = 6.0
TICKING = {"starting", "warming", "pulling", "unloading"}


@dataclass(frozen=True, slots=True)
class Link:
    """The way to the daemon."""

    phase: Literal["connecting", "live", "lost"] = "connecting"
    problem: Hal0Error | None = None
    retry_at: float | None = None
    since: float = 0.0
    latency_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """One line of feedback to the person at the keyboard."""

    text: str
    role: str
    until: float


class Store:
    """Everything the dashboard shows."""

    def __init__(self) -> None:
        self.now = 0.0  # the daemon's clock
        self.loaded = False
        self.link = Link()
        self.host = ""
        self.version = ""
        self.started_at = 0.0
        self.listen: tuple[str, ...] = ()
        self.warnings: tuple[str, ...] = ()
        self.draining = False
        self.slots: dict[str, SlotView] = {}
        self.streams = Streams()
        self.devices: dict[str, DeviceView] = {}
        self.past = Memories()
        self.devices_are_read_here = False  # by the dashboard, while the daemon is away
        self.config: ConfigView | None = None
        self.pulls: dict[str, PullView] = {}  # of models, under way or stopped before they were whole
        self.errors: dict[int, ErrorRecord] = {}
        self.happenings: deque[Happening] = deque(maxlen=HAPPENINGS_KEPT)  # the newest last
        self._record_of: dict[int, int] = {}  # which group of errors an event told of
        self.errors_seen_to = 0.0  # the person has looked at the problems up to this moment
        self.speeds = Speeds()
        self.notice: Notice | None = None
        self.facts_seen = 0
        self._dirty: set[Topic] = set()

    def reset(self) -> None:
        """Forget everything, for another daemon."""
        Store.__init__(self)
        self.mark(*ALL_TOPICS)

    # What the painters take ------------------------------------------------------------------------------------
    def mark(self, *topics: Topic) -> None:
        self._dirty.update(topics)

    def take_dirty(self) -> frozenset[Topic]:
        dirty = frozenset(self._dirty)
        self._dirty.clear()
        return dirty

    @property
    def is_dirty(self) -> bool:
        return bool(self._dirty)

    @property
    def is_ticking(self) -> bool:
        """Whether something shown counts seconds, so that time alone changes the picture."""
        return (
            self.link.phase != "live"
            or self.notice is not None
            or any(stream.in_flight for stream in self.streams.values())
            or any(slot.state in TICKING or slot.retry_at or slot.unload_at for slot in self.slots.values())
        )

    def load_of(self, slot: SlotView) -> Load:
        return self.streams.load_of(slot, since=self.started_at, recent=self.speeds.of(slot.name))

    @property
    def pulls_under_way(self) -> list[PullView]:
        return [pull for pull in self.pulls.values() if pull.state in ("fetching", "waiting", "verifying")]

    @property
    def has_unseen_errors(self) -> bool:
        return any(record.last_at > self.errors_seen_to for record in self.errors.values())

    # What the feed and the keys say ----------------------------------------------------------------------------
    def load(self, state: State) -> None:
        """Take over a whole state; what was known before and is not in it is gone."""
        known, self.streams = self.streams, Streams()
        self.loaded = True
        self.now = state.now
        self.host, self.version, self.started_at = state.host, state.version, state.started_at
        self.listen, self.warnings, self.draining = tuple(state.listen), tuple(state.warnings), state.draining
        self.slots = {slot.name: slot for slot in state.slots}
        for slot in state.slots:
            self.past.note_slot(slot, state.now)
        self.past.keep_only(self.slots.keys())
        self.devices = {device.id: device for device in state.devices}
        self.devices_are_read_here = False
        self.past.note_devices(state.now, state.devices)
        self.config = state.config
        self.pulls = {pull.name: pull for pull in state.pulls}
        if not self.happenings:
            self.happenings.extend(map(from_record, sorted(state.errors, key=lambda record: record.last_at)))
            self._record_of = {-record.id: record.id for record in state.errors}
        self.errors = {record.id: record for record in state.errors}
        self.speeds.keep(self.slots)
        told = {view.id for view in state.requests}
        for stream in known.values():
            if stream.view.id not in told:
                self.streams[stream.view.id] = self._lost(stream)
        for view in sorted(state.requests, key=lambda view: view.started_at):
            self.streams[view.id] = Stream.of(view, known.get(view.id))
            self.speeds.note(view)
        self.streams.forget_oldest()
        self.mark(*ALL_TOPICS)

    def _lost(self, stream: Stream) -> Stream:
        """A request the daemon no longer knows: finished long ago, or in flight when the daemon went away."""
        if not stream.in_flight:
            return stream
        error = ErrorView(code="system.daemon_down", message="hal0d went away while this request was in flight")
        view = stream.view.model_copy(
            update={"phase": "finished", "outcome": "failed", "error": error, "finished_at": self.now}
        )
        return Stream(view, stream.transcript)

    def reduce(self, fact: Fact) -> None:
        """Take in one event."""
        self.now = max(self.now, fact.at)
        self.facts_seen += 1
        self.mark("time")
        self._note_happening(fact)
        if reducer := _REDUCERS.get(fact.kind):
            reducer(self, fact.data)

    def remember(self, past: PastView) -> None:
        """What was before the dashboard was there."""
        self.past.fill_in(past, self.now)
        self.mark("devices", "slots")

    def fill_in(self, view: RequestView) -> None:
        """The text of a finished request that came without: an answer that was not streamed."""
        stream = self.streams.get(view.id)
        if stream is not None and not stream.has_text:
            stream.fill_in(view)
            self.mark("text")

    def connected(self, latency_ms: float | None) -> None:
        if self.link.phase != "live":
            self.link = Link("live", since=self.now, latency_ms=latency_ms)
            self.mark(*ALL_TOPICS)
        elif latency_ms != self.link.latency_ms:
            self.link = replace(self.link, latency_ms=latency_ms)
            self.mark("link")

    def read_here(self, devices: Sequence[DeviceView]) -> None:
        """The devices as the dashboard has read them itself; not while a daemon tells of them."""
        if self.link.phase == "lost" and devices:
            if not self.devices_are_read_here:  # the whole screen finds other places
                self.mark(*ALL_TOPICS)
            self.devices_are_read_here = True
            self.devices = {device.id: device for device in devices}
            self.past.note_devices(self.now, devices)
            self.mark("devices")

    def disconnected(self, problem: Hal0Error, retry_in_seconds: float) -> None:
        since = self.link.since if self.link.phase == "lost" else self.now
        self.past.lose_sight(self.now)
        self.link = Link("lost", problem, self.now + retry_in_seconds, since)
        self.mark(*ALL_TOPICS)

    def tick(self, now: float) -> None:
        """Move the clock on; `now` is the daemon's time as the dashboard reckons it."""
        self.now = max(self.now, now)
        if self.notice is not None and self.now >= self.notice.until:
            self.notice = None
            self.mark("notice")
        self.mark("time")

    def tell(self, text: str, role: str = "text", *, seconds: float = NOTICE_SECONDS) -> None:
        self.notice = Notice(text, role, self.now + seconds)
        self.mark("notice")

    def untell(self) -> None:
        self.notice = None
        self.mark("notice")

    def see_errors(self) -> None:
        self.errors_seen_to = max([self.now, *(record.last_at for record in self.errors.values())])
        self.mark("errors")

    # The reducers ----------------------------------------------------------------------------------------------
    def _slot_changed(self, slot: SlotView) -> None:
        self.slots[slot.name] = slot
        self.past.note_slot(slot, self.now)
        self.mark("slots")

    def _slot_removed(self, name: str) -> None:
        self.slots.pop(name, None)
        self.past.keep_only(self.slots.keys())
        self.mark("slots")

    def _request_changed(self, view: RequestView) -> None:
        self.streams.take(view)
        if view.phase == "finished":
            self.speeds.note(view)
            self.streams.forget_oldest()
        self.mark("requests", "text")

    def _tokens(self, batch: TokenBatch) -> None:
        stream = self.streams.get(batch.id)
        if stream is None:
            return
        stream.add(batch)
        self.mark("requests", "text")

    def _sampled(self, sample: DeviceSample) -> None:
        self.devices = {device.id: device for device in sample.devices}
        self.past.note_devices(self.now, sample.devices)
        self.past.note_speeds(self.now, self.streams.speeds())
        self.mark("devices")
        for name, memory in sample.slots.items():
            slot = self.slots.get(name)
            new = {"memory_bytes": memory.ram, "private_bytes": memory.private, "gpu_bytes": memory.gpus}
            if slot is not None and any(getattr(slot, field) != value for field, value in new.items()):
                self.slots[name] = slot.model_copy(update=new)
                self.mark("slots")

    def _config_changed(self, config: ConfigView) -> None:
        is_new = self.config is not None and config.revision > self.config.revision
        was_rejected = self.config.rejected_at if self.config is not None else None
        self.config = config
        # What a key has just asked the person must not be talked over.
        if config.rejected_at is not None and config.rejected_at != was_rejected and config.problems:
            self.tell(f"REJECTED {config.problems[0].message}", "alarm")
        elif is_new and (self.notice is None or self.notice.role not in ("loud", "alarm")):
            self.tell(summary(config), "good")
        self.mark("config")

    def _pull_changed(self, pull: PullView) -> None:
        known = self.pulls.get(pull.name)
        if pull.state == "done":
            self.pulls.pop(pull.name, None)
            if known is not None and (self.notice is None or self.notice.role not in ("loud", "alarm")):
                self.tell(f"{pull.name} is here", "good")
        else:
            self.pulls[pull.name] = pull
        self.mark("host")

    def _model_changed(self, name: str) -> None:
        self.pulls.pop(name, None)
        self.mark("host")

    def _error(self, record: ErrorRecord) -> None:
        self.errors[record.id] = record
        self.mark("errors")

    def _warned(self, warnings: tuple[str, ...]) -> None:
        self.warnings = warnings
        self.mark("host", "errors")

    def _stopping(self, data: None) -> None:
        self.draining = True
        self.mark("host")

    def can_fix(self, file: str) -> bool:
        """Whether a file that is refused has slips that are certain."""
        problems = self.config.problems if self.config else ()
        return any(each.file == file and is_certain(each) for each in problems)

    def record_of(self, event: int) -> int | None:
        """The group of errors that an event told of, as long as it is known."""
        id = self._record_of.get(event)
        return id if id in self.errors else None

    # The memories ----------------------------------------------------------------------------------------------
    def _note_happening(self, fact: Fact) -> None:
        before = self.slots.get(fact.data.name) if fact.kind == "slot.transition" else None
        told = happening(fact, before.state if before else None)
        if told is not None:
            self.happenings.append(told)
            self.mark("happenings")
        if fact.kind == "error":
            self._record_of[fact.id] = fact.data.id
            while len(self._record_of) > HAPPENINGS_KEPT:
                del self._record_of[next(iter(self._record_of))]


_REDUCERS: dict[str, Callable[..., None]] = {
    "slot.transition": Store._slot_changed,
    "slot.removed": Store._slot_removed,
    "request.started": Store._request_changed,
    "request.phase": Store._request_changed,
    "request.tokens": Store._tokens,
    "request.finished": Store._request_changed,
    "device.sample": Store._sampled,
    "config.applied": Store._config_changed,
    "config.rejected": Store._config_changed,
    "error": Store._error,
    "model.progress": Store._pull_changed,
    "model.changed": Store._model_changed,
    "daemon.warnings": Store._warned,
    "daemon.stopping": Store._stopping,
}
