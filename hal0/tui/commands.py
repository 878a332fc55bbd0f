"""Commands with arguments, for the palette: a verb and a slot, `swap` also with a model. Pure.

They are made for what is typed, not kept for every slot: there may be a thousand.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hal0.tui.keymap import BY_ID
from hal0.tui.store import Store
from hal0.wire import ModelView, SlotView

VERBS = ("load", "unload", "restart", "swap", "pin", "chat", "detail", "open_log", "edit", "delete")  # ids of keys


@dataclass(frozen=True, slots=True)
class SlotCommand:
    """What a key does, said of one slot."""

    id: str  # of the key
    slot: str
    model: str = ""  # to swap to

    @property
    def words(self) -> str:
        return " ".join(part for part in (BY_ID[self.id].label, self.slot, self.model) if part)

    @property
    def does(self) -> str:
        return f"give {self.slot} this model" if self.model else BY_ID[self.id].does.replace("`", "")


def wants_models(typed: str) -> bool:
    return bool(typed) and "swap".startswith(typed.split(" ")[0].casefold())


def commands(
    typed: str, store: Store, models: Sequence[ModelView], *, locked: bool, replay: bool = False
) -> Iterator[SlotCommand]:
    """The verbs that one of the words typed may be the beginning of, for every slot that they can be said of.

    None that changes something if it is locked, and none that asks the daemon in a replay.
    """
    words = typed.casefold().split()
    for id in VERBS:
        key = BY_ID[id]
        if not any(key.label.startswith(word) for word in words) or (locked and key.writes) or (replay and key.asks):
            continue
        for slot in store.slots.values():
            if id != "chat" or slot.kind == "chat":
                yield SlotCommand(id, slot.name)
            if id == "swap" and slot.name.casefold() in words:
                yield from (SlotCommand(id, slot.name, model) for model in _others(slot, models))


def _others(slot: SlotView, models: Sequence[ModelView]) -> list[str]:
    """What the slot could be swapped to."""
    return [model.id for model in models if model.kind == slot.kind and model.id != slot.model]
