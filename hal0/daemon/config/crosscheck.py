"""What no single key can tell: names or ports given twice, groups that cannot take turns, defaults that name no slot.

Pure, over the values as they stand in the files, so that it also works while other keys are wrong. Whether a model
exists is not judged here; the registry knows that.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from hal0.daemon.config.document import dotted
from hal0.daemon.config.findings import Finding, nearest, shown
from hal0.daemon.config.positions import Key
from hal0.daemon.config.remotes import remotes
from hal0.daemon.config.request_fields import request_fields
from hal0.daemon.config.schema import EMBEDDED_SLOTS


def crosscheck(tree: Mapping[str, Any], *, server_port: int) -> Iterator[Finding]:
    """Everything that contradicts something else."""
    slots = _tables(tree.get("slots")) or {name: {} for name in EMBEDDED_SLOTS}
    yield from _names_given_twice("slots", "slot", slots)
    yield from _names_given_twice("models", "model", _tables(tree.get("models")))
    yield from _slots_that_hide_models(slots, _tables(tree.get("models")))
    yield from _places_of_models(_tables(tree.get("models")))
    yield from _ports(slots, server_port)
    yield from _groups(slots)
    yield from _range(tree.get("daemon"))
    yield from _tls(tree.get("server"))
    yield from _default_slots(tree.get("dispatch"), slots)
    yield from remotes(tree, slots)
    yield from request_fields("slots", slots)
    yield from request_fields("remotes", _tables(tree.get("remotes")))


def _tables(value: object) -> dict[str, Mapping[str, Any]]:
    return {name: each for name, each in value.items() if isinstance(each, dict)} if isinstance(value, dict) else {}


def _aliases(table: str, name: str, each: Mapping[str, Any]) -> Iterator[tuple[str, Key]]:
    """All its other names; those that put a request into the background are names too."""
    for field in ("aliases", "background") if table == "slots" else ("aliases",):
        aliases = each.get(field)
        for index, alias in enumerate(aliases if isinstance(aliases, list | tuple) else ()):
            if isinstance(alias, str):
                yield alias, (table, name, field, index)


def _names_given_twice(table: str, noun: str, named: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    owners = {name: f"the {noun} [{dotted((table, name))}]" for name in named}
    for name, each in named.items():
        for alias, key in _aliases(table, name, each):
            if alias in owners:
                yield Finding(
                    "config.clash",
                    f"the alias {shown(alias)} is already the name of {owners[alias]}",
                    key,
                    "choose another",
                )
            else:
                owners[alias] = f"the {noun} [{dotted((table, name))}]"


def _slots_that_hide_models(
    slots: Mapping[str, Mapping[str, Any]], models: Mapping[str, Mapping[str, Any]]
) -> Iterator[Finding]:
    """Clients ask for slots and models by the same field, so a slot must not answer to the name of a foreign model."""
    ids = {name: name for name in models}
    for name, each in models.items():
        ids |= {alias: name for alias, _ in _aliases("models", name, each)}
    for name, slot in slots.items():
        served = ids.get(str(slot.get("model")))
        if name in ids and ids[name] != served:
            message = f"the slot has the name of a model that it does not serve, [{dotted(('models', ids[name]))}]"
            yield Finding("config.clash", message, ("slots", name), "rename one of them", "key")
        for alias, key in _aliases("slots", name, slot):
            if alias in ids and ids[alias] != served:
                message = (
                    f"the alias {shown(alias)} is the name of a model that [{dotted(('slots', name))}] does not serve"
                )
                yield Finding("config.clash", message, key, "choose another")


def _places_of_models(models: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    """A model is in one place."""
    for name, each in models.items():
        key = ("models", name)
        if "path" in each and "url" in each:
            message = "`path` and `url` both say where the model is"
            yield Finding("config.clash", message, (*key, "url"), "leave one of them out", "key")
        elif "path" not in each and "url" not in each:
            hint = 'add `path = "…"`, where its file lies, or `url = "…"`, where it is pulled from'
            yield Finding("config.invalid", f"`path` is missing in [{dotted(key)}]", (*key, "path"), hint, "table")


def _ports(slots: Mapping[str, Mapping[str, Any]], server_port: int) -> Iterator[Finding]:
    taken = {server_port: "[server], the API itself"}
    for name, slot in slots.items():
        port = slot.get("port")
        if not isinstance(port, int) or isinstance(port, bool):
            continue
        if port in taken:
            yield Finding(
                "config.clash",
                f"port {shown(port)} is already the port of {taken[port]}",
                ("slots", name, "port"),
                "choose another, or leave it out and hal0 chooses",
            )
        else:
            taken[port] = f"[{dotted(('slots', name))}]"


def _groups(slots: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    """Keys of turns without turns, and a pinned slot that would keep others of its group from ever running."""
    groups: dict[str, list[str]] = {}
    for name, slot in slots.items():
        group, key = slot.get("group"), ("slots", name)
        if isinstance(group, str):
            groups.setdefault(group, []).append(name)
        if slot.get("exclusive") is True and group is None:
            message = "`exclusive` has no effect without a `group`"
            yield Finding("config.invalid", message, (*key, "exclusive"), 'add `group = "gpu0"` or the like', "key")
        if slot.get("restore_after") and slot.get("exclusive") is not True:
            message = "`restore_after` has an effect on exclusive slots only"
            yield Finding("config.invalid", message, (*key, "restore_after"), "add `exclusive = true`", "key")
    for group, names in groups.items():
        for name in names:
            if slots[name].get("pinned") is not True:
                continue
            others = [each for each in names if each != name]
            is_exclusive = slots[name].get("exclusive") is True
            if rivals := [each for each in others if is_exclusive or slots[each].get("exclusive") is True]:
                message = (
                    f"a pinned slot never makes room, so {', '.join(rivals)} of its group {shown(group)} could not run "
                    "while it does"
                )
                yield Finding(
                    "config.clash", message, ("slots", name, "pinned"), "leave out `pinned` or `group`", "key"
                )


def _range(daemon: object) -> Iterator[Finding]:
    ports = daemon.get("ports") if isinstance(daemon, dict) else None
    if not isinstance(ports, list | tuple) or len(ports) != 2 or not all(isinstance(port, int) for port in ports):
        return
    if ports[0] > ports[1]:
        hint = f"for example `ports = [{shown(ports[1])}, {shown(ports[0])}]`"
        yield Finding("config.invalid", "the first port of `daemon.ports` is above the last", ("daemon", "ports"), hint)


def _tls(server: object) -> Iterator[Finding]:
    given = [name for name in ("tls_cert", "tls_key") if isinstance(server, dict) and name in server]
    if len(given) == 1:
        missing = "tls_key" if given == ["tls_cert"] else "tls_cert"
        message = f"`{missing}` is missing in [server]: `{given[0]}` has no effect without it"
        yield Finding("config.invalid", message, ("server", missing), f"add `{missing} = …`", "table")


def _default_slots(dispatch: object, slots: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    """Only defaults that a person wrote; that the built-in ones name no slot is no mistake."""
    for key in ("chat", "embedding", "image"):
        name = dispatch.get(key) if isinstance(dispatch, dict) else None
        if isinstance(name, str) and name not in slots:
            near = nearest(name, list(slots))
            hint = f"did you mean {shown(near)}?" if near else f"the slots: {', '.join(slots)}"
            message = f"`dispatch.{key}` names the slot {shown(name)}, which does not exist"
            yield Finding("config.clash", message, ("dispatch", key), hint, right=shown(near) if near else "")
