"""`hal0 config`: judge a configuration file without a daemon, or show what the daemon runs."""

from argparse import ArgumentParser, Namespace

from hal0.cli.connection import Daemon
from hal0.cli.options import add_host, add_json
from hal0.cli.output import Cell, print_answer, print_json, say
from hal0.paths import locate
from hal0.tui import figures
from hal0.wire import ConfigView, Problem

ABOUT = "hal0.toml: is it right, and what does the daemon make of it?"


def configure(parser: ArgumentParser) -> None:
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    summary = "judge a file as the daemon would, without a daemon; exit status 1 if it has problems"
    check = commands.add_parser("check", help=summary, description=f"{summary.capitalize()}.")
    check.add_argument("file", nargs="?", metavar="FILE", help="default: the file the daemon would read")
    add_json(check)
    check.set_defaults(run=run_check)
    summary = "which configuration the daemon runs, and what is wrong with the file on disk"
    show = commands.add_parser("show", help=summary, description=f"{summary.capitalize()}.")
    add_json(show)
    add_host(show)
    show.set_defaults(run=run_show)
    summary = "read the file now and take it over if it is right, as an edit of it does by itself"
    reload = commands.add_parser("reload", help=summary, description=f"{summary.capitalize()}.")
    reload.add_argument("--force", action="store_true", help="also a file that has become implausibly short")
    add_json(reload)
    add_host(reload)
    reload.set_defaults(run=run_reload)


def run_check(args: Namespace) -> int:
    from hal0.daemon.config.file import judge

    places = locate(config=args.file)
    problems = judge(places.config, required=places.config_required).problems
    if args.json:
        print_json({"file": str(places.config), "problems": [problem.model_dump() for problem in problems]})
    elif problems:
        for problem in problems:
            print_problem(problem)
        say(Cell(f"{places.config}: {len(problems)} {'problem' if len(problems) == 1 else 'problems'}", "red"))
    elif places.config.exists():
        say(f"{places.config}: ", Cell("ok", "green"))
    else:
        say(f"{places.config} is not there: ", Cell("ok", "green"), ", the embedded default runs")
    return 1 if problems else 0


def run_show(args: Namespace) -> int:
    _show(args, "GET", "/api/config")
    return 0


def run_reload(args: Namespace) -> int:
    config = _show(args, "POST", f"/api/config/reload?force={int(args.force)}")
    return 0 if config.rejected_at is None else 1


def _show(args: Namespace, method: str, path: str) -> ConfigView:
    daemon = Daemon.at(args.host)
    body = daemon.ask(method, path)
    config = daemon.parse(body, ConfigView)
    if args.json:
        print_answer(body)
    else:
        print_config(config)
        if config.changes:
            say("what the last revision changed:")
        for change in config.changes:
            say(f"  {change}")
    return config


def print_problem(problem: Problem) -> None:
    """Place and message, the line itself, a caret under the fault, and what would be right."""
    say(Cell(_place(problem), "bold"), " ", Cell(problem.code, "red"), f" {problem.message}")
    if problem.source:
        say(f"    {problem.source}")
        if problem.column is not None:
            # Tabs stay tabs, so that the caret stands under its character whatever their width.
            lead = "".join("\t" if char == "\t" else " " for char in problem.source[: problem.column - 1])
            say(f"    {lead}", Cell("^", "red"))
    if problem.hint:
        say(Cell("    → ", "dim"), problem.hint)


def print_config(config: ConfigView) -> None:
    """What runs, whether the file on disk agrees with it, and why not."""
    where = config.path if config.exists else f"{config.path} is not there: the embedded default runs"
    if config.rejected_at is None:
        say(f"config r{config.revision} ", Cell("ok", "green"), f"  {where}")
    else:
        since = f"the file is refused since {figures.clock(config.rejected_at)}"
        say(f"config r{config.revision} runs; ", Cell(since, "red"), f"  {where}")
    for problem in config.problems:
        say("  ", Cell(_place(problem), "bold"), f" {problem.message}", f"  ({problem.hint})" if problem.hint else "")
    if config.needs_restart:
        say(Cell("  waits for a restart of the daemon: ", "yellow"), ", ".join(config.needs_restart))


def _place(problem: Problem) -> str:
    """`file:line:column:`, as compilers write it."""
    numbers = [str(number) for number in (problem.line, problem.column) if number is not None]
    return ":".join([problem.file, *numbers]) + ":"
