"""Proof that a model file is the one it should be: its SHA-256, computed at first use and remembered.

Remembered by path, size and time of change, so that a file is read again only when it is another one.
"""

import asyncio
import hashlib
import json
import logging
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from hal0.errors import Hal0Error

CHUNK_BYTES = 2**20

log = logging.getLogger("hal0.models")

Progress = Callable[[int, int], None]  # bytes done, bytes in all


class Checksums:
    """The checksums computed so far, kept in a file of their own."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known: dict[str, tuple[int, int, str]] = self._load()
        self._one_at_a_time = asyncio.Lock()  # two slots may want the same file; disks like one reader

    def is_verified(self, path: Path, sha256: str) -> bool:
        """Whether this very file was found to have the checksum."""
        try:
            stamp = _stamp(path)
        except OSError:
            return False
        return self._known.get(str(path)) == (*stamp, sha256)

    async def verify(self, path: Path, sha256: str, *, model: str, on_progress: Progress | None = None) -> None:
        """Compute in a thread; raises `model.checksum_mismatch`, `model.file_missing` or `model.file_invalid`."""
        async with self._one_at_a_time:
            if self.is_verified(path, sha256):
                return
            try:
                stamp = _stamp(path)
                digest = await digest_of(path, on_progress)
            except FileNotFoundError as error:
                raise Hal0Error("model.file_missing", model=model, path=str(path)) from error
            except OSError as error:
                raise Hal0Error("model.file_invalid", path=str(path), reason=error.strerror or str(error)) from error
            if digest != sha256:
                raise Hal0Error("model.checksum_mismatch", path=str(path), expected=sha256, found=digest)
            self._known[str(path)] = (*stamp, digest)
            self._save()

    def _load(self) -> dict[str, tuple[int, int, str]]:
        """What is remembered. A missing or damaged file only means that checksums are computed once more."""
        known: dict[str, tuple[int, int, str]] = {}
        with suppress(OSError, ValueError, TypeError, AttributeError, RecursionError):
            for path, (size, changed, digest) in json.loads(self._file.read_text())["files"].items():
                known[path] = (int(size), int(changed), str(digest))
        return known

    def _save(self) -> None:
        files = {path: entry for path, entry in self._known.items() if os.path.exists(path)}
        temporary = self._file.with_name(self._file.name + ".new")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps({"files": files}, indent=1))
            os.replace(temporary, self._file)
        except OSError as error:
            log.warning("checksums are not remembered: %s: %s", self._file, error.strerror)


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


async def digest_of(path: Path, on_progress: Progress | None = None) -> str:
    """The SHA-256 of a file, computed in a thread; raises OSError."""
    loop = asyncio.get_running_loop()
    left = threading.Event()

    def read() -> str:
        digest = hashlib.sha256()
        buffer = bytearray(CHUNK_BYTES)  # one for the whole file: a new one per read would stay with the process
        done, total = 0, path.stat().st_size
        with path.open("rb", buffering=0) as file:
            while not left.is_set() and (count := file.readinto(buffer)):
                digest.update(memoryview(buffer)[:count])
                done += count
                if on_progress is not None:
                    loop.call_soon_threadsafe(on_progress, done, total)
        return digest.hexdigest()

    try:
        return await asyncio.to_thread(read)
    finally:
        left.set()  # if the waiter was cancelled, the thread shall not read on
