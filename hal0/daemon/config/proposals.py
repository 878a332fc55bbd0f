"""What a writer wants the files to become: from the files as they are to the files as they would be.

Pure. A proposal is judged as a whole before any file is touched; the writing is in `writes.py`.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hal0.daemon.config.document import Document, DocumentError, dotted
from hal0.daemon.config.edits import Edit, Name, edited, table_edits
from hal0.daemon.config.file import ConfigProblems
from hal0.daemon.config.history import sources_of
from hal0.daemon.config.merge import Merged
from hal0.daemon.config.schema import EMBEDDED_SLOTS
from hal0.daemon.config.sources import Source, Sources, named_file
from hal0.errors import Hal0Error, did_you_mean
from hal0.wire import ConfigFile

Proposal = Callable[[Sources, Path], Sources]  # the files on disk and where hal0.toml is → the files to be

LONGEST_KEY = 400
NO_FILE = "# As when there was no file: the embedded default.\n"


def with_text(file: Path | None, text: str) -> Proposal:
    """The whole text of one file, hal0.toml unless another is named."""

    def propose(sources: Sources, main: Path) -> Sources:
        return _with(sources, main, named_file(main, file), _encoded(text))

    return propose


def with_edits(edits: Iterable[Edit]) -> Proposal:
    """Single keys and tables, each in the file that has it or its table; comments and formatting stay."""
    wanted = list(edits)

    def propose(sources: Sources, main: Path) -> Sources:
        for edit in [*_embedded_slots_first(sources, main, wanted), *wanted]:
            sources = _edit(sources, main, edit)
        if any(edit.key[0] == "slots" for edit in wanted) and not _tree(sources).get("slots"):
            reason = "it is the last slot; without one, the embedded default would run in its place"
            raise Hal0Error("config.invalid", place=str(main), reason=reason)
        return sources

    return propose


def with_slot(name: str, table: Mapping[str, Any], *, is_new: bool = False) -> Proposal:
    """A slot's whole table; its keys that are not in `table` go."""
    wanted = {key: value for key, value in table.items() if value is not None}

    def propose(sources: Sources, main: Path) -> Sources:
        if is_new and name in _slots(sources):
            raise Hal0Error("slot.already_exists", slot=name)
        edits = table_edits(("slots", name), _tree(sources).get("slots", {}).get(name), wanted)
        return with_edits(edits)(sources, main)

    return propose


def with_slot_keys(name: str, keys: Mapping[str, Any]) -> Proposal:
    """Single keys of a slot; one that is None goes."""

    def propose(sources: Sources, main: Path) -> Sources:
        _check_slot(name, sources)
        if not keys:
            raise Hal0Error("dispatch.invalid_request", field="body", reason="it names no key")
        return with_edits([Edit(("slots", name, key), value) for key, value in keys.items()])(sources, main)

    return propose


def without_slot(name: str) -> Proposal:
    def propose(sources: Sources, main: Path) -> Sources:
        _check_slot(name, sources)
        return with_edits([Edit(("slots", name))])(sources, main)

    return propose


def as_in(files: Sequence[ConfigFile]) -> Proposal:
    """The files of an earlier revision."""

    def propose(_: Sources, main: Path) -> Sources:
        earlier = sources_of(files, main)
        return earlier if earlier.files else _with(earlier, main, main, NO_FILE.encode())

    return propose


def _edit(sources: Sources, main: Path, edit: Edit) -> Sources:
    documents = _documents(sources)
    home = Merged(documents, {}).document_of(edit.key)
    path = home.path if home is not None and home.tree.get(edit.key[0]) is not None else main
    raw = next((source.raw for source in sources.files if source.path == path), b"")
    return _with(sources, main, path, _encoded(edited(raw.decode(), [edit], path=path)))


def _embedded_slots_first(sources: Sources, main: Path, edits: Sequence[Edit]) -> list[Edit]:
    """Who adds a slot to the embedded ones, or changes one of them, means to keep them: they are written down."""
    if _tree(sources).get("slots") or not any(edit.key[0] == "slots" for edit in edits):
        return []
    return [
        Edit(("slots", name), {key: getattr(slot, key) for key in slot.model_fields_set})
        for name, slot in EMBEDDED_SLOTS.items()
        if not any(edit.key == ("slots", name) and edit.value is not None for edit in edits)
    ]


def _slots(sources: Sources) -> Collection[str]:
    return _tree(sources).get("slots") or EMBEDDED_SLOTS


def _check_slot(name: str, sources: Sources) -> None:
    if name not in (slots := _slots(sources)):
        raise Hal0Error("slot.not_found", slot=name, nearest=did_you_mean(name, slots))


def _tree(sources: Sources) -> dict[str, Any]:
    return Merged(_documents(sources), {}).tree


def _documents(sources: Sources) -> list[Document]:
    documents, problems = [], list(sources.problems)
    for source in sources.files:
        try:
            documents.append(Document(source))
        except DocumentError as error:
            problems.append(error.problem)
    if problems:
        raise ConfigProblems(Path(problems[0].file), problems)
    return documents


def _with(sources: Sources, main: Path, path: Path, raw: bytes) -> Sources:
    """The sources with one file's content another, in the order in which they are read from disk."""
    contents = {source.path: source.raw for source in sources.files} | {path: raw}
    order = sorted(contents, key=lambda each: (each != main, each.name))
    files = tuple(Source(each, contents[each]) for each in order)
    return replace(sources, files=files, main_exists=main in contents)


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise Hal0Error("dispatch.invalid_request", field="text", reason="it is not Unicode text") from error


def key_of(text: str) -> Name:
    """A dotted key as a person writes it, `slots.primary.context`; raises `dispatch.invalid_request`."""
    import tomllib

    if len(text) > LONGEST_KEY:
        raise Hal0Error("dispatch.invalid_request", field="key", reason=f"it is longer than {LONGEST_KEY} characters")
    try:
        tree: Any = tomllib.loads(f"{text} = 0")
    except ValueError:
        tree = {}
    key: list[str] = []
    while isinstance(tree, dict) and len(tree) == 1:
        name, tree = next(iter(tree.items()))
        key.append(name)
    if not key or dotted(tuple(key)) != text.strip():
        raise Hal0Error("dispatch.invalid_request", field="key", reason=f"{text!r} is not a key such as server.port")
    return tuple(key)
