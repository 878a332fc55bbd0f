"""In which order the slots stand: the configuration's, or by one of the columns. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hal0.tui import places
from hal0.tui.store import Store
from hal0.tui.streams import Load
from hal0.wire import SlotState, SlotView

# What wants a look comes first.
URGENCY: tuple[SlotState, ...] = (
    "error", "pulling", "starting", "warming", "unloading", "serving", "ready", "idle", "offline",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sort:
    """One column to sort by; what has no value there stands at the end either way."""

    title: str
    value: Callable[[SlotView, Load], str | float | None]
    largest_first: bool = False


SORTS: tuple[Sort, ...] = (
    Sort("slot", lambda slot, load: slot.name.casefold()),
    Sort("state", lambda slot, load: URGENCY.index(slot.state)),
    Sort("model", lambda slot, load: slot.model.casefold()),
    Sort("mem", lambda slot, load: places.memory_of(slot), largest_first=True),
    Sort("tok/s", lambda slot, load: load.tokens_per_second, largest_first=True),
    Sort("ttft", lambda slot, load: load.ttft_ms, largest_first=True),
    Sort("req", lambda slot, load: load.in_flight + load.waiting, largest_first=True),
    Sort("since", lambda slot, load: slot.lasts_since, largest_first=True),
)


def in_order(slots: Sequence[SlotView], store: Store, sort: Sort | None, *, reverse: bool) -> list[SlotView]:
    """The slots by a column, equal ones as in the configuration; without a column as there, or from its end."""
    if sort is None:
        return list(reversed(slots)) if reverse else list(slots)
    values = {slot.name: sort.value(slot, store.load_of(slot)) for slot in slots}
    known = [slot for slot in slots if values[slot.name] is not None]
    unknown = [slot for slot in slots if values[slot.name] is None]
    # The values of one column are all of one type.
    known.sort(key=lambda slot: values[slot.name], reverse=sort.largest_first != reverse)  # type: ignore[arg-type,return-value]
    return known + unknown


def sort_called(title: str) -> Sort | None:
    """A column by what stands above it; None: there is none."""
    return next((sort for sort in SORTS if sort.title == title), None)


def following(sort: Sort | None) -> Sort | None:
    """The next column to sort by; after the last one the configuration's order."""
    at = SORTS.index(sort) + 1 if sort else 0
    return SORTS[at] if at < len(SORTS) else None
