"""The program's options and its errors, as someone in a shell meets them."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hal0.tui.__main__ import main, speaks_utf8, theme_for
from tests.fakes.daemon import FakeDaemon
from tests.tui.samples import busy_state


async def run(*arguments: str, **env: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hal0.tui", *arguments,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=os.environ | {"TERM": "xterm", "TZ": "UTC", "COLUMNS": "100", "LC_ALL": "C.UTF-8"} | env,
    )  # fmt: skip
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def test_without_a_terminal_it_says_what_to_do_instead() -> None:
    code, out, err = await run()
    assert code == 1
    assert out == ""
    assert "system.not_a_terminal: the dashboard needs a terminal: standard input is a file or a pipe" in err
    assert "hal0 status" in err
    assert "Traceback" not in err


async def test_once_prints_one_snapshot(tmp_path: Path) -> None:
    async with FakeDaemon(busy_state(), tmp_path / "s"):
        code, out, err = await run("--socket", str(tmp_path / "s"), "--once")
    assert (code, err) == (0, "")
    assert "cfg r41 ok" in out.splitlines()[0]
    assert "chat-l" in out
    assert "what to do" in out
    assert "\x1b" not in out


async def test_once_in_ascii_is_ascii(tmp_path: Path) -> None:
    async with FakeDaemon(busy_state(), tmp_path / "s"):
        _, out, _ = await run("--socket", str(tmp_path / "s"), "--once", "--ascii")
    assert out.isascii()


async def test_once_as_json_is_the_state(tmp_path: Path) -> None:
    async with FakeDaemon(busy_state(), tmp_path / "s"):
        code, out, _ = await run("--socket", str(tmp_path / "s"), "--once", "--json")
    assert code == 0
    assert [slot["name"] for slot in json.loads(out)["slots"]][:2] == ["chat-l", "code-m"]


async def test_once_over_tcp(tmp_path: Path) -> None:
    async with FakeDaemon(busy_state()) as daemon:
        code, out, _ = await run("--host", daemon.url, "--once")
    assert code == 0
    assert "lab01" in out


async def test_once_without_a_daemon_tells_the_code_and_how_to_start_it(tmp_path: Path) -> None:
    code, out, err = await run("--socket", str(tmp_path / "nothing"), "--once")
    assert (code, out) == (1, "")
    assert "system.daemon_down: hal0d does not answer at" in err
    assert "hal0 up" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "arguments", [["--json"], ["--fps", "0"], ["--fps", "100"], ["--theme", "pink"], ["--host", "a", "--socket", "b"]]
)
def test_options_that_make_no_sense_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert "usage: hal0-tui" in capsys.readouterr().err


def test_no_color_chooses_the_theme_whose_colours_can_be_taken_away() -> None:
    assert theme_for(None, {}) == "hal0-dark"
    assert theme_for("hal0-light", {}) == "hal0-light"
    assert theme_for("hal0-light", {"NO_COLOR": "1"}) == "ansi"
    assert theme_for(None, {"NO_COLOR": ""}) == "hal0-dark"


def test_the_first_locale_variable_that_is_set_decides() -> None:
    assert speaks_utf8({})
    assert speaks_utf8({"LANG": "de_DE.UTF-8"})
    assert speaks_utf8({"LANG": "C", "LC_ALL": "C.utf8"})
    assert not speaks_utf8({"LANG": "de_DE.UTF-8", "LC_ALL": "POSIX"})


def test_the_dashboard_needs_no_module_of_the_daemon() -> None:
    """Not even by way of others: what is loaded after all screens were imported tells."""
    script = (
        "import sys, asyncio, hal0.tui.__main__, hal0.tui.app, hal0.tui.once, hal0.tui.machine\n"
        "asyncio.run(hal0.tui.machine.Machine().look())\n"
        "foreign = ('hal0.daemon', 'hal0.cli', 'hal0.backends', 'quart')\n"
        "print([name for name in sys.modules if name.startswith(foreign)])"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_the_first_frame_does_not_wait_for_the_http_library() -> None:
    script = "import sys, hal0.tui.__main__, hal0.tui.app\nprint('httpx' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
