"""Before slips in the configuration are corrected: the difference, and whether the file can be used then."""

from typing import ClassVar

from hal0.errors import Hal0Error
from hal0.tui import fixes
from hal0.tui.fixes import Fix
from hal0.tui.keymap import Need
from hal0.tui.lines import EMPTY, Line, line, span
from hal0.tui.problems import labelled
from hal0.tui.revisions import changed
from hal0.tui.screens.base import bindings
from hal0.tui.screens.page import Page
from hal0.tui.slot_form import in_words
from hal0.tui.text import harmless, wrap
from hal0.tui.view import View
from hal0.wire import Problem


class FixPage(Page):
    """Asks; nothing is bound to Enter. What is written is based on what was shown, or refused."""

    PLACE = "fix"
    BINDINGS: ClassVar = bindings("fix")

    def __init__(self, view: View, file: str, problems: list[Problem]) -> None:
        super().__init__(view)
        self._file = file
        self._problems = problems
        self._fix: Fix | Hal0Error | None = None  # None: not known yet

    def on_mount(self) -> None:
        super().on_mount()
        self.run_worker(self._look())

    async def _look(self) -> None:
        client = self.dashboard.client
        try:
            texts = await client.config_texts()
            before = next((each.text for each in texts.files if each.path == self._file), None)
            if before is None:
                raise Hal0Error("config.not_found", path=self._file)
            after = fixes.corrected(before, self._problems)
            plan = await client.plan_text(self._file, after)
        except Hal0Error as error:
            self.tell(error)
        else:
            self.tell(Fix(self._file, after, fixes.difference(before, after, self._file), texts.tag, plan))

    def tell(self, fix: Fix | Hal0Error) -> None:
        """Show what correcting the file changes."""
        self._fix = fix
        self.store.mark("config")
        self.dashboard.paint_now()

    def trail(self) -> list[str]:
        return ["home", "problems", "correct"]

    def write(self, width: int) -> list[Line]:
        fix = self._fix
        head = f"Correct {self._file}? {fixes.words(self._problems)}."
        lines: list[Line] = [line(span("   " + piece, "strong")) for piece in wrap(harmless(head), width - 4)]
        lines.append(EMPTY)
        if isinstance(fix, Fix):
            lines += self._outcome(fix, width)
            lines.append(EMPTY)
        told = fix.difference if isinstance(fix, Fix) else fix
        return [*lines, *changed(told, width, none="the words are not there any more: the file was changed")]

    def _outcome(self, fix: Fix, width: int) -> list[Line]:
        if fix.plan.problems:
            many = len(fix.plan.problems)
            rest = f"{many} problem{'s' if many > 1 else ''} would be left, so hal0 would refuse it. E edits the file:"
            told = [rest, *(in_words(each) for each in fix.plan.problems)]
            return [line(span("   " + piece, "bad")) for text in told for piece in wrap(harmless(text), width - 4)]
        touched = [f"{each.name} would {each.effect}" for each in fix.plan.slots if each.effect != "keep"]
        return labelled("what hal0 does", f"takes the file over: {', '.join(touched) or 'no slot is touched'}", width)

    def has(self, need: Need) -> bool:
        fix = self._fix
        if need == "looked at":
            return isinstance(fix, Fix) and bool(fix.difference) and not fix.plan.problems
        return super().has(need)

    def do_fix_now(self) -> None:
        if isinstance(self._fix, Fix):
            self.dashboard.correct(self._fix)
        self.dismiss()

    def do_leave(self) -> None:
        self.dismiss()

    def do_copy_command(self) -> None:
        self.dashboard.copy("hal0 config edit", "the hal0 command")
