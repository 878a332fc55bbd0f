"""`L` and `o` of the screen without a daemon: hal0d's own log, and the last recording."""

import os
import time
from pathlib import Path

import pytest

from hal0.errors import Hal0Error
from hal0.paths import SYSTEM_SOCKET
from hal0.tui import daemon_log
from hal0.tui.app import Dashboard
from hal0.tui.client import Address, Client
from hal0.tui.daemon_log import LINES, read_daemon_log
from hal0.tui.look import Look
from hal0.tui.memory import Memory
from hal0.tui.screens.daemon_log import DaemonLogView
from hal0.tui.screens.home import Home
from tests.fakes.daemon import FakeDaemon
from tests.tui.live import Live
from tests.tui.pictures import assert_picture
from tests.tui.samples import NOW, default_state, slot
from tests.tui.still import lose, settle, showing
from tests.tui.terminal import terminal

OWN = Address(Path("/nowhere/hal0.sock"))


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a `journalctl` prints that is found first; it tells how it was called in `called`."""
    program = tmp_path / "bin" / "journalctl"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$*" > {tmp_path}/called\ncat {tmp_path}/journal\n')
    program.chmod(0o755)
    (tmp_path / "journal").write_text("")
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return tmp_path / "journal"


async def test_of_the_journal_and_the_file_the_newer_one_is_shown(tmp_path: Path, journal: Path) -> None:
    file = tmp_path / "hal0d.log"
    file.write_text("".join(f"line {number}\n" for number in range(1000)))
    log = await read_daemon_log(OWN, file)
    assert log.command == f"tail -n 200 {file}"
    assert log.lines == tuple(f"line {number}" for number in range(1000 - LINES, 1000))
    journal.write_text("2026-11-26T00:10:05+0000 box hal0[7]: from the journal\n")
    os.utime(file, (time.time(), 1_790_000_000))
    log = await read_daemon_log(OWN, file)
    assert log.command == "journalctl --user -u hal0 -n 200"
    assert log.lines == ("2026-11-26T00:10:05+0000 box hal0[7]: from the journal",)
    assert "--user" in (tmp_path / "called").read_text()
    os.utime(file, (time.time(), 1_900_000_000))
    assert (await read_daemon_log(OWN, file)).lines[-1] == "line 999"


async def test_the_systems_daemon_logs_to_the_systems_journal_alone(tmp_path: Path, journal: Path) -> None:
    (tmp_path / "hal0d.log").write_text("of another daemon\n")
    with pytest.raises(Hal0Error) as none:
        await read_daemon_log(Address(SYSTEM_SOCKET), tmp_path / "hal0d.log")
    assert none.value.code == "system.no_daemon_log"
    journal.write_text("2026-11-26T00:10:05+0000 box hal0[7]: \xff\n", encoding="latin-1")
    log = await read_daemon_log(Address(SYSTEM_SOCKET), tmp_path / "hal0d.log")
    assert log.command == "journalctl -u hal0 -n 200"
    assert log.lines[0].endswith("\ufffd")


async def test_without_any_log_it_tells_where_it_has_looked(
    tmp_path: Path, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Hal0Error) as none:
        await read_daemon_log(OWN, tmp_path / "none.log")
    assert "`journalctl --user -u hal0 -n 200` tells nothing" in none.value.message
    assert "none.log has nothing" in none.value.message
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Hal0Error):
        await read_daemon_log(OWN, tmp_path / "none.log")


async def test_a_journal_that_never_ends_is_given_up_and_leaves_no_process(
    tmp_path: Path, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin" / "journalctl").write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 1000\n")
    monkeypatch.setattr(daemon_log, "JOURNAL_SECONDS", 1.0)
    (tmp_path / "hal0d.log").write_text("still told\n")
    log = await read_daemon_log(OWN, tmp_path / "hal0d.log")
    assert log.lines == ("still told",)
    pid = (tmp_path / "pid").read_text().strip() if (tmp_path / "pid").exists() else ""
    assert not pid or not Path(f"/proc/{pid}").exists()


async def test_big_l_shows_the_log_and_y_copies_its_command(tmp_path: Path, journal: Path) -> None:
    file = tmp_path / "hal0d.log"
    file.write_text("starting\n\x1b[31mERROR\x1b[0m the port is taken\n")
    dashboard = Dashboard(Client(Address(tmp_path / "s")), Look.of("hal0-dark"), daemon_log=file)
    async with dashboard.run_test(size=(100, 30)) as pilot, FakeDaemon(default_state()) as unused:
        both = Live(pilot, dashboard, unused)
        await both.sees("hal0d did not answer on", "the last 200 lines of hal0d's own log")
        await both.press("L")
        await both.sees("log hal0d", "starting", "ERROR the port is taken")
        file.write_text(file.read_text() + "and again\n")
        await both.press("r")
        await both.sees("and again")
        await both.press("ampersand", *"port", "enter")
        await both.no_longer_sees("starting")
        await both.press("slash", *"TAKEN", "enter", "n", "N")
        await both.sees("/TAKEN 1/1")
        await both.press("Y")
        await both.sees("copied the command")
        await both.press("escape", "escape", "escape")
        assert isinstance(dashboard.screen, Home)
        file.unlink()
        await both.press("L")
        await both.sees("system.no_daemon_log")


async def test_the_log_of_another_machine_is_not_offered(tmp_path: Path) -> None:
    dashboard = Dashboard(Client(Address.read("http://192.0.2.1:9")), Look.of("hal0-dark"))
    dashboard.begin = lambda: None  # type: ignore[method-assign]
    async with dashboard.run_test(size=(100, 30)) as pilot:
        await lose(pilot)
        offered = {key.id for key in dashboard.screen.offered()}  # type: ignore[attr-defined]
        assert "hosts" in offered
        assert not {"daemon_log", "last_recording"} & offered


async def test_o_plays_the_last_recording_and_h_leads_back(tmp_path: Path) -> None:
    path, socket, kept = tmp_path / "r.jsonl", tmp_path / "s", tmp_path / "state"
    async with (
        FakeDaemon(default_state(slots=[slot("then")]), socket) as daemon,
        terminal("--socket", str(socket), "--record", str(path), XDG_STATE_HOME=str(kept)) as screen,
    ):
        await screen.shows("then")
        await daemon.wait_for_dashboard()
        screen.type("q")
        assert await screen.process.wait() == 0
    memory = Memory(kept / "hal0" / "tui.json")
    assert memory.habits.recording == str(path)
    dashboard = Dashboard(Client(Address(socket)), Look.of("hal0-dark"), memory=memory)
    async with dashboard.run_test(size=(100, 30)) as pilot:
        both = Live(pilot, dashboard, daemon)
        await both.sees("the last recording that was made with --record, read only")
        await both.press("o")
        await both.sees("REPLAY", "READ ONLY", "then")
        await both.press("l")
        await both.sees("there is no daemon behind a recording")
        async with FakeDaemon(default_state(slots=[slot("now")]), socket, clock=lambda: NOW) as daemon:
            await both.press("h")
            await both.sees("go to another host")
            await both.press(*str(socket), "enter")
            await both.sees("now", "l load")
            assert "REPLAY" not in both.screen
    path.write_text("no recording\n")
    dashboard = Dashboard(Client(Address(socket)), Look.of("hal0-dark"), memory=memory)
    async with dashboard.run_test(size=(100, 30)) as pilot:
        both = Live(pilot, dashboard, daemon)
        await both.sees("the last recording")
        await both.press("o")
        await both.sees("system.recording: the recording")


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_the_log_of_hal0d(tmp_path: Path, journal: Path, size: tuple[int, int]) -> None:
    journal.write_text(
        "2026-11-22T12:29:03+0000 lab01 hal0[812]: INFO hal0d 0.1.0 starts, configuration /etc/hal0/hal0.toml\n"
        "2026-11-22T12:29:04+0000 lab01 hal0[812]: ERROR system.port_taken: port 8080 is in use by another program\n"
    )
    async with showing(None, size) as pilot:
        await lose(pilot)
        await pilot.press("L")
        view = pilot.app.screen
        assert isinstance(view, DaemonLogView)
        await view.workers.wait_for_complete()
        await settle(pilot)
        assert_picture(pilot.app, f"daemon-log-{size[0]}x{size[1]}")
