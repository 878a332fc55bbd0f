"""hal0.toml and its drop-ins as one tree. A table is given in one file only; another file may add other tables.

Pure. Keeps which file each key came from, so that a problem can name its place.
"""

from collections.abc import Mapping
from typing import Any

from hal0.daemon.config.document import Document, dotted
from hal0.daemon.config.positions import Key
from hal0.wire import Problem


class Merged:
    """The documents of a configuration, with `${env:NAME}` filled in, as one tree."""

    def __init__(self, documents: list[Document], env: Mapping[str, str]) -> None:
        self.documents = documents
        self.raw: dict[str, Any] = {}  # as written, for messages: what came from the environment may be secret
        self.tree: dict[str, Any] = {}
        self.problems: list[Problem] = []
        for index, document in enumerate(documents):
            filled, problems = document.substituted(env)
            self.problems += problems
            self._merge((), self.raw, document.tree, documents[: index + 1])
            _join(self.tree, filled)

    def document_of(self, key: Key) -> Document | None:
        """The file that has the key or, failing that, the most of the way to it."""
        if len(self.documents) < 2:
            return self.documents[0] if self.documents else None

        def nearness(document: Document) -> tuple[int, bool]:
            depth = _depth(document.tree, key)
            return depth, key[:depth] in document.positions.headers

        return max(self.documents, key=nearness)

    def _merge(self, path: Key, into: dict[str, Any], tree: Mapping[str, Any], documents: list[Document]) -> None:
        *earlier, document = documents
        if path and _is_given(into) and _is_given(tree):
            self._refuse(path, earlier, document)
            return
        for name, value in tree.items():
            if name not in into:
                into[name] = _copy(value)
            elif isinstance(value, dict) and isinstance(into[name], dict):
                self._merge((*path, name), into[name], value, documents)
            else:
                self._refuse((*path, name), earlier, document)

    def _refuse(self, path: Key, earlier: list[Document], document: Document) -> None:
        first = max(earlier, key=lambda each: _depth(each.tree, path))
        there, here = first.positions.of_table(path), document.positions.of_table(path)
        message = f"[{dotted(path)}] is given twice: {first.path}:{there.line}:{there.column} has it already"
        hint = "keep a table in one file; other files may have other tables"
        self.problems.append(document.problem("config.clash", message, at=here, key=path, hint=hint))


def _is_given(table: Mapping[str, Any]) -> bool:
    """Whether a table is more than the way to tables below it."""
    return not table or any(not isinstance(value, dict) for value in table.values())


def _copy(value: Any) -> Any:
    return {name: _copy(each) for name, each in value.items()} if isinstance(value, dict) else value


def _join(into: dict[str, Any], tree: Mapping[str, Any]) -> None:
    """The plain union; what is given twice has been refused."""
    for name, value in tree.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            _join(into[name], value)
        else:
            into.setdefault(name, value)


def _depth(tree: Any, key: Key) -> int:
    for depth, part in enumerate(key):
        try:
            tree = tree[part]
        except (KeyError, IndexError, TypeError):
            return depth
    return len(key)
