"""What a person has set is there the next time; what keeps it from being kept keeps nothing else."""

import json
from pathlib import Path

import pytest

from hal0.tui.app import Dashboard
from hal0.tui.client import Address, Client
from hal0.tui.look import Look
from hal0.tui.memory import MOST_VISITS, Habits, Memory
from hal0.tui.screens.home import Home
from hal0.tui.screens.streams import StreamView
from tests.fakes.daemon import FakeDaemon
from tests.tui.live import Live
from tests.tui.samples import NOW, busy_state
from tests.tui.terminal import terminal


def test_what_was_kept_is_read_again_and_only_what_changed_is_written(tmp_path: Path) -> None:
    path = tmp_path / "state" / "tui.json"
    first, second = Memory(path), Memory(path)
    first.keep(Habits(theme="hal0-light", sort="mem"))
    second.keep(Habits(view="events"))
    assert Memory(path).habits == Habits(theme="hal0-light", sort="mem", view="events")
    assert path.stat().st_mode & 0o777 == 0o600
    assert not first.problem
    assert [file.name for file in path.parent.iterdir()] == ["tui.json"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"hosts": {"ftp://a b": {"at": 1}}}',
        '{"theme": 3, "sort": ["x"], "hosts": [1]}',
        '{"theme": "pink"}',
        "[" * 99_999,
    ],
)
def test_a_file_that_makes_no_sense_is_as_none_and_is_written_anew(tmp_path: Path, text: str) -> None:
    path = tmp_path / "tui.json"
    path.write_text(text)
    memory = Memory(path)
    assert memory.theme == ""
    assert memory.habits.sort == ""
    assert memory.visits() == []
    memory.keep(Habits(theme="ansi"))
    memory.visited(Address.read("http://a"), "a", NOW)
    assert Memory(path).theme == "ansi"
    assert [entry.title for entry in Memory(path).visits()] == ["a"]


def test_only_the_newest_hosts_are_kept(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "tui.json")
    for number in range(MOST_VISITS + 5):
        memory.visited(Address.read(f"http://h{number}"), f"h{number}", NOW + number)
    titles = {entry.title for entry in memory.visits()}
    assert len(titles) == MOST_VISITS
    assert "h4" not in titles
    assert "h5" in titles


async def test_the_next_dashboard_begins_where_the_last_one_ended(tmp_path: Path) -> None:
    path = tmp_path / "tui.json"
    async with FakeDaemon(busy_state(), tmp_path / "s", clock=lambda: NOW) as daemon:
        dashboard = Dashboard(Client(Address(tmp_path / "s")), Look.of("hal0-dark"), memory=Memory(path))
        async with dashboard.run_test(size=(120, 36)) as pilot:
            both = Live(pilot, dashboard, daemon)
            await both.ready()
            await both.press("o", "o", "O", "colon", *"theme hal0-contrast", "enter", "3", "q")
            await both.until(lambda: not dashboard.is_running)
        kept = Memory(path)
        assert kept.habits == Habits(theme="hal0-contrast", sort="state", is_reversed=True, view="streams")
        dashboard = Dashboard(Client(Address(tmp_path / "s")), Look.of(kept.theme), memory=kept)
        async with dashboard.run_test(size=(120, 36)) as pilot:
            both = Live(pilot, dashboard, daemon)
            await both.until(lambda: isinstance(dashboard.screen, StreamView), "the view of before")
            await both.press("1")
            assert isinstance(dashboard.screen, Home)
            await both.sees("state reversed")


async def test_a_file_that_cannot_be_written_is_told_once_and_costs_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    memory = Memory(tmp_path / "file" / "tui.json")
    async with FakeDaemon(busy_state(), tmp_path / "s", clock=lambda: NOW) as daemon:
        dashboard = Dashboard(Client(Address(tmp_path / "s")), Look.of("hal0-dark"), memory=memory)
        async with dashboard.run_test(size=(120, 36)) as pilot:
            both = Live(pilot, dashboard, daemon)
            await both.ready()
            await both.press("o")
            await both.sees("not remembered: ")
            dashboard.store.untell()
            await both.press("o")
            dashboard.remember()
            assert dashboard.store.notice is None or "not remembered" not in dashboard.store.notice.text


async def test_an_option_and_a_setting_come_before_what_was_chosen(tmp_path: Path) -> None:
    (tmp_path / "hal0").mkdir()
    state = tmp_path / "hal0" / "tui.json"
    state.write_text(json.dumps({"theme": "ansi"}))
    ink = b"38;2;"  # colours of our own; ansi has none
    async with FakeDaemon(busy_state(), tmp_path / "s"):
        for settings, arguments, is_ansi in (
            ("", (), True),
            ('theme = "hal0-dark"', (), False),
            ("", ("--theme", "hal0-dark"), False),
        ):
            (tmp_path / "hal0" / "tui.toml").write_text(settings)
            folders = {"XDG_STATE_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
            async with terminal("--socket", str(tmp_path / "s"), *arguments, **folders) as screen:
                await screen.shows("rerank")
                assert (ink not in screen.output) == is_ansi
