"""`hal0 model`: the models that are known, and whether one would fit."""

from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable
from urllib.parse import urlencode

from hal0.cli.connection import Daemon, part
from hal0.cli.options import add_host, add_json
from hal0.cli.output import Cell, facts, heading, print_answer, say, table
from hal0.tui import figures
from hal0.wire import FitView, ModelDetail, ModelView, NeedsView, Wire

ABOUT = "A model is a file that slots can serve."


class Models(Wire):
    models: list[ModelView]


def configure(parser: ArgumentParser) -> None:
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, summary: str, run: Callable[[Namespace], int]) -> ArgumentParser:
        sub = commands.add_parser(
            name, help=summary, description=f"{summary.capitalize()}.", formatter_class=RawDescriptionHelpFormatter
        )
        add_json(sub)
        add_host(sub)
        sub.set_defaults(run=run)
        return sub

    add("list", "list the models that are known", list_models)
    show = add("show", "everything about one model", show_model)
    show.add_argument("name", metavar="MODEL")
    show.add_argument("--fit", action="store_true", help="what it would need beside what is free now, and who would go")
    show.add_argument("--context", type=_positive, metavar="TOKENS", help="for this many tokens per request")
    show.add_argument("--parallel", type=_positive, metavar="N", help="for this many requests at a time")
    show.add_argument("--slot", metavar="SLOT", help="with the settings of this slot")


def _positive(text: str) -> int:
    number = int(text)
    if number <= 0:
        raise ValueError
    return number


def list_models(args: Namespace) -> int:
    daemon = Daemon.at(args.host)
    body = daemon.ask("GET", "/api/models")
    if args.json:
        print_answer(body)
        return 0
    models = daemon.parse(body, Models).models
    if not models:
        say("no models")
        return 0
    rows = (
        (
            Cell(model.id, "bold"),
            model.kind,
            figures.size(model.size_bytes),
            figures.tokens_of(model.context_limit),
            ", ".join(model.slots),
            "with hal0" if model.embedded else model.path,
            ", ".join(model.aliases),
        )
        for model in models
    )
    headers = ("MODEL", "KIND", "SIZE", "CONTEXT", "SLOTS", "FILE", "ALSO CALLED")
    table(headers, rows, right=frozenset({"SIZE", "CONTEXT"}))
    return 0


def show_model(args: Namespace) -> int:
    daemon = Daemon.at(args.host)
    asked = {key: getattr(args, key) for key in ("context", "parallel", "slot") if getattr(args, key) is not None}
    body = daemon.ask("GET", f"/api/models/{part(args.name)}{'?' + urlencode(asked) if asked else ''}")
    if args.json:
        print_answer(body)
        return 0
    detail = daemon.parse(body, ModelDetail)
    say(Cell(detail.model.id, "bold"))
    facts(_facts(detail.model))
    if args.fit or asked:
        _print_needs(detail)
    return 0


def _facts(model: ModelView) -> list[tuple[str, Cell | str]]:
    values = [
        ("kind", model.kind),
        ("also called", ", ".join(model.aliases)),
        ("file", f"{model.path}, {figures.size(model.size_bytes)}"),
        ("context", f"up to {model.context_limit} tokens" if model.context_limit else ""),
        ("licence", model.licence),
        ("slots", ", ".join(model.slots)),
    ]
    return [(label, value) for label, value in values if value]


def _print_needs(detail: ModelDetail) -> None:
    like = f", as slot {detail.like}" if detail.like else ""
    if detail.error:
        heading("needs")
        say(Cell(detail.error.code, "red"), f"  {detail.error.message}")
        return
    if detail.ram is None:
        heading("needs")
        say("not known: only models for llama.cpp tell them")
        return
    heading(f"needs for {detail.context} tokens, {detail.parallel} at a time{like}")
    columns = [("RAM", detail.ram)]
    if detail.gpu is not None:
        columns.append((" ".join(detail.gpus), detail.gpu))
    rows = [(label, *(figures.size(getattr(needs, key)) for _, needs in columns)) for label, key in PARTS]
    rows.append(("total", *(_total(needs) for _, needs in columns)))
    table(("OF", *(name for name, _ in columns)), rows, right=frozenset(name for name, _ in columns))
    if detail.fit:
        _print_fit(detail.fit)


PARTS = (
    ("weights", "weights_bytes"),
    ("context", "kv_bytes"),
    ("computation", "compute_bytes"),
    ("process", "base_bytes"),
    ("kept prompts", "cache_bytes"),
)


def _total(needs: NeedsView) -> str:
    return f"{figures.size(needs.total_bytes)} ±{needs.uncertainty:.0%} {needs.source}"


def _print_fit(fit: FitView) -> None:
    heading("room now")
    rows = (
        (
            room.device,
            figures.size(room.need_bytes),
            figures.size(room.free_bytes) if room.free_bytes is not None else "unknown",
            figures.size(room.reserved_bytes) if room.reserved_bytes else "",
        )
        for room in fit.rooms
    )
    table(("DEVICE", "NEEDED", "FREE", "PROMISED"), rows, right=frozenset({"NEEDED", "FREE", "PROMISED"}))
    match fit.verdict:
        case "fits":
            say(Cell("it fits", "green"))
        case "evict":
            say(Cell("it fits if these are unloaded, in this order: ", "yellow"), ", ".join(fit.would_go))
        case "wait":
            say(Cell("it fits once these have ended: ", "yellow"), ", ".join(fit.waits_for))
        case "impossible":
            say(Cell("it does not fit: ", "red"), fit.reason)
