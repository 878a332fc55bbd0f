"""Slots whose model is not there now: warnings with their place, for `hal0 config check` and `hal0 plan`.

Warnings only, for a configuration is not wrong because a disk is not mounted, and a file may come later. A slot fails
with the same words when it is started.
"""

from collections.abc import Callable, Mapping

from hal0.daemon.config.document import Document
from hal0.daemon.config.merge import Merged
from hal0.daemon.config.schema import Settings
from hal0.daemon.config.sources import Sources
from hal0.daemon.models.file import ModelFile
from hal0.daemon.providers.base import Provider
from hal0.errors import Hal0Error
from hal0.wire import Problem


def absent_models(
    settings: Settings,
    sources: Sources,
    *,
    find: Callable[[str], ModelFile],
    providers: Mapping[str, Provider],
    env: Mapping[str, str],
) -> list[Problem]:
    """A warning for each slot whose model cannot be found, whose file is missing, or is no model; in file order.

    `settings` are what `sources` amount to. What a slot does not take from the registry its provider looks for.
    """
    failures: dict[str, Hal0Error] = {}
    for name, slot in settings.slots.items():
        try:
            providers[slot.provider].model(name, slot, find)
        except Hal0Error as error:
            if error.code.startswith("model."):
                failures[name] = error
    if not failures:
        return []
    merged = Merged([Document(source) for source in sources.files], env)
    written = merged.tree.get("slots", {})
    return [_placed(name, error, merged) for name, error in failures.items() if name in written]


def _placed(slot: str, error: Hal0Error, merged: Merged) -> Problem:
    key = ("slots", slot, "model")
    document = merged.document_of(key)
    assert document is not None, "only slots that are written down are looked at"
    nearest = str(error.details.get("nearest", ""))
    message = error.message.removesuffix(nearest)
    hint = nearest.removeprefix("; ") or error.remedy
    return document.problem(error.code, message, at=document.positions.of_value(key), key=key, hint=hint)
