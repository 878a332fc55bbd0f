"""Whether it is worth asking a remote now. Pure: the caller tells the time.

After some failures in a row nobody is sent there for a while, so that a request falls back at once instead of waiting
for another time-out. Then one request tries; its outcome decides for the others.
"""

FAILURES = 5  # in a row
FIRST_PAUSE_SECONDS = 10.0
LONGEST_PAUSE_SECONDS = 300.0


class Breaker:
    """Of one remote. Times are seconds on any clock that does not jump."""

    def __init__(self) -> None:
        self.failures = 0  # in a row
        self._open_until = 0.0
        self._trying = False

    def blocked_seconds(self, now: float) -> float:
        """How long to stay away; 0: go. A trial under way counts as a short while."""
        if self.failures < FAILURES:
            return 0.0
        if now < self._open_until:
            return self._open_until - now
        return 1.0 if self._trying else 0.0

    def entered(self) -> None:
        """Somebody goes there."""
        self._trying = self.failures >= FAILURES

    def succeeded(self) -> None:
        self.failures = 0
        self._open_until = 0.0
        self._trying = False

    def failed(self, now: float) -> None:
        if now < self._open_until:
            return  # it went there before the pause began: many at once are one failure, not a longer pause for each
        self.failures += 1
        self._trying = False
        if self.failures >= FAILURES:
            pause = FIRST_PAUSE_SECONDS * 2.0 ** min(self.failures - FAILURES, 10)
            self._open_until = now + min(pause, LONGEST_PAUSE_SECONDS)

    def abandoned(self) -> None:
        """Whoever went there left before an outcome was known."""
        self._trying = False
