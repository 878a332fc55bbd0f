"""`hal0 plan`: what the configuration on disk, or another file, would do to each slot, before it is taken over."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from hal0.cli.config_changes import print_effects
from hal0.cli.connection import Daemon
from hal0.cli.options import add_host, add_json
from hal0.cli.output import Cell, print_answer, say
from hal0.cli.problems import print_problem, print_warnings
from hal0.errors import Hal0Error
from hal0.wire import PlanView

ABOUT = """\
What the configuration on disk would do if it were taken over now: which slots go on untouched, which change at once,
which restart when their requests are done, which come and go. With FILE: what hal0.toml would do with that content.

The daemon takes a right file over by itself once it is saved, so plan before you save:
  cp hal0.toml new.toml; $EDITOR new.toml
  hal0 plan new.toml; mv new.toml hal0.toml

Exit status 1 if it would be refused. A model or a key of a remote that is not there is a warning: it may come."""


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("file", nargs="?", metavar="FILE", help="judge this content instead of the files on disk")
    add_json(parser)
    add_host(parser)
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    daemon = Daemon.at(args.host)
    if args.file is None:
        body = daemon.ask("GET", "/api/config/plan")
    else:
        body = daemon.send("POST", "/api/config/plan", {"text": _text(Path(args.file))})
    plan = daemon.parse(body, PlanView)
    if args.json:
        print_answer(body)
    else:
        print_plan(plan)
    return 1 if plan.problems else 0


def print_plan(plan: PlanView) -> None:
    for problem in plan.problems:
        print_problem(problem)
    if plan.problems:
        say(Cell("it would be refused", "red"), f"; revision {plan.revision} would go on")
        return
    if plan.changes:
        say(f"changes to revision {plan.revision}:")
    else:
        say(f"nothing would change: revision {plan.revision} runs with these values")
    for change in plan.changes:
        say(f"  {change}")
    print_effects(plan.slots)
    print_warnings(plan.warnings)
    if plan.needs_restart:
        say(Cell("waits for a restart of the daemon: ", "yellow"), ", ".join(plan.needs_restart))


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except FileNotFoundError as error:
        raise Hal0Error("config.not_found", path=str(path)) from error
    except OSError as error:
        raise Hal0Error("config.unreadable", path=str(path), reason=error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise Hal0Error("config.unreadable", path=str(path), reason="it is not UTF-8 text") from error
