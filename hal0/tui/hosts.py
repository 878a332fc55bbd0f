"""The hosts that one may go to: this machine, those that `tui.toml` names, and those gone to before.

A key is never here: it is in a file or in a variable of the environment, which are named, and read when needed.
"""

import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from hal0.access import Access, checked_key
from hal0.errors import Hal0Error
from hal0.tui.client import Address

LONGEST_KEY_BYTES = 16 * 2**10
Origin = Literal["local", "settings", "before", "typed"]


@dataclass(frozen=True, slots=True)
class HostEntry:
    """A daemon that may be asked, and what it is shown."""

    address: Address
    origin: Origin
    name: str = ""  # in `tui.toml`, or of its machine when it was seen; empty: not known
    key_file: Path | None = None
    key_env: str = ""
    ca_file: Path | None = None
    seen_at: float | None = None  # when it was gone to last

    @property
    def title(self) -> str:
        """What it is called in one word."""
        return self.name or ("this machine" if self.origin == "local" else self.address.without_secrets)

    def access(self, env: Mapping[str, str]) -> Access:
        """Its own key and certificate, else those of HAL0_KEY and HAL0_CERT; raises `config.invalid`."""
        if self.address.socket is not None:
            return Access()
        own = self._key(env)
        common = Access.of(env if own is None else {**env, "HAL0_KEY": own})
        return replace(common, certificate=str(self.ca_file)) if self.ca_file else common

    def _key(self, env: Mapping[str, str]) -> str | None:
        if self.key_env:
            if not env.get(self.key_env):
                raise self._no_key("key_env", f"the variable {self.key_env} is not set")
            return checked_key(env[self.key_env], self.key_env)
        return self._key_of_file(self.key_file) if self.key_file else None

    def _key_of_file(self, path: Path) -> str:
        try:
            with path.open("rb") as file:
                if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                    raise self._no_key("key_file", f"{path} can be read by other users; chmod 600 makes it yours alone")
                key = checked_key(file.read(LONGEST_KEY_BYTES).decode("utf-8", "replace"), str(path))
        except OSError as error:
            raise self._no_key("key_file", f"{path}: {error.strerror}") from error
        if not key:
            raise self._no_key("key_file", f"{path} is empty")
        return key

    def _no_key(self, setting: str, reason: str) -> Hal0Error:
        return Hal0Error("config.invalid", place=f"hosts.{self.name}.{setting}", reason=reason)


def find_host(text: str, named: Iterable[HostEntry]) -> HostEntry:
    """A name of `tui.toml`, else an address as it is typed; raises `system.bad_address`."""
    found = next((entry for entry in named if entry.name == text), None)
    return found or HostEntry(Address.read(text), "typed")


def all_hosts(
    local: Sequence[Address], named: Iterable[HostEntry], before: Iterable[HostEntry], current: HostEntry
) -> list[HostEntry]:
    """Each address once: this machine's, then the named, then the others, the newest first."""
    here = [HostEntry(address, "local") for address in local]
    older = sorted(before, key=lambda entry: entry.seen_at or 0.0, reverse=True)
    found: dict[str, HostEntry] = {}
    for entry in (*here, *named, current, *older):
        if entry.origin == "before" and entry.address.socket is not None and not entry.address.socket.exists():
            continue  # of a daemon that has gone, such as one of a test
        found.setdefault(entry.address.without_secrets, entry)
    return list(found.values())


def narrowed(entries: Iterable[HostEntry], typed: str) -> Iterator[HostEntry]:
    """Those that have what was typed in them, and last what was typed itself, if it is none of them."""
    wanted = typed.strip()
    exact = False
    for entry in entries:
        names = (entry.title, entry.address.without_secrets)
        exact = exact or wanted in names
        if any(wanted.casefold() in name.casefold() for name in names):
            yield entry
    if wanted and not exact:
        with suppress(Hal0Error):  # not yet an address
            yield HostEntry(Address.read(wanted), "typed")
