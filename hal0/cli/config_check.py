"""`hal0 config check`: judges a file with the daemon's own eyes, and looks for the models and keys that it wants.

Imported when it is run: what it needs of the daemon is slow to load, and no other command needs it.
"""

import logging
import os
from argparse import Namespace

from hal0.cli.output import Cell, print_json, say
from hal0.cli.problems import many, print_problem, print_warnings
from hal0.daemon.config.file import Judgement, judge
from hal0.daemon.config.place import placed
from hal0.daemon.models.registry import Registry
from hal0.daemon.providers import make_providers
from hal0.daemon.providers.absent import absent_models
from hal0.daemon.providers.rehearsal import Rehearsal
from hal0.daemon.remotes.absent import absent_keys
from hal0.hardware.facts import read_facts
from hal0.paths import Paths, locate
from hal0.wire import Problem


def run(args: Namespace) -> int:
    places = placed(locate(config=args.file))
    judgement, warnings = _judged(places)
    problems = judgement.problems
    if args.json:
        told = {"problems": problems, "warnings": warnings}
        print_json({"file": str(places.config)} | {name: [each.model_dump() for each in told[name]] for name in told})
        return 1 if problems else 0
    for problem in problems:
        print_problem(problem)
    print_warnings(warnings)
    if problems:
        say(Cell(f"{places.config}: {many(len(problems), 'problem')}", "red"))
        return 1
    also = Cell(f", {many(len(warnings), 'warning')}", "yellow") if warnings else ""
    if judgement.sources.files:
        say(f"{places.config}: ", Cell("ok", "green"), also)
    else:
        say(f"{places.config} is not there: ", Cell("ok", "green"), ", the embedded default runs")
    return 0


def _judged(places: Paths) -> tuple[Judgement, list[Problem]]:
    """What the daemon would make of the file, and the models and keys that are not here as this user sees it."""
    logging.getLogger("hal0").addHandler(logging.NullHandler())  # what the registry logs would be told twice
    providers = make_providers(read_facts())
    rehearse = Rehearsal(providers, make_registry=lambda models: Registry(models, state=places.state))
    judgement = judge(places.config, required=places.config_required, appraise=rehearse)
    if judgement.settings is None:
        return judgement, []
    settings, sources = judgement.settings, judgement.sources
    find = rehearse.registry(settings.models).find
    models = absent_models(settings, sources, find=find, providers=providers, env=os.environ)
    return judgement, [*models, *absent_keys(settings, sources, env=os.environ)]
