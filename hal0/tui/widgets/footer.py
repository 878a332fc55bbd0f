"""The last line: the keys that work here, and for some seconds the answer to the one just pressed."""

from collections.abc import Callable
from typing import ClassVar

from hal0.tui.keymap import Key
from hal0.tui.lines import Line, Span, line, span, spread, width_of
from hal0.tui.look import Glyphs
from hal0.tui.store import ALL_TOPICS, Notice
from hal0.tui.text import cut, harmless
from hal0.tui.view import View
from hal0.tui.widgets.pane import Pane

LEAST_CELLS = 8  # that a key needs beside an answer
AT_THE_END = ("help", "close_help", "quit")


def key_spans(key: Key, enter: str) -> Line:
    shown = key.shown.split(" ")[0].replace("⏎", enter)
    return (span(" "), span(shown, "key"), span(f" {key.label}"))


def footer_line(keys: list[Key], width: int, enter: str) -> Line:
    """The keys that fit, in the table's order; those with a high footer number give way first."""
    shown = [key for key in keys if key.footer]
    while True:
        left = _joined([key for key in shown if key.id not in AT_THE_END], enter)
        right = _joined([key for key in shown if key.id in AT_THE_END], enter)
        if width_of(left) + width_of(right) + 1 <= width or not shown:
            return spread(left, (*right, span(" ")), width)
        shown.remove(max(shown, key=lambda key: key.footer))


def notice_line(notice: Notice, keys: list[Key], width: int, glyphs: Glyphs) -> Line:
    """The answer, and beside it the keys that still fit: the weightiest always, unless something failed."""
    needed = width_of(_joined([key for key in keys if key.footer == 1], glyphs.enter)) + 4
    text = harmless(notice.text)
    room = width - 2 if notice.role == "alarm" else max(width - 2 - needed, width // 2)
    told = line(" ", span(cut(text, room, ellipsis=glyphs.ellipsis), notice.role), " ")
    rest = width - width_of(told)
    return (*told, *footer_line(keys, rest, glyphs.enter)) if rest >= LEAST_CELLS else told


def _joined(keys: list[Key], enter: str) -> Line:
    spans: list[Span] = []
    for index, key in enumerate(keys):
        spans.extend(((" ", "text"), *key_spans(key, enter)) if index else key_spans(key, enter))
    return tuple(spans)


class Footer(Pane):
    """The keys of the screen it is on."""

    TOPICS: ClassVar = ALL_TOPICS
    FADES = False

    def __init__(self, view: View, keys: Callable[[], list[Key]]) -> None:
        super().__init__(view, id="footer")
        self._keys = keys

    def paint(self, width: int, height: int) -> list[Line]:
        notice = self.view.store.notice
        glyphs = self.look.glyphs
        if notice is None:
            return [footer_line(self._keys(), width, glyphs.enter)]
        return [notice_line(notice, self._keys(), width, glyphs)]
