"""Graphs of ComfyUI with named parameters: those of the curated models, beside this module, and a person's own.

A graph is what ComfyUI's `Export (API)` writes: nodes by id, each with its `class_type` and `inputs`. Where an input is
the text `${steps}`, the request's value stands when the graph is run, as a number where it is one; `${steps:20}` has a
default of its own. Inside of a longer text it is put in as text. Pure but for `read`.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hal0.regular import open_regular

FOLDER = Path(__file__).resolve().parent
FILE_BYTES = 4 * 2**20

Graph = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One name that a graph can have values for."""

    about: str
    type: type[int] | type[float] | type[str]
    default: Any = None  # where neither the request nor the graph says one; None: there is always a value


PARAMETERS: Mapping[str, Parameter] = MappingProxyType(
    {
        "prompt": Parameter("what the picture shows", str),
        "negative_prompt": Parameter("what it shall not show", str, ""),
        "seed": Parameter("the number it begins with, a new one for each picture unless the request has one", int),
        "width": Parameter("pixels, from `size`", int, 1024),
        "height": Parameter("pixels, from `size`", int, 1024),
        "steps": Parameter("steps of the sampler", int, 20),
        "cfg": Parameter("how strictly it follows the prompt", float, 7.0),
        "checkpoint": Parameter("the file of the slot's model, by its name in ComfyUI", str),
        "model": Parameter("the slot's model, by its name in hal0", str),
    }
)
_PLACE = re.compile(r"\$\{([A-Za-z_]+)(?::([^{}]*))?\}")


class WorkflowInvalid(ValueError):  # noqa: N818 - it says what the file is
    """This is no graph that could be run; the text says why."""


@dataclass(frozen=True, slots=True)
class Curated:
    """A model whose graph ships with hal0."""

    name: str  # as in the catalogue
    graph: str  # the file beside this module
    checkpoints: tuple[str, ...]  # names under which its file is found in ComfyUI, the catalogue's first

    @property
    def path(self) -> Path:
        return FOLDER / self.graph


CURATED: Mapping[str, Curated] = MappingProxyType(
    {
        each.name: each
        for each in (
            Curated(
                "sd-1.5-pruned-emaonly",
                "sd-1.5.json",
                (
                    "v1-5-pruned-emaonly.safetensors",
                    "v1-5-pruned-emaonly-fp16.safetensors",
                    "v1-5-pruned-emaonly.ckpt",
                ),
            ),
            Curated(
                "sdxl-turbo", "sdxl-turbo.json", ("sd_xl_turbo_1.0_fp16.safetensors", "sd_xl_turbo_1.0.safetensors")
            ),
            Curated("flux-schnell", "flux-schnell.json", ("flux1-schnell-fp8.safetensors",)),
        )
    }
)


@dataclass(frozen=True, slots=True)
class Place:
    """An input of a node that is a parameter."""

    node: str
    input: str


@dataclass(frozen=True, slots=True)
class Workflow:
    """A graph whose parameters are known."""

    graph: Mapping[str, Mapping[str, Any]]
    places: Mapping[Place, frozenset[str]]

    @property
    def parameters(self) -> frozenset[str]:
        return frozenset(name for names in self.places.values() for name in names)

    def filled(self, values: Mapping[str, Any]) -> Graph:
        """The graph with these values; a parameter that has none gets its default."""
        return {
            id: {**node, "inputs": {name: _filled(value, values) for name, value in node["inputs"].items()}}
            for id, node in self.graph.items()
        }


def read(path: Path) -> Workflow:
    """The workflow in a file; raises WorkflowInvalid, also if the file cannot be read."""
    try:
        with open_regular(path) as file:
            raw = file.read(FILE_BYTES + 1)
    except OSError as error:
        raise WorkflowInvalid(error.strerror or str(error)) from error
    if len(raw) > FILE_BYTES:
        raise WorkflowInvalid(f"it is longer than {FILE_BYTES} bytes")
    return parse(raw)


def parse(raw: bytes) -> Workflow:
    """The workflow in a text; raises WorkflowInvalid."""
    try:
        graph = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise WorkflowInvalid(f"it is not JSON: {error}") from error
    if not isinstance(graph, dict) or not graph:
        raise WorkflowInvalid("it holds no nodes")
    if isinstance(graph.get("nodes"), list):
        raise WorkflowInvalid("it was saved for ComfyUI's editor; there, choose Export (API), and take that file")
    for id, node in graph.items():
        if not isinstance(node, dict) or not isinstance(node.get("class_type"), str):
            raise WorkflowInvalid(f"node {id!r} has no class_type")
        if not isinstance(node.get("inputs"), dict):
            raise WorkflowInvalid(f"node {id!r} has no inputs")
    places = dict(_places(graph))
    if not any("prompt" in names for names in places.values()):
        raise WorkflowInvalid("no input of a node is ${prompt}, so it would draw the same whatever is asked for")
    return Workflow(graph, places)


def _places(graph: Graph) -> Iterator[tuple[Place, frozenset[str]]]:
    for id, node in graph.items():
        for name, value in node["inputs"].items():
            if not isinstance(value, str):
                continue
            found = list(_PLACE.finditer(value))
            for match in found:
                _check(match, f"{name} of node {id!r}")
            if found:
                yield Place(id, name), frozenset(match[1] for match in found)


def _check(match: re.Match[str], where: str) -> None:
    parameter = PARAMETERS.get(match[1])
    if parameter is None:
        known = ", ".join(f"${{{name}}}" for name in PARAMETERS)
        raise WorkflowInvalid(f"{where}: there is no ${{{match[1]}}}; the parameters are {known}")
    try:
        parameter.type(match[2] or 0)
    except ValueError as error:
        raise WorkflowInvalid(f"{where}: the default of ${{{match[1]}}} is not a number") from error


def _filled(value: Any, values: Mapping[str, Any]) -> Any:
    if not isinstance(value, str):
        return value
    whole = _PLACE.fullmatch(value)
    return _value(whole, values) if whole else _PLACE.sub(lambda match: str(_value(match, values)), value)


def _value(match: re.Match[str], values: Mapping[str, Any]) -> Any:
    parameter = PARAMETERS[match[1]]
    if (given := values.get(match[1])) is not None:
        return parameter.type(given)
    return parameter.default if match[2] is None else parameter.type(match[2])
