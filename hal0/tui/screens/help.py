"""`?`: the keys that work where the person is, then all others, and how to read the screen."""

from typing import ClassVar

from hal0.errors import CATALOGUE
from hal0.tui.keymap import Key, Place
from hal0.tui.lines import EMPTY, Line, line, span
from hal0.tui.look import STATE_ROLE
from hal0.tui.prose import FIRST_LINE, PROSE, TITLES
from hal0.tui.screens.base import bindings
from hal0.tui.screens.page import Page
from hal0.tui.text import fit, harmless, wrap
from hal0.tui.view import View
from hal0.wire import SlotState

KEY_CELLS = 9
STATES: dict[SlotState, str] = {
    "offline": "no process",
    "pulling": "model files are being fetched or verified",
    "starting": "the process is there, its port does not answer yet",
    "warming": "the model is loading",
    "ready": "proven: it can serve a request",
    "serving": "at least one request in flight",
    "idle": "quiet for a while; first to go when room is needed",
    "unloading": "a wanted stop: requests finish, then the process ends",
    "error": "it failed; Enter tells why, and what to do",
}


class Help(Page):
    """The help page of one place."""

    PLACE = "help"
    BINDINGS: ClassVar = bindings("help")

    def __init__(self, view: View, about: Place) -> None:
        super().__init__(view)
        self._about = about

    def trail(self) -> list[str]:
        return ["home", "help", TITLES[self._about]]

    def write(self, width: int) -> list[Line]:
        lines: list[Line] = [EMPTY]
        for paragraph in (*self._why(), *PROSE[self._about]):
            lines += _prose(paragraph, width)
        here = sorted(self.view.keymap.at(self._about), key=lambda key: key.group == "Move")
        lines += [EMPTY, line(" ", span(f"keys in {TITLES[self._about]}", "title"))]
        lines += [piece for key in here for piece in _key(key, width, self.view.look.glyphs.enter)]
        others = [
            key
            for key in self.view.keymap.keys
            if key not in here and key.id not in ("close_help", "keep", "leave", "choose") and key.group != "Confirm"
        ]
        lines += [EMPTY, line(" ", span("keys elsewhere", "title"))]
        lines += [piece for key in others for piece in _key(key, width, self.view.look.glyphs.enter, where=True)]
        lines += [EMPTY, line(" ", span("states", "title"), span(", and their cells in lanes", "muted"))]
        for state, meaning in STATES.items():
            glyphs = self.view.look.glyphs
            glyph = span(f"{glyphs.states[state]} {glyphs.lanes[state]}", STATE_ROLE[state])
            pieces = wrap(meaning, width - 18)
            lines.append(line("  ", glyph, " ", span(fit(state, 11), STATE_ROLE[state]), span(pieces[0])))
            lines += [line(span(" " * 17 + piece)) for piece in pieces[1:]]
        lines += [EMPTY, line(" ", span("the first line", "title")), *_prose(FIRST_LINE, width)]
        return lines

    def _why(self) -> list[str]:
        """In the disconnected state `?` asks why; that is in the catalogue."""
        problem = self.store.link.problem
        if self._about != "down" or problem is None:
            return []
        spec = CATALOGUE[problem.code]
        return [f"{problem.code}: {problem.message}", spec.cause, problem.remedy.replace("`", "")]

    def do_close_help(self) -> None:
        self.dismiss()


def _prose(text: str, width: int) -> list[Line]:
    return [line(span("  " + piece)) for piece in wrap(harmless(text), min(width - 4, 96))]


def _key(key: Key, width: int, enter: str, *, where: bool = False) -> list[Line]:
    text = f"{key.does} ({', '.join(TITLES[place] for place in key.places)})" if where else key.does
    pieces = wrap(text.replace("`", ""), min(width - KEY_CELLS - 4, 96))
    head = line("  ", span(fit(key.shown.replace("⏎", enter), KEY_CELLS), "key"), span(pieces[0]))
    return [head, *(line(span(" " * (KEY_CELLS + 2) + piece)) for piece in pieces[1:])]
