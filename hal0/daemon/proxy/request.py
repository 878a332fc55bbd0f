"""One request to /v1 on its way: what happens to it, and what people are told of it."""

import asyncio
import time
from typing import Any, Protocol

from hal0.daemon.events import EventBus
from hal0.daemon.proxy.meter import Meter
from hal0.daemon.proxy.native import Marks, NativeTap
from hal0.daemon.proxy.tap import Tap, Usage
from hal0.daemon.remotes.idiom import Counted
from hal0.daemon.remotes.offer import Price
from hal0.errors import Hal0Error
from hal0.wire import Outcome, Phase, RequestView

EVENT_PROMPT_CHARACTERS = 500  # the bus remembers thousands of events


class Owner(Protocol):
    """What a request needs of those who keep it."""

    bus: EventBus
    meter: Meter

    def clock(self) -> float: ...
    def captures(self) -> bool: ...
    def wake(self) -> None: ...
    def finished(self, request: "Request") -> None: ...


class Request:
    """One request on its way. The proxy tells it what happens; it tells the bus."""

    __slots__ = (
        "_announcement",
        "_begun",
        "_is_announced",
        "_owner",
        "_price",
        "_speed",
        "_task",
        "_tells_cost",
        "_tokens",
        "asked",
        "background",
        "client",
        "context",
        "cost",
        "counted",
        "doing",
        "error",
        "finished_at",
        "id",
        "interruption",
        "key",
        "load_ms",
        "model",
        "outcome",
        "path",
        "phase",
        "prefill_ms",
        "progress",
        "prompt",
        "prompt_tokens",
        "queue_ms",
        "rule",
        "slot",
        "started_at",
        "status",
        "stream",
        "tap",
    )

    def __init__(self, owner: Owner, *, id: str, path: str, client: str, key: str) -> None:
        self.id = id
        self.path = path
        self.client = client
        self.key = key
        self.asked = ""
        self.slot = ""
        self.model = ""
        self.rule = ""
        self.prompt = ""
        self.doing = ""
        self.progress: float | None = None
        self.stream = False
        self.background = False
        self.phase: Phase = "queued"
        self.outcome: Outcome | None = None
        self.status: int | None = None
        self.error: Hal0Error | None = None
        self.started_at = time.time()
        self.finished_at: float | None = None
        self.queue_ms: float | None = None
        self.load_ms: float | None = None
        self.prefill_ms: float | None = None
        self.context: int | None = None
        self.prompt_tokens: int | None = None
        self.tap = Tap(keeps_text=owner.captures())
        self.counted: Counted | None = None  # by a remote, where its bytes do not tell
        self.cost: float | None = None  # dollars
        self._price: Price | None = None
        self._tells_cost = False
        self.interruption: Hal0Error | None = None
        self._owner = owner
        self._begun = owner.clock()
        self._task = asyncio.current_task()
        self._is_announced = False
        self._announcement: asyncio.Handle | None = None
        self._tokens: int | None = None  # the backend's own figures, at the end
        self._speed: float | None = None

    def dispatched(self, *, slot: str, rule: str, is_up: bool) -> None:
        self.slot, self.rule = slot, rule
        self.phase = "queued" if is_up else "loading"
        if self._is_announced:  # another stands in
            self._owner.bus.publish("request.phase", self.facts(with_text=False))
            return
        # A slot that is up is mostly leased in the same step: then one event tells both.
        self._announcement = asyncio.get_running_loop().call_soon(self._announce)

    def leased(self, *, model: str, queue_ms: float, load_ms: float, context: int | None) -> None:
        self.model, self.queue_ms, self.load_ms, self.context = model, queue_ms, load_ms, context
        self.tap.gaps = self._owner.meter.of(self.slot).gaps
        self.phase = "prefill"
        if self._is_announced:
            self._owner.bus.publish("request.phase", self.facts(with_text=False))
        else:
            self._announce()

    def billed(self, price: Price | None, *, tells_cost: bool) -> None:
        """It is answered by somebody who wants money for it; `tells_cost`: and says how much."""
        self._price, self._tells_cost = price, tells_cost

    def listens_for(self, marks: Marks) -> NativeTap:
        """The answer comes in the words of another API."""
        tap = NativeTap(marks, keeps_text=self._owner.captures())
        tap.gaps, self.tap = self.tap.gaps, tap
        return tap

    def decoding(self) -> None:
        self.phase = "decoding"
        self._owner.bus.publish("request.phase", self.facts(with_text=False))
        self._owner.wake()

    def progressed(self, doing: str, progress: float | None) -> None:
        """How far the backend is, in words and as a share (0..1) of the whole."""
        if (self.phase, self.doing, self.progress) == ("decoding", doing, progress):
            return
        self.phase, self.doing, self.progress = "decoding", doing, progress
        self._owner.bus.publish("request.phase", self.facts(with_text=False), keep=False)

    def interrupt(self, error: Hal0Error) -> bool:
        """End it from outside: the client is told `error`. False if it is ending already."""
        if self.interruption is not None or self._task is None:
            return False
        self.interruption = error
        self._task.cancel()
        return True

    def was_interrupted(self) -> Hal0Error | None:
        """Called by the proxy when it was cancelled: the reason, unless it was the client who left."""
        if self.interruption is None or self._task is None:
            return None
        return self.interruption if self._task.uncancel() == 0 else None

    def finish(self, outcome: Outcome, *, status: int | None, error: Hal0Error | None = None) -> None:
        """The last thing that happens to a request."""
        usage = self.tap.usage()
        self.tap.end()
        if (counted := self.counted) is not None:
            usage = Usage(
                counted.completion, counted.prompt, cached=counted.cached, cache_written=counted.cache_written
            )
        self._tokens, self.prompt_tokens, self._speed = usage.tokens, usage.prompt_tokens, usage.tokens_per_second
        self.prefill_ms = usage.prefill_ms
        if self._speed is None:
            self._speed = self._measured_speed()
        self.cost = self._cost(usage)
        self.outcome, self.status, self.error = outcome, status, error
        self.doing, self.progress = "", None
        self.finished_at = time.time()
        self._announce()
        self.phase = "finished"
        self._task = None
        self._count()
        self._owner.finished(self)

    @property
    def tokens(self) -> int:
        return self._tokens if self._tokens is not None else max(0, self.tap.tokens)

    @property
    def tokens_per_second(self) -> float | None:
        return self._speed if self.finished_at is not None else self._measured_speed()

    @property
    def ttft_ms(self) -> float | None:
        return None if self.tap.first_at is None else (self.tap.first_at - self._begun) * 1000

    def forget(self) -> None:
        """Drop what was asked and answered."""
        self.prompt = ""
        self.tap.forget()

    def view(self) -> RequestView:
        return RequestView.model_validate(self.facts(with_text=True))

    def facts(self, *, with_text: bool) -> dict[str, Any]:
        """The fields of a RequestView. Plain, because every request makes several and not every one is looked at."""
        error = self.error
        return {
            "id": self.id,
            "path": self.path,
            "asked": self.asked,
            "slot": self.slot,
            "model": self.model,
            "rule": self.rule,
            "stream": self.stream,
            "background": self.background,
            "client": self.client,
            "key": self.key,
            "phase": self.phase,
            "outcome": self.outcome,
            "status": self.status,
            "error": {"code": error.code, "message": error.message, "details": error.details} if error else None,
            "started_at": self.started_at,
            "finished_at": self.finished_at,
            "queue_ms": self.queue_ms,
            "load_ms": self.load_ms,
            "ttft_ms": self.ttft_ms,
            "prefill_ms": self.prefill_ms,
            "context": self.context,
            "tokens": self.tokens,
            "prompt_tokens": self.prompt_tokens,
            "tokens_per_second": self.tokens_per_second,
            "doing": self.doing,
            "progress": self.progress,
            "cost": self.cost,
            "prompt": self.prompt if with_text else "",
            "text": self.tap.text if with_text else "",
            "voices": list(self.tap.voices) if with_text else [],
        }

    def _announce(self) -> None:
        if not self._is_announced:
            self._is_announced = True
            if self._announcement is not None:
                self._announcement.cancel()
            facts = self.facts(with_text=False)
            facts["prompt"] = self.prompt[:EVENT_PROMPT_CHARACTERS]
            self._owner.bus.publish("request.started", facts)

    def _count(self) -> None:
        meter = self._owner.meter.of(self.slot)
        meter.requests[self.path, self.outcome or ""] += 1
        meter.tokens += self.tokens
        meter.prompt_tokens += self.prompt_tokens or 0
        if self.cost is not None:
            meter.dollars = (meter.dollars or 0.0) + self.cost
        meter.whole.observe(self._owner.clock() - self._begun)
        if self.queue_ms is not None:
            meter.queue.observe(self.queue_ms / 1000)
        if self.ttft_ms is not None:
            meter.ttft.observe(self.ttft_ms / 1000)

    def _cost(self, usage: Usage) -> float | None:
        if self._tells_cost and usage.dollars is not None:
            return usage.dollars
        if self._price is None or usage.prompt_tokens is None:
            return None
        return self._price.of(
            prompt=usage.prompt_tokens,
            completion=usage.tokens or 0,
            cached=usage.cached,
            cache_written=usage.cache_written,
        )

    def _measured_speed(self) -> float | None:
        first, tokens = self.tap.first_at, self.tap.tokens
        elapsed = self._owner.clock() - first if first is not None else 0.0
        return (tokens - 1) / elapsed if tokens > 1 and elapsed > 0 else None
