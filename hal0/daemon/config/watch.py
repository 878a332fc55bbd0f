"""Tells when the files of the configuration may have changed, in whatever way they were written.

Folders are watched, not files: editors and `sed -i` replace a file, Kubernetes swaps a link beside it. Each step of a
chain of links counts. Every few seconds the files are looked at anyway: for network disks and what else inotify misses.
"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from hal0.daemon.config.sources import drop_in_folder

log = logging.getLogger("hal0.config")

SETTLE_MS = 50  # this long nothing is written before the files are read
SETTLE_LIMIT_MS = 150  # under a stream of writes they are read this often
REST_SECONDS = 0.1  # between two looks, so that a storm of edits costs little
LOOK_ANYWAY_SECONDS = 2.0
POLL_SECONDS = 0.2  # when the kernel has no watch left to give
POLLS_BEFORE_RETRY = 300
MAX_LINKS = 40  # as the kernel has it


@dataclass(slots=True)
class Watched:
    """The folders to watch, and the names in them that matter."""

    folders: set[Path] = field(default_factory=set)
    names: set[Path] = field(default_factory=set)
    drop_ins: Path | None = None  # in this folder every name matters

    def concerns(self, name: str) -> bool:
        path = Path(name)
        return path in self.names or path in self.folders or path.parent == self.drop_ins


def watched_for(path: Path) -> Watched:
    """What to watch for the file at `path` and its drop-ins, as the links lie now."""
    watched = Watched()
    _trace(path, watched)
    folder = _trace(drop_in_folder(path), watched)
    if folder is not None and folder.is_dir():
        watched.drop_ins = folder
        watched.folders.add(folder)
        for name in sorted(os.listdir(folder)):
            if name.endswith(".toml"):
                _trace(folder / name, watched)
    return watched


def _trace(path: Path, watched: Watched) -> Path | None:
    """Walk to `path` as the kernel does, noting each link and the end; None if the way breaks off."""
    at = Path("/")
    parts = list(path.absolute().parts[1:])
    links = 0
    while parts:
        part = parts.pop(0)
        if part == "..":
            at = at.parent
            continue
        here = at / part
        if here.is_symlink() and links < MAX_LINKS:
            links += 1
            watched.names.add(here)
            watched.folders.add(at)
            target = Path(os.readlink(here))
            if target.is_absolute():
                at, parts = Path("/"), [*target.parts[1:], *parts]
            else:
                parts = [*target.parts, *parts]
            continue
        if not parts or not here.exists():
            # The end, or what is missing: its folder tells when it comes. The folder's own end is told by its name.
            watched.names |= {here, at}
            watched.folders.add(at)
            return here if here.exists() else None
        at = here
    return at


async def follow(
    path: Path, look: Callable[[], Awaitable[None]], *, look_anyway_seconds: float = LOOK_ANYWAY_SECONDS
) -> None:
    """Call `look` once, then whenever the files may have changed, until cancelled."""
    logging.getLogger("watchfiles").setLevel(logging.WARNING)
    has_told = False
    while True:
        try:
            await _notified(path, look, look_anyway_seconds)
        except FileNotFoundError:  # a folder went while the watches were laid
            await asyncio.sleep(POLL_SECONDS)
        except (OSError, RuntimeError) as error:
            if not has_told:
                log.warning("the configuration's folders cannot be watched (%s); hal0 looks at them instead", error)
                has_told = True
            for _ in range(POLLS_BEFORE_RETRY):
                await look()
                await asyncio.sleep(POLL_SECONDS)


async def _notified(path: Path, look: Callable[[], Awaitable[None]], look_anyway_seconds: float) -> None:
    """Until the folders to watch are others, because links or the folders themselves were replaced."""
    from watchfiles import awatch  # 40 ms that the start of the daemon does not wait for

    watched = watched_for(path)
    outdated = asyncio.Event()
    # A folder that may be passed but not read can have no watch. To ignore such refusals is no way: watchfiles then
    # ignores each, also that the user has no watches left.
    notices = awatch(
        *sorted(folder for folder in watched.folders if os.access(folder, os.R_OK)),
        watch_filter=None,
        debounce=SETTLE_LIMIT_MS,
        step=SETTLE_MS,
        stop_event=outdated,
        rust_timeout=round(look_anyway_seconds * 1000),
        yield_on_timeout=True,
        recursive=False,
        force_polling=False,
    )

    async def look_first() -> None:
        await look()
        if watched_for(path) != watched:
            outdated.set()

    # A task begins when this one waits, that is when the watches lie: no change falls between looking and watching.
    first_look = asyncio.ensure_future(look_first())
    try:
        async with aclosing(notices):
            async for notice in notices:
                await first_look
                if notice and not any(watched.concerns(name) for _, name in notice):
                    continue
                await look()
                # A folder that is told of by its own name was removed or moved; one that came after it has no watch.
                if any(Path(name) in watched.folders for _, name in notice) or watched_for(path) != watched:
                    return
                await asyncio.sleep(REST_SECONDS)
    finally:
        first_look.cancel()
        with suppress(asyncio.CancelledError):
            await first_look
