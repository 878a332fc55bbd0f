"""No daemon: what was tried, why it failed, and the keys that help."""

import re
from collections.abc import Callable, Sequence
from typing import ClassVar

from hal0.errors import CATALOGUE, Hal0Error
from hal0.tui import figures
from hal0.tui.keymap import Key
from hal0.tui.lines import EMPTY, Line, line, span
from hal0.tui.look import Glyphs
from hal0.tui.text import wrap
from hal0.tui.view import View
from hal0.tui.widgets.pane import Pane


def down_lines(view: View, keys: Sequence[Key], width: int, height: int) -> list[Line]:
    """The message and what these keys do, in the middle if there is room."""
    store = view.store
    problem = store.link.problem
    if problem is None:
        return [EMPTY] * (height // 2 - 1) + [line(span("  connecting to hal0d" + view.look.glyphs.ellipsis, "muted"))]
    margin = " " * min(10, max(1, (width - 60) // 2))
    room = width - len(margin) - 1
    remedy = problem.remedy.replace("`", "")
    retry = max(0, round((store.link.retry_at or store.now) - store.now))
    paragraphs: list[Line] = [
        *_wrapped(_what(problem), "strong", room),
        *_wrapped(f"{_why(problem)} ({problem.code})", "bad", room),
        EMPTY,
        *_wrapped(remedy, "text", room),
        EMPTY,
        *(_key(key, f"   (by itself in {retry}s)" if key.id == "retry" else "", view.look.glyphs) for key in keys),
    ]
    told = []
    if store.loaded:
        told.append(f"What is shown faintly is the last state, of {figures.clock(store.link.since)}.")
    if store.devices_are_read_here:
        told.append("The devices are read by the dashboard itself, now.")
    if told:
        paragraphs += [EMPTY, *_wrapped(" ".join(told), "muted", room)]
    above = 0 if told else max(0, (height - len(paragraphs)) // 3)
    return [EMPTY] * above + [((margin, "text"), *spans) for spans in paragraphs]


def _key(key: Key, more: str, glyphs: Glyphs) -> Line:
    shown = key.shown.split()[0].replace("⏎", glyphs.enter)
    return line(span(f"{shown:<3}", "key"), span(f" {re.split('[:;]', key.does)[0]}", "text"), span(more, "muted"))


def _wrapped(text: str, role: str, width: int) -> list[Line]:
    return [line(span(piece, role)) for piece in wrap(text, width)]


def _what(problem: Hal0Error) -> str:
    where = problem.details.get("where")
    return f"hal0d did not answer on {where}" if problem.code == "system.daemon_down" else problem.message


def _why(problem: Hal0Error) -> str:
    return str(problem.details.get("reason") or CATALOGUE[problem.code].cause)


class Down(Pane):
    """The pane that takes the streams' place while there is no daemon."""

    TOPICS: ClassVar = frozenset({"link", "time", "devices"})
    FADES = False

    def __init__(self, view: View, keys: Callable[[], list[Key]]) -> None:
        super().__init__(view, id="down")
        self._keys = keys

    def paint(self, width: int, height: int) -> list[Line]:
        title = line(span("no connection", "title"))
        keys = [key for key in self._keys() if key.footer]
        return [self.frame.rule(width, title, (), "rule"), EMPTY, *down_lines(self.view, keys, width, height - 2)]
