"""Keeps the store in step with the daemon: a state, then events; after a gap or a break a fresh state.

The only writer of the store besides the keys. It reconnects by itself for as long as the dashboard runs.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

from hal0.errors import Hal0Error
from hal0.tui.client import Client
from hal0.tui.store import Store

FIRST_RETRY_SECONDS = 0.5
LAST_RETRY_SECONDS = 5.0
LATENCY_EVERY_SECONDS = 5.0
AFTER_GAP_SECONDS = 0.2  # a dashboard that is too slow must not ask for one state after the other


class Feed:
    """One daemon's events, flowing into one store."""

    def __init__(self, client: Client, store: Store, on_change: Callable[[], None]) -> None:
        self._client = client
        self._store = store
        self._on_change = on_change
        self._retry = asyncio.Event()
        self._clock_offset = 0.0  # the daemon's time minus the client's clock

    def retry_now(self) -> None:
        self._retry.set()

    def tick(self) -> None:
        """Move the store's clock to what the daemon's must be by now."""
        if self._clock_offset == 0.0:
            self._clock_offset = time.time() - self._client.clock()
        self._store.tick(self._client.clock() + self._clock_offset)

    async def run(self) -> None:
        delay = FIRST_RETRY_SECONDS
        while True:
            try:
                await self._follow()
                await self._pause(AFTER_GAP_SECONDS)
            except Hal0Error as problem:
                if self._store.link.phase == "live":
                    delay = FIRST_RETRY_SECONDS
                self.tick()
                self._store.disconnected(problem, delay)
                self._on_change()
                await self._pause(delay)
                delay = min(delay * 2, LAST_RETRY_SECONDS)

    async def _follow(self) -> None:
        """Fetch the state and reduce events until the stream breaks, which raises, or skips some, which returns."""
        state = await self._client.state()
        self._clock_offset = state.now - self._client.clock()
        self._store.load(state)
        self._store.connected(self._store.link.latency_ms)
        self._on_change()
        beside = [asyncio.create_task(self._measure()), asyncio.create_task(self._remember())]
        try:
            await self._reduce(state.event_id)
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)

    async def _reduce(self, since: int) -> None:
        async for facts in self._client.facts(since):
            for fact in facts:
                if fact.kind == "gap":
                    return
                self._clock_offset = max(self._clock_offset, fact.at - self._client.clock())
                self._store.reduce(fact)
            self._on_change()
        raise Hal0Error("system.daemon_down", where=str(self._client.address), reason="the event stream ended")

    async def _measure(self) -> None:
        while True:
            # A failure here is only a figure less: whether the daemon is gone, the event stream tells.
            with suppress(Hal0Error):
                self._store.connected(await self._client.latency_ms())
                self._on_change()
            await asyncio.sleep(LATENCY_EVERY_SECONDS)

    async def _remember(self) -> None:
        """Fetch what was while this dashboard was not there; where it is not told the graphs begin later."""
        with suppress(Hal0Error):
            self._store.remember(await self._client.past())
            self._on_change()

    async def _pause(self, seconds: float) -> None:
        self._retry.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._retry.wait()
        except TimeoutError:
            return
