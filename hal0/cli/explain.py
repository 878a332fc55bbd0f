"""`hal0 explain`: the catalogue of error codes, without a daemon."""

import textwrap
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable
from dataclasses import asdict

from hal0.cli.options import add_json
from hal0.errors import CATALOGUE, ErrorSpec, Hal0Error, did_you_mean, outline

ABOUT = """\
Say what an error code means, what causes it and what to do about it.

  hal0 explain slot.crashed     one code
  hal0 explain crashed          the same, if no other code ends like that
  hal0 explain slot             every code that begins with `slot.`
  hal0 explain --all            every code"""


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("code", nargs="?", metavar="CODE", help="a code, its last part, or a namespace")
    parser.add_argument("--all", action="store_true", help="list every code")
    add_json(parser)
    parser.set_defaults(run=lambda args: run(parser, args))


def run(parser: ArgumentParser, args: Namespace) -> int:
    if bool(args.code) == args.all:
        parser.error("name one CODE, or --all")
    specs = list(CATALOGUE.values()) if args.all else matching(args.code)
    if not specs:
        raise Hal0Error("system.unknown_code", given=args.code, nearest=_nearest(args.code))
    if args.json:
        from hal0.cli.output import print_json

        alone = len(specs) == 1 and not args.all
        print_json(asdict(specs[0]) if alone else [asdict(spec) for spec in specs])
    elif len(specs) == 1:
        _print_entry(specs[0])
    else:
        _print_list(specs)
    return 0


def matching(given: str) -> list[ErrorSpec]:
    """The entries that a code, the last part of one code, or a namespace stands for."""
    given = given.lower().rstrip(".*")
    if exact := CATALOGUE.get(given):
        return [exact]
    if of_namespace := [spec for spec in CATALOGUE.values() if spec.namespace == given]:
        return of_namespace
    return [spec for spec in CATALOGUE.values() if spec.code.partition(".")[2] == given]


def _nearest(given: str) -> str:
    return did_you_mean(given, CATALOGUE) or did_you_mean(given, [code.partition(".")[2] for code in CATALOGUE])


def _print_entry(spec: ErrorSpec) -> None:
    from hal0.cli.output import Cell, say

    say(Cell(spec.code, "bold"), f"   HTTP {spec.status}, {spec.type}", ", worth retrying" if spec.retryable else "")
    for label, text in (("meaning", outline(spec.message)), ("cause", spec.cause), ("remedy", outline(spec.remedy))):
        first, *rest = textwrap.wrap(text, 88)
        say(Cell(f"  {label:<9}", "dim"), first)
        for line in rest:
            say(" " * 11 + line)


def _print_list(specs: Iterable[ErrorSpec]) -> None:
    from hal0.cli.output import Cell, table

    rows = [(Cell(spec.code, "bold"), str(spec.status), outline(spec.message)) for spec in specs]
    table(("CODE", "HTTP", "MEANING"), rows)
