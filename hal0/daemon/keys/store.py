"""Owner of the API keys of a running daemon: the file, and the ring that requests are looked up in.

Keys are required as soon as there is a file for them, or the configuration names one: that the last key was revoked,
or a file is not where it should be, never opens the door. A file that is written by hand and cannot be used leaves the
keys as they were, and is told.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from hal0.daemon.config.schema import Settings
from hal0.daemon.keys.file import Stamp, change_keys, read_keys, remove_keys, stamp
from hal0.daemon.keys.key import Key, Keys, Scope, new_key, with_key, without_key
from hal0.daemon.keys.ring import Keyring
from hal0.errors import Hal0Error, did_you_mean
from hal0.wire import KeysView, NewKey

LOOK_SECONDS = 2.0  # how soon a file that others write is noticed
FILE_NAME = "keys.toml"

Seen = tuple[Path, bool, Stamp | None]  # the file, whether the configuration names it, and how it was

log = logging.getLogger("hal0.keys")


def place_of(settings: Settings, state: Path) -> Path:
    """The file of the keys."""
    named = settings.auth.keys_file
    return state / FILE_NAME if named is None else Path(named)


def limit_of(scope: Scope, slots: tuple[str, ...], settings: Settings) -> frozenset[str] | None:
    """What a key is limited to: slots and remotes that exist; none named: all.

    Raises `slot.not_found` or `dispatch.invalid_request`.
    """
    if scope == "admin" and slots:
        reason = "an admin key opens everything, so it cannot be limited to slots"
        raise Hal0Error("dispatch.invalid_request", param="slots", field="slots", reason=reason)
    known = [*settings.slots, *settings.remotes]
    for name in slots:
        if name not in known:
            raise Hal0Error("slot.not_found", slot=name, nearest=did_you_mean(name, known))
    return frozenset(slots) or None


class KeyStore:
    """`on_change` is called when others may come in than before; `on_failure` hears of a file that cannot be used."""

    def __init__(self, settings: Callable[[], Settings], state: Path) -> None:
        self.ring = Keyring()
        self.on_change: Callable[[], object] = lambda: None
        self.on_failure: Callable[[Hal0Error], None] = lambda _: None
        self._settings = settings
        self._state = state
        self._seen: Seen | None = None
        self._turn = asyncio.Lock()
        self._is_asked = asyncio.Event()

    @property
    def path(self) -> Path:
        return place_of(self._settings(), self._state)

    def load(self) -> None:
        """Read the file for the first time; raises `system.keys_unusable`. Blocking."""
        path = self.path
        self._take_over(self._seen_as(stamp(path)), read_keys(path))

    async def run(self) -> None:
        """Look whether somebody else has written the file, for as long as the daemon lives."""
        while True:
            await self.look()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._is_asked.wait()
            self._is_asked.clear()

    def look_now(self) -> None:
        """The configuration may name another file than before."""
        self._is_asked.set()

    async def look(self) -> None:
        """Read the file if it is another than before."""
        async with self._turn:
            path = self.path
            now = self._seen_as(await asyncio.to_thread(stamp, path))
            if self._seen == now:
                return
            try:
                keys = await asyncio.to_thread(read_keys, path)
            except Hal0Error as error:
                self._seen = now
                log.error("the keys stay as they were: %s", error)
                self.on_failure(error)
                return
            if keys is None and self.ring.required and self._seen is not None and self._seen[0] == path:
                self._seen = now
                log.error("%s is gone: the keys stay as they were until `hal0 key off` takes them away", path)
                return
            self._take_over(now, keys)
            log.info("%s was read: API keys in force: %d", path, len(self.ring.keys))

    def view(self) -> KeysView:
        keys = [key.view() for key in self.ring.keys.values()]
        return KeysView(keys=keys, path=str(self.path), required=self.ring.required)

    async def add(self, name: str, scope: Scope, slots: tuple[str, ...]) -> NewKey:
        """A new key, whose text is told this once; raises what `change_keys`, `with_key` and `limit_of` do."""
        key, text = new_key(name, scope, limit_of(scope, slots, self._settings()))
        await self._change(partial(change_keys, self.path, lambda keys: with_key(keys, key)))
        log.info("the key %s was added: %s", name, _words(key))
        return NewKey(**key.view().model_dump(), key=text)

    async def revoke(self, name: str) -> KeysView:
        """From now on the key opens nothing; raises `system.key_not_found`, and what `change_keys` does."""
        await self._change(partial(change_keys, self.path, lambda keys: without_key(keys, name)))
        log.info("the key %s was revoked", name)
        return self.view()

    async def remove_all(self) -> KeysView:
        """Take every key away, and their file."""
        await self._change(partial(remove_keys, self.path))
        log.info("all keys were removed")
        return self.view()

    async def _change(self, write: Callable[[], object]) -> None:
        async with self._turn:
            await asyncio.to_thread(write)
            path = self.path
            now = self._seen_as(await asyncio.to_thread(stamp, path))
            self._take_over(now, await asyncio.to_thread(read_keys, path))

    def _seen_as(self, now: Stamp | None) -> Seen:
        return self.path, self._settings().auth.keys_file is not None, now

    def _take_over(self, seen: Seen, keys: Keys | None) -> None:
        is_first, was_required = self._seen is None, self.ring.required
        path, is_named, _ = self._seen = seen
        required = keys is not None or is_named
        self.ring.put(keys or {}, required=required)
        if is_first:
            if required:
                log.info("API keys in force: %d", len(self.ring.keys))
            return
        if was_required and not required:
            log.warning("%s is gone: anybody who reaches the API can use it now", path)
        self.on_change()


def _words(key: Key) -> str:
    return key.scope if key.slots is None else f"{key.scope}, for {', '.join(sorted(key.slots))}"
