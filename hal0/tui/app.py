"""The dashboard: a store that the feed fills, screens that paint from it, one clock."""

import asyncio
import signal
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar

from hal0.errors import Hal0Error
from hal0.paths import locate
from hal0.tui.asking import AskingApp
from hal0.tui.client import Client
from hal0.tui.clock import PaintClock
from hal0.tui.commands import SlotCommand, wants_models
from hal0.tui.commands import commands as slot_commands
from hal0.tui.fitted import FittedApp
from hal0.tui.hosts import HostEntry
from hal0.tui.keymap import Key, Place, ViewName
from hal0.tui.look import ANSI, THEME_NAMES, Look, own_themes, textual_theme
from hal0.tui.machine import Machine
from hal0.tui.memory import Habits, Memory
from hal0.tui.rebinding import DEFAULT, Keymap
from hal0.tui.screens.base import KeyedScreen
from hal0.tui.screens.config import ConfigPage
from hal0.tui.screens.daemon_log import DaemonLogView
from hal0.tui.screens.devices import DeviceView
from hal0.tui.screens.events import EventView
from hal0.tui.screens.fix import FixPage
from hal0.tui.screens.help import Help
from hal0.tui.screens.home import Home
from hal0.tui.screens.hosts import HostsDialog
from hal0.tui.screens.jump import Jump, goals
from hal0.tui.screens.logs import LogView
from hal0.tui.screens.palette import Command, Palette
from hal0.tui.screens.problem import ProblemPage
from hal0.tui.screens.streams import StreamView
from hal0.tui.sorting import sort_called
from hal0.tui.store import Store
from hal0.tui.view import View
from hal0.tui.widgets.pane import Pane
from hal0.wire import ModelView

FRAMES_PER_SECOND = 8.0
PALETTE_LAST = ("Everywhere", "Move", "Views")  # groups of keys, behind those of the place
VIEWS: Mapping[ViewName, type[KeyedScreen]] = {
    "devices": DeviceView,
    "streams": StreamView,
    "events": EventView,
    "logs": LogView,
    "config": ConfigPage,
}


class Dashboard(FittedApp, AskingApp, inherit_bindings=False):
    """The application; it owns the store and the paint clock."""

    TITLE = "hal0"
    CSS_PATH = Path(__file__).with_name("hal0.tcss")
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar = []

    def __init__(
        self,
        client: Client,
        look: Look,
        *,
        frames_per_second: float | None = None,
        theme_is_chosen: bool = False,
        mouse: bool = True,
        read_only: bool = False,
        keymap: Keymap = DEFAULT,
        tape: str = "",
        crash_file: Path | None = None,
        host: HostEntry | None = None,
        named_hosts: Sequence[HostEntry] = (),
        memory: Memory | None = None,
        daemon_log: Path | None = None,
    ) -> None:
        # With NO_COLOR Textual takes the colours out of an ANSI theme, but turns others to grey.
        super().__init__(ansi_color=look.theme == ANSI)
        for theme in own_themes():
            self.register_theme(theme)
        self.theme = textual_theme(look.theme)
        self.animation_level = "none"
        self.client = client
        self.store = Store()
        self.clock = PaintClock(self._paint, frames_per_second=frames_per_second or FRAMES_PER_SECOND)
        self.theme_is_chosen = theme_is_chosen
        self.rate_is_chosen = frames_per_second is not None
        self.has_mouse = mouse
        self.view = View(
            self.store,
            look,
            is_locked=read_only,
            is_replay=client.is_past,
            keymap=keymap,
            tape=tape,
            pace=self.clock.pace,
        )
        self._live_tape = "" if client.is_past else tape
        self.host = host or HostEntry(client.address, "local" if client.address.is_near else "typed")
        self.view.where = "" if self.host.origin == "local" else self.host.title
        self.named_hosts = named_hosts
        self.memory = memory
        self.machine = Machine()
        self.daemon_log = daemon_log or locate().logs / "hal0d.log"
        self._view_of_before: ViewName | None = None
        if memory is not None:
            self.view.sort = sort_called(memory.habits.sort)
            self.view.is_reversed = memory.habits.is_reversed
            self._view_of_before = next((name for name in VIEWS if name == memory.habits.view), None)
        self.frames = 0
        self.failure: Hal0Error | None = None
        self._crash_file = crash_file

    async def on_mount(self) -> None:
        await self.push_screen(Home(self.view))
        self.call_after_refresh(self.begin)

    def begin(self) -> None:
        """Start to ask the daemon, once the first frame is on the screen."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.leave)
        self.follow()
        self.set_interval(1.0, self._tick)

    def recording_failed(self, problem: Hal0Error) -> None:
        """It ended early; the dashboard goes on."""
        self.view.tape = self._live_tape = ""
        self.store.tell(f"{problem.code}: {problem.message}", "alarm", seconds=60)
        self.clock.wake()

    async def on_unmount(self) -> None:
        self.clock.stop()
        asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
        await self.client.aclose()

    # Painting --------------------------------------------------------------------------------------------------
    def _tick(self) -> None:
        """Let the seconds that are shown go on; nothing is painted if none are."""
        self.remember()
        self.look_here()
        if self.store.is_ticking:
            self.move_clock()
            self.clock.wake()

    def move_clock(self) -> None:
        self.feed.tick()

    def _paint(self) -> None:
        if not self.is_running or not isinstance(self.screen, KeyedScreen):
            return
        if self._view_of_before and self.store.loaded and isinstance(self.screen, Home):
            self.open_view(self._view_of_before)
            return
        dirty = self.store.take_dirty()
        if dirty:
            self.frames += 1
            self.screen.flush(dirty)

    def habits(self, before: Habits) -> Habits:
        """What to keep for the next time."""
        shown = next((name for name, kind in VIEWS.items() if any(isinstance(s, kind) for s in self.screen_stack)), "")
        sort = self.view.sort.title if self.view.sort else ""
        return replace(
            before, theme=self.worn or before.theme, sort=sort, is_reversed=self.view.is_reversed, view=shown
        )

    # What screens ask for --------------------------------------------------------------------------------------
    def go_home(self) -> None:
        self.open_view("home")

    def open_view(self, name: ViewName) -> None:
        self._view_of_before = None
        for screen in reversed(self.screen_stack):
            if isinstance(screen, Home):
                break
            self.pop_screen()
        if name != "home":
            self.push_screen(VIEWS[name](self.view))

    def open_problems(self, key: str = "") -> None:
        self.push_screen(ProblemPage(self.view, key))

    def open_request(self, id: str) -> None:
        self.open_view("streams")
        if isinstance(self.screen, StreamView):
            self.screen.list.select(id)

    def open_palette(self, keys: Sequence[Key], press: Callable[[str], None]) -> None:
        """The actions of the place, the views, the slots, the themes; and what is said of a slot, as it is typed."""
        ranked = sorted(keys, key=lambda key: PALETTE_LAST.index(key.group) if key.group in PALETTE_LAST else -1)
        known = [Command(key.label, key.does.replace("`", ""), partial(press, key.id), key.shown) for key in ranked]
        known += [
            Command(f"slot {name}", f"select {name} on the home screen", partial(self._go_to, name))
            for name in self.store.slots
        ]
        known += [Command(f"theme {name}", "other colours", partial(self.wear, name)) for name in THEME_NAMES]
        models: list[ModelView] = []

        def more(typed: str) -> list[Command]:
            if wants_models(typed) and not models:
                self.fetch_models(learn)
            view = self.view
            said = slot_commands(typed, self.store, models, locked=view.is_read_only, replay=view.is_replay)
            return [Command(each.words, each.does, partial(self._act_on, each)) for each in said]

        def learn(found: list[ModelView] | Hal0Error) -> None:
            if not isinstance(found, Hal0Error) and found and not models:
                models.extend(found)
                palette.narrow_anew()

        def chosen(command: Command | None) -> None:
            if command is not None:
                command.act()
                self.paint_now()

        palette = Palette(self.view, known, more)
        self.push_screen(palette, chosen)

    def open_jump(self, panes: Sequence[Pane]) -> None:
        def chosen(act: Callable[[], object] | None) -> None:
            if act is not None:
                act()
                self.paint_now()

        self.push_screen(Jump(self.view, goals(panes)), chosen)

    def _act_on(self, said: SlotCommand) -> None:
        """Do what a key of the home screen does, to this slot and no other."""
        self.view.filter = ""
        self.view.unmark()
        self.view.select(said.slot)
        home = next(screen for screen in self.screen_stack if isinstance(screen, Home))
        if said.model:
            home.swap_to(said.slot, said.model)
        else:
            getattr(home, f"do_{said.id}")()

    def _go_to(self, slot: str) -> None:
        self.open_view("home")
        self.view.filter = ""
        self.view.select(slot)

    def open_hosts(self) -> None:
        self.push_screen(HostsDialog(self.view, self.hosts(), self.host))

    def open_daemon_log(self) -> None:
        self.push_screen(DaemonLogView(self.view, self.daemon_log))

    def open_help(self, about: Place) -> None:
        self.push_screen(Help(self.view, about))

    def open_fix(self, file: str) -> None:
        config = self.store.config
        if config is not None:
            self.push_screen(FixPage(self.view, file, [each for each in config.problems if each.file == file]))

    # A defect of the dashboard itself --------------------------------------------------------------------------
    def _fatal_error(self) -> None:
        """Textual would print a traceback with all variables: keep it in a file and tell where."""
        error = self._exception
        self.failure = Hal0Error("system.internal", reason=f"{type(error).__name__} in the dashboard")
        if self._crash_file is not None and error is not None:
            try:
                self._crash_file.parent.mkdir(parents=True, exist_ok=True)
                self._crash_file.write_text("".join(traceback.format_exception(error)))
                self.failure = Hal0Error(
                    "system.internal", reason=f"the dashboard broke; {self._crash_file} tells where"
                )
            except OSError:
                pass  # the code and the error's type are told all the same
        self._close_messages_no_wait()
