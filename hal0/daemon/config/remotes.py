"""What no single key of a remote can tell. Pure, over the values as they stand in the files."""

from collections.abc import Iterator, Mapping
from typing import Any

from hal0.daemon.config.document import dotted
from hal0.daemon.config.findings import Finding, shown

WITHOUT_URL = ("openai", "openrouter", "anthropic")


def remotes(tree: Mapping[str, Any], slots: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    """Everything about [remotes] that contradicts itself or the slots."""
    tables = tree.get("remotes")
    named = {name: each for name, each in tables.items() if isinstance(each, dict)} if isinstance(tables, dict) else {}
    aliases: dict[str, str] = {}
    taken = _answered_here(slots, tree.get("models"))
    for name, each in named.items():
        key = ("remotes", name)
        if name in slots:
            message = f"{shown(name)} is the name of a slot as well; answers name the one or the other"
            yield Finding("config.clash", message, key, "choose another", "table")
        kind = each.get("kind", "custom")
        if "url" not in each and kind not in WITHOUT_URL:
            hint = 'add `url = "https://…/v1"`'
            message = f"`url` is missing in [{dotted(key)}]"
            yield Finding("config.invalid", message, (*key, "url"), hint, "table")
        if "key_env" in each and "key_file" in each:
            message = "`key_env` and `key_file` both name a key"
            yield Finding("config.clash", message, (*key, "key_file"), "leave one of them out", "key")
        yield from _aliases(name, each, aliases, taken=taken)
    yield from _fallbacks(named, slots)


def _answered_here(slots: Mapping[str, Mapping[str, Any]], models: object) -> dict[str, str]:
    """The names that slots answer to, each with the table that says so: they come before those of remotes."""
    names: dict[str, str] = {}
    for name, slot in slots.items():
        here = dotted(("slots", name))
        model = slot.get("model")
        table = models.get(model) if isinstance(models, dict) and isinstance(model, str) else None
        of_model = table.get("aliases") if isinstance(table, dict) else ()
        for each in (name, *_texts(slot.get("aliases")), *_texts([model]), *_texts(of_model)):
            names.setdefault(each, here)
    return names


def _texts(given: object) -> Iterator[str]:
    return (each for each in (given if isinstance(given, list | tuple) else ()) if isinstance(each, str))


def _aliases(
    name: str, each: Mapping[str, Any], seen: dict[str, str], *, taken: Mapping[str, str]
) -> Iterator[Finding]:
    given = each.get("aliases")
    for alias in given if isinstance(given, dict) else ():
        if alias in taken:
            message = f"the alias {shown(alias)} never leads here: [{taken[alias]}] answers to it"
            yield Finding("config.clash", message, ("remotes", name, "aliases", alias), "choose another", "key")
        if alias in seen:
            message = f"the alias {shown(alias)} is already one of [{dotted(('remotes', seen[alias]))}]"
            yield Finding("config.clash", message, ("remotes", name, "aliases", alias), "choose another")
        seen[alias] = name


def _fallbacks(remotes: Mapping[str, Mapping[str, Any]], slots: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    """An upstream that would stand in for itself; whether others exist, the lists of the remotes know."""
    for table, tables in (("slots", slots), ("remotes", remotes)):
        for name, each in tables.items():
            given = each.get("fallback")
            for index, other in enumerate(given if isinstance(given, list | tuple) else ()):
                if other == name or (isinstance(other, str) and table == "remotes" and other.startswith(f"{name}/")):
                    message = f"{shown(name)} cannot stand in for itself"
                    key = (table, name, "fallback", index)
                    yield Finding("config.clash", message, key, "name another slot, model or `remote/model`")
