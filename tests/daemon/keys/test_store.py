"""The keys of a running daemon: who may come in, after whatever happened to their file."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from hal0.daemon.config.schema import Auth, Settings
from hal0.daemon.keys.file import change_keys
from hal0.daemon.keys.key import new_key, with_key, without_key
from hal0.daemon.keys.store import KeyStore
from hal0.errors import Hal0Error

STRANGER = {"client": ("192.0.2.7", 4711), "headers": []}


class Home:
    """A store, what it was told to do, and what it told."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings()
        self.changes = 0
        self.failures: list[Hal0Error] = []
        self.store = KeyStore(lambda: self.settings, folder)
        self.store.on_change = self._changed
        self.store.on_failure = self.failures.append
        self.file = folder / "keys.toml"

    def _changed(self) -> None:
        self.changes += 1

    def name_file(self, path: Path | None) -> None:
        self.settings = Settings(auth=Auth(keys_file=str(path) if path else None))

    @property
    def is_open(self) -> bool:
        try:
            return self.store.ring.admit(STRANGER) is None
        except Hal0Error:
            return False

    def lets_in(self, text: str) -> bool:
        shown: dict[str, Any] = {**STRANGER, "headers": [(b"x-api-key", text.encode())]}
        try:
            return self.store.ring.admit(shown) is not None
        except Hal0Error:
            return False


@pytest.fixture
def home(tmp_path: Path) -> Home:
    found = Home(tmp_path)
    found.store.load()
    return found


async def test_the_first_key_shuts_the_door_for_all_others(home: Home) -> None:
    assert home.is_open
    key = await home.store.add("alice", "inference", ())
    assert not home.is_open
    assert home.lets_in(key.key)
    assert home.changes == 1


async def test_a_revoked_key_opens_nothing_and_the_last_one_leaves_the_door_shut(home: Home) -> None:
    first, second = await home.store.add("a", "inference", ()), await home.store.add("b", "inference", ())
    assert [key.name for key in (await home.store.revoke("a")).keys] == ["b"]
    assert not home.lets_in(first.key)
    assert home.lets_in(second.key)
    view = await home.store.revoke("b")
    assert (view.keys, view.required) == ([], True)
    assert not home.is_open
    with pytest.raises(Hal0Error) as refused:
        await home.store.revoke("b")
    assert refused.value.code == "system.key_not_found"


async def test_the_door_is_opened_by_removing_the_file(home: Home) -> None:
    key = await home.store.add("a", "inference", ())
    view = await home.store.remove_all()
    assert (view.keys, view.required) == ([], False)
    assert home.is_open
    assert not home.file.exists()
    assert not home.lets_in(key.key)  # it is let in as everybody is, not by its key


async def test_a_named_file_that_is_not_there_keeps_the_door_shut(home: Home, tmp_path: Path) -> None:
    home.name_file(home.file)  # the same place as without a name
    await home.store.look()
    assert not home.is_open
    home.name_file(tmp_path / "elsewhere.toml")
    await home.store.look()
    assert not home.is_open
    key = await home.store.add("a", "inference", ())
    assert home.lets_in(key.key)
    assert (tmp_path / "elsewhere.toml").exists()
    assert (await home.store.remove_all()).required
    home.name_file(None)
    await home.store.look()
    assert home.is_open


async def test_what_others_write_counts_once_it_is_noticed(home: Home) -> None:
    key, text = new_key("other", "inference", None)
    watching = asyncio.ensure_future(home.store.run())
    change_keys(home.file, lambda keys: with_key(keys, key))
    async with asyncio.timeout(20):
        while not home.lets_in(text):
            await asyncio.sleep(0.02)
        change_keys(home.file, lambda keys: without_key(keys, "other"))
        home.store.look_now()
        while home.lets_in(text):
            await asyncio.sleep(0.02)
    watching.cancel()
    assert not home.is_open
    assert home.changes == 2


async def test_a_file_that_is_broken_by_hand_changes_nothing_and_is_told_once(home: Home) -> None:
    key = await home.store.add("a", "inference", ())
    good = home.file.read_text()
    home.file.write_text(good + "and then")
    for _ in range(3):
        await home.store.look()
    assert home.lets_in(key.key)
    assert not home.is_open
    assert [error.code for error in home.failures] == ["system.keys_unusable"]
    with pytest.raises(Hal0Error) as refused:
        await home.store.add("b", "inference", ())
    assert refused.value.code == "system.keys_unusable"
    assert home.file.read_text() == good + "and then"
    home.file.write_text(good)
    await home.store.look()
    assert home.lets_in(key.key)


def test_a_broken_file_keeps_a_daemon_from_starting(tmp_path: Path) -> None:
    (tmp_path / "keys.toml").write_text("keys = 1")
    with pytest.raises(Hal0Error) as refused:
        Home(tmp_path).store.load()
    assert refused.value.code == "system.keys_unusable"


async def test_keys_that_are_made_at_the_same_moment_are_all_there(home: Home) -> None:
    made = await asyncio.gather(*(home.store.add(f"k{number}", "inference", ()) for number in range(10)))
    assert all(home.lets_in(key.key) for key in made)
    fresh = Home(home.file.parent)
    fresh.store.load()
    assert all(fresh.lets_in(key.key) for key in made)


async def test_a_key_is_for_slots_that_exist_and_an_admin_key_for_all(home: Home) -> None:
    assert (await home.store.add("a", "inference", ("embed", "primary", "embed"))).slots == ["embed", "primary"]
    with pytest.raises(Hal0Error) as refused:
        await home.store.add("b", "inference", ("primry",))
    assert refused.value.code == "slot.not_found"
    assert "'primary'" in refused.value.message
    with pytest.raises(Hal0Error) as refused:
        await home.store.add("b", "admin", ("primary",))
    assert refused.value.param == "slots"
    assert [key.name for key in home.store.view().keys] == ["a"]


async def test_a_file_that_vanishes_opens_no_door(home: Home) -> None:
    key = await home.store.add("alice", "inference", ())
    home.file.unlink()
    await home.store.look()
    assert not home.is_open
    assert home.lets_in(key.key)
    await home.store.remove_all()
    assert home.is_open
