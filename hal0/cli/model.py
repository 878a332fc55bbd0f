"""`hal0 model`: the models that are known, those that could be, and whether one would fit."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from urllib.parse import urlencode

from hal0.cli import model_changes, model_fit
from hal0.cli.connection import Daemon, part
from hal0.cli.model_progress import print_pulls
from hal0.cli.options import Help, add_host, add_json, sentence
from hal0.cli.output import Cell, facts, heading, print_answer, print_json, say, table
from hal0.errors import Hal0Error
from hal0.tui import figures
from hal0.wire import CuratedModel, ModelDetail, ModelList, ModelView

ABOUT = """\
A model is a file, or a folder of files, that slots can serve.

A source is a name of the catalogue (`hal0 model list --catalogue`), hf:OWNER/REPOSITORY:FILE,
hf:OWNER/REPOSITORY:Q4_K_M for the file with that mark, hf:OWNER/REPOSITORY for all of it,
or https://… of a file. With :Q4_K_M, or for all of it, the projector of a model that sees pictures
comes, too."""
UNKNOWN_SIZE = "not known"
KINDS = ("chat", "embedding", "rerank", "transcription", "speech", "image")
ALONE = "list"


def configure(parser: ArgumentParser) -> None:
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, summary: str, run: Callable[[Namespace], int]) -> ArgumentParser:
        sub = commands.add_parser(name, help=summary, description=sentence(summary), formatter_class=Help)
        add_json(sub)
        add_host(sub)
        sub.set_defaults(run=run)
        return sub

    listing = add("list", "list the models that are known, and those on their way", list_models)
    listing.add_argument("--found", action="store_true", help="also what other programs have in their stores")
    listing.add_argument("--catalogue", action="store_true", help="what can be pulled by a short name; asks no daemon")
    show = add("show", "everything about one model", show_model)
    show.add_argument("name", metavar="MODEL")
    show.add_argument("--fit", action="store_true", help="what it would need beside what is free now, and who would go")
    show.add_argument("--context", type=_positive, metavar="TOKENS", help="for this many tokens per request")
    show.add_argument("--parallel", type=_positive, metavar="N", help="for this many requests at a time")
    show.add_argument("--slot", metavar="SLOT", help="with the settings of this slot")
    pull = add("pull", "fetch a model, or go on with one that stopped", model_changes.run_pull)
    pull.add_argument(
        "source", metavar="SOURCE", help="a name of the catalogue, hf:OWNER/REPOSITORY[:FILE], or https://…"
    )
    pull.add_argument("--as", dest="name", metavar="NAME", help="the name it gets; left out: its file's")
    pull.add_argument("--sha256", metavar="DIGITS", help="the SHA-256 that its file must have, 64 hexadecimal digits")
    pull.add_argument(
        "--kind", choices=KINDS, metavar="KIND", help=f"what it is for, where its files do not tell: {', '.join(KINDS)}"
    )
    pull.add_argument("--no-wait", action="store_true", help="end as soon as the daemon has accepted it")
    cancel = add("cancel", "stop a pull; what has come is kept", model_changes.run_cancel)
    cancel.add_argument("name", metavar="MODEL")
    reference = add("add", "use a file, or a model of another program, where it lies", model_changes.run_add)
    reference.add_argument("path", metavar="FILE", help="a file, or a name that `hal0 model list --found` shows")
    reference.add_argument("--as", dest="name", metavar="NAME", help="the name it gets; left out: its file's")
    remove = add("rm", "delete a model that was pulled, or forget a reference", model_changes.run_remove)
    remove.add_argument("name", metavar="MODEL")
    remove.add_argument("--force", action="store_true", help="also if a slot serves it")


def _positive(text: str) -> int:
    number = int(text)
    if number <= 0:
        raise ValueError
    return number


def list_models(args: Namespace) -> int:
    if args.catalogue:
        return _list_catalogue(args)
    daemon = Daemon.at(args.host)
    body = daemon.ask("GET", f"/api/models{'?found=1' if args.found else ''}")
    if args.json:
        print_answer(body)
        return 0
    answer = daemon.parse(body, ModelList)
    if not (answer.models or answer.pulls or answer.found):
        say("no models")
        return 0
    rows = (
        (
            Cell(model.id, "bold"),
            model.kind,
            figures.size(model.size_bytes),
            figures.tokens_of(model.context_limit),
            ", ".join(model.slots),
            model.licence,
            "with hal0" if model.embedded else model.source or model.path,
            ", ".join(model.aliases),
        )
        for model in answer.models
    )
    headers = ("MODEL", "KIND", "SIZE", "CONTEXT", "SLOTS", "LICENCE", "FROM", "ALSO CALLED")
    table(headers, rows, right=frozenset({"SIZE", "CONTEXT"}))
    if answer.pulls:
        heading("on their way")
        print_pulls(answer.pulls)
    if answer.found:
        heading("found in other programs' stores, usable by these names")
        rows_found = ((Cell(each.name, "bold"), figures.size(each.size_bytes)) for each in answer.found)
        table(("NAME", "SIZE"), rows_found, right=frozenset({"SIZE"}))
    elif args.found:
        heading("nothing found in other programs' stores")
    for problem in answer.problems:
        say(Cell(problem.code, "red"), f"  {problem.message}")
    return 0


def _list_catalogue(args: Namespace) -> int:
    from hal0.models.catalogue import entries

    curated = [entry.view() for entry in entries()]
    if args.json:
        print_json({"catalogue": [each.model_dump(mode="json") for each in curated]})
        return 0
    rows = (
        (
            Cell(each.name, "bold"),
            each.kind,
            figures.size(each.size_bytes) if each.size_bytes else UNKNOWN_SIZE,
            "yes" if each.pinned else "no",
            each.licence,
        )
        for each in curated
    )
    table(("MODEL", "KIND", "SIZE", "PINNED", "LICENCE"), rows, right=frozenset({"SIZE"}))
    print()
    say(Cell("pinned: its SHA-256 is in the catalogue; for others the word of the server is taken", "dim"))
    say(
        Cell(
            "a size that is not known is asked of the server, and the disk looked at, before anything is fetched", "dim"
        )
    )
    return 0


def show_model(args: Namespace) -> int:
    daemon = Daemon.at(args.host)
    asked = {key: getattr(args, key) for key in ("context", "parallel", "slot") if getattr(args, key) is not None}
    try:
        body = daemon.ask("GET", f"/api/models/{part(args.name)}{'?' + urlencode(asked) if asked else ''}")
    except Hal0Error as error:
        if error.code != "model.not_pulled" or asked or args.fit:
            raise
        return _show_curated(args)
    if args.json:
        print_answer(body)
        return 0
    detail = daemon.parse(body, ModelDetail)
    say(Cell(detail.model.id, "bold"))
    facts(_facts(detail.model))
    if args.fit or asked:
        model_fit.print_needs(detail)
    return 0


def _facts(model: ModelView) -> list[tuple[str, Cell | str]]:
    values = [
        ("kind", model.kind),
        ("also called", ", ".join(model.aliases)),
        ("folder" if model.format == "folder" else "file", f"{model.path}, {figures.size(model.size_bytes)}"),
        ("projector", f'{model.projector}, for a slot with `mmproj = "auto"`' if model.projector else ""),
        ("from", model.source),
        ("context", f"up to {model.context_limit} tokens" if model.context_limit else ""),
        ("licence", model.licence),
        ("slots", ", ".join(model.slots)),
    ]
    return [(label, value) for label, value in values if value]


def _show_curated(args: Namespace) -> int:
    from hal0.models.catalogue import find_entry

    entry = find_entry(args.name)
    assert entry is not None, "the daemon knows it from the same catalogue"
    curated = entry.view()
    if args.json:
        print_json({"catalogue": curated.model_dump(mode="json")})
        return 0
    say(Cell(curated.name, "bold"), "  ", Cell("in the catalogue, not on this machine", "yellow"))
    facts(_curated_facts(curated))
    say(Cell(f"`hal0 model pull {curated.name}` fetches it", "dim"))
    return 0


def _curated_facts(curated: CuratedModel) -> list[tuple[str, Cell | str]]:
    values = [
        ("kind", curated.kind),
        ("about", curated.about),
        *(("from", source) for source in curated.source),
        ("size", figures.size(curated.size_bytes) if curated.size_bytes else f"{UNKNOWN_SIZE}: its server tells"),
        ("context", f"up to {curated.context} tokens" if curated.context else ""),
        ("licence", curated.licence),
        ("checksum", curated.sha256 or ("pinned" if curated.pinned else "not pinned: the server's own word is taken")),
    ]
    return [(label, value) for label, value in values if value]
