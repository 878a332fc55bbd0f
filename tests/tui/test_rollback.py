"""The history on the configuration page: what each revision changed, and the way back to it after a question."""

import getpass
from pathlib import Path

from hal0.errors import Hal0Error
from hal0.tui import revisions
from hal0.tui.lines import width_of
from hal0.tui.look import UNICODE
from hal0.tui.screens.config import ConfigPage
from hal0.tui.screens.rollback import RollbackPage
from hal0.wire import Revision
from tests.tui.live import Live, live
from tests.tui.samples import DIFFERENCE, NOW, REVISIONS, busy_state, edited_config, rejected_config

SIZE = (120, 50)


async def open_history(both: Live) -> None:
    both.daemon.revisions = list(REVISIONS)
    both.daemon.differences["from=41&to=42"] = DIFFERENCE
    both.daemon.differences["from=40&to=41"] = ["+[slots.vision]"]
    both.daemon.differences["from=42&to=41"] = ["-context = 32768", "+context = 16384"]
    await both.press("6")
    await both.sees("history, the newest first", "r41", "grace (hal0)", "slot vision created")


async def test_each_revision_tells_who_and_why_and_the_selected_one_what_it_changed(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state(config=edited_config()), SIZE) as both:
        await open_history(both)
        assert "19 Nov" in both.screen, "the day of one that is old"
        await both.press("right_square_bracket")
        await both.sees("+context = 32768   # for the long prompts", "(revision 41)")
        assert "R go back" not in both.screen, "it is the one that runs"
        await both.press("Y")
        assert both.dashboard.clipboard == "hal0 config diff 41 42"
        await both.press("right_square_bracket")
        await both.sees("+[slots.vision]", "R go back to it")
        await both.no_longer_sees("+context")
        await both.press("right_square_bracket", "right_square_bracket")
        await both.sees('slots.embed.model: "x" → "bge-m3"')
        await both.press("left_square_bracket")
        await both.sees("+[slots.vision]")


async def test_a_rollback_asks_first_and_is_based_on_what_was_shown(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state(config=edited_config(tag="42-abc")), SIZE) as both:
        await open_history(both)
        await both.press("right_square_bracket", "right_square_bracket", "R")
        assert isinstance(both.dashboard.screen, RollbackPage)
        await both.sees("Go back to r41 of 12:04:11, by grace (hal0)?", "+context = 16384", "hal0 config rollback 42")
        await both.press("enter", "escape")
        assert isinstance(both.dashboard.screen, ConfigPage)
        assert ("POST", "/api/config/rollback") not in both.daemon.calls
        await both.press("R")
        await both.sees("y go back to it")
        await both.press("y")
        await both.daemon.wait_for_call("POST", "/api/config/rollback")
        sent = {"revision": 41, "by": f"{getpass.getuser()} (hal0-tui)"}
        assert both.daemon.bodies[("POST", "/api/config/rollback")] == sent
        assert both.daemon.rolled_back == [41]
        both.daemon.revisions.insert(0, Revision(revision=43, at=NOW, by="ada", why="as revision 41", hash="d"))
        both.daemon.publish("config.applied", edited_config(revision=43, why="as revision 41"))
        await both.sees("cfg r43 ok", "r43    12:31:07")


async def test_what_was_changed_since_it_was_shown_is_not_overwritten(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state(config=edited_config(tag="42-abc")), SIZE) as both:
        await open_history(both)
        await both.press("right_square_bracket", "right_square_bracket", "R")
        await both.sees("y go back to it")
        changed = both.daemon.state.config.model_copy(update={"tag": "42-def"})
        both.daemon.state = both.daemon.state.model_copy(update={"config": changed})
        await both.press("y")
        await both.sees("config.conflict: ")
        assert both.daemon.rolled_back == []


async def test_a_rollback_whose_outcome_is_unknown_and_one_of_a_locked_dashboard_is_not_offered(
    tmp_path: Path,
) -> None:
    async with live(tmp_path, busy_state(config=edited_config()), SIZE) as both:
        await open_history(both)
        both.daemon.refusals[("GET", "/api/config/diff")] = Hal0Error("config.no_revision", revision=41)
        await both.press("right_square_bracket", "right_square_bracket", "R")
        await both.sees("config.no_revision: ")
        await both.press("y")
        assert isinstance(both.dashboard.screen, RollbackPage)
        await both.press("escape", "ctrl+g")
        await both.no_longer_sees("R go back")
        await both.press("R")
        assert isinstance(both.dashboard.screen, ConfigPage)


async def test_a_history_that_cannot_be_had_says_why(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state(), SIZE) as both:
        both.daemon.refusals[("GET", "/api/config/history")] = Hal0Error("system.internal", reason="a test")
        await both.press("6")
        await both.sees("system.internal: ")


async def test_the_selected_revision_is_on_the_screen_however_many_there_are(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state(config=edited_config()), (80, 24)) as both:
        both.daemon.revisions = [
            Revision(revision=number, at=NOW, by="ada", why=f"reason {number}", hash="") for number in range(42, 12, -1)
        ]
        both.daemon.differences["from=22&to=23"] = ["+the right one"]
        await both.press("6")
        await both.until(lambda: "R" not in both.screen.splitlines()[-1] and "] older" in both.screen, "the history")
        await both.press(*["right_square_bracket"] * 20)
        await both.sees("reason 23", "+the right one")


def test_no_line_is_wider_than_the_screen_and_a_refused_edit_is_told_to_be_lost() -> None:
    for width in (40, 60, 80, 200):
        lines, place = revisions.rows(REVISIONS, 42, 42, ["+" + "x" * 300], NOW, width, UNICODE)
        assert place.start == 0
        lines += revisions.way_back(REVISIONS[1], rejected_config(), DIFFERENCE, NOW, width)
        assert max(width_of(spans) for spans in lines) <= width
    text = "\n".join("".join(text for text, _ in spans) for spans in lines)
    assert "The edit on disk that was refused is overwritten" in text
