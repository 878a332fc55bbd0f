"""An app that fits its terminal: in colours that suit the link, at a rate that a person may change, mouse or none."""

from collections.abc import Iterator

from hal0.tui.clock import SLOW_SECONDS
from hal0.tui.look import ANSI, Look, textual_theme
from hal0.tui.paced import PacedApp
from hal0.tui.store import Store
from hal0.tui.view import View
from hal0.tui.widgets.pane import Pane

RATES = (2, 3, 4, 5, 6, 8, 10)  # frames per second, for `+` and `-`
SPARING_RATE = 5.0  # on a slow link
MOUSE_MODES = (1000, 1003, 1015, 1006)  # that Textual turns on


class FittedApp(PacedApp, inherit_bindings=False):
    """What was asked for by an option, a setting or a key is not changed for the link's sake."""

    store: Store
    view: View
    theme_is_chosen = False
    rate_is_chosen = False
    has_mouse = True
    worn = ""  # the theme that was chosen while it ran
    _spares = False

    # Colours ---------------------------------------------------------------------------------------------------
    def wear(self, theme: str) -> None:
        """Other colours, at once; also the next time, unless an option or a setting says otherwise."""
        self.worn, self.theme_is_chosen = theme, True
        self._dress(theme)

    def _dress(self, theme: str) -> None:
        self.view.look = Look.of(theme, ascii_only=self.view.look.glyphs.ascii)
        self.ansi_color = theme == ANSI
        self.theme = textual_theme(theme)
        for pane in self._panes():
            pane.redraw()

    def _panes(self) -> Iterator[Pane]:
        return (pane for screen in self.screen_stack for pane in screen.query(Pane))

    # The rate --------------------------------------------------------------------------------------------------
    def change_rate(self, by: int) -> None:
        """To the next rate up or down."""
        pace = self.clock.pace
        others = [rate for rate in RATES if (rate - pace.most) * by > 0]
        if others:
            self.rate_is_chosen = True
            pace.limit(min(others) if by > 0 else max(others), by_hand=True)
        self.store.tell(f"at most {pace.most:.0f} frames a second", "muted", seconds=2)
        self.store.mark("link")

    def heard(self) -> None:
        """On a slow link a full repaint in 24-bit colours takes twice the bytes of one in the terminal's own."""
        if self._spares or not self.clock.pace.is_slow:
            return
        self._spares = True
        done = []
        if not self.theme_is_chosen and self.view.look.theme != ANSI:
            self._dress(ANSI)
            done.append("few colours (: theme brings others)")
        if not self.rate_is_chosen and self.clock.pace.most > SPARING_RATE:
            self.clock.pace.limit(SPARING_RATE)
            done.append(f"{SPARING_RATE:.0f} frames a second (+ for more)")
        if done:
            slow = f"the terminal answers in more than {SLOW_SECONDS * 1000:.0f} ms"
            self.store.tell(f"{slow}: {', '.join(done)}", "warn", seconds=15)
            self.clock.wake()

    # The mouse -------------------------------------------------------------------------------------------------
    def change_mouse(self) -> None:
        """Leave the mouse to the terminal, which then selects text with it, or take it back."""
        self.has_mouse = not self.has_mouse
        if self._driver is not None:
            self._driver._mouse = self.has_mouse  # also after an editor had the terminal
            switch = "h" if self.has_mouse else "l"
            self._driver.write("".join(f"\x1b[?{mode}{switch}" for mode in MOUSE_MODES))
            self._driver.flush()
        told = "taken back" if self.has_mouse else "the terminal's: select text with it; again takes it back"
        self.store.tell(f"the mouse is {told}", "muted")
