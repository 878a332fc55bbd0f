"""The program `hal0-tui`: options, and errors as people should see them."""

import argparse
import errno
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from hal0 import __version__
from hal0.errors import Hal0Error
from hal0.paths import dashboard_settings, locate
from hal0.tui.client import Address, Client
from hal0.tui.hosts import HostEntry, find_host
from hal0.tui.look import ANSI, THEME_NAMES, Look
from hal0.tui.memory import Memory
from hal0.tui.recording import Recorder, Replay
from hal0.tui.settings import LEAST_FPS, MOST_FPS, read_settings

T = TypeVar("T")
SLOWEST, FASTEST = 0.1, 1000
INTERRUPTED = 130
READER_GONE = 141
EPILOG = (
    "Defaults for --theme, --ascii, --read-only, --fps and --mouse, names for --host, and other keys go to "
    "~/.config/hal0/tui.toml: docs/keys.md."
)
OUTPUT_FAILS = frozenset({errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(
        prog="hal0-tui", description="The dashboard of hal0, in a terminal.", epilog=EPILOG
    )
    where = options.add_mutually_exclusive_group()
    where.add_argument("--socket", type=Path, metavar="PATH", help="the daemon's admin socket (default: this user's)")
    where.add_argument(
        "--host",
        metavar="URL|NAME",
        help="ask over TCP instead, for example https://box:8080, with an admin key in HAL0_KEY; or a name of [hosts] "
        "in tui.toml",
    )
    options.add_argument("--ascii", action=argparse.BooleanOptionalAction, help="draw with ASCII characters only")
    options.add_argument("--theme", choices=THEME_NAMES, help="colours (default: hal0-dark; ansi with NO_COLOR)")
    options.add_argument(
        "--mouse",
        action=argparse.BooleanOptionalAction,
        help="with --no-mouse it is left to the terminal; v changes that",
    )
    options.add_argument("--fps", type=_rate, metavar="N", help="frames per second at most, 1-30 (default: 8)")
    options.add_argument(
        "--read-only",
        action=argparse.BooleanOptionalAction,
        help="begin locked: no key changes anything; ^g unlocks",
    )
    options.add_argument("--once", action="store_true", help="print one snapshot and leave")
    options.add_argument(
        "--plain", action="store_true", help="print what happens, a line each, for screen readers, pipes"
    )
    options.add_argument(
        "--record",
        type=Path,
        metavar="FILE",
        help="keep what the daemon says, with the texts of requests, in a new file",
    )
    options.add_argument(
        "--replay", type=Path, metavar="FILE", help="show a recording, as if it happened now; read only"
    )
    options.add_argument("--speed", type=_speed, metavar="N", help="with --replay: so many times as fast (default: 1)")
    options.add_argument("--json", action="store_true", help="with --once: the whole state as JSON")
    options.add_argument("--version", action="version", version=f"hal0 {__version__}")
    return options


def _rate(text: str) -> float:
    value = float(text)
    if not LEAST_FPS <= value <= MOST_FPS:
        raise argparse.ArgumentTypeError(f"must be from {LEAST_FPS} to {MOST_FPS}")
    return value


def _speed(text: str) -> float:
    value = float(text)
    if not SLOWEST <= value <= FASTEST:
        raise argparse.ArgumentTypeError(f"must be from {SLOWEST} to {FASTEST}")
    return value


def main(argv: Sequence[str] | None = None, *, daemon_log: Path | None = None) -> int:
    """`daemon_log`: where the daemon logs, if whoever has started it knows that."""
    options = parser().parse_args(argv)
    if options.json and not options.once:
        parser().error("--json belongs to --once")
    if options.once and options.plain:
        parser().error("--plain goes on, --once does not: choose one")
    if options.replay and (options.record or options.once or options.host or options.socket):
        parser().error("--replay needs no daemon: it does not go with --record, --once, --host or --socket")
    if options.record and options.once:
        parser().error("--record belongs to the dashboard, or to --plain")
    if options.speed and not options.replay:
        parser().error("--speed belongs to --replay")
    try:
        return _run(options, daemon_log)
    except Hal0Error as error:
        return _failed(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:
        if error.errno not in OUTPUT_FAILS or error.filename is not None:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # else Python complains at its end about what it could not write
        if error.errno == errno.EPIPE:
            return READER_GONE
        return _failed(Hal0Error("system.output_failed", reason=error.strerror))


def _failed(error: Hal0Error) -> int:
    sys.stderr.write(f"hal0-tui: {error.code}: {error.message}\n  {error.remedy.replace('`', '')}\n")
    return 1


def _run(options: argparse.Namespace, daemon_log: Path | None) -> int:
    settings = read_settings(dashboard_settings())
    ascii_only = chosen(options.ascii, settings.ascii, False) or not speaks_utf8(os.environ)
    memory = Memory(locate().state / "tui.json")
    theme = options.theme or settings.theme or memory.theme
    look = Look.of(theme_for(theme, os.environ), ascii_only=ascii_only)
    if not options.once and not options.plain:
        require_terminal(os.environ)
    recorder = Recorder(options.record) if options.record else None
    if recorder is not None:
        memory.keep(replace(memory.habits, recording=str(recorder.path.absolute())))
    host = _host(options, settings.hosts)
    client = (
        Replay(options.replay, options.speed or 1.0)
        if options.replay
        else Client(host.address, host.access(os.environ), recorder)
    )
    if options.once:
        from hal0.tui.once import run_once

        run_once(client, look, json=options.json, width=shutil.get_terminal_size((120, 36)).columns)
        return 0
    if options.plain:
        from hal0.tui.plain import run_plain

        if recorder is not None:
            recorder.failed = _failed
        run_plain(client, look)
        return 0
    from hal0.tui.app import Dashboard

    dashboard = Dashboard(
        client,
        look,
        frames_per_second=chosen(options.fps, settings.fps, None),
        theme_is_chosen=bool(theme),
        mouse=chosen(options.mouse, settings.mouse, True),
        read_only=chosen(options.read_only, settings.read_only, False),
        keymap=settings.keymap,
        tape=_tape(options),
        crash_file=locate().state / "hal0-tui-crash.txt",
        host=host,
        named_hosts=settings.hosts,
        memory=memory,
        daemon_log=daemon_log,
    )
    if recorder is not None:
        recorder.failed = dashboard.recording_failed
    dashboard.run(mouse=dashboard.has_mouse)
    if dashboard.failure is not None:
        raise dashboard.failure
    return 0


def _tape(options: argparse.Namespace) -> str:
    """For the first line."""
    if options.replay:
        return "REPLAY" if options.speed in (None, 1) else f"REPLAY {options.speed:g}x"
    return "REC" if options.record else ""


def _host(options: argparse.Namespace, named: Sequence[HostEntry]) -> HostEntry:
    if options.host:
        return find_host(options.host, named)
    return HostEntry(Address(options.socket.expanduser().absolute()) if options.socket else Address.default(), "local")


def chosen(option: T | None, setting: T | None, default: T) -> T:
    """The command line's word, else the settings', else the default."""
    return next((value for value in (option, setting) if value is not None), default)


def theme_for(chosen: str | None, env: Mapping[str, str]) -> str:
    """The theme asked for; without colours the one whose colours can be taken away."""
    if env.get("NO_COLOR"):
        return ANSI
    return chosen or "hal0-dark"


def speaks_utf8(env: Mapping[str, str]) -> bool:
    """Whether the terminal is to be sent UTF-8. A locale that says nothing is taken for a modern one."""
    locale = env.get("LC_ALL") or env.get("LC_CTYPE") or env.get("LANG") or "utf-8"
    return "utf" in locale.lower()


def require_terminal(env: Mapping[str, str]) -> None:
    for stream, name in ((sys.stdin, "input"), (sys.stdout, "output"), (sys.stderr, "error output")):
        if not stream.isatty():
            raise Hal0Error("system.not_a_terminal", reason=f"standard {name} is a file or a pipe")
    if env.get("TERM", "") in ("dumb", ""):
        raise Hal0Error("system.not_a_terminal", reason=f"TERM is {env.get('TERM') or 'not set'}")


if __name__ == "__main__":
    sys.exit(main())
