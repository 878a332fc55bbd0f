"""What the dashboard writes to its terminal, with rows cropped on both sides and as Textual crops them.

`python -m tests.bench.painted [SIZES…]`: frames of a busy daemon (20 slots, 8 streams of 50 tokens a second, devices
four times a second) at eight a second, for SECONDS of a time that is only counted, so that every run is the same.
"""

import asyncio
import random
import sys

from hal0.tui.app import FRAMES_PER_SECOND
from hal0.tui.cropped import crop
from hal0.tui.facts import DeviceSample, Fact
from hal0.wire import TokenBatch
from tests.tui.samples import CPU, GPU0, LONG_TEXT, MEMORY, NOW, busy_state, request, slot
from tests.tui.still import StillDashboard, load, showing

SECONDS = 30
SLOTS, STREAMS, RATE = 20, 8, 50
SIZES = ("80x24", "120x36", "200x60")


class Counting(StillDashboard):
    """Counts the bytes of each frame both ways, and shows it to nobody."""

    stock = 0
    cropped = 0
    frames_written = 0

    def _display(self, screen, renderable, *more):  # type: ignore[no-untyped-def]
        if hasattr(renderable, "render_segments"):
            self.stock += len(renderable.render_segments(self.console).encode())
            self.cropped += len(crop(renderable).render_segments(self.console).encode())
            self.frames_written += 1


async def measure(size: tuple[int, int]) -> tuple[float, float, float]:
    """Frames a second, and bytes a second of Textual's and of ours."""
    chance = random.Random(7)
    words = LONG_TEXT.split(" ")
    slots = [slot(f"slot-{number:02}", "serving" if number < STREAMS else "ready") for number in range(SLOTS)]
    asked = [request(f"88{number}", f"slot-{number:02}", text="", started_at=NOW) for number in range(STREAMS)]
    async with showing(None, size, app=Counting) as pilot:
        app = pilot.app
        assert isinstance(app, Counting)
        await load(pilot, busy_state(slots=slots, requests=asked))
        app.stock = app.cropped = app.frames_written = 0
        tokens = 0
        for frame in range(int(SECONDS * FRAMES_PER_SECOND)):
            at = NOW + frame / FRAMES_PER_SECOND
            new = int((frame + 1) * RATE / FRAMES_PER_SECOND) - tokens
            tokens += new
            for each in asked:
                text = "".join(chance.choice(words) + " " for _ in range(new))
                speed = RATE + chance.uniform(-1, 1)
                batch = TokenBatch(id=each.id, text=text, tokens=tokens, tokens_per_second=speed)
                app.store.reduce(Fact(0, at, "request.tokens", batch))
            if frame % 2 == 0:
                cpu = CPU.model_copy(update={"utilisation": chance.random()})
                gpu = GPU0.model_copy(update={"utilisation": chance.random(), "power_w": chance.uniform(250, 350)})
                app.store.reduce(Fact(0, at, "device.sample", DeviceSample((cpu, MEMORY, gpu), {})))
            app.paint_now()
            await pilot.pause()
        return app.frames_written / SECONDS, app.stock / SECONDS, app.cropped / SECONDS


def main() -> None:
    print(f"{'size':>8}  {'frames/s':>8}  {'stock kB/s':>10}  {'cropped kB/s':>12}  ratio")
    for name in sys.argv[1:] or SIZES:
        columns, rows = map(int, name.split("x"))
        frames, stock, cropped = asyncio.run(measure((columns, rows)))
        print(f"{name:>8}  {frames:8.1f}  {stock / 1000:10.1f}  {cropped / 1000:12.1f}  {cropped / stock:5.2f}")


if __name__ == "__main__":
    main()
