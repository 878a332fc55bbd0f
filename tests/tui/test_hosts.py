"""Going from one daemon to another: the list of hosts, what each is shown, and what stays when one does not answer."""

import json
from pathlib import Path

import pytest

from hal0.errors import Hal0Error
from hal0.tui.app import Dashboard
from hal0.tui.client import Address, Client
from hal0.tui.hosts import HostEntry, all_hosts, find_host, narrowed
from hal0.tui.look import Look
from hal0.tui.memory import Memory
from hal0.tui.screens.home import Home
from hal0.tui.screens.hosts import HostsDialog
from hal0.tui.settings import read_settings
from tests.fakes.daemon import FakeDaemon
from tests.tui.live import Live
from tests.tui.pictures import assert_picture
from tests.tui.samples import NOW, busy_state, default_state, slot, state
from tests.tui.still import lose, settle, showing
from tests.tui.terminal import terminal
from tests.tui.test_main import run

LOCAL = HostEntry(Address(Path("/run/hal0/hal0.sock")), "local")
LAB = HostEntry(Address.read("https://lab01:8080"), "settings", name="lab", key_env="LAB_KEY")


def before(address: str, at: float, host: str = "") -> HostEntry:
    return HostEntry(Address.read(address), "before", name=host, seen_at=at)


# The list ------------------------------------------------------------------------------------------------------------
def test_each_address_is_there_once_and_the_newest_of_those_before_comes_first(tmp_path: Path) -> None:
    older = [before("http://old", 1), before("http://new", 2), before("https://lab01:8080", 3)]
    gone = before(str(tmp_path / "gone.sock"), 4)
    entries = all_hosts([LOCAL.address], [LAB], [*older, gone], LOCAL)
    assert [entry.title for entry in entries] == ["this machine", "lab", "http://new", "http://old"]


def test_what_is_typed_narrows_the_list_and_stands_at_its_end_itself() -> None:
    entries = [LOCAL, LAB]
    assert list(narrowed(entries, "")) == entries
    assert [entry.title for entry in narrowed(entries, "LAB")] == ["lab", "http://LAB"]
    assert list(narrowed(entries, "https://lab01:8080 ")) == [LAB]
    assert list(narrowed(entries, "no address")) == []
    assert [entry.address.socket for entry in narrowed(entries, "/x.sock")] == [Path("/x.sock")]


def test_a_name_comes_before_an_address() -> None:
    assert find_host("lab", [LAB]) is LAB
    assert find_host("lab02:8080", [LAB]).address.url == "http://lab02:8080"


def test_a_password_in_a_url_is_neither_shown_nor_kept(tmp_path: Path) -> None:
    entry = HostEntry(Address.read("https://ada:secret@box:8080"), "typed")
    assert entry.title == "https://box:8080"
    Memory(tmp_path / "tui.json").visited(entry.address, "box", NOW)
    assert "secret" not in (tmp_path / "tui.json").read_text()


# Keys ----------------------------------------------------------------------------------------------------------------
def test_a_host_of_the_settings_has_its_own_key_and_others_the_common_one(tmp_path: Path) -> None:
    (tmp_path / "k").write_text("from-file\n")
    (tmp_path / "k").chmod(0o600)
    (tmp_path / "tui.toml").write_text(
        '[hosts]\nplain = "http://a"\n'
        'env = { url = "http://b", key_env = "B_KEY", ca_file = "ca.pem" }\nfile = { url = "http://c", key_file = "k" }'
    )
    plain, env, file = read_settings(tmp_path / "tui.toml").hosts
    variables = {"HAL0_KEY": "common", "B_KEY": "own", "HAL0_CERT": "common.pem"}
    shown = [(each.access(variables).key, each.access(variables).certificate) for each in (plain, env, file, LOCAL)]
    own = str(tmp_path / "ca.pem")
    assert shown == [("common", "common.pem"), ("own", own), ("from-file", "common.pem"), ("", "")]


@pytest.mark.parametrize(
    ("setting", "mode", "told"),
    [
        ({"key_env": "NOWHERE"}, 0o600, "hosts.a.key_env: the variable NOWHERE is not set"),
        ({"key_file": "none"}, 0o600, "hosts.a.key_file: {folder}/none: No such file or directory"),
        ({"key_file": "k"}, 0o640, "hosts.a.key_file: {folder}/k can be read by other users"),
        ({"key_file": "empty"}, 0o600, "hosts.a.key_file: {folder}/empty is empty"),
        ({"key_file": "two"}, 0o600, "{folder}/two: it has line breaks"),
    ],
)
def test_a_key_that_cannot_be_used_is_told_by_its_place(
    tmp_path: Path, setting: dict[str, str], mode: int, told: str
) -> None:
    for name, text in {"k": "sk-one", "empty": "\n", "two": "sk-one\nsk-two"}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(mode)
    rest = ", ".join(f'{key} = "{value}"' for key, value in setting.items())
    (tmp_path / "tui.toml").write_text(f'[hosts]\na = {{ url = "http://a", {rest} }}')
    (entry,) = read_settings(tmp_path / "tui.toml").hosts
    with pytest.raises(Hal0Error) as refused:
        entry.access({})
    assert refused.value.code == "config.invalid"
    assert told.format(folder=tmp_path) in refused.value.message
    assert "sk-one" not in refused.value.message


# Going there ---------------------------------------------------------------------------------------------------------
def other_state():  # type: ignore[no-untyped-def]
    return state(host="lab02", slots=[slot("far-away")])


async def test_h_goes_to_another_daemon_and_nothing_of_the_first_one_is_left(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "tui.json")
    client = Client(Address(tmp_path / "s"))
    async with FakeDaemon(busy_state(), tmp_path / "s", clock=lambda: NOW) as daemon, FakeDaemon(other_state()) as far:
        named = [HostEntry(Address.read(far.url), "settings", name="lab", key_env="PATH_OF_NO_KEY")]
        dashboard = Dashboard(client, Look.of("hal0-dark"), named_hosts=named, memory=memory)
        async with dashboard.run_test(size=(120, 36)) as pilot:
            both = Live(pilot, dashboard, daemon)
            await both.ready()
            await both.press("j", "space", "f")
            await both.press("h")
            await both.sees("go to another host", "lab", "tui.toml", far.url, "is shown now")
            await both.press(*"lab", "enter")
            await both.sees("config.invalid", "the variable PATH_OF_NO_KEY is not", "Still with")
            assert dashboard.client is client
            await both.press(*["backspace"] * 3, *far.url, "tab", "enter")
            await both.sees("config.invalid")  # the same address, and so the same entry
            await both.press("escape")
            dashboard.named_hosts = []
            await both.press("h", *far.url, "enter")
            await both.sees("far-away", "lab02")
            await far.wait_for_dashboard()
            assert isinstance(dashboard.screen, Home)
            home = dashboard.screen
            await both.until(lambda: home.focused is home.table, "the table to have the focus")
            assert "chat-l" not in both.screen
            assert not dashboard.store.streams
            assert not dashboard.view.marked
            far.change_slot("far-away", model="moved")
            await both.sees("moved")
            await both.until(lambda: not daemon.bus.watched, "the first daemon to be left alone")
            await both.until(
                lambda: far.url in {entry.address.url for entry in memory.visits()}, "the visit to be written down"
            )
    kept = json.loads((tmp_path / "tui.json").read_text())["hosts"]
    assert kept[far.url]["host"] == "lab02"


async def test_a_host_that_does_not_answer_leaves_the_present_one_unless_that_is_wanted(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere.sock"
    async with FakeDaemon(default_state(), tmp_path / "s", clock=lambda: NOW) as daemon:
        dashboard = Dashboard(Client(Address(tmp_path / "s")), Look.of("hal0-dark"))
        async with dashboard.run_test(size=(100, 30)) as pilot:
            both = Live(pilot, dashboard, daemon)
            await both.ready()
            await both.press("h", *str(nowhere), "enter")
            await both.sees("system.daemon_down", "no such file", "Still with this machine", "leaves it for")
            daemon.change_slot("primary", model="still-here")
            await both.press("escape")
            await both.sees("still-here")
            await both.press("h", *str(nowhere), "enter")
            await both.sees("system.daemon_down")
            await both.press("enter")
            await both.sees("hal0d did not answer on", str(nowhere), "h   go to another host")
            assert "still-here" not in both.screen
            await both.press("h")
            await both.press(*str(tmp_path / "s"), "enter")
            await both.sees("still-here")


async def test_a_host_gone_to_before_can_be_forgotten(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "tui.json")
    for name in ("one", "two"):
        memory.visited(Address.read(f"http://{name}:1"), name, NOW)
    async with FakeDaemon(default_state(), tmp_path / "s", clock=lambda: NOW) as daemon:
        dashboard = Dashboard(Client(Address(tmp_path / "s")), Look.of("hal0-dark"), memory=memory)
        async with dashboard.run_test(size=(100, 30)) as pilot:
            both = Live(pilot, dashboard, daemon)
            await both.ready()
            await both.press("h")
            await both.sees("http://one:1", "http://two:1")
            assert "^r forget" not in both.screen, "this machine cannot be forgotten"
            await both.press(*"//one", "ctrl+r", *["backspace"] * 5)
            await both.sees("http://two:1")
            assert "http://one:1" not in both.screen
    assert [entry.title for entry in memory.visits() if entry.address.socket is None] == ["two"]


async def test_the_program_takes_a_name_of_the_settings_as_its_host(tmp_path: Path) -> None:
    folder = tmp_path / "hal0"
    folder.mkdir()
    async with FakeDaemon(busy_state()) as daemon:
        (folder / "tui.toml").write_text(f'[hosts]\nlab = {{ url = "{daemon.url}", key_env = "LAB_KEY" }}\n')
        settings = {"XDG_CONFIG_HOME": str(tmp_path), "LAB_KEY": "sk-lab", "HAL0_KEY": "sk-other"}
        code, out, _ = await run("--host", "lab", "--once", **settings)
        assert code == 0
        assert "lab01" in out
        assert daemon.keys == {"Bearer sk-lab"}
        async with terminal("--host", "lab", size=(120, 36), **settings) as screen:
            await screen.shows("rerank")
            await daemon.wait_for_dashboard()
            screen.type("q")
            assert await screen.process.wait() == 0


# Pictures ------------------------------------------------------------------------------------------------------------
ENTRIES = [LOCAL, LAB, before("http://10.0.0.7:8080", NOW - 7300, "gpu-box"), before("https://farm:8080", NOW - 90_000)]


@pytest.mark.parametrize("size", [(40, 12), (80, 24), (120, 36)])
async def test_the_list_of_hosts(size: tuple[int, int]) -> None:
    async with showing(busy_state(), size, ascii_only=size[0] == 40) as pilot:
        dialog = HostsDialog(pilot.app.view, ENTRIES, LOCAL)  # type: ignore[attr-defined]
        await pilot.app.push_screen(dialog)
        await settle(pilot)
        if size[0] == 120:
            error = Hal0Error("system.daemon_down", where="https://lab01:8080", reason="connection refused")
            dialog.list.trying = LAB
            dialog.refuse(error)
            await pilot.press("down")
        await settle(pilot)
        assert_picture(pilot.app, f"hosts-{size[0]}x{size[1]}")


async def test_the_screen_without_a_daemon_offers_other_hosts() -> None:
    async with showing(None, (80, 24)) as pilot:
        await lose(pilot)
        await pilot.press("h")
        await settle(pilot)
        assert isinstance(pilot.app.screen, HostsDialog)
