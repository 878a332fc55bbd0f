"""API keys: what one is and what it opens. Values only.

A key is 256 random bits, so no list of guesses leads to it, and a plain SHA-256 of it can be stored: slow hashes are
for passwords, which people choose.
"""

import hashlib
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from hal0.errors import Hal0Error, did_you_mean
from hal0.wire import KeyView

Scope = Literal["inference", "admin"]

PREFIX = "sk-hal0-"  # some clients take nothing for a key that does not begin with `sk-`
RANDOM_BYTES = 32
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")
NAME_IN_WORDS = "up to 40 small letters, digits, `.`, `_` and `-`, the first a letter or digit"


@dataclass(frozen=True, slots=True)
class Key:
    """A key as hal0 remembers it."""

    name: str
    scope: Scope
    digest: bytes  # SHA-256 of the key
    created_at: float  # Unix seconds
    slots: frozenset[str] | None = None  # the slots and remotes it may reach; None: all

    @property
    def is_admin(self) -> bool:
        return self.scope == "admin"

    def view(self) -> KeyView:
        return KeyView(name=self.name, scope=self.scope, slots=sorted(self.slots or ()), created_at=self.created_at)


Keys = Mapping[str, Key]  # by name


def digest_of(text: bytes) -> bytes:
    return hashlib.sha256(text).digest()


def new_key(name: str, scope: Scope, slots: frozenset[str] | None) -> tuple[Key, str]:
    """A key to remember, and its text, which nobody can make out of it again. Raises `dispatch.invalid_request`."""
    if not NAME.fullmatch(name):
        raise Hal0Error("dispatch.invalid_request", param="name", field="name", reason=f"it must be {NAME_IN_WORDS}")
    text = PREFIX + secrets.token_urlsafe(RANDOM_BYTES)
    return Key(name, scope, digest_of(text.encode()), float(int(time.time())), slots), text


def with_key(keys: Keys, key: Key) -> Keys:
    """Raises `system.key_exists`."""
    if key.name in keys:
        raise Hal0Error("system.key_exists", name=key.name)
    return {**keys, key.name: key}


def without_key(keys: Keys, name: str) -> Keys:
    """Raises `system.key_not_found`."""
    if name not in keys:
        raise Hal0Error("system.key_not_found", name=name, nearest=did_you_mean(name, keys))
    return {known: key for known, key in keys.items() if known != name}
