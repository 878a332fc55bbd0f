"""Pictures that were answered as a URL: files in the state folder under names that nobody guesses, kept for a day.

Backends of hal0's own put them there, whole, as `NAME.png`; here they are given out and, when they are old or too many,
deleted. What else lies in the folder is what was left of a write that broke off.
"""

import asyncio
import logging
import os
import re
import stat
import time
from collections.abc import Callable
from pathlib import Path

from hal0.errors import Hal0Error

PATH = "/v1/images/files/"
NAME = re.compile(r"[A-Za-z0-9_-]{20,64}\.png")
KEPT_SECONDS = 86_400.0
MOST_BYTES = 2 * 2**30  # of all of them; the oldest go first
UNFINISHED_SECONDS = 600.0  # after which what has another name counts as left over
SWEEP_SECONDS = 60.0

log = logging.getLogger("hal0.images")


class ImageFiles:
    """The folder of pictures. `now` is in Unix seconds."""

    def __init__(self, folder: Path, *, now: Callable[[], float] = time.time, most_bytes: int = MOST_BYTES) -> None:
        self.folder = folder
        self._now = now
        self._most_bytes = most_bytes

    async def read(self, name: str) -> tuple[bytes, float]:
        """A picture, and how many seconds it is kept from now on; raises `dispatch.image_not_found`."""
        return await asyncio.to_thread(self._read, name)

    async def run(self) -> None:
        """Delete what is old, for as long as the daemon lives."""
        while True:
            await asyncio.to_thread(self.sweep)
            await asyncio.sleep(SWEEP_SECONDS)

    def sweep(self) -> None:
        """Delete what is older than a day, and the oldest if all together are too much."""
        now, total = self._now(), 0
        for age, size, path in sorted(self._all(now)):
            total += size if NAME.fullmatch(path.name) else 0
            limit = KEPT_SECONDS if NAME.fullmatch(path.name) else UNFINISHED_SECONDS
            if age > limit or total > self._most_bytes:
                try:
                    path.unlink(missing_ok=True)
                except OSError as error:
                    log.warning("the picture %s cannot be deleted: %s", path, error.strerror)

    def _all(self, now: float) -> list[tuple[float, int, Path]]:
        """Age in seconds, size and place of each file, those included that are yet to be finished."""
        found = []
        try:
            with os.scandir(self.folder) as entries:
                for entry in entries:
                    try:
                        status = entry.stat(follow_symlinks=False)
                    except OSError:  # just now taken away
                        continue
                    if stat.S_ISREG(status.st_mode):
                        found.append((now - status.st_mtime, status.st_size, Path(entry.path)))
        except OSError:  # no picture was made yet
            return []
        return found

    def _read(self, name: str) -> tuple[bytes, float]:
        if NAME.fullmatch(name) is None:
            raise Hal0Error("dispatch.image_not_found", name=name[:100])
        try:
            with open(os.open(self.folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
                status = os.fstat(file.fileno())
                left = KEPT_SECONDS - (self._now() - status.st_mtime)
                if not stat.S_ISREG(status.st_mode) or left <= 0:
                    raise Hal0Error("dispatch.image_not_found", name=name)
                return file.read(), left
        except OSError as error:
            raise Hal0Error("dispatch.image_not_found", name=name) from error
