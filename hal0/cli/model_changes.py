"""`hal0 model pull | cancel | add | rm`: models that come and go. The daemon does it; this asks and shows."""

import time
from argparse import Namespace
from pathlib import Path

from hal0.cli.connection import Daemon, part
from hal0.cli.model_progress import PullProgress
from hal0.cli.output import Cell, print_answer, print_json, say
from hal0.errors import CATALOGUE, Hal0Error
from hal0.person import person
from hal0.tui import figures
from hal0.wire import ErrorView, PullView, Removed

POLL_SECONDS = 0.2
PROOFS = {
    "catalogue": "its SHA-256 is that of the catalogue",
    "asked": "its SHA-256 is the one that was asked for",
    "server": "its SHA-256 is the one that the server told",
    "": "not pinned: nobody says which SHA-256 it must have",
}


def run_pull(args: Namespace) -> int:
    daemon = Daemon.at(args.host)
    wanted = {"source": args.source, "name": args.name, "sha256": args.sha256, "kind": args.kind}
    body = daemon.send("POST", "/api/models/pull", {key: value for key, value in wanted.items() if value is not None})
    view = daemon.parse(body, PullView)
    if view.state == "done":
        print_answer(body) if args.json else say(Cell(view.name, "bold"), f" is here already: {view.path}")
        return 0
    if args.no_wait:
        print_answer(body) if args.json else say(Cell(view.name, "bold"), " is being pulled")
        return 0
    began = time.monotonic()
    view = _follow(daemon, view, is_ours=view.state == "queued")
    if view.error is not None:
        raise _failure(view.error, view.name)
    if args.json:
        print_json(view.model_dump(mode="json"))
        return 0
    took = figures.span(time.monotonic() - began)
    say(Cell(view.name, "bold"), f" is here: {figures.size(view.total_bytes or 0)} in {took}, {view.path}")
    say(Cell(PROOFS[view.pinned], "dim"))
    if view.licence:
        say(Cell(f"licence: {view.licence}", "dim"))
    if view.projector:
        say(f"its projector, {view.projector}, came with it")
        if view.pinned in ("catalogue", "asked"):
            say(Cell("the projector's SHA-256 is the one that the server told", "dim"))
        say(Cell(f"`hal0 slot create NAME {view.name} mmproj=auto` serves it, for text and pictures", "dim"))
    else:
        say(Cell(f"`hal0 slot create NAME {view.name}` serves it", "dim"))
    return 0


def _follow(daemon: Daemon, view: PullView, *, is_ours: bool) -> PullView:
    """Show how it goes until it has ended. Who breaks off stops what this command began, and may go on later."""
    path = f"/api/pulls/{part(view.name)}"
    try:
        with PullProgress() as progress:
            while view.state not in ("done", "failed", "cancelled"):
                progress.show(view)
                time.sleep(POLL_SECONDS)
                view = daemon.get(path, PullView)
    except KeyboardInterrupt:
        if is_ours:
            view = daemon.parse(daemon.ask("DELETE", path, headers={"X-Hal0-By": person()}), PullView)
            share = f" at {view.done_bytes / view.total_bytes:.0%}" if view.total_bytes else ""
            progress.tell(f"stopped{share}; `hal0 model pull {view.name}` goes on from there")
        else:
            progress.tell(f"the pull goes on; `hal0 model cancel {view.name}` stops it")
        raise
    return view


def run_cancel(args: Namespace) -> int:
    daemon = Daemon.at(args.host)
    body = daemon.ask("DELETE", f"/api/pulls/{part(args.name)}", headers={"X-Hal0-By": person()})
    if args.json:
        print_answer(body)
        return 0
    view = daemon.parse(body, PullView)
    say(Cell(view.name, "bold"), f": {view.state}, {figures.size(view.done_bytes)} are kept")
    return 0


def run_add(args: Namespace) -> int:
    daemon = Daemon.at(args.host)
    path, name = _reference(args.path, args.name)
    body = daemon.send("POST", "/api/models", {"path": path, "name": name}, headers={"X-Hal0-By": person()})
    if args.json:
        print_answer(body)
    else:
        say(
            Cell(name, "bold"), f" is known now; its file stays where it is, and stands in hal0.toml as [models.{name}]"
        )
    return 0


def run_remove(args: Namespace) -> int:
    daemon = Daemon.at(args.host)
    path = f"/api/models/{part(args.name)}{'?force=1' if args.force else ''}"
    body = daemon.ask("DELETE", path, headers={"X-Hal0-By": person()})
    if args.json:
        print_answer(body)
        return 0
    removed = daemon.parse(body, Removed)
    name = Cell(removed.name, "bold")
    match removed.what:
        case "files":
            say(name, f" is deleted: {figures.size(removed.freed_bytes)} are free again")
        case "partial":
            say(name, f": what had come of it is deleted, {figures.size(removed.freed_bytes)}")
        case "reference":
            say(name, " is forgotten; its file stays where it is")
    return 0


def _reference(given: str, name: str | None) -> tuple[str, str]:
    """The path or store's name that is meant, and the name it gets."""
    path = Path(given).expanduser()
    if given.startswith(("/", "~", ".")) or path.suffix.lower() == ".gguf" or path.exists():
        absolute = path.absolute()
        return str(absolute), name or (absolute.stem if absolute.suffix.lower() == ".gguf" else absolute.name)
    return given, name or given.rpartition("/")[2].replace(":", "-")


def _failure(error: ErrorView, name: str) -> Hal0Error:
    if error.code not in CATALOGUE:
        reason = f"{error.code}: {error.message}"
        return Hal0Error("model.pull_failed", model=name, host="its server", reason=reason)
    return Hal0Error(error.code, **error.details)
