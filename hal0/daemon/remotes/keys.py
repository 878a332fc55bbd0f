"""The key of a remote: from an environment variable, or from a file that nobody else can read. Never kept or told."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from hal0.daemon.config.schema import Remote
from hal0.errors import Hal0Error
from hal0.regular import open_regular

LONGEST_KEY_BYTES = 16 * 2**10


def key_of(name: str, config: Remote, env: Mapping[str, str]) -> str:
    """The key, empty if none is configured; raises `dispatch.remote_key_missing`."""
    if config.key_env is not None:
        key = env.get(config.key_env, "").strip()
        if not key:
            raise _missing(name, f"the environment variable {config.key_env} is not set for the daemon")
    elif config.key_file is not None:
        key = _from_file(name, Path(config.key_file))
    else:
        return ""
    if not key.isascii() or not key.isprintable():
        raise _missing(name, "what stands for it is no key: it has line breaks or characters that no header can carry")
    return key


def _from_file(name: str, path: Path) -> str:
    try:
        with open_regular(path) as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise _missing(name, f"{path} can be read by other users; chmod 600 makes it yours alone")
            key = file.read(LONGEST_KEY_BYTES).decode("utf-8", "replace").strip()
    except OSError as error:
        raise _missing(name, f"{path}: {error.strerror}") from error
    if not key:
        raise _missing(name, f"{path} is empty")
    return key


def _missing(name: str, reason: str) -> Hal0Error:
    return Hal0Error("dispatch.remote_key_missing", remote=name, reason=reason)
