"""How commands speak of a slot: its state and its next try, in the dashboard's words."""

import time

from hal0.cli.output import Cell
from hal0.tui import retries
from hal0.wire import SlotState, SlotView, Wire

# The dashboard's glyphs (`hal0.tui.look`, which needs Textual), with the colour of each state.
STATES: dict[SlotState, tuple[str, str]] = {
    "offline": ("○", "dim"),
    "pulling": ("⇣", "yellow"),
    "starting": ("◌", "yellow"),
    "warming": ("◔", "yellow"),
    "ready": ("●", "green"),
    "serving": ("▶", "cyan"),
    "idle": ("◐", "dim"),
    "unloading": ("⇡", "yellow"),
    "error": ("✖", "red"),
}


class Slots(Wire):
    slots: list[SlotView]


def state_cell(slot: SlotView) -> Cell:
    done = f" {slot.progress:.0%}" if slot.progress is not None else ""
    return Cell(slot.state + done, STATES[slot.state][1])


def next_try(slot: SlotView) -> str:
    return retries.in_words(slot, time.time()) if slot.state == "error" else "it has recovered since"
