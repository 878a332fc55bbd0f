"""`E`: the configuration in a person's editor, at the right line; the dashboard comes back when the editor ends."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hal0.errors import Hal0Error
from hal0.tui import paced
from hal0.tui.app import Dashboard
from hal0.tui.client import Address
from hal0.tui.editing import require_here
from hal0.wire import KeyPlace, State
from tests.fakes.daemon import FakeDaemon
from tests.tui.live import live
from tests.tui.samples import busy_state, config, rejected_config
from tests.tui.terminal import terminal

HERE = socket.gethostname()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "hal0.toml"
    path.write_text("[server]\n\n[slots.code-m]\nmodel = 'x'\n")
    return path


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With which words the editor was called; it appends a comment."""
    editor = tmp_path / "vi"
    editor.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\nfor file; do :; done\necho "# more" >> "$file"\n')
    editor.chmod(0o755)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", str(editor))
    return tmp_path / "calls"


@pytest.fixture
def suspended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal there is nothing to hand over."""

    @contextmanager
    def suspend(self: Dashboard) -> Iterator[None]:
        yield

    monkeypatch.setattr(Dashboard, "suspend", suspend)


def here(file: Path, **more: Any) -> State:
    return busy_state(host=HERE, **{"config": config(path=str(file)), **more})


@pytest.mark.usefixtures("suspended")
async def test_e_on_a_slot_opens_the_file_at_its_table(tmp_path: Path, file: Path, calls: Path) -> None:
    async with live(tmp_path, here(file), (160, 36)) as both:
        both.daemon.place = KeyPlace(key="slots.code-m", path=str(file), line=3)
        await both.press("j", "E")
        await both.sees("saved; hal0 looks at it by itself")
        assert "GET /api/config/place?key=slots.code-m" in both.daemon.targets
        assert calls.read_text() == f"+3 {file}\n"
        await both.press("d", "E")
        await both.until(lambda: calls.read_text() == f"+3 {file}\n" * 2, "the slot page's key")


@pytest.mark.usefixtures("suspended", "calls")
async def test_an_editor_that_saves_nothing_says_so_and_one_that_fails_too(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with live(tmp_path, here(file), (160, 36)) as both:
        both.daemon.place = KeyPlace(key="slots.chat-l", path=str(file))
        monkeypatch.setenv("EDITOR", "true")
        await both.press("E")
        await both.sees("hal0.toml: nothing was changed")
        monkeypatch.setenv("EDITOR", "false")
        await both.press("E")
        await both.sees("config.no_editor", "the editor false ended with status 1")
        both.daemon.place = KeyPlace(key="slots.chat-l", path=str(tmp_path / "none.toml"))
        await both.press("E")
        await both.sees("config.not_found: ")


@pytest.mark.usefixtures("suspended")
async def test_e_on_an_event_opens_the_file_at_its_line_or_at_the_slot_and_says_so_if_it_has_none(
    tmp_path: Path, file: Path, calls: Path
) -> None:
    async with live(tmp_path, here(file), (160, 36)) as both:
        both.daemon.place = KeyPlace(key="slots.rerank", path=str(file), line=3)
        await both.press("4", "e")
        await both.until(lambda: calls.exists() and calls.read_text() == f"+3 {file}\n", "the slot's table")
        wrong = rejected_config().problems[0].model_copy(update={"file": str(file), "line": 4})
        both.daemon.publish("config.rejected", config(path=str(file), rejected_at=1.0, problems=[wrong]))
        await both.sees("rejected, r1 stays", f"{file}:4")
        await both.press("g", "e")
        await both.until(lambda: calls.read_text() == f"+3 {file}\n+4 {file}\n", "the mistake")
        await both.press("G", "e")
        await both.sees("this event is about no line of the configuration")


async def test_e_on_an_event_of_a_daemon_elsewhere_says_so(tmp_path: Path, file: Path, calls: Path) -> None:
    async with live(tmp_path, busy_state(host="elsewhere", config=config(path=str(file))), (160, 36)) as both:
        wrong = rejected_config().problems[0].model_copy(update={"file": str(file), "line": 4})
        both.daemon.publish("config.rejected", config(path=str(file), rejected_at=1.0, problems=[wrong]))
        await both.press("4")
        await both.sees("rejected, r1 stays")
        await both.press("e")
        await both.sees("config.elsewhere: ")
        assert not calls.exists()


@pytest.mark.usefixtures("suspended")
async def test_e_on_a_problem_opens_the_file_at_the_mistake_or_at_the_slot(
    tmp_path: Path, file: Path, calls: Path
) -> None:
    view = rejected_config()
    view = view.model_copy(update={"problems": [each.model_copy(update={"file": str(file)}) for each in view.problems]})
    async with live(tmp_path, here(file, config=view), (160, 36)) as both:
        both.daemon.place = KeyPlace(key="slots.rerank", path=str(file), line=9)
        await both.press("e")
        await both.sees("contxt")
        await both.press("E")
        await both.until(lambda: calls.exists() and calls.read_text() == f"+57 {file}\n", "the first mistake")
        await both.press("right_square_bracket", "E")
        await both.until(lambda: calls.read_text().endswith(f"+61 {file}\n"), "the second mistake")
        await both.press("right_square_bracket")
        await both.sees("slot.load_failed", "E edit")
        await both.press("E")
        await both.until(lambda: calls.read_text().endswith(f"+9 {file}\n"), "the slot's table")


@pytest.mark.usefixtures("suspended")
async def test_the_file_of_a_daemon_elsewhere_is_not_opened_and_a_locked_dashboard_does_not_offer_it(
    tmp_path: Path, file: Path, calls: Path
) -> None:
    async with live(tmp_path, busy_state(config=config(path=str(file))), (160, 36)) as both:
        both.daemon.place = KeyPlace(key="slots.chat-l", path=str(file), line=3)
        await both.press("E")
        await both.sees("config.elsewhere", "is on the machine of the daemon, lab01")
        both.daemon.targets.clear()
        await both.press("ctrl+g", "E", "ctrl+g")
        assert not [target for target in both.daemon.targets if "place" in target]
        assert not calls.exists()


def test_here_is_the_same_machine_by_its_name_too(file: Path) -> None:
    require_here(file, Address(file.parent / "s"), HERE)
    require_here(file, Address.of_host("127.0.0.1:8080"), HERE)
    for address, host in (
        (Address.of_host("lab01:8080"), HERE),
        (Address.of_host("localhost:8080"), "lab01"),  # an SSH tunnel
        (Address(file.parent / "s"), "lab01"),
    ):
        with pytest.raises(Hal0Error) as refused:
            require_here(file, address, host)
        assert refused.value.code == "config.elsewhere"


@pytest.mark.usefixtures("suspended")
async def test_the_editor_begins_only_when_the_terminal_has_answered_the_last_frame(
    tmp_path: Path, file: Path, calls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paced, "LAST_ANSWER_SECONDS", 1000.0)
    async with live(tmp_path, here(file), (160, 36)) as both:
        both.daemon.place = KeyPlace(key="slots.chat-l", path=str(file), line=3)
        assert both.dashboard.clock.displayed(), "a question is on its way"
        await both.press("E")
        await both.daemon.wait_for_call("GET", "/api/config/place")
        await both.press("j", "k")
        assert not calls.exists()
        both.dashboard.on_cursor_position()
        await both.sees("saved; hal0 looks at it by itself")
        monkeypatch.setattr(paced, "LAST_ANSWER_SECONDS", 0.01)
        assert both.dashboard.clock.displayed(), "questions go on"
        await both.press("E")  # and this one is never answered
        await both.until(lambda: calls.read_text() == f"+3 {file}\n" * 2, "the editor")


async def test_the_editor_has_the_terminal_to_itself_and_gives_it_back(tmp_path: Path, file: Path) -> None:
    """It reads a line as any program does; Ctrl-C is for it alone."""
    editor = tmp_path / "vi"
    editor.write_text(
        f'#!/bin/sh\necho "the editor at $1"\nkill -INT $PPID\nread words\necho "$words" > {tmp_path}/typed\n'
    )
    editor.chmod(0o755)
    async with (
        FakeDaemon(here(file), tmp_path / "s") as daemon,
        terminal("--socket", str(tmp_path / "s"), answers=True, EDITOR=str(editor), VISUAL="") as screen,
    ):
        daemon.place = KeyPlace(key="slots.chat-l", path=str(file), line=3)
        await daemon.wait_for_dashboard()
        await screen.shows("chat-l")
        screen.type("E")
        await screen.shows("the editor at +3")
        shown = len(screen.output)
        daemon.change_slot("chat-l", model="meanwhile")
        screen.type("hello\n")
        await screen.until(lambda output: b"nothing was changed" in output[shown:])
        assert (tmp_path / "typed").read_text() == "hello\n"
        await screen.until(lambda output: b"meanwhile" in output[shown:])
        screen.type("q")
        assert await screen.process.wait() == 0
