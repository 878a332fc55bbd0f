"""Bytes on their way through a process: a small part in memory, all of it on disk once it is more.

What goes to disk is a file without a name, so it is gone with the process, however that ends. Disks are written and
read in threads; each operation and the end exclude each other, so that a cancelled one never meets a closed file.
"""

import asyncio
import errno
import tempfile
import threading
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from hal0.errors import Hal0Error

MEMORY_BYTES = 2**20
PIECE_BYTES = 256 * 2**10  # to and from the disk at a time
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Spool:
    """Written from its beginning to its end, then read as often as wanted. Who made it closes it."""

    def __init__(self, folder: Path) -> None:
        self.size = 0
        self._folder = folder
        self._parts: list[bytes] = []  # in memory: all of it, or what is not yet on disk
        self._held = 0
        self._file: BinaryIO | None = None
        self._is_closed = False
        self._lock = threading.Lock()

    async def write(self, data: bytes) -> None:
        """Take the next bytes; raises `system.disk_full` or `system.state_unwritable`."""
        self._parts.append(data)
        self._held += len(data)
        self.size += len(data)
        if self._held >= (MEMORY_BYTES if self._file is None else PIECE_BYTES):
            await self._flush()

    async def done(self) -> None:
        """All was written; raises like `write`."""
        if self._file is not None and self._held:
            await self._flush()

    async def pieces(self) -> AsyncIterator[bytes]:
        """The bytes from the beginning; several readers may be under way."""
        if self._file is None:
            for part in self._parts:
                yield part
            return
        at = 0
        while at < self.size:
            piece = await asyncio.to_thread(self._read, at)
            at += len(piece)
            yield piece

    def file(self) -> BinaryIO:
        """What was written, as a file to read in a thread; there is one of them at a time."""
        if self._file is None:
            return BytesIO(b"".join(self._parts))
        self._file.seek(0)
        return self._file

    async def release(self) -> None:
        """Forget the bytes; safe to call twice. To give a large file back takes its time, which a thread has."""
        if self._file is None and self._lock.acquire(blocking=False):
            self._is_closed = True
            self._parts.clear()
            self._lock.release()
        else:
            # Handed over at once: a task that is yet to begin may be cancelled before it does.
            await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, self.close))

    def close(self) -> None:
        """The same, for a thread: it waits while the disk is at work."""
        with self._lock:
            self._is_closed = True
            self._parts.clear()
            if self._file is not None:
                self._file.close()

    async def _flush(self) -> None:
        parts, self._parts, self._held = self._parts, [], 0
        try:
            await asyncio.to_thread(self._append, b"".join(parts))
        except OSError as error:
            reason = error.strerror or str(error)
            code = "system.disk_full" if error.errno in FULL else "system.state_unwritable"
            raise Hal0Error(code, path=str(self._folder), reason=reason) from error

    def _append(self, data: bytes) -> None:
        with self._lock:
            if self._is_closed:
                return
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - `close` is called by its owner
            self._file.write(data)
            self._file.flush()

    def _read(self, at: int) -> bytes:
        with self._lock:
            if self._is_closed or self._file is None:
                raise ValueError("the bytes are gone")
            self._file.seek(at)
            data = self._file.read(PIECE_BYTES)
        if not data:
            raise ValueError("the file has become shorter")
        return data
