"""How often a pull tries again, and how long it waits before it does."""

import asyncio
import random
from collections.abc import Callable

from hal0.daemon.pulls.pace import Pace
from hal0.daemon.pulls.remote import Interruption, Remote
from hal0.errors import Hal0Error


class Patience:
    """Counts what failed in a row, over all connections of one pull. `on_wait` hears for how long and why it waits."""

    def __init__(self, remote: Remote, host: str, pace: Pace, on_wait: Callable[[float, str], None]) -> None:
        self._remote = remote
        self._host = host
        self._pace = pace
        self._on_wait = on_wait
        self._failures = 0

    def progressed(self) -> None:
        """Something came."""
        self._failures = 0

    async def after(self, interruption: Interruption) -> None:
        """Wait for the next try; raises `model.offline` or `model.pull_failed` when there is to be none."""
        self._failures += 1
        asked = interruption.retry_after
        unheard = not self._remote.heard
        if self._failures >= (self._pace.tries_unheard if unheard else self._pace.tries):
            raise self._given_up(interruption)
        if asked is not None and asked > self._pace.longest_asked_seconds:
            raise self._failed(f"{interruption.reason}, and asks to come back in {asked / 60:.0f} minutes")
        delay = min(self._pace.first_delay_seconds * 2 ** (self._failures - 1), self._pace.longest_delay_seconds)
        delay = max(delay * random.uniform(0.8, 1.2), asked or 0.0)
        self._on_wait(delay, interruption.reason)
        await asyncio.sleep(delay)

    def _given_up(self, interruption: Interruption) -> Hal0Error:
        if interruption.unreachable:
            return Hal0Error("model.offline", host=self._host, reason=interruption.reason)
        return self._failed(f"{interruption.reason}, {self._failures} times in a row")

    def _failed(self, reason: str) -> Hal0Error:
        return Hal0Error("model.pull_failed", model=self._remote.model, host=self._host, reason=reason)
