"""What goes with a slot that is taken out of the configuration: its process, its settings, what names it."""

from collections.abc import Iterator, Sequence
from typing import ClassVar

from hal0.errors import Hal0Error
from hal0.tui import figures, places
from hal0.tui.lines import EMPTY, Line, line, span
from hal0.tui.request_lines import short_id
from hal0.tui.store import ALL_TOPICS, Store
from hal0.tui.streams import Stream
from hal0.tui.text import harmless, wrap
from hal0.tui.view import View
from hal0.tui.widgets.pane import Pane
from hal0.wire import ConfigValue, SlotView

Values = Sequence[ConfigValue] | Hal0Error | None  # those in force, why they are not known, or not known yet
DEFAULTS = ("default", "embedded default")  # origins of what nobody has written


class Loss(Pane):
    """The box of the dialog."""

    TOPICS: ClassVar = ALL_TOPICS

    def __init__(self, view: View, slot: str) -> None:
        super().__init__(view, id="question")
        self._slot = slot
        self.values: Sequence[ConfigValue] | Hal0Error | None = None  # None: not known yet

    def write(self, width: int, rows: int) -> list[Line]:
        """The box; in few rows without the air, then without its end."""
        body = [EMPTY, *lines(self._slot, self.view.store, self.values, width - 4), EMPTY]
        if len(body) + 2 > rows:
            body = [spans for spans in body if spans]
        title = line(span(f"delete {self._slot}", "title"))
        how = line(span("write its name below", "warn"))
        return self.look.glyphs.plain.box(body[: max(1, rows - 2)], width, top=(title, how), role="bad")

    def paint(self, width: int, height: int) -> list[Line]:
        return self.write(width, height)


def lines(name: str, store: Store, values: Values, width: int) -> list[Line]:
    slot = store.slots.get(name)
    told: list[Line] = []
    for text, role in _running(slot, store) if slot else [(f"{name} is gone already", "warn")]:
        told += _wrapped(text, width, role)
    told.append(EMPTY)
    match values:
        case None:
            told += _wrapped("asking the daemon what its table says", width, "muted")
        case Hal0Error():
            told += _wrapped(f"{values.code}: {values.message}", width, "bad")
        case _:
            told += _lost(name, slot, values, width)
    told.append(EMPTY)
    config = store.config
    if config is not None:
        told += _wrapped(f"the way back: hal0 config rollback {config.revision}", width, "muted")
    return told + _wrapped(f"equivalent CLI: {command(name)}", width, "muted")


def command(name: str) -> str:
    return f"hal0 slot delete {name}"


def _running(slot: SlotView, store: Store) -> Iterator[tuple[str, str]]:
    busy = [stream for stream in store.streams.in_flight() if stream.view.slot == slot.name]
    if slot.pid is None:
        yield f"It is {slot.state}: no process runs.", "strong"
    else:
        memory = places.memory_in_words(slot)
        yield f"It is {slot.state}: pid {slot.pid}{f', {memory}' if memory else ''}; that process ends.", "strong"
    waiting = [each for each in busy if each.view.phase in ("queued", "loading")]
    working = [each for each in busy if each not in waiting]
    if working:
        shown = ", ".join(f"{short_id(each.view.id)} {figures.count(each.view.tokens)} tok" for each in working[:4])
        more = f" and {len(working) - 4} more" if len(working) > 4 else ""
        yield f"{_many(working)} in flight may finish: {shown}{more}.", "warn"
    if waiting:
        yield f"{_many(waiting)} waiting for it will be told that it is gone.", "bad"


def _many(requests: Sequence[Stream]) -> str:
    return f"{len(requests)} request{'s' if len(requests) != 1 else ''}"


def _lost(name: str, slot: SlotView | None, values: Sequence[ConfigValue], width: int) -> Iterator[Line]:
    table = f"slots.{_key(name)}."
    written = [each for each in values if each.key.startswith(table) and each.origin not in DEFAULTS]
    if written:
        yield from _wrapped(f"Its table goes, from {_file(written[0].origin)}:", width, "text")
        yield from (
            piece
            for each in written
            for piece in _wrapped(f"  {each.key.removeprefix(table)} = {each.value}", width, "text")
        )
    else:
        yield from _wrapped("It is one of the embedded slots; hal0.toml is written with the others.", width, "text")
    names = {name, *(slot.aliases if slot else ()), *(slot.background if slot else ())}
    others = [each.key for each in values if not each.key.startswith(table) and _names(each, names)]
    if others:
        yield from _wrapped(f"Named elsewhere, which must be corrected first: {', '.join(others)}", width, "warn")


def _names(value: ConfigValue, names: set[str]) -> bool:
    """Whether a key that points to slots has one of these names."""
    is_pointer = value.key.startswith("dispatch.") or value.key.endswith(".fallback")
    return is_pointer and value.origin not in DEFAULTS and any(f'"{name}"' in value.value for name in names)


def _key(name: str) -> str:
    return f'"{name}"' if "." in name else name


def _file(origin: str) -> str:
    return origin.rpartition(":")[0] or origin


def _wrapped(text: str, width: int, role: str) -> list[Line]:
    return [line(" ", span(piece, role)) for piece in wrap(harmless(text), width - 1)]
