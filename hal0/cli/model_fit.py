"""What a model would need for a context, beside what is free now: the part of `hal0 model show` with figures."""

from hal0.cli.output import Cell, heading, say, table
from hal0.tui import figures
from hal0.wire import FitView, ModelDetail, NeedsView


def print_needs(detail: ModelDetail) -> None:
    like = f", as slot {detail.like}" if detail.like else ""
    if detail.error:
        heading("needs")
        say(Cell(detail.error.code, "red"), f"  {detail.error.message}")
        return
    if detail.ram is None:
        heading("needs")
        say("not known: only models for llama.cpp tell them; others are measured while they run")
        return
    heading(f"needs for {detail.context} tokens, {detail.parallel} at a time{like}")
    columns = [("RAM", detail.ram)]
    if detail.gpu is not None:
        columns.append((" ".join(detail.gpus), detail.gpu))
    rows = [(label, *(figures.size(getattr(needs, key)) for _, needs in columns)) for label, key in PARTS]
    rows.append(("total", *(_total(needs) for _, needs in columns)))
    table(("OF", *(name for name, _ in columns)), rows, right=frozenset(name for name, _ in columns))
    if detail.fit:
        print_fit(detail.fit)


PARTS = (
    ("weights", "weights_bytes"),
    ("context", "kv_bytes"),
    ("computation", "compute_bytes"),
    ("process", "base_bytes"),
    ("kept prompts", "cache_bytes"),
)


def _total(needs: NeedsView) -> str:
    return f"{figures.size(needs.total_bytes)} ±{needs.uncertainty:.0%} {needs.source}"


def print_fit(fit: FitView) -> None:
    """The sum for each device, and the verdict."""
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
    if fit.rooms:
        table(("DEVICE", "NEEDED", "FREE", "PROMISED"), rows, right=frozenset({"NEEDED", "FREE", "PROMISED"}))
    match fit.verdict:
        case "fits":
            say(Cell("it fits" if fit.rooms else "nothing is reserved for it: it starts whatever is free", "green"))
        case "evict":
            say(Cell("it fits if these are unloaded, in this order: ", "yellow"), ", ".join(fit.would_go))
        case "wait":
            say(Cell("it fits once these are quiet or gone: ", "yellow"), ", ".join(fit.waits_for))
        case "impossible":
            say(Cell("it does not fit: ", "red"), fit.reason)
