"""Slips in a refused configuration, corrected after a question that shows the difference."""

import getpass
from pathlib import Path

import pytest

from hal0.errors import Hal0Error
from hal0.tui import fixes
from hal0.tui.screens.events import EventView
from hal0.tui.screens.fix import FixPage
from hal0.tui.screens.problem import ProblemPage
from hal0.wire import ConfigFile, ConfigTexts, ConfigView, PlanView, Problem, SlotEffect
from tests.tui.live import Live, live
from tests.tui.pictures import assert_picture
from tests.tui.samples import NOW, busy_state, config, rejected_config
from tests.tui.still import settle, showing

FILE = "/home/ada/.config/hal0/hal0.toml"
PUT = ("PUT", "/api/config")
TEXT = "# Ours.\n[slots.chat-l]\ncontxt = 8192  # much\n[dispatch]\nchat = 'chat'\n"
RIGHT = '# Ours.\n[slots.chat-l]\ncontext = 8192  # much\n[dispatch]\nchat = "chat-l"\n'


def slip(line: int, column: int, wrong: str, right: str, **more: str) -> Problem:
    values = {
        "code": "config.unknown_key",
        "message": f"unknown key `{wrong}`",
        "file": FILE,
        "hint": "did you mean it?",
    }
    return Problem.model_validate({**values, "line": line, "column": column, "wrong": wrong, "right": right, **more})


SLIPS = [slip(3, 1, "contxt", "context"), slip(5, 8, "'chat'", '"chat-l"')]


def refused(*problems: Problem) -> ConfigView:
    return config(path=FILE, rejected_at=NOW - 9, problems=list(problems or SLIPS))


def test_every_slip_is_corrected_at_its_place_and_only_where_the_word_still_stands() -> None:
    assert fixes.corrected(TEXT, SLIPS) == RIGHT
    assert fixes.corrected(TEXT.replace("\n", "\r\n"), SLIPS) == RIGHT.replace("\n", "\r\n")
    assert fixes.corrected("\ufeffprot = 1", [slip(1, 1, "prot", "port")]) == "\ufeffport = 1"
    assert fixes.corrected("a = { prt = 1, prt2 = 2 }", [slip(1, 7, "prt", "p"), slip(1, 16, "prt2", "q")]) == (
        "a = { p = 1, q = 2 }"
    )
    moved = "# a new line\n" + TEXT
    assert fixes.corrected(moved, SLIPS) == moved
    assert fixes.corrected("x", SLIPS) == "x"
    assert fixes.corrected(TEXT, [slip(3, 1, "contxt", "")]) == TEXT
    assert fixes.difference(TEXT, TEXT, FILE) == []


async def open_fix(both: Live, *, plan: PlanView | None = None) -> None:
    both.daemon.texts = ConfigTexts(revision=41, tag="41-abc", files=[ConfigFile(path=FILE, text=TEXT)])
    effect = SlotEffect(name="chat-l", effect="restart", running=True)
    both.daemon.text_plan = plan or PlanView(revision=41, slots=[effect])
    await both.press("e", "f")
    assert isinstance(both.dashboard.screen, FixPage)


async def test_a_slip_is_corrected_after_the_difference_was_shown(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state(config=refused()), (100, 30)) as both:
        await open_fix(both)
        await both.sees(
            "contxt becomes context in line 3", "+context = 8192  # much", "chat-l would restart", "y correct it"
        )
        assert both.daemon.bodies[("POST", "/api/config/plan")] == {"file": FILE, "text": RIGHT}
        await both.press("enter", "escape")
        assert isinstance(both.dashboard.screen, ProblemPage)
        assert PUT not in both.daemon.calls
        await both.press("f")
        await both.sees("y correct it")
        await both.press("y")
        await both.daemon.wait_for_call(*PUT)
        sent = {"file": FILE, "text": RIGHT, "by": f"{getpass.getuser()} (hal0-tui)", "why": "slips corrected"}
        assert both.daemon.bodies[PUT] == sent
        assert both.daemon.heads[PUT]["if-match"] == '"41-abc"'


async def test_a_correction_that_leaves_something_wrong_is_shown_and_not_offered(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state(config=refused()), (100, 30)) as both:
        left = PlanView(revision=41, problems=[rejected_config().problems[1]])
        await open_fix(both, plan=left)
        await both.sees("1 problem would be left, so hal0 would refuse it", "port must be at most 65535", "+context")
        assert "correct it" not in both.screen
        await both.press("y")
        assert isinstance(both.dashboard.screen, FixPage)
        assert PUT not in both.daemon.calls


async def test_a_file_that_somebody_changed_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state(config=refused()), (100, 30)) as both:
        await open_fix(both)
        await both.sees("y correct it")
        assert both.daemon.texts is not None
        both.daemon.texts = both.daemon.texts.model_copy(update={"tag": "42-def"})
        await both.press("y")
        await both.sees("config.conflict: ")
        both.daemon.texts = ConfigTexts(revision=41, tag="41-abc", files=[ConfigFile(path=FILE, text=RIGHT)])
        await both.press("f")
        await both.sees("the words are not there any more")
        await both.press("y", "escape")
        both.daemon.texts = ConfigTexts(revision=41, tag="41-abc", files=[])
        await both.press("f")
        await both.sees("config.not_found: ")


async def test_f_on_an_event_fixes_what_it_told_of_and_says_so_where_nothing_is_certain(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state(), (100, 30)) as both:
        both.daemon.publish("config.rejected", refused())
        both.daemon.refusals[("GET", "/api/config/text")] = Hal0Error("system.internal", reason="a test")
        await both.press("4")
        await both.sees("rejected, r1 stays", "f fix")
        await both.press("f")
        assert isinstance(both.dashboard.screen, FixPage)
        await both.sees("system.internal: ")
        await both.press("escape", "G")
        await both.no_longer_sees("f fix")
        await both.press("f")
        await both.sees("hal0 knows no certain correction for this")
        assert isinstance(both.dashboard.screen, EventView)
        await both.press("g")
        both.daemon.publish("config.rejected", refused(rejected_config().problems[0]))
        await both.until(lambda: both.dashboard.store.config == refused(rejected_config().problems[0]))
        await both.no_longer_sees("f fix")


@pytest.mark.parametrize("size", [(40, 12), (80, 24), (120, 36)])
async def test_pictures_of_the_correction(size: tuple[int, int]) -> None:
    async with showing(busy_state(config=refused()), size) as pilot:
        await pilot.press("e", "f")
        page = pilot.app.screen
        assert isinstance(page, FixPage)
        effect = SlotEffect(name="chat-l", effect="restart", running=True)
        told = fixes.difference(TEXT, RIGHT, FILE)
        page.tell(fixes.Fix(FILE, RIGHT, told, "41-abc", PlanView(revision=41, slots=[effect])))
        await settle(pilot)
        assert_picture(pilot.app, f"fix-{size[0]}x{size[1]}")
