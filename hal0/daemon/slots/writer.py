"""The thread that writes down what becomes of slots: a disk that hangs holds up these files, and nothing else.

What is to be written is written in order. On a disk that is well the caller finds it written when he goes on, so that
not even a daemon that is killed then has lost it; he never waits for longer than a moment, and not at all for a disk
that is behind already.
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue

PATIENCE_SECONDS = 0.01
CLOSE_SECONDS = 5.0  # for what is left when the daemon ends
MOST_WAITING = 1_000  # works; what comes on top of them is not written

log = logging.getLogger("hal0.slots")

Work = Callable[[], object]  # deals with failures of the disk itself


def at_once(work: Work) -> bool:
    """Where there is no thread."""
    work()
    return True


class Writer:
    """One thread, which begins with the first work. `place` is what it writes, for people."""

    def __init__(self, place: str, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._place = place
        self._patience_seconds = patience_seconds
        self._works: SimpleQueue[tuple[Work, threading.Event] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._taken = 0  # counted by those who call
        self._done = 0  # counted by the thread
        self._refused = 0  # since it was told of

    @property
    def behind(self) -> int:
        """How many works are not done yet."""
        return self._taken - self._done

    def write(self, work: Work) -> bool:
        """Have it done, after all that was asked for before; if the disk keeps up, it is done on return.

        False: too much is waiting, and it will not be done.
        """
        behind = self.behind
        if behind >= MOST_WAITING:
            self._refused += 1
            if self._refused == 1:
                log.error("the disk does not take %s: %d writes wait, more are dropped", self._place, behind)
            return False
        self._refused = 0
        self.write_surely(work)
        return True

    def write_surely(self, work: Work) -> None:
        """The same, however much is waiting; for those who ask again only when it was done."""
        behind = self.behind
        done = threading.Event()
        self._taken += 1
        if self._has_thread():
            self._works.put((work, done))
        else:
            self._do(work, done)
        if not behind:
            done.wait(self._patience_seconds)

    async def close(self, *, seconds: float = CLOSE_SECONDS) -> None:
        """Wait until all is written, but not for ever; nothing may be asked of it afterwards."""
        if self._thread is None:
            return
        self._works.put(None)
        await asyncio.to_thread(self._thread.join, seconds)
        if self.behind:
            log.error("the disk does not take %s: %d writes are lost", self._place, self.behind)

    def _has_thread(self) -> bool:
        """Begin it if need be. Where no more can begin, a limit on processes say, it is tried again next time."""
        if self._thread is None:
            thread = threading.Thread(target=self._run, name=f"writer of {self._place}", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                return False
            self._thread = thread
        return True

    def _run(self) -> None:
        while (item := self._works.get()) is not None:
            self._do(*item)

    def _do(self, work: Work, done: threading.Event) -> None:
        try:
            work()
        except Exception:  # a defect of ours costs this work and not the thread
            log.exception("%s could not be written", self._place)
        finally:
            self._done += 1
            done.set()
