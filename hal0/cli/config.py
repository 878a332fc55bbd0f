"""`hal0 config`: judge a configuration file without a daemon, show what the daemon runs, change it, go back."""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Callable

from hal0.cli import config_history
from hal0.cli.connection import Daemon
from hal0.cli.options import Help, add_host, add_json, sentence
from hal0.cli.output import Cell, heading, print_answer, print_json, say, table
from hal0.cli.problems import place_of
from hal0.tui import figures
from hal0.wire import ConfigValue, ConfigView, Wire


class Values(Wire):
    values: list[ConfigValue]


ABOUT = """\
hal0.toml: is it right, and what does the daemon make of it?

edit, history, diff and rollback work without a daemon too; what they write takes effect when one starts."""
ALONE = "show"


def configure(parser: ArgumentParser) -> None:
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add_local(name: str, summary: str, run: Callable[[Namespace], int]) -> ArgumentParser:
        sub = commands.add_parser(name, help=summary, description=sentence(summary), formatter_class=Help)
        add_json(sub)
        sub.set_defaults(run=run)
        return sub

    def add(name: str, summary: str, run: Callable[[Namespace], int]) -> ArgumentParser:
        sub = add_local(name, summary, run)
        add_host(sub)
        return sub

    check = add_local(
        "check",
        "judge a file as the daemon would, without one; exit status 1 if it has problems, 0 if only warnings: "
        "models and keys of remotes that are not there now",
        run_check,
    )
    check.add_argument("file", nargs="?", metavar="FILE", help="default: the file the daemon would read")
    show = add("show", "what runs, where each value was said, and what is wrong with the file on disk", run_show)
    show.add_argument("--all", action="store_true", help="also the values that nobody said: the defaults")
    reload = add("reload", "read the file now and take it over if it is right, as an edit does by itself", run_reload)
    reload.add_argument("--force", action="store_true", help="also a file that has become implausibly short")
    edit = add(
        "edit", "open the file in $EDITOR; it is judged before it is written, and opened again at a mistake", run_edit
    )
    edit.add_argument("--file", metavar="FILE", help="a drop-in, hal0.d/NAME.toml, instead of hal0.toml")
    edit.add_argument("--why", default="", metavar="TEXT", help="said in the history")
    edit.add_argument("--force", action="store_true", help="also a text that has become implausibly short")
    config_history.configure(add)
    add_local("schema", "print the JSON schema of the file, for editors", run_schema)


def run_edit(args: Namespace) -> int:
    from hal0.cli import config_edit

    return config_edit.run_edit(args)


def run_schema(_: Namespace) -> int:
    from hal0.daemon.config.json_schema import json_schema

    print_json(json_schema())
    return 0


def run_check(args: Namespace) -> int:
    from hal0.cli import config_check

    return config_check.run(args)


def run_show(args: Namespace) -> int:
    daemon = Daemon.at(args.host)
    config = daemon.ask("GET", "/api/config")
    view = daemon.parse(config, ConfigView)
    body = daemon.ask("GET", "/api/config/values")
    values = daemon.parse(body, Values).values
    if args.json:
        print_json({**json.loads(config), **json.loads(body)})
        return 0
    _print(view)
    said = [value for value in values if args.all or value.origin != "default"]
    if said:
        heading("in force" + ("" if args.all else "; the rest are defaults (--all)"))
        table(("KEY", "VALUE", "FROM"), [(value.key, value.value, value.origin) for value in said])
    return 0


def run_reload(args: Namespace) -> int:
    daemon = Daemon.at(args.host)
    body = daemon.ask("POST", f"/api/config/reload?force={int(args.force)}")
    config = daemon.parse(body, ConfigView)
    if args.json:
        print_answer(body)
    else:
        _print(config)
    return 0 if config.rejected_at is None else 1


def _print(config: ConfigView) -> None:
    print_config(config)
    if config.changes:
        by = f" (by {config.by}{f', {config.why}' if config.why else ''})" if config.by else ""
        say(f"what the last revision changed{by}:")
    for change in config.changes:
        say(f"  {change}")


def print_config(config: ConfigView) -> None:
    """What runs, whether the file on disk agrees with it, and why not."""
    where = config.path if config.exists else f"{config.path} is not there: the embedded default runs"
    if config.rejected_at is None:
        verdict = Cell("edit failed", "red") if config.failed else Cell("ok", "green")
        say(f"config r{config.revision} ", verdict, f"  {where}")
    else:
        since = f"the file is refused since {figures.clock(config.rejected_at)}"
        say(f"config r{config.revision} runs; ", Cell(since, "red"), f"  {where}")
    for problem in config.problems:
        say("  ", Cell(place_of(problem), "bold"), f" {problem.message}", f"  ({problem.hint})" if problem.hint else "")
    if config.failed:
        say("  ", Cell(config.failed, "red"))
    if config.needs_restart:
        say(Cell("  waits for a restart of the daemon: ", "yellow"), ", ".join(config.needs_restart))
