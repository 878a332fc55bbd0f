"""The slot page: what a slot is and does, what has happened to it and why, and its command line."""

import asyncio
import shlex
from collections.abc import Set
from typing import ClassVar

from hal0.errors import Hal0Error
from hal0.tui import figures, slot_facts
from hal0.tui.keymap import Need
from hal0.tui.lines import EMPTY, Line, line, span, spread
from hal0.tui.look import STATE_ROLE
from hal0.tui.problems import labelled
from hal0.tui.screens.base import bindings
from hal0.tui.screens.page import Page
from hal0.tui.store import Topic
from hal0.tui.text import fit, harmless, wrap
from hal0.tui.view import View
from hal0.wire import CommandView, LedgerEntry, SlotState

ENTRIES = 50
PATIENCE_SECONDS = 5.0


class SlotPage(Page):
    """`d` on a slot."""

    PLACE = "slot page"
    BINDINGS: ClassVar = bindings("slot page")

    def __init__(self, view: View, slot: str) -> None:
        super().__init__(view)
        self._slot = slot
        self._command: CommandView | Hal0Error | None = None  # None: not known yet
        self._ledger: list[LedgerEntry] | Hal0Error | None = None
        self._asked: tuple[SlotState, int, int] | None = None  # state, run and revision when it was asked about

    def on_mount(self) -> None:
        super().on_mount()
        self._fetch()

    def flush(self, dirty: Set[Topic]) -> None:
        if "slots" in dirty:
            self._fetch()
        super().flush(dirty)

    def _fetch(self) -> None:
        slot = self.store.slots.get(self._slot)
        now = (slot.state, slot.run, slot.revision) if slot else None
        if now is not None and now != self._asked:
            self._asked = now
            self.run_worker(self._read(), exclusive=True)

    async def _read(self) -> None:
        client = self.dashboard.client
        ledger: list[LedgerEntry] | Hal0Error | None = self._ledger
        command: CommandView | Hal0Error
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                ledger = await client.ledger(self._slot)
                command = await client.command(self._slot)
        except Hal0Error as error:  # of the command line: its model or its engine is not there
            ledger = error if ledger is None else ledger
            command = error
        except TimeoutError:
            return  # the figures are there, and the next change asks again
        self.tell(ledger, command)

    def tell(self, ledger: list[LedgerEntry] | Hal0Error, command: CommandView | Hal0Error) -> None:
        """Show what the daemon said."""
        self._ledger, self._command = ledger, command
        self.store.mark("slots")
        self.dashboard.paint_now()

    def trail(self) -> list[str]:
        return ["home", "slots", self._slot]

    def write(self, width: int) -> list[Line]:
        slot = self.store.slots.get(self._slot)
        if slot is None:
            return [EMPTY, line(span(f"  {self._slot} is gone: it was removed from the configuration", "warn"))]
        glyphs = self.view.look.glyphs
        state = span(f" {glyphs.states[slot.state]} {slot.state}", STATE_ROLE[slot.state])
        since = span(f"{slot_facts.lasting(slot, self.store.now)} ", "muted")
        lines: list[Line] = [spread(line(state), line(since), width)]
        if slot.error is not None:
            lines += [
                line(span("   " + piece, "bad"))
                for piece in wrap(_told(slot.error.code, slot.error.message), width - 4)
            ]
        for label, text in slot_facts.facts(slot, self.store.now):
            lines += labelled(label, text, width)
        lines += [EMPTY, glyphs.plain.rule(width, line(span("why: what happened, the newest first")), ())]
        lines += self._why(width)
        lines += [EMPTY, glyphs.plain.rule(width, line(span("command line")), ())]
        return lines + self._words(width)

    def _why(self, width: int) -> list[Line]:
        if self._ledger is None or isinstance(self._ledger, Hal0Error):
            return [_unknown(self._ledger)]
        if not self._ledger:
            return [line(span("   nothing has happened to it yet", "muted"))]
        lines: list[Line] = []
        glyphs = self.view.look.glyphs
        for entry in reversed(self._ledger[-ENTRIES:]):
            extra = "".join(
                f"  {name} {value}" for name, value in (("request", entry.request), ("crash", entry.crash)) if value
            )
            error = f"{entry.error}: " if entry.error else ""
            pieces = wrap(harmless(f"{error}{entry.cause}{extra}"), max(8, width - 28))
            lines.append(
                line(
                    " ",
                    span(glyphs.states[entry.state], STATE_ROLE[entry.state]),
                    span(f" {figures.clock(entry.at)} ", "muted"),
                    span(fit(entry.state, 10), STATE_ROLE[entry.state]),
                    span(f" r{entry.revision:<4}", "muted"),
                    span(pieces[0], "bad" if entry.error else "text"),
                )
            )
            lines += [line(span(" " * 28 + piece, "bad" if entry.error else "text")) for piece in pieces[1:]]
        return lines

    def _words(self, width: int) -> list[Line]:
        if self._command is None or isinstance(self._command, Hal0Error):
            return [_unknown(self._command)]
        rows = slot_facts.origins(self._command)
        widest = min(max((len(words) for words, _ in rows), default=0), width * 2 // 3)
        lines = [
            line(
                span("   " + fit(words, widest, ellipsis=self.view.look.glyphs.ellipsis)),
                span("  " + fit(origin, max(0, width - widest - 6), ellipsis=self.view.look.glyphs.ellipsis), "muted"),
            )
            for words, origin in rows
        ]
        lines += [line(span(f"   {name}={value}", "muted")) for name, value in self._command.env.items()]
        return lines

    def has(self, need: Need) -> bool:
        return self._slot in self.store.slots if need == "editable" else super().has(need)

    def do_edit(self) -> None:
        self.dashboard.edit_slot(self._slot)

    def do_copy(self) -> None:
        if isinstance(self._command, CommandView):
            self.dashboard.copy(slot_facts.shell_line(self._command), "the command line")

    def do_copy_command(self) -> None:
        self.dashboard.copy(f"hal0 slot show {shlex.quote(self._slot)}", "the hal0 command")


def _told(code: str, message: str) -> str:
    return harmless(f"{code}: {message}")


def _unknown(error: Hal0Error | None) -> Line:
    if error is None:
        return line(span("   asking the daemon", "muted"))
    return line(span("   " + _told(error.code, error.message), "bad"))
