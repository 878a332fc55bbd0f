"""A slot: one named workload that holds at most one run.

Owner of its lifecycle, its failure count and its timers. State changes in `_fire` alone, by the table; a run's end is
dealt with in `_on_ended`, in one synchronous step. Between two awaits nothing else happens: what gates a change is
read in the same step.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar

from hal0.daemon.config.backends import usual_kind
from hal0.daemon.config.schema import Slot as SlotConfig
from hal0.daemon.providers.base import Api, ModelFile, Provider, SlotSpec, apis_of, spec_of
from hal0.daemon.slots import restart
from hal0.daemon.slots.effects import effect_on
from hal0.daemon.slots.entrance import Entrance, Visit
from hal0.daemon.slots.journal import Journal, error_view
from hal0.daemon.slots.lifecycle import ANSWERING, COMING_UP, State, Trigger, after, goes_on
from hal0.daemon.slots.output import Output
from hal0.daemon.slots.process import Process
from hal0.daemon.slots.quiet import Quiet
from hal0.daemon.slots.record import Record
from hal0.daemon.slots.room import Room
from hal0.daemon.slots.run import Ending, ModelFiles, Run, Tools
from hal0.errors import Hal0Error
from hal0.wire import Drain, Kind, SlotEffect, SlotView

ERROR_LINES = 20  # of output, shown with a failure
BY_REQUEST = "request"
ANNOUNCE_SECONDS = 0.1  # counts that change many times a second are announced at most this often

log = logging.getLogger("hal0.slots")


class Slot:
    """One named workload. `start_task` runs a coroutine whose parent awaits it; `on_change` hears of every change."""

    is_remote: ClassVar[bool] = False
    native: ClassVar[frozenset[str]] = frozenset()

    def __init__(
        self,
        name: str,
        config: SlotConfig,
        *,
        revision: int,
        tools: Tools,
        output: Output,
        journal: Journal,
        room: Room,
        start_task: Callable[[Coroutine[Any, Any, None]], object],
        on_change: Callable[["Slot"], object],
        on_failure: Callable[["Slot", Hal0Error], object],
    ) -> None:
        self.name = name
        self.config = config
        self.revision = revision
        self.output = output
        self.journal = journal
        self.kind: Kind = "chat"  # what it is for: configured, or told from its model
        self.model = ""  # its id, or what the configuration calls it as long as it is not found
        self.model_names: tuple[str, ...] = ()  # the names under which its model may be asked for
        self.model_file: ModelFile | None = None  # what is known of its model; None: it is not there
        self._tools = tools
        self._room = room
        self._start_task = start_task
        self._on_change = on_change
        self._on_failure = on_failure
        self._state = State.OFFLINE
        self._since = time.time()
        self._up_since: float | None = None
        self.run: Run | None = None  # changed here alone
        self._runs = journal.last_run  # so that a number never means two runs, also after a restart of the daemon
        self.last_used = 0.0  # loop time at which its last request left
        self._failures = 0
        self._error: Hal0Error | None = None
        self._error_tail: list[str] = []
        self._stuck: Process | None = None  # of a former run, and did not end
        self._closed: Hal0Error | None = None  # what those are told who want to start it nevertheless
        self._next_by: str | None = None  # start again once the current run has ended, and who asked for it
        self._last_load_ms: float | None = None
        self._healthy_timer: asyncio.TimerHandle | None = None
        self._announcement: asyncio.TimerHandle | None = None
        self._entrance = Entrance(self)
        self._quiet = Quiet(on_idle=lambda cause: self._fire(Trigger.QUIET, cause), on_unload=self.unload)
        self._learn_model()

    # What it is -----------------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        return self._state

    @property
    def since(self) -> float:
        """When it entered the state, in Unix seconds."""
        return self._since

    @property
    def in_flight(self) -> int:
        return self.run.in_flight if self.run else 0

    def standing(self) -> tuple[State, int]:
        """What a choice between slots that serve the same goes by."""
        return self._state, self.in_flight

    @property
    def waiting(self) -> int:
        """Requests that wait for it to be ready, or for their turn."""
        return self._entrance.waiting

    @property
    def engine(self) -> str:
        """What computes its answers, or will."""
        launch = self.run.launch if self.run else None
        return launch.engine_name if launch else self.provider.engine

    @property
    def process_group(self) -> int | None:
        """The pid of the backend, which is also its process group; None while there is none."""
        process = self.run.process if self.run else None
        return process.pid if process and not process.exited.done() else None

    @property
    def provider(self) -> Provider:
        return self._tools.providers[self.config.provider]

    @property
    def apis(self) -> frozenset[Api]:
        """What it can be asked for."""
        return apis_of(self.config, kind=self.kind, provider=self.provider)

    def plan(self, found: Record | None = None) -> SlotSpec:
        """The slot as configured now, its model found; raises `model.*`.

        `found`: of a backend that runs already, and goes on also where it could not be started anew.
        """
        find = self._tools.models().find
        try:
            return spec_of(self.name, self.config, provider=self.provider, find=find, revision=self.revision)
        except Hal0Error:
            if found is None:
                raise
            return SlotSpec(self.name, self.config, found.model, self.revision)

    def view(self) -> SlotView:
        run, config = self.run, self.config
        launch = run.launch if run else None
        failed = self._state is State.ERROR
        retry_in = run.starts_at - asyncio.get_running_loop().time() if run and run.starts_at else None
        return SlotView(
            name=self.name,
            state=self._state.value,
            since=self._since,
            up_since=self._up_since,
            kind=self.kind,
            provider=config.provider,
            model=self.model,
            engine=launch.engine if launch else "",
            device=launch.device if launch else "",
            context=launch.context if launch else config.context,
            parallel=launch.parallel if launch else config.parallel,
            port=run.endpoint.port if run and run.endpoint else None,
            pid=self.process_group,
            run=self._runs,
            in_flight=self.in_flight,
            waiting=self.waiting,
            load_ms=self._last_load_ms,
            progress=(run.progress if run.fetching.share is None else run.fetching.share) if run else None,
            fetched_bytes=run.fetching.done_bytes if run else None,
            fetch_bytes=run.fetching.total_bytes if run else None,
            remark=run.remark if run else "",
            error=error_view(self._error) if self._error else None,
            log_tail=self._error_tail if failed else [],
            failures=self._failures,
            retry_at=time.time() + retry_in if retry_in is not None else None,
            parked=failed and restart.is_parked(self._failures),
            unload_at=self._quiet.unload_at,
            revision=self.revision,
            pinned=config.pinned,
            aliases=list(config.aliases),
            background=list(config.background),
        )

    # What its entrance asks -----------------------------------------------------------------------------------

    def lease(self, *, request: str = "", background: bool = False) -> Visit:
        """Hold a ready run, starting one if there is none; `request` is the id that the ledger names then.

        Requests in the `background` let others go first.
        """
        return self._entrance.lease(request=request, background=background)

    @property
    def most_in_flight(self) -> int:
        launch = self.run.launch if self.run else None
        return self.config.max_in_flight or (launch.parallel if launch else self.config.parallel)

    def start_limit(self) -> float:
        return self._tools.start_limit(self.config)

    def start_for(self, request: str) -> Run:
        return self._start(by=BY_REQUEST, request=request)

    def overdue(self, limit: float) -> Hal0Error:
        """What to tell a request that has waited for its start as long as that may take."""
        shortage = self._room.shortage(self.run) if self.run else None
        return shortage or Hal0Error("slot.start_timeout", slot=self.name, seconds=limit)

    def refusal(self, run: Run) -> Hal0Error | None:
        """A start planned for later is waited for if it is near; else the caller is told when it is worth asking."""
        if run.starts_at is None:
            return None
        seconds = max(0.0, run.starts_at - asyncio.get_running_loop().time())
        if seconds <= restart.PATIENCE_SECONDS:
            return None
        return Hal0Error(
            "slot.crash_looping",
            retry_after_seconds=seconds,
            slot=self.name,
            failures=self._failures,
            reason=self._error.message if self._error else "unknown",
            parked=restart.is_parked(self._failures),
        )

    def nobody_waits(self) -> None:
        """Those who asked for this start have all left: nobody needs it."""
        run = self.run
        if run and run.by == BY_REQUEST and not (run.proven or run.stopping or run.failing or self._next_by):
            self._stop("nobody waits for it any more", drain_seconds=0.0)

    def entered(self) -> None:
        if self._state in (State.READY, State.IDLE):
            self._fire(Trigger.LEASE)
        else:
            self.announce()

    def left(self, run: Run) -> None:
        self.last_used = asyncio.get_running_loop().time()
        if run is self.run and run.in_flight == 0 and self._state is State.SERVING:
            self._fire(Trigger.RELEASE)
        else:
            self.announce()

    def announce(self) -> None:
        """Tell of changed counts soon."""
        if self._announcement is None:
            self._announcement = asyncio.get_running_loop().call_later(ANNOUNCE_SECONDS, self._changed)

    # What people, the configuration and the daemon ask --------------------------------------------------------

    def load(self, *, by: str) -> None:
        """Start it unless it runs; by hand this also forgets earlier failures. Raises what it was shut for."""
        self._check_open()
        self._failures = 0
        run = self.run
        if run is None:
            self._start(by=by)
        elif run.stopping:
            self._next_by = by
        else:
            run.by = by  # now someone wants it even if every waiter leaves
            run.hasten()

    def take_back(self, found: Record) -> None:
        """Go on with the backend that an earlier daemon started; called before anything else starts."""
        self._runs = found.run - 1
        self._tools.ports.hold(found.port)
        self._learn_model(found)
        self._start(by=found.by, found=found)
        self._fire(Trigger.ADOPT, f"taken back after a restart of the daemon; it was started by {found.by}")

    def let_go(self) -> bool:
        """The daemon ends without this backend, which the next one takes back; whether that can be."""
        run = self.run
        if run is None or not run.let_go():
            return False
        if not run.ready.done():
            run.ready.set_result(Hal0Error("slot.not_ready", slot=self.name, state=self._state.value))
        return True

    def unload(
        self, reason: str, *, drain: Drain = "grace", drain_seconds: float | None = None
    ) -> asyncio.Future[Ending] | None:
        """Stop it when its requests are done, or when the patience of `drain`, or `drain_seconds`, is over.

        Returns the end of the run, None if nothing runs. Asked again, the sharper of the two limits holds.
        """
        self._next_by = None
        limit = self._patience(drain) if drain_seconds is None else drain_seconds
        return self._stop(reason, drain_seconds=limit)

    def shut(self, why: Hal0Error) -> None:
        """Nobody can start it until `reopen`: who wants to, or waits for it, is told `why`."""
        self._closed = why

    def _check_open(self) -> None:
        if self._closed:
            raise self._closed.again()

    def hurry(self) -> None:
        """Its process, when it is stopped, is given no time to end by itself."""
        if self.run is not None and self.run.process is not None:
            self.run.process.hurry()

    def reopen(self) -> None:
        self._closed = None

    @property
    def is_gone(self) -> bool:
        """Whether nothing of it runs, not even what did not end when it was stopped."""
        return self.run is None and not self._is_stuck()

    def restart(self, *, by: str, drain: Drain = "grace") -> None:
        """Drain, stop, start. Asked again while it drains, the sharper of the two limits holds. Raises as `load`."""
        self._check_open()
        self._failures = 0
        if self.run is None:
            self._start(by=by)
        elif self.run.starts_at is not None:
            self.load(by=by)
        else:
            self._next_by = by
            self._stop(f"restarted by {by}", drain_seconds=self._patience(drain))

    def sharpen(self, drain: Drain) -> None:
        """Shorten a drain that is under way to this; nothing else stops by it."""
        if self.run is not None and self.run.stopping:
            self._stop("", drain_seconds=self._patience(drain))

    def evict(self, cause: str, *, request: str) -> asyncio.Future[Ending] | None:
        """Unload it for another slot; `request` is the id that led to it. Called while it is quiet."""
        return self._stop(cause, drain_seconds=None, request=request)

    def reconfigure(self, config: SlotConfig, *, revision: int) -> None:
        """Take over a changed configuration: at once, or, if its command line differs, when its requests are done."""
        effect = self.effect_of(config, self._tools.models())
        # A running backend that could not be started anew stays what it was: its model, or its program, is away.
        stays_as_it_was = effect.running and bool(effect.problem)
        self.config, self.revision = config, revision
        self._failures = 0
        if not stays_as_it_was:
            self._learn_model()
        run = self.run
        if run is None:
            if self._state is State.ERROR:
                self._dismiss()
        elif run.starts_at is not None:
            run.hasten()
        elif run.stopping:
            pass  # whatever comes next is planned anew
        elif effect.effect != "restart":
            # Without a launch it is yet to be rendered, and will be from the new configuration.
            if run.launch and not stays_as_it_was:
                run.spec = self.plan()
            self.rearm()
            self._entrance.grant()
            self._changed()
        else:
            self._next_by = f"config r{revision}"
            self._stop(self._next_by, drain_seconds=None)
        self.announce()

    def rearm(self) -> None:
        """How long it may be quiet, or is, may have changed."""
        idle, unload = self._tools.idle_after(self.config), self._tools.unload_after(self.config)
        self._quiet.arm(self._state, idle_after=idle, unload_after=unload)

    def _patience(self, drain: Drain) -> float | None:
        """Seconds that the requests in flight may go on; None: as long as they take."""
        return {"wait": None, "grace": self.config.drain_timeout, "now": 0.0}[drain]

    def effect_of(self, config: SlotConfig, models: ModelFiles) -> SlotEffect:
        """What this configuration would do to the slot as it runs now."""
        run = self.run
        return effect_on(
            self.name,
            before=self.config,
            after=config,
            running=(run.launch, _port(run)) if run and run.launch and not run.stopping else None,
            models=models,
            providers=self._tools.providers,
        )

    def _learn_model(self, found: Record | None = None) -> None:
        try:
            spec = self.plan(found)
        except Hal0Error:  # its model is not there: the start will say so
            self.kind = self.config.kind or usual_kind(self.config.provider)
            self.model = self.config.model or self.name
            self.model_names = (self.model,)
            self.model_file = None
        else:
            self.kind = spec.kind
            self.model = spec.model.id
            self.model_names = (spec.model.id, *spec.model.aliases)
            self.model_file = spec.model

    # How it changes -------------------------------------------------------------------------------------------

    def _start(self, *, by: str, delay_seconds: float = 0.0, request: str = "", found: Record | None = None) -> Run:
        self._check_open()
        self._runs += 1
        self._next_by = None
        run = Run(
            self._runs,
            by=by,
            request=request,
            plan=lambda: self._plan_start(found),
            tools=self._tools,
            output=self.output,
            admit=lambda run: self._room.held_by(self, run),
            on_trigger=self._on_trigger,
            on_progress=self.announce,
            delay_seconds=delay_seconds,
            found=found,
        )
        self.run = run
        self._start_task(self._drive(run))
        return run

    def _plan_start(self, found: Record | None) -> SlotSpec:
        if self._stuck and self._is_stuck():  # two at a time are worse than none
            raise Hal0Error("slot.stop_timeout", slot=self.name, pid=self._stuck.pid)
        self._stuck = None
        return self.plan(found)

    def _is_stuck(self) -> bool:
        return self._stuck is not None and self._stuck.survives()

    async def _drive(self, run: Run) -> None:
        self._on_ended(run, await run.drive(self.name))

    def _on_trigger(self, run: Run, trigger: Trigger) -> None:
        if run.stopping:
            return  # it is `unloading`, whatever its start still reports
        if trigger is Trigger.PROVE:
            self._last_load_ms = run.load_ms
            loop = asyncio.get_running_loop()
            self._healthy_timer = loop.call_later(restart.HEALTHY_SECONDS, self._forget_failures)
            log.info("%s: %s (run %d, by %s)", self.name, self._cause(run, trigger), run.number, run.by)
        if trigger is not Trigger.ADOPT:
            self._fire(trigger, self._cause(run, trigger))
        elif self.effect_of(self.config, self._tools.models()).effect == "restart":
            self._next_by = "another configuration"
            self._stop("the configuration is another than the one it was started with", drain_seconds=0.0)

    def _cause(self, run: Run, trigger: Trigger) -> str:
        if trigger is Trigger.FETCH:
            return "its model is fetched or verified first"
        if trigger is Trigger.SPAWN:
            made = f"; room was made by unloading {', '.join(run.room_made_by)}" if run.room_made_by else ""
            return f"started by {run.by}{made}"
        if trigger is Trigger.PROVE and run.was_ready:
            return "it answers as before"
        return f"ready after {run.load_ms or 0:.0f} ms" if trigger is Trigger.PROVE else ""

    def _on_ended(self, run: Run, ending: Ending) -> None:
        assert run is self.run
        self.run = None
        if self._healthy_timer:
            self._healthy_timer.cancel()
        next_by, self._next_by = self._next_by, None
        if ending.error is not None:
            self._fail(run, ending, is_over=ending.wanted or next_by is not None)
            if ending.wanted:
                self._dismiss()  # it had failed before it was asked to stop
        elif self._state is State.UNLOADING:
            self._error = None
            self._fire(Trigger.GONE, "all its processes have ended")
        elif self._state is State.ERROR:
            self._dismiss()  # what was stopped was only waiting for its next try
        else:
            self._changed()  # it was waiting for room
        if next_by is not None:
            self._start(by=next_by)
        self._entrance.grant()  # those in line do not wait for requests of a run that is over

    def _fail(self, run: Run, ending: Ending, *, is_over: bool) -> None:
        """`is_over`: what comes next is decided already."""
        assert ending.error is not None
        if ending.error.code == "slot.stop_timeout" and ending.had_process:
            self._stuck = run.process
        # Others are not retried by themselves, so they are no loop.
        is_crash = ending.had_process and self._stuck is None
        if is_crash:
            self._failures += 1
        self._error = ending.error
        self._error_tail = self.output.tail_of_run(ERROR_LINES) if ending.had_process else []
        if ending.had_process:
            self.journal.keep_bundle(
                run, ending.error, state=self._state.value, revision=self.revision, output=self.output
            )
        log.error("%s: %s", self.name, ending.error)
        if is_crash and not is_over:
            delay = restart.delay_seconds(self._failures, chance=random.random())
            self._start(by="retry", delay_seconds=delay)
        self._fire(Trigger.FAIL, ending.error.message, run=run.number)
        self._on_failure(self, ending.error)

    def _stop(self, reason: str, *, drain_seconds: float | None, request: str = "") -> asyncio.Future[Ending] | None:
        run = self.run
        if run is None:
            if self._state is State.ERROR:
                self._dismiss()
            return None
        begun = run.starts_at is None and self._state not in (State.ERROR, State.OFFLINE)
        if not run.stopping:
            log.info("%s: stopping run %d: %s", self.name, run.number, reason)
            if not run.ready.done():
                run.ready.set_result(
                    None if self._next_by else Hal0Error("slot.not_ready", slot=self.name, state="unloading")
                )
            run.stop(reason, drain_seconds=drain_seconds)
            if begun:
                self._fire(Trigger.UNLOAD, reason, request=request)
        else:
            run.stop(reason, drain_seconds=drain_seconds)
        return run.ended

    def _dismiss(self) -> None:
        self._failures = 0
        if self._is_stuck():
            return
        self._error = None
        self._fire(Trigger.UNLOAD, "the failure is dismissed")

    def _fire(self, trigger: Trigger, cause: str = "", *, run: int | None = None, request: str = "") -> None:
        """Change the state. What has a cause worth telling goes into the ledger."""
        before, self._state = self._state, after(self.name, self._state, trigger)
        self._since = time.time()
        if not goes_on(before, self._state):
            self._up_since = self._begin_of_stretch()
        if cause:
            self._record(trigger, cause, run=self._runs if run is None else run, request=request)
        self.rearm()
        self._changed()

    def _begin_of_stretch(self) -> float | None:
        """Since when it has been up, under whichever daemon, or coming up; None: neither."""
        if self._state not in ANSWERING | COMING_UP:
            return None
        run = self.run if self._state in ANSWERING else None
        return self._since - (run.ready_before_seconds if run else 0.0)

    def _record(self, trigger: Trigger, cause: str, *, run: int, request: str) -> None:
        asked = self.run if trigger in (Trigger.FETCH, Trigger.SPAWN) else None
        self.journal.record(
            cause,
            at=self._since,
            state=self._state.value,
            run=run,
            revision=self.revision,
            error=self._error if trigger is Trigger.FAIL else None,
            request=asked.request if asked else request,
        )

    def _changed(self) -> None:
        if self._announcement:
            self._announcement.cancel()
            self._announcement = None
        self._on_change(self)

    def _forget_failures(self) -> None:
        self._failures = 0
        self._error = None
        self._changed()


def _port(run: Run) -> int | None:
    return run.endpoint.port if run.endpoint else None
