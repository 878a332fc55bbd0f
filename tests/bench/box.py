"""A busy box for the dashboard to look at: 20 slots, 8 streams, 4 GPUs; and hours of it as a recording."""

import asyncio
import itertools
import json
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from hal0 import __version__
from hal0.wire import DeviceView, EventKind, PastView, RequestView, SlotView, TokenBatch
from tests.fakes.daemon import WORDS, FakeDaemon
from tests.tui.samples import CPU, GIB, GPU0, MEMORY, request, slot, state

QUIET = "quiet-"  # slots that are asked nothing, the first in the list
SLOTS, STREAMS, GPUS = 20, 8, 4
BATCHES_PER_SECOND, TOKENS_OF_A_BATCH = 10, 5
TOKENS_OF_AN_ANSWER = 1_000

Said = tuple[EventKind, RequestView | TokenBatch | dict[str, object]]


class BusyBox(FakeDaemon):
    """Says once it is asked to what happens on such a box, in real time."""

    @asynccontextmanager
    async def at_work(self, only: str = "") -> AsyncIterator[None]:
        """`only`: of what happens, one kind of event."""
        working = asyncio.create_task(self._work(only))
        try:
            yield
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)

    async def _work(self, only: str) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for tick, happens in enumerate(happenings(time.time())):
            await asyncio.sleep(began + tick / BATCHES_PER_SECOND - loop.time())
            for kind, data in happens:
                if only in ("", kind):
                    self.publish(kind, data)


def slots(now: float, count: int = SLOTS) -> list[SlotView]:
    quiet = [slot(f"{QUIET}{n:02}", since=now - 60, memory_bytes=GIB) for n in range(1, count - STREAMS + 1)]
    busy = [slot(f"busy-{n}", "serving", since=now, memory_bytes=GIB, in_flight=1) for n in range(STREAMS)]
    return quiet + busy


def devices(load: float = 0.5) -> list[DeviceView]:
    gpus = [GPU0.model_copy(update={"id": f"gpu{n}", "utilisation": load * (n + 1) / GPUS}) for n in range(GPUS)]
    return [CPU.model_copy(update={"utilisation": load}), MEMORY, *gpus]


def busy_box(socket: Path) -> BusyBox:
    now = time.time()
    box = BusyBox(state(now=now, slots=slots(now), devices=devices()), socket)
    box.past = hour(now)
    return box


def hour(now: float) -> PastView:
    """What the daemon remembers of the hour before."""
    rng = random.Random(8)
    figures = {"utilisation": 1.0, "memory_used_bytes": 24e9, "temperature_c": 90.0, "power_w": 450.0}
    past = {
        device.id: {metric: [top * rng.random() for _ in range(720)] for metric, top in figures.items()}
        for device in devices()
    }
    lanes = {slot.name: "rv" * 360 for slot in slots(now)}
    return PastView(step_seconds=5.0, end=now // 5 * 5 + 5, devices=past, slots=lanes)


def crowd(socket: Path) -> BusyBox:
    now = time.time()
    return BusyBox(state(now=now, slots=slots(now, 1_000), devices=devices()), socket)


def happenings(now: float) -> Iterator[list[Said]]:
    """What happens, a tenth of a second each, for ever; `now` is when it begins."""
    rng = random.Random(8)
    words = itertools.cycle(WORDS)
    tokens = [n * TOKENS_OF_AN_ANSWER // STREAMS for n in range(STREAMS)]
    views: list[RequestView | None] = [None] * STREAMS
    for tick in itertools.count():
        at = now + tick / BATCHES_PER_SECOND
        said: list[Said] = []
        if tick % BATCHES_PER_SECOND == 0:
            shown = [device.model_dump() for device in devices(rng.random())]
            said.append(("device.sample", {"devices": shown, "slots": {}}))
        for n in range(STREAMS):
            view = views[n]
            if view is None or tokens[n] >= TOKENS_OF_AN_ANSWER:
                if view is not None:
                    done = {"phase": "finished", "outcome": "ok", "finished_at": at, "tokens": tokens[n]}
                    said.append(("request.finished", view.model_copy(update=done)))
                    tokens[n] = 0
                id = f"r{tick}-{n}"
                views[n] = view = request(id, f"busy-{n}", started_at=at, ttft_ms=182.0, prompt="What is it?")
                said.append(("request.started", view))
            tokens[n] += TOKENS_OF_A_BATCH
            text = "".join(f"{next(words)} " for _ in range(TOKENS_OF_A_BATCH))
            speed = 48 + 4 * rng.random()
            said.append(
                ("request.tokens", TokenBatch(id=view.id, text=text, tokens=tokens[n], tokens_per_second=speed))
            )
        yield said


def write_hours(path: Path, hours: int) -> None:
    """A recording of it, as `hal0-tui --record` would have written it."""
    now = 1_795_350_667.0
    with path.open("w") as file:
        head = {"hal0_recording": 1, "version": __version__, "began_at": now}
        first = state(now=now, slots=slots(now), devices=devices()).model_dump(mode="json")
        file.write(f"{json.dumps(head)}\n{json.dumps({'at': 0, 'state': first})}\n")
        number = 0
        for tick, happens in enumerate(itertools.islice(happenings(now), hours * 3_600 * BATCHES_PER_SECOND)):
            at = tick / BATCHES_PER_SECOND
            for kind, data in happens:
                number += 1
                body = data if isinstance(data, dict) else data.model_dump(mode="json")
                event = {"id": number, "at": now + at, "kind": kind, "data": body}
                file.write(f'{{"at": {at}, "event": {json.dumps(event)}}}\n')
