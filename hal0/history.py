"""What was, over fixed steps of the clock: the mean of a figure, and the state of a slot that tells most.

Rings of plain arrays whose size is known from the beginning. The daemon keeps an hour in coarse steps, a dashboard
one in seconds. Times are Unix seconds; step n begins at n times the length of a step.
"""

from array import array
from collections.abc import Iterator
from math import isnan, nan
from typing import Generic, Literal, TypeVar, get_args

from hal0.wire import DeviceView, SlotState

T = TypeVar("T")
Metric = Literal["utilisation", "memory_used_bytes", "temperature_c", "power_w"]  # fields of `DeviceView`
METRICS: tuple[Metric, ...] = get_args(Metric)
# When several states fall into one step, the one that tells most is kept. Their letters are those of `PastView`.
TELLING: tuple[SlotState, ...] = (
    "error", "unloading", "pulling", "starting", "warming", "serving", "ready", "idle", "offline",
)  # fmt: skip
LETTERS = "eupswvrio"
UNKNOWN_LETTER = "-"
UNKNOWN = 255
TO_LETTERS = bytes(ord(LETTERS[code]) if code < len(LETTERS) else ord(UNKNOWN_LETTER) for code in range(256))
STRAY_STEPS = 60  # a time earlier than that is of a clock that was put back


class _Ring(Generic[T]):
    """Which step lies where: the newest `steps` steps, each at its number modulo their count.

    A subclass keeps their values, and says what several steps are together.
    """

    def __init__(self, steps: int, step_seconds: float) -> None:
        self.steps = steps
        self.step_seconds = step_seconds
        self._last: int | None = None  # the newest step; None: there is none yet
        self._cells: dict[int, T | None] = {}  # cells that change no more
        self._cell_seconds = 0.0

    def number(self, at: float) -> int:
        """The step that a moment falls into."""
        return int(at // self.step_seconds)

    def _blank(self, first: int, last: int) -> None:
        raise NotImplementedError

    def _over(self, start: float, end: float) -> T | None:
        """What the steps from `start` to `end` are together; None: that is not known."""
        raise NotImplementedError

    def cells(self, seconds: float, last: int, count: int) -> list[T | None]:
        """`count` cells of so many seconds, each with its steps together, the oldest first; cell n begins at n times
        `seconds`."""
        if seconds != self._cell_seconds or len(self._cells) > 4 * count + 64:
            self._cells.clear()
            self._cell_seconds = seconds
        settled = self._last * self.step_seconds if self._last is not None else 0.0
        values: list[T | None] = []
        for cell in range(last - count + 1, last + 1):
            if cell in self._cells:
                values.append(self._cells[cell])
                continue
            value = self._over(cell * seconds, (cell + 1) * seconds)
            if (cell + 1) * seconds <= settled:
                self._cells[cell] = value
            values.append(value)
        return values

    def _advance(self, step: int) -> None:
        """Let the ring end with this step, or where it ends already."""
        if self._last is None or step - self._last >= self.steps or step < self._last - STRAY_STEPS:
            self._cells.clear()
            self._blank(step - self.steps + 1, step)
            self._last = step
        elif step > self._last:
            self._blank(self._last + 1, step)
            self._last = step

    def _places(self, first: int, last: int) -> list[int | None]:
        """Where each of these steps lies, None if it is not kept; for thousands at a time."""
        if self._last is None:
            return [None] * (last - first + 1)
        oldest, newest, steps = self._last - self.steps + 1, self._last, self.steps
        return [step % steps if oldest <= step <= newest else None for step in range(first, last + 1)]

    def _kept(self, start: float, end: float) -> Iterator[int]:
        """Where the steps from `start` to `end` lie, at least the one that `start` falls into."""
        if self._last is None:
            return
        first, final = self.number(start), self.number(end)
        for step in range(max(first, self._last - self.steps + 1), min(max(final, first + 1), self._last + 1)):
            yield step % self.steps


class Means(_Ring[float]):
    """The mean of a figure over each step; where it was not known there is none."""

    _values: "array[float]"

    def __init__(self, steps: int, step_seconds: float = 1.0) -> None:
        super().__init__(steps, step_seconds)
        self._values = array("f", [nan]) * steps
        self._seen = 0  # figures that make up the newest step

    def _blank(self, first: int, last: int) -> None:
        self._seen = 0
        for step in range(first, last + 1):
            self._values[step % self.steps] = nan

    def add(self, at: float, value: float) -> None:
        self._advance(self.number(at))
        assert self._last is not None
        self._seen += 1
        place = self._last % self.steps
        mean = self._values[place] if self._seen > 1 else value
        self._values[place] = mean + (value - mean) / self._seen

    def fill(self, start: float, end: float, value: float) -> None:
        """Say what the figure was from `start` to `end`, where that is not known."""
        for step in range(self.number(start), self.number(end)):
            if self._last is None or step > self._last:
                self._advance(step)
                self._seen = 1
            elif step <= self._last - self.steps or not isnan(self._values[step % self.steps]):
                continue
            self._values[step % self.steps] = value
        self._cells.clear()

    def _over(self, start: float, end: float) -> float | None:
        return self.mean(start, end)

    def mean(self, start: float, end: float) -> float | None:
        """Over the steps from `start` to `end`, at least that in which `start` lies."""
        known = [value for place in self._kept(start, end) if (value := self._values[place]) == value]  # is no NaN
        return sum(known) / len(known) if known else None

    def steps_from(self, first: int, last: int) -> list[float | None]:
        """The means of these steps."""
        values = self._values
        return [None if place is None or isnan(mean := values[place]) else mean for place in self._places(first, last)]


class States(_Ring[SlotState]):
    """The states that a slot was in, the most telling one of each step."""

    _values: bytearray

    def __init__(self, steps: int, step_seconds: float = 1.0) -> None:
        super().__init__(steps, step_seconds)
        self._values = bytearray([UNKNOWN]) * steps
        self._code = UNKNOWN  # the state it is in
        self._since = 0.0

    def _blank(self, first: int, last: int) -> None:
        """Steps that have come since: it has stayed in its state."""
        for step in range(first, last + 1):
            self._values[step % self.steps] = self._code

    def note(self, since: float, state: SlotState, now: float) -> None:
        """It has been in this state since then."""
        code = TELLING.index(state)
        self.go_on(now)
        assert self._last is not None
        if (code, since) == (self._code, self._since):
            return
        first = max(self.number(since), self._last - self.steps + 1)
        if first < self._last:
            self._cells.clear()
        if self._last >= first:
            self._values[first % self.steps] = min(code, self._values[first % self.steps])
            for step in range(first + 1, self._last + 1):
                self._values[step % self.steps] = code
        else:  # clocks differ a little
            self._values[self._last % self.steps] = min(code, self._values[self._last % self.steps])
        self._code, self._since = code, since

    def go_on(self, now: float) -> None:
        """Nothing has changed until now."""
        self._advance(self.number(now))

    def lose(self, now: float) -> None:
        """From now on its state is not known."""
        self.go_on(now)
        self._code, self._since = UNKNOWN, 0.0

    def fill(self, start: float, end: float, letter: str) -> None:
        """Say what it was in from `start` to `end`, where that is not known."""
        code = LETTERS.find(letter)
        if code < 0 or self._last is None:
            return
        for step in range(max(self.number(start), self._last - self.steps + 1), min(self.number(end), self._last + 1)):
            if self._values[step % self.steps] == UNKNOWN:
                self._values[step % self.steps] = code
        self._cells.clear()

    def _over(self, start: float, end: float) -> SlotState | None:
        return self.most_telling(start, end)

    def most_telling(self, start: float, end: float) -> SlotState | None:
        code = min((self._values[place] for place in self._kept(start, end)), default=UNKNOWN)
        return None if code == UNKNOWN else TELLING[code]

    def letters(self, first: int, last: int) -> str:
        """The states of these steps, a letter each."""
        values = self._values
        codes = (UNKNOWN if place is None else values[place] for place in self._places(first, last))
        return bytes(codes).translate(TO_LETTERS).decode()


class DeviceHistory:
    """The figures of one device; a ring is made for a figure when it is first known."""

    def __init__(self, steps: int, step_seconds: float = 1.0) -> None:
        self._steps, self._step_seconds = steps, step_seconds
        self.of: dict[Metric, Means] = {}

    def ring(self, metric: Metric) -> Means:
        if metric not in self.of:
            self.of[metric] = Means(self._steps, self._step_seconds)
        return self.of[metric]

    def note(self, at: float, device: DeviceView) -> None:
        for metric in METRICS:
            value: float | None = getattr(device, metric)
            if value is not None:
                self.ring(metric).add(at, value)
