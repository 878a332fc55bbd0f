"""What is kept of a slot's life: an entry for each change that has a cause, and a bundle for each failure."""

import time
from collections.abc import Callable

from hal0.daemon.slots.crashes import Crashes
from hal0.daemon.slots.ledger import Ledger
from hal0.daemon.slots.output import Output
from hal0.daemon.slots.run import Run
from hal0.errors import Hal0Error
from hal0.wire import CrashBundle, ErrorView, LedgerEntry

BUNDLE_LINES = 200  # of output, kept in a crash bundle


class Journal:
    """Writes down what becomes of one slot. `memory_of` tells its latest resident sizes in bytes, oldest first."""

    def __init__(self, slot: str, *, ledger: Ledger, crashes: Crashes, memory_of: Callable[[str], list[int]]) -> None:
        self._slot = slot
        self._ledger = ledger
        self._crashes = crashes
        self._memory_of = memory_of

    def entries(self) -> list[LedgerEntry]:
        return self._ledger.entries()

    @property
    def last_run(self) -> int:
        """The highest number of a run that it tells of, also under earlier daemons; 0: of none."""
        return max((entry.run for entry in self._ledger.entries()), default=0)

    def record(
        self,
        cause: str,
        *,
        at: float,
        state: str,
        run: int,
        revision: int,
        error: Hal0Error | None = None,
        request: str = "",
    ) -> None:
        """`at` in Unix seconds; `run` is the number of the run it is about; `request` the id that led to it."""
        self._ledger.record(
            LedgerEntry(
                at=at,
                state=state,
                cause=cause,
                run=run,
                revision=revision,
                error=error.code if error else "",
                crash=error.details.get("crash", "") if error else "",
                request=request,
            )
        )

    def keep_bundle(self, run: Run, error: Hal0Error, *, state: str, revision: int, output: Output) -> None:
        """Keep what is known about a run that failed; its id goes into the error that clients get."""
        now = time.time()
        bundle = CrashBundle(
            id=self._crashes.new_id(stamp=time.strftime("%Y%m%d-%H%M%S", time.localtime(now))),
            at=now,
            slot=self._slot,
            run=run.number,
            revision=revision,
            error=error_view(error),
            argv=run.launch.argv(run.endpoint.port if run.endpoint else 0) if run.launch else [],
            exit=error.details.get("exit"),
            out_of_memory=bool(error.details.get("out_of_memory")),
            state=state,
            ran_seconds=time.monotonic() - run.spawned_at if run.spawned_at else 0.0,
            requests=[hold.request for hold in run.holds if hold.request],
            memory_bytes=self._memory_of(self._slot),
            output=output.tail_of_run(BUNDLE_LINES),
        )
        self._crashes.keep(bundle)
        error.details["crash"] = bundle.id


def error_view(error: Hal0Error) -> ErrorView:
    return ErrorView(code=error.code, message=error.message, details=error.details)
