"""One look at the daemon, printed: the home screen's lines, or the state as JSON."""

import asyncio
import sys
from typing import TextIO

from hal0.tui import problems
from hal0.tui.client import Client
from hal0.tui.device_facts import rows_of
from hal0.tui.lines import EMPTY, Line
from hal0.tui.look import Look
from hal0.tui.store import Store
from hal0.tui.text import harmless, to_ascii
from hal0.tui.view import View
from hal0.tui.widgets.device_lines import one_line
from hal0.tui.widgets.slots import table
from hal0.tui.widgets.truth import truth_line


def snapshot(view: View, width: int) -> list[Line]:
    """The first line, the devices, all slots, and what is wrong."""
    store = view.store
    lines = [truth_line(view, width)]
    lines += [one_line(view, device, memory, width) for device, memory in rows_of(store)]
    lines += [EMPTY, *table(view, width, len(store.slots) + 2, 0, focused=False)[0]]
    for trouble in problems.troubles(store):
        lines += [EMPTY, *problems.page(trouble, width, view.look.glyphs, None)]
    return lines


async def print_once(client: Client, look: Look, *, json: bool, width: int, out: TextIO = sys.stdout) -> None:
    """Fetch the state once and print it; raises `Hal0Error` like every other call of the daemon."""
    try:
        state = await client.state()
        latency = await client.latency_ms()
    finally:
        await client.aclose()
    if json:
        out.write(state.model_dump_json(indent=2) + "\n")
        return
    store = Store()
    store.load(state)
    store.connected(latency)
    view = View(store, look)
    for spans in snapshot(view, width):
        text = "".join(harmless(text) for text, _ in spans).rstrip()
        out.write((to_ascii(text) if look.glyphs.ascii else text) + "\n")


def run_once(client: Client, look: Look, *, json: bool, width: int) -> None:
    asyncio.run(print_once(client, look, json=json, width=width))
