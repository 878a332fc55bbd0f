"""`tui.toml`: defaults and keys of one's own; what cannot be is refused with the file and the nearest id."""

import string
from pathlib import Path

import pytest
from textual.keys import _character_to_key

from hal0.errors import Hal0Error
from hal0.paths import dashboard_settings
from hal0.tui.__main__ import chosen
from hal0.tui.keymap import KEYS
from hal0.tui.rebinding import DEFAULT, character_name, rebound, shown
from hal0.tui.settings import Settings, read_settings
from tests.fakes.daemon import FakeDaemon
from tests.tui.live import live
from tests.tui.samples import busy_state, default_state
from tests.tui.terminal import terminal


def settings_of(folder: Path, text: str) -> Settings:
    path = folder / "tui.toml"
    path.write_text(text)
    return read_settings(path)


def test_without_a_file_nothing_is_set(tmp_path: Path) -> None:
    assert read_settings(tmp_path / "tui.toml") == Settings()
    assert Settings().keymap is DEFAULT


def test_the_file_is_beside_the_configuration() -> None:
    assert dashboard_settings({"XDG_CONFIG_HOME": "/c"}) == Path("/c/hal0/tui.toml")
    assert dashboard_settings({"HOME": "/home/ada"}) == Path("/home/ada/.config/hal0/tui.toml")


def test_everything_that_may_be_set(tmp_path: Path) -> None:
    settings = settings_of(
        tmp_path,
        'theme = "ansi"\nascii = true\nread_only = false\nfps = 4\nmouse = false\n[keys]\nunload = "^u"\ndown = ["J"]',
    )
    assert (settings.theme, settings.ascii, settings.read_only, settings.fps) == ("ansi", True, False, 4)
    assert settings.mouse is False
    assert settings.keymap.of("unload").keys == ("ctrl+u",)
    assert settings.keymap.of("down").shown == "J"


def test_an_option_comes_before_a_setting() -> None:
    assert chosen(False, True, True) is False
    assert chosen(None, False, True) is False
    assert chosen(None, None, 8.0) == 8.0


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("theme = ", "not valid TOML: "),
        ('them = "ansi"', "there is no setting 'them'; did you mean 'theme'?"),
        ('theme = "hal0-drak"', "there is no theme 'hal0-drak'; did you mean 'hal0-dark'?"),
        ('theme = "pink"', "there is no theme 'pink'; there are hal0-dark"),
        ("ascii = 1", "ascii must be true or false"),
        ("fps = 100", "fps must be a number from 1 to 30"),
        ("hosts = 3", '[hosts] must be a table of `name = "url"`'),
        ("hosts.a = 3", "[hosts] a must be a url, or a table with one"),
        ('hosts.a = { ulr = "b" }', "[hosts] a has no 'ulr'; did you mean 'url'?"),
        ('hosts.a = { url = "b", key = "sk" }', "[hosts] a has no 'key'; a key is never written here: key_file or"),
        ('hosts.a = "ftp://b"', "[hosts] a: "),
        ('hosts.a = { key_env = "B" }', "[hosts] a needs a url"),
        ('hosts.a = { url = "" }', "[hosts] a: url must be a text"),
        ('hosts.a = { url = "b", key_env = "B", key_file = "c" }', "has a key_file and a key_env: choose one"),
        ('hosts.a = { url = "b", ca_file = "~nobody-is-called-so/c" }', "[hosts] a: Could not determine home"),
        ("fps = true", "fps must be a number from 1 to 30"),
        ("keys = 3", '[keys] must be a table of `id = "key"`'),
        ("[keys]\nunload = 3", "[keys] unload must be a key, or a list of keys"),
        ("[keys]\nunload = []", "'unload' needs a key"),
        ('[keys]\nunlaod = "x"', "there is no key with the id 'unlaod'; did you mean 'unload'?"),
        ('[keys]\nunload = "l"', "l is both 'load' and 'unload' in slots; give one of them another key"),
        ('[keys]\nstop = "enter"', "⏎ is both 'send' and 'stop' in chat"),
        ('[keys]\nunload = "pagedwn"', "'unload' is set to 'pagedwn', which is no key; did you mean 'pagedown'?"),
        ('[keys]\nunload = "hyper+x"', "which is no key"),
        ('[keys]\nunload = ""', "which is no key"),
        ('[keys]\nunload = "^m"', "which terminals cannot tell from Enter"),
        ('[keys]\nsend = "^x"', "'send' is always ⏎"),
        ('[keys]\npage_down = "x"', "'page_down' cannot be x: it works where text is typed; use a key with ctrl"),
    ],
)
def test_what_cannot_be_is_refused_with_the_file_and_the_nearest(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(Hal0Error) as refused:
        settings_of(tmp_path, text)
    assert refused.value.code == "config.dashboard"
    assert f"{tmp_path / 'tui.toml'}: " in refused.value.message
    assert told in refused.value.message


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "tui.toml").write_bytes(b"\xff")
    with pytest.raises(Hal0Error, match=r"config\.unreadable.*not UTF-8|not UTF-8"):
        read_settings(tmp_path / "tui.toml")


def test_keys_may_change_places_with_each_other() -> None:
    keymap = rebound({"load": ["u"], "unload": ["l"]})
    assert [keymap.of(id).keys for id in ("load", "unload")] == [("u",), ("l",)]


def test_characters_are_named_as_textual_names_them() -> None:
    for character in string.punctuation + string.ascii_letters + string.digits + "äß§":
        assert character_name(character) == _character_to_key(character)


def test_keys_are_shown_as_the_table_shows_them() -> None:
    for key in KEYS:
        if key.keys and key.id not in ("filter", "thaw"):
            assert shown(key.keys[0]) == key.shown.split()[0] or key.keys[0] == "colon"
    assert [shown(key) for key in ("shift+f5", "alt+j", "question_mark")] == ["S-F5", "A-j", "?"]


async def test_a_rebound_key_works_and_the_old_one_does_not(tmp_path: Path) -> None:
    keymap = rebound({"unload": ["U"], "down": ["J"], "retry": ["r", "f5"]})
    async with live(tmp_path, default_state(), (120, 36), keymap=keymap) as both:
        await both.sees("U unload")
        await both.press("u", "j")
        assert both.dashboard.view.slot().name == "primary"  # type: ignore[union-attr]
        await both.press("U")
        await both.daemon.wait_for_call("POST", "/api/slots/primary/unload")
        assert both.daemon.calls.count(("POST", "/api/slots/primary/unload")) == 1
        await both.press("J")
        assert both.dashboard.view.slot().name == "embed"  # type: ignore[union-attr]
        await both.press("r")  # also after a rebinding of the other place where it means something
        await both.daemon.wait_for_call("POST", "/api/slots/embed/restart")
        await both.press("question_mark")
        await both.sees("U        stop the slot")


async def test_the_confirmation_and_the_palette_show_the_rebound_key(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state(), (120, 36), keymap=rebound({"drain_wait": ["f"], "pin": ["^t"]})) as both:
        await both.press("u")
        await both.sees("f   let the requests finish")
        await both.press("escape", "colon", *"pin")
        await both.sees("^t")


async def test_the_program_reads_the_file(tmp_path: Path) -> None:
    (tmp_path / "hal0").mkdir()
    (tmp_path / "hal0" / "tui.toml").write_text('ascii = true\nread_only = true\n[keys]\nload = "X"\n')
    async with FakeDaemon(default_state(), tmp_path / "s"):
        arguments = ("--socket", str(tmp_path / "s"))
        async with terminal(*arguments, XDG_CONFIG_HOME=str(tmp_path)) as screen:
            await screen.shows("READ ONLY")
            assert screen.output.isascii()
        async with terminal(*arguments, "--no-read-only", XDG_CONFIG_HOME=str(tmp_path)) as screen:
            await screen.shows(" load")
            await screen.until(lambda output: b"READ ONLY" not in output)
        (tmp_path / "hal0" / "tui.toml").write_text('[keys]\nlaod = "X"\n')
        async with terminal(*arguments, XDG_CONFIG_HOME=str(tmp_path)) as screen:
            assert await screen.process.wait() == 1
            await screen.shows("config.dashboard")
            await screen.shows("did you mean 'load'?")
            assert b"Traceback" not in screen.output
