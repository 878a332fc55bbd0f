"""The bus of numbered facts: dashboards, the CLI and the log all hear the same events.

Publishing never waits and never fails. A subscriber that falls behind loses its queue and is told so by one `gap`
event, after which it fetches the state again; the daemon does not slow down for anyone.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from hal0.wire import EventKind

RING_EVENTS = 5_000  # what a reconnecting client can catch up on without fetching the state
QUEUE_EVENTS = 1_000  # how far one subscriber may fall behind before its queue is dropped
CROWD_EVENTS = QUEUE_EVENTS // 2  # are not left to gather any longer
STOPPING: EventKind = "daemon.stopping"  # from here on a reader's connection may end at any moment


@dataclass(frozen=True, slots=True)
class Event:
    """One fact. `data` is a wire model, or a plain dict where `hal0.wire.EventKind` says so."""

    id: int
    at: float
    kind: EventKind
    data: BaseModel | dict[str, Any]

    def json_data(self) -> dict[str, Any]:
        return self.data.model_dump(mode="json") if isinstance(self.data, BaseModel) else self.data


class Subscription:
    """One reader's queue of events. A topic is a kind or its first part: `slot` is every `slot.*`; none means all."""

    def __init__(self, topics: Collection[str] = ()) -> None:
        self._topics = frozenset(topics)
        self._queue: deque[Event] = deque()
        self._wake = asyncio.Event()
        self._is_crowded = asyncio.Event()
        self._is_hurried = False
        self._lost: tuple[int, int] | None = None

    def wants(self, kind: EventKind) -> bool:
        """The gap is always told."""
        return not self._topics or kind == "gap" or not self._topics.isdisjoint((kind, kind.partition(".")[0]))

    def offer(self, event: Event) -> None:
        if event.kind == STOPPING:
            self._is_hurried = True
            self._is_crowded.set()
        if not self.wants(event.kind):
            return
        if len(self._queue) >= QUEUE_EVENTS:
            first = self._lost[0] if self._lost else self._queue[0].id
            self._lost = (first, event.id)
            self._queue.clear()
        elif self._lost:
            self._lost = (self._lost[0], event.id)
        else:
            self._queue.append(event)
        self._wake.set()
        if len(self._queue) >= CROWD_EVENTS:
            self._is_crowded.set()

    async def next_batch(self) -> list[Event]:
        """Wait for events; return all that are there. After a loss the batch is one `gap`."""
        await self._wake.wait()
        self._wake.clear()
        self._is_crowded.clear()
        if self._lost:
            first, last = self._lost
            self._lost = None
            return [Event(last, time.time(), "gap", {"missed_from": first, "missed_to": last})]
        batch = list(self._queue)
        self._queue.clear()
        return batch

    async def gather(self, seconds: float) -> None:
        """Let events come together for so long, or until there are many: a batch costs more than an event does."""
        if self._is_hurried:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._is_crowded.wait()

    async def __aiter__(self) -> AsyncIterator[Event]:
        while True:
            for event in await self.next_batch():
                yield event


class EventBus:
    """Numbers events, keeps the last of them, and hands them to every subscriber."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._last_id = 0
        self._ring: deque[Event] = deque(maxlen=RING_EVENTS)
        self._forgotten_to = 0  # the newest that the ring had to give up
        self._subscriptions: set[Subscription] = set()

    @property
    def last_id(self) -> int:
        return self._last_id

    @property
    def watched(self) -> bool:
        """Whether anyone listens now; those who would do work only for an audience ask this first."""
        return bool(self._subscriptions)

    def watches(self, kind: EventKind) -> bool:
        """Whether anyone listens to events of this kind."""
        return any(subscription.wants(kind) for subscription in self._subscriptions)

    def publish(self, kind: EventKind, data: BaseModel | dict[str, Any], *, keep: bool = True) -> Event:
        """Tell everyone who listens. `keep=False`: the next of its kind says all again, so nobody needs it later."""
        self._last_id += 1
        event = Event(self._last_id, self._clock(), kind, data)
        if keep:
            if len(self._ring) == RING_EVENTS:
                self._forgotten_to = self._ring[0].id
            self._ring.append(event)
        for subscription in self._subscriptions:
            subscription.offer(event)
        return event

    def blank(self, fields: Iterable[str]) -> None:
        """Empty these fields in the events that are remembered or still queued, where they hold text."""
        for event in self._ring:
            if isinstance(event.data, dict):
                texts = {name: value for name in fields if isinstance(value := event.data.get(name), str | list)}
                event.data.update((name, type(value)()) for name, value in texts.items())

    @contextmanager
    def subscribe(self, *, since: int | None = None, topics: Collection[str] = ()) -> Iterator[Subscription]:
        """Listen from now on, or from the event after `since`; a `gap` comes first if those are no longer kept."""
        subscription = Subscription(topics)
        if since is not None and since != self._last_id:
            self._replay(subscription, since)
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)

    def _replay(self, subscription: Subscription, since: int) -> None:
        missed = [event for event in self._ring if event.id > since]
        # A number from the future belongs to an earlier daemon: its reader knows nothing of this one.
        if since > self._last_id or since < self._forgotten_to or len(missed) > QUEUE_EVENTS:
            gap = {"missed_from": since + 1, "missed_to": self._last_id}
            missed = [Event(self._last_id, self._clock(), "gap", gap)]
        for event in missed:
            subscription.offer(event)
