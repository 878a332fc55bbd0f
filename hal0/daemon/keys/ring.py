"""Who may come in: finds the key that a request shows, by its digest. In memory; one look-up for each request."""

import hmac
from collections.abc import Iterable, Iterator
from typing import Any

from hal0.daemon.keys.key import Key, Keys, digest_of
from hal0.errors import Hal0Error

BEARER = b"bearer "


class Keyring:
    """The keys in force. While none is `required`, everybody may use the models."""

    def __init__(self, keys: Keys | None = None, *, required: bool = False) -> None:
        self.put(keys or {}, required=required)

    def put(self, keys: Keys, *, required: bool) -> None:
        """Let these count from now on; requests that are in already go on."""
        self.keys = keys
        self.required = required
        self._by_digest = {key.digest: key for key in keys.values()}

    def admit(self, scope: Any) -> Key | None:
        """The key of a request to the API, None if it needs none; raises `system.auth_required`.

        Whoever comes by the Unix socket is let in by its mode.
        """
        if not self.required or scope["client"] is None:
            return None
        key = self.find(scope["headers"])
        if key is None:
            raise Hal0Error("system.auth_required", reason="the request has none")
        return key

    def find(self, headers: Iterable[tuple[bytes, bytes]]) -> Key | None:
        """The key that is shown, None if none is; raises `system.auth_required` for one that is not known."""
        is_shown = False
        for text in _shown(headers):
            is_shown = True
            digest = digest_of(text)
            key = self._by_digest.get(digest)
            if key is not None and hmac.compare_digest(key.digest, digest):
                return key
        if is_shown:
            raise Hal0Error("system.auth_required", reason="the one that was sent is not known here, or was revoked")
        return None


def _shown(headers: Iterable[tuple[bytes, bytes]]) -> Iterator[bytes]:
    """OpenAI's clients send `Authorization: Bearer`, Anthropic's `x-api-key`; some send both."""
    for name, value in headers:
        if name == b"x-api-key":
            yield value.strip()
        elif name == b"authorization" and value[: len(BEARER)].lower() == BEARER:
            yield value[len(BEARER) :].strip()
