"""The access token for Hugging Face: from a file that only its owner may read, or the environment. Never logged.

It goes only to the hub itself, and only over TLS or to this machine: `remote.py` sees to that.
"""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from hal0.errors import Hal0Error

VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
LONGEST_BYTES = 4_096


class Token:
    """A secret with the place it came from; its text is shown nowhere."""

    __slots__ = ("_secret", "origin")

    def __init__(self, secret: str, origin: str) -> None:
        self._secret = secret
        self.origin = origin

    def __repr__(self) -> str:
        return f"Token(from {self.origin})"

    def header(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._secret}"}


def find_token(file: Path | None, env: Mapping[str, str]) -> Token | None:
    """The configured file's token, else the environment's, else the one `hf auth login` left; None if there is none.

    Raises `model.token_unusable` for a configured file that others may read, or that holds no token.
    """
    if file is not None:
        return _from_file(file)
    for name in VARIABLES:
        if secret := env.get(name, "").strip():
            return Token(secret, name)
    home = env.get("HF_HOME") or os.path.join(
        env.get("XDG_CACHE_HOME") or f"{env.get('HOME', '')}/.cache", "huggingface"
    )
    left = Path(env.get("HF_TOKEN_PATH") or f"{home}/token")
    try:
        secret = left.read_text(encoding="ascii")[:LONGEST_BYTES].strip()
    except (OSError, ValueError):
        return None
    return Token(secret, str(left)) if _is_token(secret) else None


def _from_file(file: Path) -> Token:
    try:
        with file.open("rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            raw = opened.read(LONGEST_BYTES)
    except OSError as error:
        raise Hal0Error("model.token_unusable", path=str(file), reason=error.strerror or str(error)) from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise Hal0Error(
            "model.token_unusable", path=str(file), reason=f"its mode is {stat.S_IMODE(mode):04o}, not 0600"
        )
    secret = raw.decode("ascii", errors="replace").strip()
    if not _is_token(secret):
        raise Hal0Error("model.token_unusable", path=str(file), reason="it does not hold a token and nothing else")
    return Token(secret, str(file))


def _is_token(secret: str) -> bool:
    """One printable word: anything else could not be sent as a header."""
    return bool(secret) and secret.isascii() and secret.isprintable() and " " not in secret
