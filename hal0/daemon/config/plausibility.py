"""Tells a save that was cut short from one that is meant: an empty file, and one cut at a line end, are valid TOML.

Pure. A person can insist, so what is refused here is told with how to.
"""

from hal0.daemon.config.file import Judgement
from hal0.daemon.config.sources import Sources
from hal0.wire import Problem


def is_half_written(old: Sources, new: Sources) -> bool:
    """Whether a file is the beginning of what it was, or gone: its writer is perhaps not done yet."""
    now = {source.path: source.raw for source in new.files}
    for source in old.files:
        raw = now.get(source.path, b"")
        if len(raw) < len(source.raw) and source.raw.startswith(raw):
            return True
    return False


def implausible(old: Judgement, new: Judgement, path: str) -> Problem | None:
    """Why the files are probably not what their writer means, if they are not."""
    if old.sources.main_exists and not new.sources.main_exists:
        return _refusal(path, "the file has vanished while hal0 runs on it", "put it back")
    if _main(old.sources).strip() and not _main(new.sources).strip():
        return _refusal(path, "the file has become empty", "save it again")
    if old.names_slots and not new.names_slots:
        return _refusal(path, "the file has lost all its slots", "put them back")
    return None


def _main(sources: Sources) -> bytes:
    return sources.files[0].raw if sources.main_exists and sources.files else b""


def _refusal(path: str, message: str, remedy: str) -> Problem:
    return Problem(
        code="config.implausible",
        message=f"{message}; the last good configuration goes on",
        file=path,
        hint=f"{remedy}, or insist with `hal0 config reload --force`",
    )
