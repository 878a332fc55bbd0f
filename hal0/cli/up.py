"""`hal0 up`: the one command. A daemon if there is none, and the dashboard on top of it.

A daemon started here ends with the dashboard, however that ends, unless `--keep` is given.
"""

import os
import signal
import subprocess
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from hal0.cli.connection import Daemon
from hal0.cli.output import Progress, clean, is_terminal
from hal0.cli.serve import run as serve
from hal0.errors import Hal0Error
from hal0.paths import Paths, locate

ABOUT = """\
Start the daemon, unless one already runs, and open the dashboard. Leaving the dashboard stops the daemon again.

Without a terminal this is `hal0 serve`: the daemon alone, in the foreground."""

START_SECONDS = 60.0
POLL_SECONDS = 0.05
LINES_SHOWN = 10
LOG_BYTES = 10 * 2**20  # a longer log is put aside at the next start


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("--config", metavar="FILE", help="hal0.toml for a daemon that is started")
    parser.add_argument("--keep", action="store_true", help="leave the daemon running when the dashboard is left")
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    if not (is_terminal(sys.stdin) and is_terminal()):
        return serve(args)
    paths = locate(config=args.config)
    if _answers(paths.socket):
        return _dashboard()
    from hal0.daemon.config.place import placed

    with _own_daemon(args.config, placed(paths), keep=args.keep) as log:
        return _dashboard(log)


def _dashboard(log: Path | None = None) -> int:
    from hal0.tui.__main__ import main

    return main([], daemon_log=log)


@dataclass(frozen=True, slots=True)
class _Child:
    """The daemon we started."""

    process: "subprocess.Popen[bytes]"
    log: Path
    log_start: int  # where its words begin in the log


@contextmanager
def _own_daemon(config: str | None, paths: Paths, *, keep: bool) -> Iterator[Path]:
    """A daemon of our own, which logs there; it is stopped at the end of the block unless `keep`."""
    child = _start(config, paths.logs / "hal0d.log")
    try:
        _await_answer(child, paths.socket)
    except BaseException:
        _stop(child)
        raise
    if not keep:
        _stop_also_on_signals(child)
    try:
        yield child.log
    finally:
        if keep:
            told = f"hal0d goes on as pid {child.process.pid}; `hal0 stop` ends it; its log is {child.log}"
            print(told, file=sys.stderr)
        else:
            _stop(child)


def _start(config: str | None, log: Path) -> _Child:
    command = [sys.executable, "-P", "-m", "hal0.cli", "serve", *(["--config", config] if config else [])]
    try:
        log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if log.exists() and log.stat().st_size > LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
        with log.open("ab") as output:
            log_start = output.tell()
            # A session of its own: Ctrl-C in the dashboard's terminal is not meant for the daemon.
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
    except OSError as error:
        raise Hal0Error("system.state_unwritable", path=str(log), reason=error.strerror or str(error)) from error
    return _Child(process, log, log_start)


def _await_answer(child: _Child, socket: Path) -> None:
    progress = Progress()
    begun = time.monotonic()
    try:
        while not _answers(socket):
            progress.show(f"starting hal0d, pid {child.process.pid}  {time.monotonic() - begun:.1f} s")
            if (status := child.process.poll()) is not None:
                reason = f"it ended with status {status}"
                break
            if time.monotonic() - begun > START_SECONDS:
                reason = f"no answer at {socket} within {START_SECONDS:g} s"
                break
            time.sleep(POLL_SECONDS)
        else:
            return
    finally:
        progress.clear()
    _print_last_words(child)
    raise Hal0Error("system.start_failed", reason=reason, log=str(child.log))


def _print_last_words(child: _Child) -> None:
    with child.log.open("rb") as file:
        file.seek(child.log_start)
        lines = file.read().decode(errors="replace").splitlines()
    for line in lines[-LINES_SHOWN:]:
        print(clean(line, sys.stderr), file=sys.stderr)


def _answers(socket: Path) -> bool:
    try:
        Daemon(socket).ask("GET", "/api/config")
    except Hal0Error as error:
        if error.code == "system.daemon_down":
            return False
        raise
    return True


def _stop_also_on_signals(child: _Child) -> None:
    """A closed terminal or a SIGTERM ends the dashboard without its clean-up; the daemon is told first."""

    def leave(number: int, _: FrameType | None) -> None:
        child.process.terminate()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    for number in (signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, leave)


def _stop(child: _Child) -> None:
    """SIGTERM, and wait for the end; Ctrl-C while waiting leaves it to finish alone."""
    if child.process.poll() is not None:
        return
    print(f"stopping hal0d, pid {child.process.pid}; requests in flight may finish", file=sys.stderr)
    child.process.terminate()
    child.process.wait()
