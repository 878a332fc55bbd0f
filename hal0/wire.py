"""What the daemon and its dashboard and CLI say to each other: the admin API's bodies and events.

Frozen values only. Times are Unix seconds (float), durations are in the unit their name ends with, sizes in bytes.
Fields may be added; a client ignores what it does not know, so an older dashboard works with a newer daemon.
"""

import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from hal0.voices import Voice

SlotState = Literal["offline", "pulling", "starting", "warming", "ready", "serving", "idle", "unloading", "error"]
Phase = Literal["queued", "loading", "prefill", "decoding", "finished"]
Outcome = Literal["ok", "failed", "cancelled"]
# How long the requests in flight may go on when their slot is stopped: as long as they take, the slot's
# `drain_timeout`, or not at all.
Drain = Literal["wait", "grace", "now"]
RUN_BEGINS = re.compile(r"--- run \d+ on port ")  # the line of a log after which a run has printed what follows
SwapStep = Literal["under way", "going back", "done", "failed", "called off"]
Kind = Literal["chat", "embedding", "rerank", "transcription", "speech", "image"]

# Every kind of event; `Event.data` has the fields of the model named beside it.
EventKind = Literal[
    "slot.transition",  # SlotView: the whole slot, after the change
    "slot.removed",  # {"name"}
    "request.started",  # RequestView
    "request.phase",  # RequestView without its text
    "request.tokens",  # TokenBatch
    "request.finished",  # RequestView without its text
    "model.progress",  # PullView
    "model.changed",  # {"name"}: it came, or went
    "device.sample",  # {"devices": [DeviceView], "slots": {name: {memory_bytes, …}}}; the latter as in SlotView
    "config.applied",  # ConfigView
    "config.rejected",  # ConfigView, with its problems
    "error",  # ErrorRecord
    "gap",  # {"missed_from", "missed_to"}: this subscriber was too slow or too old; fetch the state again
    "daemon.warnings",  # {"warnings"}: as in State, after they have changed
    "daemon.stopping",  # {"drain_seconds"}
]


class Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class ErrorView(Wire):
    """A failure as the API answers it; cause and remedy are looked up in `hal0.errors` by the code."""

    code: str
    message: str
    details: dict[str, Any] = {}


class SwapView(Wire):
    """The last swap of a slot's model."""

    operation: str  # as the 202 named it
    model: str
    before: str = ""  # the model it had
    step: SwapStep
    error: ErrorView | None = None  # of a swap that failed: why, and what became of the old model


class SlotView(Wire):
    name: str
    state: SlotState
    since: float  # when it entered the state
    up_since: float | None = None  # when it became ready, whatever it has served since; while it comes up: the start
    kind: Kind
    provider: str
    model: str  # the model id the slot serves
    engine: str = ""  # what runs it, e.g. "llama.cpp (built in)" or the path of a llama-server
    vision: bool = False  # it takes pictures too
    device: str = ""  # "cpu", or GPU indices as "0" or "0,1"; empty until it was started once
    context: int | None = None  # tokens per request
    parallel: int = 1  # requests the backend computes at the same time
    port: int | None = None
    pid: int | None = None
    run: int = 0  # number of the current or last incarnation
    in_flight: int = 0
    waiting: int = 0  # requests held until the slot is ready or has room for them
    memory_bytes: int | None = None  # resident memory of the process group
    private_bytes: int | None = None  # of it, without what is mapped from files
    gpu_bytes: dict[str, int] = {}  # memory held of each GPU that tells it, by device id
    reserved_bytes: dict[str, int] = {}  # what its run was promised of "memory" and of GPUs, taken or not
    tokens_per_second: float | None = None  # sum over the requests decoding now, else of the last one
    ttft_ms: float | None = None  # of the last request that produced a token
    load_ms: float | None = None  # of the last successful start
    progress: float | None = None  # 0..1 while pulling or warming, when known
    fetched_bytes: int | None = None  # while pulling: of its model's files, come or verified
    fetch_bytes: int | None = None  # of how many, when known
    remark: str = ""  # what a start waits for, or why a slot that is up lets nobody in, in words
    error: ErrorView | None = None  # why it is in `error`, or what the last run died of
    log_tail: list[str] = []  # last lines of the backend's output, when it is in `error`
    failures: int = 0  # in a row
    retry_at: float | None = None  # when the next automatic start is planned; None: not by itself
    parked: bool = False  # failed so often in a row that it is tried only once in a while
    unload_at: float | None = None  # when an idle slot is unloaded
    revision: int = 0  # the config revision that its command line comes from
    pinned: bool = False
    swap: SwapView | None = None  # the last one, since the daemon has run
    aliases: list[str] = []
    background: list[str] = []  # further names, for requests that no person waits for

    @property
    def is_up(self) -> bool:
        """Whether a request can be served."""
        return self.state in ("ready", "serving", "idle")

    @property
    def lasts_since(self) -> float:
        """Since when it is up, or coming up, else in its state: requests begin nothing anew for people."""
        return self.since if self.up_since is None else self.up_since

    @property
    def use(self) -> str:
        """Its kind, as people are told it."""
        return "vision" if self.vision else self.kind


class RequestView(Wire):
    """One request to /v1, in flight or among the last ones finished."""

    id: str
    path: str
    asked: str = ""  # the `model` field as the client sent it
    slot: str = ""  # empty until dispatched
    model: str = ""
    rule: str = ""  # which dispatch rule decided
    stream: bool = False
    background: bool = False  # no person waits for it: others go first
    client: str = ""  # address of the peer
    key: str = ""  # the name of the API key it came with
    phase: Phase = "queued"
    outcome: Outcome | None = None
    status: int | None = None
    error: ErrorView | None = None
    started_at: float
    finished_at: float | None = None
    queue_ms: float | None = None
    load_ms: float | None = None
    ttft_ms: float | None = None
    prefill_ms: float | None = None  # of that, reading the prompt; of backends that tell it, at the end
    context: int | None = None  # tokens that its slot had for it
    tokens: int = 0  # generated so far (chunks with a delta, until the backend's own usage is known)
    prompt_tokens: int | None = None
    tokens_per_second: float | None = None
    doing: str = ""  # what its backend does, where that takes long and is told: "step 3/20"
    progress: float | None = None  # 0..1, with it
    cost: float | None = None  # dollars, of a remote whose prices are known
    prompt: str = ""  # the last user message, cut; empty when capture is off
    text: str = ""  # the last of the answer; empty when capture is off
    voices: list[tuple[Voice, int]] = []  # in which voice so many characters of `text` are, in their order


class TokenBatch(Wire):
    """Text generated since the last batch (50-100 ms) of one request."""

    id: str
    text: str = ""
    reasoning: str = ""
    calls: list[tuple[Voice, str]] = []  # of tools: what stands above a call, and its arguments
    tokens: int  # total so far, not of this batch
    tokens_per_second: float | None = None


class GpuProcess(Wire):
    """A process that holds memory of a device, ours or a stranger's; of RAM, what is not mapped from files."""

    pid: int
    name: str = ""  # its command name; empty if it is outside of our view (another container)
    memory_bytes: int | None = None  # None: the driver does not tell, as NVML in containers
    slot: str = ""  # empty: not one of ours
    user: str = ""  # of a stranger, where it is known


class DeviceView(Wire):
    id: str  # "cpu", "memory", "gpu0"
    kind: Literal["cpu", "memory", "gpu"]
    name: str
    utilisation: float | None = None  # 0..1
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None
    temperature_c: float | None = None
    power_w: float | None = None
    cores: int | None = None
    vendor: str = ""  # of a GPU: "nvidia", "amd", "intel"
    driver: str = ""  # "nvidia 580.95", "amdgpu", "xe"
    unified: bool = False  # its memory is the machine's RAM, or part of it
    carved_total_bytes: int | None = None  # of that memory, what firmware keeps from the processor; 0: it all is RAM
    carved_used_bytes: int | None = None
    clock_mhz: float | None = None  # of a processor: its fastest core
    memory_clock_mhz: float | None = None
    power_limit_w: float | None = None
    fan_percent: float | None = None
    fan_rpm: int | None = None
    processes: list[GpuProcess] = []  # the largest holders of its memory first; of RAM, slots and the largest others
    note: str = ""  # why values are unknown, e.g. "GPU is lost" or "asleep"


class RemoteView(Wire):
    """A provider elsewhere. Its key is never in here."""

    name: str
    kind: str
    url: str
    models: list[str] = []  # ids that may be asked for, as its list says
    aliases: list[str] = []
    in_flight: int = 0
    requests: int = 0  # that ended, since the daemon started; so are the following
    prompt_tokens: int = 0
    tokens: int = 0  # of answers
    cost: float | None = None  # dollars; None: no price of what was asked is known
    fetched_at: float | None = None  # when its list came, since the daemon started
    blocked_seconds: float | None = None  # it failed too often and is left alone for so long
    error: ErrorView | None = None  # its key is missing, or its list could not be fetched


class KeyView(Wire):
    """An API key, without its text: that is known to whoever has it, and to nobody else."""

    name: str
    scope: Literal["inference", "admin"]
    slots: list[str] = []  # the slots and remotes it may reach; empty: all
    created_at: float


class NewKey(KeyView):
    """An API key at the one moment when its text is told."""

    key: str


class KeysView(Wire):
    keys: list[KeyView]
    path: str  # of their file
    required: bool  # whether /v1 wants a key


class Problem(Wire):
    """One thing wrong in a configuration file."""

    code: str
    message: str
    file: str
    line: int | None = None
    column: int | None = None
    key: str = ""  # dotted path, e.g. "slots.primary.context"
    hint: str = ""  # what would be right
    source: str = ""  # the line itself
    wrong: str = ""  # what stands at that line and column, if all that is wrong with it is certain …
    right: str = ""  # … and what is to stand there instead


Effect = Literal["keep", "live", "restart", "add", "remove"]


class SlotEffect(Wire):
    """What a configuration does, or would do, to one slot."""

    name: str
    effect: Effect  # live: at once, without a restart; restart: when its requests are done
    running: bool = False  # whether it has a backend process now
    changes: list[str] = []  # changed keys, and for a restart the changed words of its command line and environment
    problem: str = ""  # why it could not start then: its model is missing, its engine cannot run here


class ConfigView(Wire):
    revision: int
    path: str
    exists: bool
    applied_at: float
    rejected_at: float | None = None  # set while the file on disk is not what is running
    problems: list[Problem] = []
    changes: list[str] = []  # what the last applied revision changed, a line each
    needs_restart: list[str] = []  # changed keys that wait for a restart of the daemon
    effects: list[SlotEffect] = []  # what the last applied revision did to each slot
    by: str = ""  # who made the revision
    why: str = ""
    tag: str = ""  # of what is on disk, for If-Match
    failed: str = ""  # a slot that the revision changed does not become ready: which, and why
    live: bool = True  # whether a daemon runs by it; false: none runs, and the next one that starts will


class ConfigFile(Wire):
    path: str
    text: str


class ConfigTexts(Wire):
    """The files of the configuration as they are on disk."""

    revision: int  # that runs
    tag: str
    files: list[ConfigFile]


class Revision(Wire):
    """One revision in the history."""

    revision: int
    at: float
    by: str
    why: str = ""
    hash: str
    changes: list[str] = []


class RevisionTexts(Revision):
    files: list[ConfigFile]


class ConfigValue(Wire):
    """One key that is in force, as it would be written, and where that was said."""

    key: str
    value: str
    origin: str  # "/etc/hal0/hal0.toml:3", "default", "HAL0_PORT", "embedded default"


class KeyPlace(Wire):
    """Where a key or a table is written, in the files as they are on disk."""

    key: str
    path: str
    line: int | None = None  # None: in no file; then `path` is hal0.toml, which need not exist


class PlanView(Wire):
    """What a configuration would do if it were taken over now."""

    revision: int  # that runs
    problems: list[Problem] = []  # with any of these it would be refused
    warnings: list[Problem] = []  # slots whose model is not there now
    changes: list[str] = []
    needs_restart: list[str] = []
    slots: list[SlotEffect] = []


class ErrorRecord(Wire):
    """A failure a user should see, grouped by code and slot."""

    id: int
    error: ErrorView
    slot: str = ""
    request: str = ""
    first_at: float
    last_at: float
    count: int = 1


class Totals(Wire):
    requests: int = 0
    failed: int = 0
    tokens: int = 0


PullState = Literal["queued", "fetching", "waiting", "verifying", "done", "failed", "cancelled"]


class PullView(Wire):
    """A model that is being pulled, or whose pull stopped before it was whole."""

    name: str
    source: str
    state: PullState
    kind: Kind | None = None  # where it is known before the file is there
    licence: str = ""
    done_bytes: int = 0  # for `verifying`: bytes read so far
    total_bytes: int | None = None  # None: the server does not tell
    bytes_per_second: float | None = None
    pinned: Literal["", "catalogue", "asked", "server"] = ""  # who says which SHA-256 it must have; empty: nobody does
    resumable: bool = True
    note: str = ""  # what it waits for
    error: ErrorView | None = None
    started_at: float
    path: str = ""  # where it lies, or will
    projector: str = ""  # the name of its file for pictures, if one comes with it


class State(Wire):
    """Everything a dashboard needs, as of event number `event_id`."""

    event_id: int
    now: float
    version: str
    host: str
    pid: int
    started_at: float
    listen: list[str]  # addresses of the API, e.g. "http://0.0.0.0:8080"
    warnings: list[str] = []  # e.g. reachable from the network without keys
    draining: bool = False
    keeps_backends: bool = False  # backends go on when the daemon ends
    slots: list[SlotView]
    requests: list[RequestView]  # in flight, then the last finished
    devices: list[DeviceView]
    config: ConfigView
    errors: list[ErrorRecord]
    totals: Totals
    pulls: list[PullView] = []


class PastView(Wire):
    """The last hour in steps of the clock, the oldest first; shorter while the daemon is young.

    What was not known in a step is null, or `-`.
    """

    step_seconds: float
    end: float  # Unix time at which the newest step is over
    # Means by device id and by the name of their field in `DeviceView`: utilisation, memory_used_bytes, temperature_c,
    # power_w; without those that it never told.
    devices: dict[str, dict[str, list[int | float | None]]] = {}
    # A letter for each step, by slot: the state that tells most of those in it, of e error, u unloading, p pulling,
    # s starting, w warming, v serving, r ready, i idle, o offline, in this order.
    slots: dict[str, str] = {}


class Event(Wire):
    id: int
    at: float
    kind: EventKind
    data: dict[str, Any]


class Accepted(Wire):
    """The 202 of a verb: it has begun; its outcome is among the events after `since`."""

    operation: str
    slot: str
    since: int


class CommandView(Wire):
    """The command line of a slot, and where each part came from."""

    argv: list[str]
    env: dict[str, str]  # what hal0 adds to the environment, secrets masked
    key: str | None = None  # how the backend gets its key; empty: it takes none, any program of this machine can ask it
    cwd: str = ""  # the folder it runs in; empty: the daemon's
    origins: list[str]  # one per argv word: "config slots.primary.context", "hal0", "provider llama", ...


class LedgerEntry(Wire):
    """One thing that happened to a slot, and why."""

    at: float
    state: SlotState  # the state it led to
    cause: str  # a sentence: who or what did it
    run: int = 0
    revision: int = 0
    error: str = ""  # the code, if it was a failure
    request: str = ""  # the id of the request that caused it
    crash: str = ""  # the id of the crash bundle, if one was kept


class CrashBundle(Wire):
    """All that was known when a run failed."""

    id: str
    at: float
    slot: str
    run: int
    revision: int
    error: ErrorView
    argv: list[str]
    exit: int | None = None  # exit status; negative: the signal
    out_of_memory: bool = False  # the kernel's OOM killer was at work
    state: SlotState  # in which it failed
    ran_seconds: float = 0.0
    requests: list[str] = []  # ids of those in flight
    memory_bytes: list[int] = []  # resident memory at the last looks, oldest first
    output: list[str] = []  # the last lines


class ModelView(Wire):
    """A model of the registry."""

    id: str
    kind: Kind
    path: str
    size_bytes: int
    aliases: list[str] = []
    context_limit: int | None = None  # tokens it was trained for
    embedded: bool = False  # ships with hal0
    licence: str = ""
    owner: str = ""
    slots: list[str] = []  # those that serve it
    source: str = ""  # where it was pulled from
    pulled: bool = False  # hal0's own file, in its store
    projector: str = ""  # the file that came with it, through which it sees pictures with `mmproj = "auto"`
    format: Literal["gguf", "folder"] = "gguf"


class FoundModel(Wire):
    """A model in the store of another program, usable by this name without copying it."""

    name: str
    store: str
    path: str
    size_bytes: int


class CuratedModel(Wire):
    """A model of the catalogue."""

    name: str
    kind: Kind
    source: list[str]
    licence: str
    about: str
    size_bytes: int | None = None
    sha256: str | None = None  # of a model of one file
    pinned: bool = False  # every checksum is known beforehand; else the server's own word is taken
    context: int | None = None  # tokens
    gated: bool = False


class Removed(Wire):
    """What `DELETE /api/models/NAME` took away."""

    name: str
    what: Literal["files", "reference", "partial"]  # a reference is only forgotten; partial: of a pull that stopped
    freed_bytes: int = 0


class ModelList(Wire):
    models: list[ModelView]
    pulls: list[PullView] = []
    found: list[FoundModel] = []  # only when asked for
    problems: list[ErrorView] = []  # files that are named but cannot be used


class NeedsView(Wire):
    """Bytes of one kind of memory that a model takes once its context and caches are full."""

    weights_bytes: int
    kv_bytes: int  # keys and values of the context, or states
    compute_bytes: int
    base_bytes: int  # the process itself
    cache_bytes: int  # earlier prompts and states that may be kept; little at first
    total_bytes: int
    source: Literal["estimate", "measured"]
    uncertainty: float  # share of the total by which it may be more or less


class RoomView(Wire):
    """One device beside what a model needs of it."""

    device: str  # "memory+gpu0": RAM and what was carved out of it for a GPU, which draw on each other
    need_bytes: int  # with a margin for the uncertainty
    free_bytes: int | None = None  # None: not known, and then it limits nothing
    reserved_bytes: int = 0  # of the free ones, promised to slots that have not taken them yet


class FitView(Wire):
    """Whether a model would fit now."""

    verdict: Literal["fits", "evict", "wait", "impossible"]
    would_go: list[str] = []  # slots that would be unloaded, in this order
    waits_for: list[str] = []  # slots that must end by themselves
    reason: str = ""  # the sum, if it is impossible
    rooms: list[RoomView] = []


class ModelDetail(Wire):
    """A model, its needs for a context, and whether that fits."""

    model: ModelView
    context: int  # tokens per request
    parallel: int
    like: str = ""  # the slot whose settings were taken
    gpus: list[str] = []
    ram: NeedsView | None = None
    gpu: NeedsView | None = None  # of all its GPUs together
    fit: FitView | None = None
    error: ErrorView | None = None  # why the needs cannot be told


class SlotPlan(Wire):
    """What a slot with a certain table would do and take; nothing of it is written."""

    plan: PlanView
    providers: list[str] = []  # all that there are
    keys: list[str] = []  # that have an effect with its provider
    context: int | None = None  # tokens per request
    gpus: list[str] = []
    ram: NeedsView | None = None
    gpu: NeedsView | None = None  # of all its GPUs together
    fit: FitView | None = None  # None: its table is wrong, or its needs cannot be told
    error: ErrorView | None = None  # why these cannot be told: its model is missing, say


class LogLines(Wire):
    """What a slot's backend has printed; `--- ` begins lines of hal0's own, see `RUN_BEGINS`."""

    name: str
    lines: list[str]
    times: list[float] = []  # when each came; 0: an earlier daemon took it, which is told by no one
