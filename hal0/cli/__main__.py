"""`hal0`: finds the command's module, imports only that, and turns every failure into words and an exit status.

0 = done, 1 = it failed (code on stderr), 2 = the command line is wrong, 130 = interrupted, 141 = the reader went away.
"""

import errno
import sys
from argparse import SUPPRESS, Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module

from hal0 import __version__
from hal0.errors import Hal0Error, did_you_mean
from hal0.streams import discard_output, provide_streams

INTERRUPTED = 130
READER_GONE = 141
OUTPUT_FAILS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)


@dataclass(frozen=True, slots=True)
class Command:
    """A word after `hal0`; its module has `configure(parser)` and says more in its `ABOUT`.

    With commands below it, it names in `ALONE` which of them is meant when none is named.
    """

    name: str
    module: str
    summary: str


GROUPS: Sequence[tuple[str, Sequence[Command]]] = (
    (
        "Run",
        (
            Command("up", "up", "start the daemon if none runs, and open the dashboard"),
            Command("serve", "serve", "run the daemon in the foreground"),
            Command("tui", "tui", "open the dashboard of a running daemon"),
            Command("stop", "stop", "end the daemon; requests in flight may finish"),
        ),
    ),
    (
        "Look and act",
        (
            Command("status", "status", "everything that matters, on one screen"),
            Command("slot", "slot", "list, show, load, unload, swap, pin, create, edit, logs and more"),
            Command("model", "model", "list, pull, add and remove models; whether one fits"),
            Command("remote", "remote", "list the providers elsewhere, test one"),
            Command("requests", "requests", "requests in flight and the last finished ones"),
            Command("cancel", "cancel", "end a request in flight"),
            Command("key", "key", "API keys: add, list, revoke"),
        ),
    ),
    (
        "Use",
        (Command("chat", "chat", "talk to a slot"),),
    ),
    (
        "Understand",
        (
            Command("why", "why", "what happened to a slot, and what caused it"),
            Command("crash", "crash", "what was known when a backend failed"),
            Command("config", "config", "check, show, edit, compare, and go back"),
            Command("plan", "plan", "what the edited configuration would do, before it does"),
            Command("explain", "explain", "what an error code means and what to do about it"),
        ),
    ),
)
COMMANDS = {command.name: command for _, group in GROUPS for command in group}
# Words that people try by themselves, and the commands that they mean.
MEANT = {
    **{
        verb: f"slot {verb}"
        for verb in ("load", "unload", "restart", "swap", "pin", "unpin", "logs", "create", "delete")
    },
    **{verb: f"model {verb}" for verb in ("pull", "add", "rm")},
    **{verb: f"config {verb}" for verb in ("check", "edit", "history", "rollback", "schema", "diff", "reload")},
    "start": "up",
    "run": "chat",
    **dict.fromkeys(("down", "quit", "kill", "shutdown"), "stop"),
    **dict.fromkeys(("ps", "top"), "status"),
    **dict.fromkeys(("slots", "ls"), "slot list"),
    **{f"{noun}s": f"{noun} list" for noun in ("model", "key", "remote")},
    "log": "slot logs",
    "show": "slot show",
    "dashboard": "tui",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; never raises."""
    args = Namespace()
    try:
        provide_streams()
        status = _ended(list(sys.argv[1:] if argv is None else argv), args)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        discard_output()
        return READER_GONE
    except Hal0Error as error:
        return _report(error, args)
    except Exception as error:  # a defect of ours: the person gets a code and the place instead of a traceback
        if isinstance(error, OSError) and error.errno in OUTPUT_FAILS and error.filename is None:
            discard_output()
            return _report(Hal0Error("system.output_failed", reason=error.strerror), args)
        return _report(Hal0Error("system.internal", reason=_place_of(error)), args)
    return status


def _ended(words: list[str], args: Namespace) -> int:
    try:
        return _run(words, args)
    except SystemExit as end:  # argparse, after help and wrong usage: what it printed is still to be written
        return end.code if isinstance(end.code, int) else 0


def _run(words: list[str], args: Namespace) -> int:
    if words[:1] == ["help"]:
        words = [*words[1:], "--help"]
    first = words[0] if words else ""
    if first in ("--version", "-V"):
        print(f"hal0 {__version__}")
        return 0
    if first in ("--help", "-h"):
        print(overview())
        return 0
    if not words:
        print(overview(), file=sys.stderr)
        return 2
    if first.startswith("-"):
        print(f"hal0: {first} comes after a command, as in `hal0 status {first} …`", file=sys.stderr)
        print("`hal0 --help` lists the commands.", file=sys.stderr)
        return 2
    if first in MEANT:
        print(f"hal0: there is no command {first!r}; it is `hal0 {MEANT[first]}`", file=sys.stderr)
        return 2
    if first not in COMMANDS:
        print(f"hal0: there is no command {first!r}{did_you_mean(first, COMMANDS)}", file=sys.stderr)
        print("`hal0 --help` lists the commands.", file=sys.stderr)
        return 2
    command = COMMANDS[first]
    from hal0.cli.options import Help, Parser

    module = import_module(f"hal0.cli.{command.module}")
    alone: str = getattr(module, "ALONE", "")  # what it does when no command below it is named
    rest = words[1:]
    if alone and (not rest or (rest[0].startswith("-") and rest[0] not in ("-h", "--help"))):
        rest = [alone, *rest]
    parser = Parser(
        prog=f"hal0 {command.name}",
        description=module.ABOUT,
        epilog=f"`hal0 {command.name}` alone is `hal0 {command.name} {alone}`." if alone else None,
        formatter_class=Help,
        add_help=False,
    )
    parser.add_argument("-h", "--help", action="help", default=SUPPRESS, help="show this and end")
    module.configure(parser)
    _, more = parser.parse_known_args(rest, namespace=args)
    if more and not getattr(args, "takes_more", False):
        parser.unrecognised(more)
    args.more = more
    status: int = args.run(args)
    return status


def overview() -> str:
    """The text of `hal0 --help`."""
    lines = ["usage: hal0 COMMAND [options]", "", "Private inference on your own machine, run from a terminal."]
    for title, group in GROUPS:
        lines += ["", f"{title}:", *(f"  {command.name:<10}{command.summary}" for command in group)]
    lines += [
        "",
        "`hal0 COMMAND --help` tells more; `hal0 --version` tells the version.",
        "Commands find the daemon by its Unix socket; --host URL or HAL0_URL",
        "name another way to it, HAL0_KEY an admin key for it.",
        "Exit status: 0 done, 1 failed (the code is on stderr), 2 wrong usage.",
    ]
    return "\n".join(lines)


def _report(error: Hal0Error, args: Namespace) -> int:
    from hal0.cli.output import report

    report(error, as_json=getattr(args, "json", False))
    return 1


def _place_of(error: Exception) -> str:
    place = error.__traceback__
    while place and place.tb_next:
        place = place.tb_next
    where = f" at {place.tb_frame.f_globals.get('__name__')}:{place.tb_lineno}" if place else ""
    return f"{type(error).__name__}{where}: {error}"


if __name__ == "__main__":
    sys.exit(main())
