"""Whether a graph could run on a ComfyUI, told without running it, from what that knows of its nodes. Pure.

ComfyUI itself judges a graph only when it is queued, and then runs it. So a graph is compared with `/object_info` when
the slot starts; what is found is told in the words that ComfyUI has for it.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hal0.workflows import CURATED, Place, Workflow

CHECKPOINT_NODES = ("CheckpointLoaderSimple", "CheckpointLoader")
MOST_SHOWN = 20  # values of a list, beyond which ComfyUI does not show them either

NodeErrors = dict[str, dict[str, Any]]
Nodes = Mapping[str, Any]


def node_errors(graph: Mapping[str, Mapping[str, Any]], nodes: Nodes) -> NodeErrors:
    """What is wrong with it, by the id of the node; empty if nothing is."""
    found: NodeErrors = {}
    for id, node in graph.items():
        errors = list(_errors(node, graph, nodes))
        if errors:
            found[id] = {"errors": errors, "dependent_outputs": [], "class_type": node["class_type"]}
    known = [nodes[node["class_type"]] for node in graph.values() if node["class_type"] in nodes]
    if not found and not any(each.get("output_node") for each in known):
        error = {"type": "prompt_no_outputs", "message": "Prompt has no outputs", "details": "", "extra_info": {}}
        id = next(iter(graph))
        found[id] = {"errors": [error], "dependent_outputs": [], "class_type": graph[id]["class_type"]}
    return found


def checkpoint_of(model: str, nodes: Nodes) -> str:
    """The name that the model's file has in this ComfyUI, whatever its folder; if it is missing, its proper one."""
    curated = CURATED.get(model)
    if curated is None:
        return model
    there = [name for node in CHECKPOINT_NODES for name in _checkpoints(nodes.get(node))]
    for wanted in curated.checkpoints:
        for name in there:
            if name.replace("\\", "/").rpartition("/")[2] == wanted:
                return name
    return curated.checkpoints[0]


def sentence(errors: Mapping[str, Any], error: Mapping[str, Any] | None = None) -> str:
    """The first thing that is wrong, for people. `error` is what ComfyUI says of the graph as a whole."""
    for id, entry in errors.items():
        for each in entry.get("errors", ()) if isinstance(entry, dict) else ():
            what = ": ".join(str(each[key]) for key in ("message", "details") if each.get(key))
            return f"node {id} ({entry.get('class_type')}): {what}"
    told = error or {}
    return ": ".join(str(told[key]) for key in ("message", "details") if told.get(key)) or "ComfyUI does not take it"


def asked_for(errors: Mapping[str, Any], workflow: Workflow, given: frozenset[str]) -> str | None:
    """The field of the request that alone is at fault; None if the graph is, or anything else."""
    fields: set[str] = set()
    for id, entry in errors.items():
        for each in entry.get("errors", ()):
            place = Place(id, str((each.get("extra_info") or {}).get("input_name")))
            names = workflow.places.get(place, frozenset()) & given
            if not names:
                return None
            fields |= names
    return min(fields) if len(fields) == 1 else None


def _errors(node: Mapping[str, Any], graph: Mapping[str, Mapping[str, Any]], nodes: Nodes) -> Iterator[dict[str, Any]]:
    known = nodes.get(node["class_type"])
    if known is None:
        message = f"Node '{node['class_type']}' not found. The custom node may not be installed."
        yield {"type": "missing_node_type", "message": message, "details": "", "extra_info": {}}
        return
    inputs = known.get("input", {})
    for name, spec in inputs.get("required", {}).items():
        if name not in node["inputs"]:
            yield _error("required_input_missing", "Required input is missing", name, name)
        else:
            yield from _input_errors(name, node["inputs"][name], spec, graph, nodes)
    for name, spec in (inputs.get("optional") or {}).items():
        if name in node["inputs"]:
            yield from _input_errors(name, node["inputs"][name], spec, graph, nodes)


def _input_errors(
    name: str, value: Any, spec: Sequence[Any], graph: Mapping[str, Mapping[str, Any]], nodes: Nodes
) -> Iterator[dict[str, Any]]:
    options = spec[1] if len(spec) > 1 and isinstance(spec[1], dict) else {}
    if isinstance(value, list):
        yield from _link_errors(name, value, spec[0], graph, nodes)
    elif (listed := _choices(spec)) is not None:
        if value not in listed and not options.get("remote_combo") and not options.get("multiselect"):
            shown = str(listed) if len(listed) <= MOST_SHOWN else f"(list of length {len(listed)})"
            yield _error("value_not_in_list", "Value not in list", f"{name}: {value!r} not in {shown}", name, value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        low, high = options.get("min"), options.get("max")
        if low is not None and value < low:
            yield _error("value_smaller_than_min", f"Value {value} smaller than min of {low}", name, name, value)
        elif high is not None and value > high:
            yield _error("value_bigger_than_max", f"Value {value} bigger than max of {high}", name, name, value)


def _link_errors(
    name: str, link: list[Any], wanted: Any, graph: Mapping[str, Mapping[str, Any]], nodes: Nodes
) -> Iterator[dict[str, Any]]:
    source = graph.get(str(link[0])) if len(link) == 2 else None
    if source is None or not isinstance(link[1], int):
        message = "Bad linked input, must be a length-2 list of [node_id, slot_index]"
        yield _error("bad_linked_input", message, name, name, link)
        return
    outputs = nodes.get(source["class_type"], {}).get("output")
    if outputs is None:  # told of that node already
        return
    given = outputs[link[1]] if 0 <= link[1] < len(outputs) else None
    # Types can be several in one text, "*" is any of them, and a list stands for one of its values.
    if given is None or (isinstance(wanted, str) and isinstance(given, str) and not _fits(given, wanted)):
        details = f"{name}, received_type({given}) mismatch input_type({wanted})"
        yield _error("return_type_mismatch", "Return type mismatch between linked nodes", details, name)


def _fits(given: str, wanted: str) -> bool:
    return (
        "*" in (given, wanted) or not set(given.split(",")).isdisjoint(wanted.split(",")) or wanted.startswith("COMFY_")
    )


def _choices(spec: Sequence[Any]) -> list[Any] | None:
    """The values that it may have; None if it is not one of a list. Releases differ in how they say it."""
    if isinstance(spec[0], list):
        return spec[0]
    if spec[0] == "COMBO" and len(spec) > 1 and isinstance(spec[1], dict):
        return list(spec[1].get("options") or ())
    return None


def _checkpoints(node: Mapping[str, Any] | None) -> list[str]:
    spec = ((node or {}).get("input", {}).get("required") or {}).get("ckpt_name")
    return [str(name) for name in _choices(spec) or ()] if spec else []


def _error(type: str, message: str, details: str, name: str, *value: Any) -> dict[str, Any]:
    info: dict[str, Any] = {"input_name": name, **({"received_value": value[0]} if value else {})}
    return {"type": type, "message": message, "details": details, "extra_info": info}
