"""The axis of time that graphs and lanes share: which moment a cell stands for, and where the cursor is. Pure.

Cells lie fixed on the clock, so that what is past does not change while time goes on.
"""

from dataclasses import dataclass

from hal0.tui import figures
from hal0.tui.memories import HISTORY_SECONDS

SPANS = (300, 1800, 3600)  # seconds that a person may choose to see
LABEL_CELLS = 8  # of a time of day with seconds
SECONDS_MATTER = 300  # from label to label; for longer ones minutes are exact enough


@dataclass(slots=True)
class Scrub:
    """Which part of the past a person looks at."""

    span: int = 1800  # seconds
    at: float | None = None  # the moment under the cursor; None: live

    def longer(self) -> None:
        """The next span; after the longest the shortest."""
        self.span = SPANS[(SPANS.index(self.span) + 1) % len(SPANS)]

    def move(self, by: int, line: "Timeline", now: float) -> None:
        """Go on by so many cells; past the newest is live again, and the oldest that is kept is the end."""
        at = (line.cell_of(now if self.at is None else self.at) + by) * line.seconds
        oldest = (line.cell_of(now - HISTORY_SECONDS) + 1) * line.seconds
        self.at = None if line.cell_of(at) > line.cell_of(now) else max(at, oldest)


@dataclass(frozen=True, slots=True)
class Timeline:
    """So many cells of so many seconds; cell n of the clock begins at n times `seconds`."""

    seconds: float
    last: int  # the number of the newest cell shown
    count: int
    cursor: int | None = None  # which of them is under the cursor, from the left

    @classmethod
    def of(cls, scrub: Scrub, now: float, count: int) -> "Timeline":
        """What is shown in so many cells: up to now, or the part around the cursor if that is further back."""
        seconds = scrub.span / max(1, count)
        last = _number(now, seconds)
        if scrub.at is None:
            return cls(seconds, last, count)
        at = _number(scrub.at, seconds)
        if at <= last - count:
            last = at + count // 2
        return cls(seconds, last, count, at - last + count - 1)

    def cell_of(self, at: float) -> int:
        """The number of the cell that a moment falls into."""
        return _number(at, self.seconds)

    def bounds(self, cell: int) -> tuple[float, float]:
        """When the cell begins and ends, counted from the left."""
        number = self.last - self.count + 1 + cell
        return number * self.seconds, (number + 1) * self.seconds

    def told(self, now: float, minus: str) -> str:
        """Where the cursor is, in words: `12:21:40 -9m50`; empty while it is live."""
        if self.cursor is None:
            return ""
        at = self.bounds(self.cursor)[0]
        return f"{figures.clock(at)} {minus}{figures.span(max(0.0, now - at))}"

    def axis(self) -> str:
        """Times of day, each beginning below its moment, where there is room for them."""
        text = ""
        step = max(LABEL_CELLS + 4, self.count // 4)
        show = figures.clock if step * self.seconds < SECONDS_MATTER else figures.hour_minute
        for cell in range(0, self.count - LABEL_CELLS + 1, step):
            if self.cursor is None or not cell - 1 <= self.cursor <= cell + LABEL_CELLS:  # there is its own foot
                text = text.ljust(cell) + show(self.bounds(cell)[0])
        return text


def _number(at: float, seconds: float) -> int:
    # A moment that is the beginning of a cell was a product, which may be too small by its rounding.
    return int((at + seconds * 1e-6) // seconds)
