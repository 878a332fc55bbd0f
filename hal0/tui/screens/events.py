"""The events view: what happened to slots, requests, models and the configuration, the newest first."""

import json
from collections.abc import Set
from typing import ClassVar

from textual.app import ComposeResult

from hal0.tui import problems
from hal0.tui.happenings import as_json
from hal0.tui.keymap import Need
from hal0.tui.screens.base import bindings
from hal0.tui.screens.filtering import NarrowingView
from hal0.tui.store import Topic
from hal0.tui.view import View
from hal0.tui.widgets.events import EventList, Told
from hal0.tui.widgets.footer import Footer
from hal0.tui.widgets.truth import Truth


class EventView(NarrowingView, inherit_bindings=False):
    """Key 4."""

    PLACE = "event view"
    MARKS = "happenings"
    BINDINGS: ClassVar = bindings("event view", "filter")

    def __init__(self, view: View) -> None:
        super().__init__(view)
        self.list = EventList(view, id="events")
        self.told = Told(view, self.list)

    @property
    def narrowed(self) -> EventList:
        return self.list

    def compose(self) -> ComposeResult:
        yield Truth(self.view, id="truth")
        yield self.list
        yield self.told
        yield self.make_filter_line()
        yield Footer(self.view, self.offered)

    def flush(self, dirty: Set[Topic]) -> None:
        columns, rows = self.app.size
        self.told.styles.height = min(len(self.told.write(columns)), max(2, rows // 3))
        super().flush(dirty)

    def has(self, need: Need) -> bool:
        match need:
            case "event":
                return self.list.happening() is not None
            case "openable":
                each = self.list.happening()
                return each is not None and (each.problem or each.request in self.store.streams)
            case "placed":
                each = self.list.happening()
                return each is not None and bool(each.file or self._is_in_error(each.slot))
            case "fixable":
                each = self.list.happening()
                return each is not None and self.store.can_fix(each.file)
            case "unseen":
                return self.store.has_unseen_errors
            case _:
                return super().has(need)

    def do_open_event(self) -> None:
        """Its problem if there is more to be said of it, else its request."""
        each = self.list.happening()
        if each is None:
            return
        if not each.problem:
            self.dashboard.open_request(each.request)
        elif each.subject == "config":
            self.dashboard.open_problems()
        else:
            self.dashboard.open_problems(self._problem_of(each.id, each.slot))

    def _problem_of(self, event: int, slot: str) -> str:
        """The key of the problem that an event told of: a slot's own while it is in error, else the group's."""
        if self._is_in_error(slot):
            return problems.key_of_slot(slot)
        record = self.store.record_of(event)
        return f"error {record}" if record is not None else ""

    def _is_in_error(self, slot: str) -> bool:
        shown = self.store.slots.get(slot)
        return shown is not None and shown.state == "error"

    def do_edit_event(self) -> None:
        """The file at its line; for a slot that is in error the slot's table."""
        each = self.list.happening()
        if each is not None and each.file:
            self.dashboard.edit_file(each.file, each.line)
        elif each is not None:
            self.dashboard.edit_slot(each.slot)

    def do_acknowledge(self) -> None:
        self.store.see_errors()
        self.store.tell("all errors so far are acknowledged", "good")

    def do_fix(self) -> None:
        each = self.list.happening()
        if each is not None:
            self.dashboard.open_fix(each.file)

    def do_first(self) -> None:
        """The newest, whichever that is from now on."""
        self.list.follow()
        self.mark_scrolled()

    def do_copy(self) -> None:
        each = self.list.happening()
        if each is not None:
            self.dashboard.copy(f"{each.subject}: {each.text}", "the event")

    def do_copy_command(self) -> None:
        each = self.list.happening()
        if each is not None:
            self.dashboard.copy(json.dumps(as_json(each), ensure_ascii=False), "the event as JSON")
