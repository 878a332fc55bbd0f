"""The editors people use, as programs: what they save is taken over, however they write it."""

import asyncio
import os
import select
import shutil
import subprocess
import termios
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.daemon.config.test_watch import Watching, followed, text

LIMIT_SECONDS = 20.0
VIM = "vim" if shutil.which("vim") else "vim.tiny"  # as Debian's smallest package has it


@pytest.fixture
async def watching(tmp_path: Path) -> AsyncIterator[Watching]:
    path = tmp_path / "conf" / "hal0.toml"
    path.parent.mkdir()
    path.write_text(text(1))
    async with followed(path) as watching:
        yield watching


def by_vim(path: Path, seconds: int, *options: str) -> None:
    options = ("backupskip=", *options)  # by default there are no backups below /tmp
    commands = [f"set {option}" for option in options] + [f"%s/idle_after = .*/idle_after = {seconds}/", "wq"]
    words = [word for command in commands for word in ("-c", command)]
    subprocess.run([VIM, "-N", "-u", "NONE", "-i", "NONE", "-es", *words, str(path)], check=True, timeout=LIMIT_SECONDS)


def by_vim_that_renames(path: Path, seconds: int) -> None:
    """The old file becomes the backup, and a new one is written in its place."""
    number = path.stat().st_ino
    by_vim(path, seconds, "backupcopy=no", "writebackup")
    assert path.stat().st_ino != number


def by_vim_that_copies(path: Path, seconds: int) -> None:
    """The old file is copied to the backup, then truncated and written."""
    number = path.stat().st_ino
    by_vim(path, seconds, "backupcopy=yes", "writebackup")
    assert path.stat().st_ino == number


def by_vim_that_keeps_a_backup(path: Path, seconds: int) -> None:
    by_vim(path, seconds, "backup", "backupcopy=auto")
    assert path.with_name("hal0.toml~").exists()


def by_nano(path: Path, seconds: int) -> None:
    """On a terminal: to the last line, cut it, type another, save, leave."""
    screen, inner = os.openpty()
    termios.tcsetwinsize(inner, (24, 80))
    words = ["nano", "--ignorercfiles", str(path)]
    env = {**os.environ, "TERM": "xterm"}
    nano = subprocess.Popen(words, stdin=inner, stdout=inner, stderr=inner, env=env, start_new_session=True)
    os.close(inner)
    try:
        drawn(screen, LIMIT_SECONDS)  # it reads keys from now on
        down, cut, save, leave = "\x1b[B", "\x0b", "\x13", "\x18"
        for key in [down] * (path.read_text().count("\n") - 1) + [cut, f"idle_after = {seconds}", save, leave]:
            os.write(screen, key.encode())
        deadline = time.monotonic() + LIMIT_SECONDS
        while nano.poll() is None:
            drawn(screen, 0.02)
            assert time.monotonic() < deadline, "nano does not end"
    finally:
        nano.kill()
        nano.wait()
        os.close(screen)


def drawn(screen: int, patience_seconds: float) -> None:
    """Read what is drawn, so that its writer is not held up."""
    if select.select([screen], [], [], patience_seconds)[0]:
        with suppress(OSError):  # how Linux tells that nobody holds the other side any more
            os.read(screen, 65536)


EDITORS: list[tuple[str, Callable[[Path, int], None]]] = [
    (VIM, by_vim_that_renames),
    (VIM, by_vim_that_copies),
    (VIM, by_vim_that_keeps_a_backup),
    ("nano", by_nano),
]


@pytest.mark.parametrize(("program", "save"), EDITORS, ids=lambda each: getattr(each, "__name__", each))
async def test_what_an_editor_saves_is_live(
    watching: Watching, program: str, save: Callable[[Path, int], None]
) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed here; its ways of writing are tested without it in test_watch.py")
    for seconds in (20, 30):
        await asyncio.to_thread(save, watching.path, seconds)
        assert watching.path.read_text() == text(seconds)
        await watching.until_idle_after(seconds)
        assert watching.store.view().problems == []
