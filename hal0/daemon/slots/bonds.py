"""What ties backends to the daemon: the mark each carries, the kernel's death signal, and the warden.

A backend's mark names this state folder, this life of the daemon, the slot and the run. By it all that a backend has
started is found: by the run when that ends, by the warden when the daemon is gone, and by the next daemon.
"""

import asyncio
import logging
import os
import secrets
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import hal0
from hal0.daemon.slots.process import AFTER_KILL_SECONDS, in_thread
from hal0.daemon.slots.record import Record, Records
from hal0.marks import end_all, is_marked, matching

STATE, RUN = "HAL0_BACKEND", "HAL0_RUN"
STRAY_SECONDS = 3.0  # between SIGTERM and SIGKILL for what an earlier daemon has left
WARDEN = Path(hal0.__file__).parent / "backends" / "warden.py"

log = logging.getLogger("hal0.slots")


@dataclass(frozen=True, slots=True)
class Mark:
    """What one run of a backend carries in its environment, and all that it starts with it."""

    run: str  # the entry that nothing else has
    env: Mapping[str, str]


class Bonds:
    """How the backends of one daemon are tied to it. `keep`: they outlive it."""

    def __init__(self, state: Path, *, keep: bool) -> None:
        self.keep = keep
        self.records = Records(state / "slots")
        self.state_mark = f"{STATE}={state.resolve()}"
        self._life = secrets.token_hex(16)
        self._warden: subprocess.Popen[bytes] | None = None
        self._clearing: asyncio.Task[None] | None = None

    @property
    def bound_to(self) -> int | None:
        """The process whose end ends a backend; None: no process."""
        return None if self.keep else os.getpid()

    def mark(self, slot: str) -> Mark:
        """A new one, for one run."""
        value = f"{self._life}:{slot}:{secrets.token_hex(16)}"
        return Mark(
            run=f"{RUN}={value}",
            env={
                STATE: self.state_mark.partition("=")[2],
                RUN: value,
                # Python's setproctitle, which vLLM uses, writes its titles over the environment otherwise.
                "SPT_NOENV": "1",
            },
        )

    def tighten(self) -> None:
        """See to it that somebody ends the backends if this daemon is killed; called before each is started."""
        if self.keep or (self._warden is not None and self._warden.poll() is None):
            return
        try:
            self._warden = subprocess.Popen(
                [sys.executable, "-I", "-S", str(WARDEN), str(os.getpid()), f"{RUN}={self._life}"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:  # the kernel still ends the backends themselves
            log.warning("no process can be started that would end what backends start: %s", error)

    # What an earlier daemon has left ----------------------------------------------------------------------------

    def survivors(self) -> dict[str, Record]:
        """By slot, the backends that may be taken back: they are alive and on record. Blocking, for a thread.

        Records of anything else are dropped: of a process that has ended, of another boot, of a number that is
        somebody else's by now.
        """
        found = {}
        for record in self.records.all():
            if self.keep and record.is_alive():
                found[record.slot] = record
            else:
                self.records.drop(record.slot)
        return found

    def end_strays(self, taken: Iterable[Record]) -> None:
        """Begin to end whatever carries the mark of this state folder, but for those taken back and our own."""
        spared = [f"{RUN}={self._life}", *(record.mark for record in taken)]

        def is_stray(pid: int) -> bool:
            return is_marked(pid, self.state_mark) and not any(is_marked(pid, mark) for mark in spared)

        def end() -> None:
            if strays := list(matching(is_stray)):
                log.warning("ending what an earlier daemon has left: %s", ", ".join(f"pid {pid}" for pid in strays))
            if left := end_all(is_stray, patience_seconds=STRAY_SECONDS, limit_seconds=AFTER_KILL_SECONDS):
                log.error("processes of an earlier daemon survive SIGKILL: %s", left)

        self._clearing = asyncio.ensure_future(in_thread(end))

    async def strays_ended(self) -> None:
        """Wait until nothing is left of an earlier daemon but what was taken back."""
        if self._clearing is not None:
            await asyncio.wait({self._clearing})

    async def close(self) -> None:
        """Every backend has ended, or is meant to stay."""
        await self.strays_ended()
        if self._warden is not None:
            self._warden.kill()
            await in_thread(self._warden.wait)
            self._warden = None
