"""The last revisions of the configuration: their texts, when, by whom and why. Numbers go on when the daemon restarts.

One TOML file each in `state/config/`, named by the number, written whole. The texts are the person's own, comments
and all; a damaged file is as if it were not there. Blocking; call it in a thread.
"""

import base64
import difflib
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hal0.daemon.config.keeping import keep
from hal0.daemon.config.sources import Source, Sources
from hal0.errors import Hal0Error
from hal0.wire import ConfigFile, Revision, RevisionTexts

KEPT = 50
REFUSED = "refused.toml"

log = logging.getLogger("hal0.config")


class History:
    """The revisions kept in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def numbers(self) -> list[int]:
        """The revisions that are kept, the oldest first."""
        try:
            names = os.listdir(self.folder)
        except FileNotFoundError:
            return []
        except OSError as error:
            log.warning("the history of the configuration cannot be read: %s", error)
            return []
        stems = (name.removesuffix(".toml") for name in names if name.endswith(".toml"))
        return sorted(int(stem) for stem in stems if stem.isdecimal() and len(stem) < 12)

    def record(self, revision: RevisionTexts) -> None:
        """Keep a revision and forget the oldest. That it cannot be kept is no reason to refuse it, but is said."""
        try:
            keep(self._file(revision.revision), _toml(revision.model_dump(exclude_none=True)))
            for number in self.numbers()[:-KEPT]:
                self._file(number).unlink(missing_ok=True)
        except OSError as error:
            log.error("revision %d could not be put into the history: %s", revision.revision, error)

    def set_aside(self, sources: Sources) -> None:
        """Keep the last text that was refused and is now overwritten, to the byte; it never was a revision."""
        try:
            keep(self.folder / REFUSED, _toml({"files": [_as_it_was(each) for each in sources.files]}))
        except OSError as error:
            log.error("the text that was refused could not be set aside: %s", error)

    def get(self, number: int) -> RevisionTexts:
        """A revision with its texts; raises `config.no_revision`."""
        if (found := self._read(number)) is None:
            raise Hal0Error("config.no_revision", revision=number)
        return found

    def all(self) -> list[Revision]:
        """What is kept, the newest first, without the texts."""
        found = (self._read(number) for number in reversed(self.numbers()))
        return [Revision(**each.model_dump(exclude={"files"})) for each in found if each is not None]

    def last(self) -> RevisionTexts | None:
        """The newest one that can be read."""
        return next((found for number in reversed(self.numbers()) if (found := self._read(number))), None)

    def _read(self, number: int) -> RevisionTexts | None:
        import tomllib  # here: a daemon without a file and without a history reads no TOML

        try:
            return RevisionTexts.model_validate(tomllib.loads(self._file(number).read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:  # not UTF-8, not TOML, not a revision
            log.warning("revision %d in the history is unreadable: %s", number, type(error).__name__)
            return None

    def _file(self, number: int) -> Path:
        return self.folder / f"{number:06}.toml"


def texts_of(sources: Sources) -> list[ConfigFile]:
    """The files of a configuration as text; only what is UTF-8 can have become a revision."""
    return [ConfigFile(path=str(each.path), text=each.raw.decode(errors="replace")) for each in sources.files]


def sources_of(files: Sequence[ConfigFile], main: Path) -> Sources:
    """The files that texts stand for."""
    sources = tuple(Source(Path(each.path), each.text.encode()) for each in files)
    return Sources(sources, (), any(each.path == main for each in sources))


def difference(old: Sequence[ConfigFile], new: Sequence[ConfigFile], *, names: tuple[str, str]) -> list[str]:
    """Line by line, as `diff -u` tells it."""
    before, after = ({each.path: each.text for each in files} for files in (old, new))
    lines: list[str] = []
    for path in dict.fromkeys([*before, *after]):
        lines += difflib.unified_diff(
            before.get(path, "").splitlines(),
            after.get(path, "").splitlines(),
            f"{path} ({names[0]})",
            f"{path} ({names[1]})",
            lineterm="",
        )
    return lines


def _as_it_was(source: Source) -> dict[str, str]:
    """A file with its text; what is not UTF-8 in Base64."""
    try:
        return {"path": str(source.path), "text": source.raw.decode()}
    except UnicodeDecodeError:
        return {"path": str(source.path), "base64": base64.b64encode(source.raw).decode()}


def _toml(value: dict[str, Any]) -> str:
    """Texts stay readable, as lines; but not those with CR, which would come back as LF."""
    import tomli_w

    has_cr = any("\r" in each.get("text", "") for each in value["files"])
    return tomli_w.dumps(value, multiline_strings=not has_cr)
