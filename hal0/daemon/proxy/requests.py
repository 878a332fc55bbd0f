"""What is known of requests to /v1: those in flight, and the last ones that ended. In memory only.

Each request is one `Request`, owned by the proxy while it is in flight. Text is kept only while `capture` is on,
decoded every TICK_SECONDS while somebody watches, and bounded; `Requests.run` is the task that does it. When `capture`
goes off, what was kept until then is dropped too, here and on the bus.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable

from hal0.daemon.events import EventBus
from hal0.daemon.proxy.headers import new_request_id
from hal0.daemon.proxy.meter import Meter
from hal0.daemon.proxy.request import Request
from hal0.errors import Hal0Error
from hal0.wire import RequestView, Totals

KEPT_REQUESTS = 200
TICK_SECONDS = 0.1
SHORT_BYTES = 4096
TEXTS = ("prompt", "text", "reasoning", "calls")  # the fields of events that hold what people wrote and were answered

log = logging.getLogger("hal0.requests")


class Requests:
    """Owner of every Request. `capture` tells whether text may be kept; `on_failure` hears of failures."""

    def __init__(
        self,
        bus: EventBus,
        *,
        capture: Callable[[], bool],
        on_failure: Callable[[Request, Hal0Error], None] | None = None,
    ) -> None:
        self.bus = bus
        self.meter = Meter()
        self.clock = time.monotonic
        self._capture = capture
        self._captured = True  # something may have been kept since `capture` was last seen to be off
        self._on_failure = on_failure
        self._in_flight: dict[str, Request] = {}
        self._ended: dict[str, Request] = {}  # the oldest first
        self._last_of_slot: dict[str, Request] = {}
        self._undecoded: deque[Request] = deque(maxlen=KEPT_REQUESTS)
        self._wake = asyncio.Event()
        self._total, self._failed, self._tokens = 0, 0, 0

    def captures(self) -> bool:
        """Whether text may be kept now. When that has changed to no, what was kept is dropped."""
        captures = self._capture()
        if self._captured and not captures:
            self.forget()
        self._captured = captures
        return captures

    def forget(self) -> None:
        """Drop the texts of every request, and those that the bus remembers."""
        for request in (*self._in_flight.values(), *self._ended.values(), *self._last_of_slot.values()):
            request.forget()
        self.bus.blank(TEXTS)

    def begin(self, *, id: str, path: str, client: str, key: str = "") -> Request:
        """A request has come, with the key of that name.

        An id that is known already (clients may choose theirs) is replaced by a fresh one.
        """
        if id in self._in_flight or id in self._ended:
            id = new_request_id()
        request = self._in_flight[id] = Request(self, id=id, path=path, client=client, key=key)
        return request

    def finished(self, request: Request) -> None:
        self._in_flight.pop(request.id, None)
        self._ended[request.id] = request
        if len(self._ended) > KEPT_REQUESTS:
            del self._ended[next(iter(self._ended))]
        if request.slot:
            self._last_of_slot[request.slot] = request
        self._total += 1
        self._tokens += request.tokens
        if request.outcome == "failed":
            self._failed += 1
            if self._on_failure is not None and request.error is not None:
                self._on_failure(request, request.error)
        self._undecoded.append(request)
        self.wake()
        self.bus.publish("request.finished", request.facts(with_text=False))

    # What the admin API asks

    def views(self) -> list[RequestView]:
        """Those in flight, the oldest first; then the last that ended, the newest first."""
        self.captures()
        for request in (*self._in_flight.values(), *self._ended.values()):
            self._decode_quietly(request)
        return [request.view() for request in (*self._in_flight.values(), *reversed(self._ended.values()))]

    def view(self, id: str) -> RequestView:
        """One of them; raises `dispatch.request_not_found`."""
        request = self._in_flight.get(id) or self._ended.get(id)
        if request is None:
            raise Hal0Error("dispatch.request_not_found", id=id)
        self.captures()
        self._decode_quietly(request)
        return request.view()

    def cancel(self, id: str, *, by: str) -> None:
        """End a request in flight; raises `dispatch.request_not_found`."""
        request = self._in_flight.get(id)
        if request is None:
            raise Hal0Error("dispatch.request_not_found", id=id)
        request.interrupt(Hal0Error("dispatch.cancelled", by=by))

    def interrupt_all(self) -> None:
        """The daemon stops and its patience is over: every client is told."""
        for request in list(self._in_flight.values()):
            request.interrupt(Hal0Error("system.shutting_down"))

    def totals(self) -> Totals:
        running = sum(request.tokens for request in self._in_flight.values())
        return Totals(requests=self._total, failed=self._failed, tokens=self._tokens + running)

    def speed_of(self, slot: str) -> tuple[float | None, float | None]:
        """Tokens/s of a slot (the sum of what decodes now, else the last), and its last time to first token."""
        decoding = [r for r in self._in_flight.values() if r.slot == slot and r.phase == "decoding"]
        last = self._last_of_slot.get(slot)
        speeds = [speed for request in decoding if (speed := request.tokens_per_second) is not None]
        if decoding:
            return (sum(speeds) if speeds else None), decoding[-1].ttft_ms
        return (last.tokens_per_second, last.ttft_ms) if last else (None, None)

    # The batcher

    def wake(self) -> None:
        self._wake.set()

    async def run(self) -> None:
        """Decode and announce text in batches, for as long as the daemon lives."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(TICK_SECONDS)
            self._tick()
            if not any(request.phase == "decoding" for request in self._in_flight.values()):
                self._wake.clear()

    def _tick(self) -> None:
        self.captures()
        watched = self.bus.watched
        for request in self._undecoded:
            # What is short may lie as it came until somebody asks for it.
            if (watched and request.stream) or request.tap.fresh_bytes > SHORT_BYTES:
                self._decode(request, watched=watched)
        self._undecoded.clear()
        if watched:
            for request in self._in_flight.values():
                if request.phase == "decoding":
                    self._decode(request, watched=True)

    def _decode(self, request: Request, *, watched: bool) -> None:
        if not request.tap.fresh_bytes:
            return
        said = request.tap.decode()
        if watched and request.stream:
            self.bus.publish(  # a TokenBatch
                "request.tokens",
                {
                    "id": request.id,
                    "text": "".join(text for voice, text in said if voice == "text"),
                    "reasoning": "".join(text for voice, text in said if voice == "reasoning"),
                    "calls": [piece for piece in said if piece[0] in ("call", "arguments")],
                    "tokens": request.tokens,
                    "tokens_per_second": request.tokens_per_second,
                },
            )

    def _decode_quietly(self, request: Request) -> None:
        """Decode for somebody who asks, unless the batcher will: those who watch must get every piece as an event."""
        if request.tap.fresh_bytes and not (self.bus.watched and request.stream):
            request.tap.decode()
