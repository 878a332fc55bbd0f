"""Writes files of the configuration: the old ones or the new ones at every moment, and never a mixture.

One file is put in its place in one step. Of several, all are written beside the old ones before the first is put in its
place, and the journal says what they are to become: a write that is cut short in between is finished later, before
anybody takes the files over. Blocking; call it in a thread.
"""

import logging
from collections.abc import Sequence
from contextlib import suppress

from hal0.daemon.config.journal import Change, Journal
from hal0.daemon.config.replacement import Replacement, content, locked, translated
from hal0.daemon.config.sources import Sources
from hal0.errors import Hal0Error

log = logging.getLogger("hal0.config")


def changes_between(old: Sources, new: Sources) -> list[Change]:
    """What has to be written for the files to be those of `new`."""
    before = {source.path: source.raw for source in old.files}
    after = {source.path: source.raw for source in new.files}
    changes = (Change(path, before.get(path), after.get(path)) for path in {**after, **before})
    return [change for change in changes if change.old != change.new]


def make_changes(changes: Sequence[Change], journal: Journal | None = None) -> None:
    """Make the files be what the changes say; more than one needs the journal.

    Raises `config.conflict`, `config.read_only` or `config.write_failed`; then all files are as they were.
    """
    assert journal is not None or len(changes) < 2, "several files are one write only by a journal"
    steps = [Replacement(change) for change in changes]
    try:
        with locked(steps):
            try:
                _carry_out(steps, journal if len(steps) > 1 else None)
            except BaseException:
                for step in steps:
                    with suppress(OSError):
                        step.clear()
                raise
    except BaseException:
        if journal is not None and len(steps) > 1:
            _undo(steps, journal)
        raise


def finish(journal: Journal) -> bool:
    """End a write of several files that was cut short; tells whether there was one. Raises `config.unfinished`.

    If none of the files is new yet they stay as they are, and what somebody wrote since then is not touched.
    """
    try:
        changes = journal.pending()
        if not changes:
            return False
        now = {change.path: content(change.path) for change in changes}
        has_begun = any(now[change.path] == change.new for change in changes)
        for change in changes:
            if has_begun and now[change.path] == change.old:
                make_changes([change])
        journal.end()
    except (OSError, Hal0Error) as error:
        reason = error.message if isinstance(error, Hal0Error) else error.strerror or str(error)
        raise Hal0Error("config.unfinished", path=str(journal.path), reason=reason) from error
    if has_begun:
        log.warning("a write of %d files that was cut short has been brought to its end", len(changes))
    return has_begun


def _carry_out(steps: Sequence[Replacement], journal: Journal | None) -> None:
    for step in steps:
        step.prepare()
    if journal is not None:
        with translated(journal.path):
            journal.begin(step.change for step in steps)
    for step in steps:
        step.look()
    for step in steps:
        step.take()
    if journal is not None:
        with translated(journal.path):
            journal.end()


def _undo(steps: Sequence[Replacement], journal: Journal) -> None:
    """Put back what was taken already; if that fails as well, the journal has it for the next try."""
    with suppress(OSError, Hal0Error):
        if any(step.is_taken for step in steps):
            journal.begin(step.change.backwards for step in steps)
            finish(journal)
        else:
            journal.end()
