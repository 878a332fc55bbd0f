"""The history of the configuration, a revision with what it changed, and what going back to one would do.

Pure: from revisions and differences to lines.
"""

from collections.abc import Iterator, Mapping, Sequence

from hal0.errors import Hal0Error
from hal0.tui import figures
from hal0.tui.lines import EMPTY, Line, line, span
from hal0.tui.look import Glyphs
from hal0.tui.problems import labelled
from hal0.tui.text import fit, harmless, wrap
from hal0.wire import ConfigView, Revision

History = Sequence[Revision]  # the newest first
Difference = Sequence[str] | Hal0Error | None  # lines as of `diff -u`, why there are none, or not known yet
BY_CELLS = 16
ROLES: Mapping[str, str] = {"+": "good", "-": "bad", "@": "muted"}


def before(history: History, number: int) -> int | None:
    """The revision that was there before this one; None for the oldest that is kept."""
    return next((each.revision for each in history if each.revision < number), None)


def rows(
    history: History, running: int, selected: int | None, difference: Difference, now: float, width: int, glyphs: Glyphs
) -> tuple[list[Line], range]:
    """A line for each revision, with what the selected one changed below it; and where in the lines that is."""
    lines: list[Line] = []
    place = range(0)
    for each in history:
        at = len(lines)
        is_selected = each.revision == selected
        lines.append(_row(each, is_selected, each.revision == running, now, width, glyphs))
        if is_selected:
            lines += _told(each, before(history, each.revision), difference, width)
            place = range(at, len(lines))
    return lines, place


def _row(each: Revision, is_selected: bool, is_running: bool, now: float, width: int, glyphs: Glyphs) -> Line:
    number = fit(f"r{each.revision}", 6)
    by = fit(each.by, BY_CELLS if width >= 60 else 8, ellipsis=glyphs.ellipsis)
    rest = each.why or "; ".join(each.changes)
    text = f"{number} {figures.moment(each.at, now):<12} {by} "
    what = fit(rest, max(0, width - len(text) - 4), ellipsis=glyphs.ellipsis)
    marker = span(f" {glyphs.marker if is_selected else ' '} ", "focus")
    if is_selected:
        return (marker, span(text + what, "selected"))
    return (marker, span(text, "good" if is_running else "text"), span(what, "muted"))


def _told(each: Revision, earlier: int | None, difference: Difference, width: int) -> Iterator[Line]:
    if each.why and width < 60:  # there the row has hardly any room for it
        yield from labelled("why", each.why, width)
    if earlier is None:
        changes = each.changes or ["it is the oldest one that is kept"]
        yield from (line(span("     " + piece)) for text in changes for piece in wrap(harmless(text), width - 6))
    else:
        yield from changed(difference, width, none="the files have the same text as those before")


def changed(difference: Difference, width: int, *, none: str) -> Iterator[Line]:
    """A difference; `none` is told where there is none."""
    match difference:
        case None:
            yield line(span("     asking the daemon", "muted"))
        case Hal0Error():
            told = harmless(f"{difference.code}: {difference.message}")
            yield from (line(span("     " + piece, "bad")) for piece in wrap(told, width - 6))
        case _:
            for text in difference:
                role = ROLES.get(text[:1], "text")
                yield from (line(span("     " + piece, role)) for piece in wrap(harmless(text), width - 6))
            if not difference:
                yield line(span(f"     {none}", "muted"))


def way_back(each: Revision, config: ConfigView, difference: Difference, now: float, width: int) -> list[Line]:
    """What going back to a revision does, before it is done."""
    by = f", by {each.by}" if each.by else ""
    head = f"Go back to r{each.revision} of {figures.moment(each.at, now)}{by}?"
    lines: list[Line] = [line(span("   " + piece, "strong")) for piece in wrap(harmless(head), width - 4)]
    lines += [EMPTY, *labelled("its reason", each.why, width)]
    did = (
        f"writes the files as they were in r{each.revision}, with their comments, and runs them as a new revision. "
        "Slots that this changes restart when their requests are done; the others keep running."
    )
    lines += labelled("what hal0 does", did, width)
    if config.rejected_at is not None or config.problems:
        lost = "The edit on disk that was refused is overwritten; it is in no revision."
        lines += [line(span("   " + piece, "bad")) for piece in wrap(lost, width - 4)]
    lines += labelled("the way forward", f"hal0 config rollback {config.revision}", width)
    lines += labelled("equivalent CLI", command(each.revision), width)
    lines += [EMPTY, *changed(difference, width, none="nothing differs from what runs")]
    return lines


def command(revision: int) -> str:
    return f"hal0 config rollback {revision}"
