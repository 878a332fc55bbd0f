"""Tells a save that was cut short from one that is meant: an empty file, and one cut at a line end, are valid TOML.

Pure. A person can insist, so what is refused here is told with how to.
"""

from collections.abc import Collection, Iterator
from pathlib import Path

from hal0.daemon.config.document import Document
from hal0.daemon.config.file import Judgement
from hal0.daemon.config.sources import Source, Sources
from hal0.wire import Problem

CODE = "config.implausible"


def is_half_written(old: Sources, new: Sources) -> bool:
    """Whether a file is the beginning of what it was, or gone: its writer is perhaps not done yet."""
    now = {source.path: source.raw for source in new.files}
    return any(_is_beginning(now.get(source.path, b""), source) for source in old.files)


def implausible(
    old: Judgement, new: Judgement, path: Path, *, running: Collection[str] = (), written: Collection[Path] = ()
) -> Problem | None:
    """Why the files are probably not what their writer means, if they are not.

    `running`: the slots that are in memory. `written`: the files of which is known that they are whole.
    """
    if old.sources.main_exists and not new.sources.main_exists:
        return _refusal(path, "the file has vanished while hal0 runs on it", "put it back")
    if _main(old.sources).strip() and not _main(new.sources).strip():
        return _refusal(path, "the file has become empty", "save it again")
    if old.names_slots and not new.names_slots:
        return _refusal(path, "the file has lost all its slots", "put them back")
    return next(_losses(old, new, running=running, written=written), None)


def _losses(
    old: Judgement, new: Judgement, *, running: Collection[str], written: Collection[Path]
) -> Iterator[Problem]:
    """Files that lost their end, or everything, and with it slots that run."""
    assert old.settings is not None, "it runs"
    assert new.settings is not None, "it could be taken over"
    lost = {name for name in running if name in old.settings.slots and name not in new.settings.slots}
    now = {source.path: source.raw for source in new.sources.files}
    for source in old.sources.files if lost else ():
        raw = now.get(source.path, b"")
        if source.path in written or not _is_beginning(raw, source):
            continue
        slots = [name for name in Document(source).tree.get("slots", {}) if name in lost]
        if slots:
            what = "has vanished" if source.path not in now else "ends too early" if raw.strip() else "has become empty"
            these = f"the slot {slots[0]}, which runs, is" if len(slots) == 1 else f"{', '.join(slots)}, which run, are"
            yield _refusal(source.path, f"the file {what}: {these} not in it any more", "save it whole")


def _is_beginning(raw: bytes, whole: Source) -> bool:
    return len(raw) < len(whole.raw) and whole.raw.startswith(raw)


def _main(sources: Sources) -> bytes:
    return sources.files[0].raw if sources.main_exists and sources.files else b""


def _refusal(path: Path, message: str, remedy: str) -> Problem:
    return Problem(
        code=CODE,
        message=f"{message}; the last good configuration goes on",
        file=str(path),
        hint=f"{remedy}, or insist with `hal0 config reload --force`",
    )
