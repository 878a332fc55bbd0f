"""Keeps a text of hal0's own on disk: whole or not at all, private, and its owner's also if root writes it.

The commands may run as root where the daemon does not; what they leave in its state folder is for the daemon to read.
Blocking; call it in a thread.
"""

import os
from pathlib import Path


def keep(path: Path, text: str) -> None:
    """Put the text at `path`, in a folder that is made if it is not there; raises `OSError`."""
    make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.new")
    with open(temporary, "w", encoding="utf-8", opener=open_private) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def make_folder(folder: Path) -> None:
    """A private folder, with the owner of the one above it."""
    if not folder.is_dir():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _give_away(folder, above=folder.parent)


def open_private(path: str | Path, flags: int) -> int:
    """Open a file for nobody but the owner of its folder."""
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
    _give_away(descriptor, above=Path(path).parent)
    return descriptor


def _give_away(made: Path | int, *, above: Path) -> None:
    now, owner = os.stat(made), above.stat()
    if os.geteuid() == 0 and (now.st_uid, now.st_gid) != (owner.st_uid, owner.st_gid):
        os.chown(made, owner.st_uid, owner.st_gid)


def sync_folder(folder: Path) -> None:
    """Let what was renamed or removed in the folder outlive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
