"""Whether the kernel's OOM killer was at work lately. It tells how often, not whom it has ended: so only its latest
moments say something about a process that SIGKILL has just ended.
"""

import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from hal0.hardware.files import as_number, read_lines

LATELY_SECONDS = 10.0  # that the kernel may take to give back the memory of a large process it has killed
LEAST_PAUSE_SECONDS = 1.0  # between two looks worth keeping


class OomKills:
    """The kernel's count of its OOM kills, in any control group, as it was a while ago and as it is now."""

    def __init__(self, root: Path = Path("/"), *, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = root / "proc/vmstat"
        self._clock = clock
        self._looks = deque([(clock(), self._count())])  # the first is the latest of those that are old enough

    def begin(self) -> None:
        """A process is started; what came before counts for no other if nobody has looked for so long."""
        if self._clock() - self._looks[-1][0] >= LATELY_SECONDS:
            self._looks.clear()
            self._looks.append((self._clock(), self._count()))
        self.look()

    def look(self) -> None:
        """Remember the count; called now and then while there are processes that may be ended."""
        now = self._clock()
        if now - self._looks[-1][0] < LEAST_PAUSE_SECONDS:
            return
        self._looks.append((now, self._count()))
        while len(self._looks) > 1 and now - self._looks[1][0] >= LATELY_SECONDS:
            self._looks.popleft()

    def lately(self) -> bool:
        """Whether it has ended any process since the latest look that is LATELY_SECONDS old."""
        return self._count() > self._looks[0][1]

    def _count(self) -> int:
        """Since boot; 0 if the kernel does not say."""
        for line in read_lines(self._file):
            name, _, value = line.partition(" ")
            if name == "oom_kill":
                return as_number(value) or 0
        return 0
