"""What all screens share: keys from the table, panes that are flushed, a first and a last line."""

from collections.abc import Iterator, Mapping, Set
from typing import Any, ClassVar, cast

from textual.binding import Binding, BindingsMap, BindingType
from textual.events import Resize, ScreenResume
from textual.screen import ModalScreen, Screen
from textual.widget import Widget

from hal0.tui import problems
from hal0.tui.host import Host
from hal0.tui.keymap import BY_ID, Key, Need, Place, keys_at
from hal0.tui.messages import Touched
from hal0.tui.rebinding import DEFAULT
from hal0.tui.store import ALL_TOPICS, Store, Topic
from hal0.tui.view import View
from hal0.tui.widgets.pane import Pane

END = 1_000_000
WHY_NOT: Mapping[Need, str] = {
    "slot": "there is no slot",
    "chat slot": "this slot is not for chat",
    "problem": "nothing is wrong",
    "slot problem": "no slot is in error because of this",
    "many": "there is no other one",
    "fixable": "hal0 knows no certain correction for this",
    "placed": "this event is about no line of the configuration",
    "openable": "there is no more to tell of this",
    "unseen": "all errors are seen",
    "editable": "no part of the configuration is behind this",
    "earlier": "first select an earlier revision, with ]",
    "looked at": "there is nothing that could be written",
    "complete": "what is written is not complete yet",
    "timed": "no line here has a time: they came before hal0d was started",
    "running": "no request is in flight here",
    "text": "no request is shown",
    "found": "nothing is searched for; / finds a text",
    "cut lines": "long lines are broken to fit; w cuts them off",
    "device": "no device is known",
    "scrubbed": "the newest figures are shown already",
    "model": "no model is selected",
    "answering": "no answer is coming",
    "answered": "there is no answer to ask for once more",
    "visited": "only a host gone to before can be forgotten",
    "near": "hal0d's log is on its own machine",
    "recording": "there is no recording; `hal0-tui --record FILE` makes one",
}


def bindings(*places: Place) -> list[BindingType]:
    """The bindings of a screen: every key of the table that works in one of its places."""
    keys = {key.id: key for place in places for key in keys_at(place) if key.keys}
    return [_binding(key) for key in keys.values()]


def _binding(key: Key) -> Binding:
    return Binding(",".join(key.keys), f"press('{key.id}')", key.label, show=False, id=key.id)


class KeyedScreen(Screen[Any], inherit_bindings=False):
    """A screen whose keys come from the table: `press` runs `do_<id>` when the key has something to act on."""

    AUTO_FOCUS = ""
    PLACE: ClassVar[Place] = "help"

    def __init__(self, view: View) -> None:
        super().__init__()
        self.view = view
        if view.keymap is not DEFAULT:
            # Not `App.set_keymap`: one screen has several places, and there a key may mean something else in each.
            ids = dict.fromkeys(binding.id for _, binding in self._bindings if binding.id)
            self._bindings = BindingsMap([_binding(view.keymap.of(id)) for id in ids])

    @property
    def dashboard(self) -> Host:
        return cast(Host, self.app)

    @property
    def store(self) -> Store:
        return self.view.store

    @property
    def place(self) -> Place:
        """Where the person is now."""
        return self.PLACE

    def has(self, need: Need) -> bool:
        """Whether there is what a key acts on."""
        return need in ("", "way back") or (need == "problem" and problems.has_troubles(self.store))

    def offers(self, key: Key) -> bool:
        if (key.writes and self.view.is_read_only) or (key.asks and self.view.is_replay):
            return False
        return self.place in key.places and self.has(key.need)

    def offered(self) -> list[Key]:
        return [key for key in self.view.keymap.at(self.place) if self.offers(key)]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action != "press":
            return super().check_action(action, parameters)
        key = BY_ID[str(parameters[0])]
        return self.offers(key) or (self.place in key.places and bool(self._why_not(key)))

    def _why_not(self, key: Key) -> str:
        """What to tell who presses a key that has nothing to act on; a key that says nothing seems broken."""
        if (key.writes or key.asks) and self.view.is_replay:
            return f"{key.label}: there is no daemon behind a recording"
        if key.writes and self.view.is_locked:
            return f"locked: {key.label} would change something; ^g unlocks"
        return self.why_not(key.need)

    def why_not(self, need: Need) -> str:
        """What to tell of a key that needs what is not there."""
        return WHY_NOT.get(need, "")

    def action_press(self, id: str) -> None:
        self.dashboard.move_clock()
        key = BY_ID[id]
        if self.offers(key):
            getattr(self, f"do_{id}")()
        else:
            self.store.tell(self._why_not(key), "warn")
        self.dashboard.paint_now()

    def give_focus(self, widget: Widget) -> None:
        """At once: `Widget.focus` does it later, and what is typed right behind would be a command where the focus was.

        On a slow line keys come several at a time.
        """
        self.set_focus(widget)

    def panes(self) -> Iterator[Pane]:
        return iter(self.query(Pane))

    def flush(self, dirty: Set[Topic]) -> None:
        """Paint what changed."""
        for pane in self.panes():
            pane.flush(dirty)

    def on_screen_resume(self, event: ScreenResume) -> None:
        self.flush(ALL_TOPICS)

    def on_resize(self, event: Resize) -> None:
        self.call_after_refresh(self.flush, ALL_TOPICS)

    def on_touched(self, message: Touched) -> None:
        self.dashboard.paint_now()

    # Keys that work on every screen
    def do_palette(self) -> None:
        self.dashboard.open_palette(
            [key for key in self.offered() if key.keys and key.id != "palette"], self.action_press
        )

    def do_lock(self) -> None:
        self.view.is_locked = not self.view.is_locked
        told = (
            "locked: nothing is changed from here" if self.view.is_locked else "keys that change something work again"
        )
        self.store.tell(told, "warn" if self.view.is_locked else "good")
        self.store.mark("link")

    def do_jump(self) -> None:
        self.dashboard.open_jump([pane for pane in self.panes() if pane.display])

    def do_back(self) -> None:
        self.dismiss()

    def do_problems(self) -> None:
        self.dashboard.open_problems()

    def do_help(self) -> None:
        self.dashboard.open_help(self.place)

    def do_view_home(self) -> None:
        self.dashboard.open_view("home")

    def do_view_devices(self) -> None:
        self.dashboard.open_view("devices")

    def do_view_streams(self) -> None:
        self.dashboard.open_view("streams")

    def do_view_events(self) -> None:
        self.dashboard.open_view("events")

    def do_view_logs(self) -> None:
        self.dashboard.open_view("logs")

    def do_view_config(self) -> None:
        self.dashboard.open_view("config")

    def do_hosts(self) -> None:
        self.dashboard.open_hosts()

    def do_faster(self) -> None:
        self.dashboard.change_rate(1)

    def do_slower(self) -> None:
        self.dashboard.change_rate(-1)

    def do_mouse(self) -> None:
        self.dashboard.change_mouse()

    def do_quit(self) -> None:
        self.dashboard.leave()

    def do_repaint(self) -> None:
        for pane in self.panes():
            pane.redraw()
        self.refresh(layout=True)


class ScrollingScreen(KeyedScreen, inherit_bindings=False):
    """A screen of which one pane at a time is scrolled."""

    @property
    def scrolled(self) -> Pane:
        """The pane that the keys move."""
        raise NotImplementedError

    @property
    def sideways(self) -> Pane:
        """The pane whose long lines are cut, or broken to fit."""
        return self.scrolled

    def mark_scrolled(self) -> None:
        """Tell what is to be painted anew."""
        raise NotImplementedError

    def has(self, need: Need) -> bool:
        return not self.view.wraps if need == "cut lines" else super().has(need)

    def do_wrap(self) -> None:
        self.view.wraps = not self.view.wraps
        self.view.shift = 0
        self.mark_scrolled()

    def do_shift_right(self) -> None:
        half = self.sideways.size.width // 2
        if self.view.shift + half < self.sideways.longest:
            self.view.shift += half
            self.mark_scrolled()

    def do_shift_left(self) -> None:
        self.view.shift = max(0, self.view.shift - self.sideways.size.width // 2)
        self.mark_scrolled()

    def _scroll(self, by: int) -> None:
        self.scrolled.scroll_lines(by)
        self.mark_scrolled()

    def do_down(self) -> None:
        self._scroll(1)

    def do_up(self) -> None:
        self._scroll(-1)

    def do_first(self) -> None:
        self._scroll(-END)

    def do_last(self) -> None:
        self._scroll(END)

    def do_page_down(self) -> None:
        self._scroll(self.scrolled.page)

    def do_page_up(self) -> None:
        self._scroll(-self.scrolled.page)


class KeyedModal(KeyedScreen, ModalScreen[Any], inherit_bindings=False):
    """A dialog over another screen."""
