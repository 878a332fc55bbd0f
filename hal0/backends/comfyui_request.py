"""What a request for images means for a graph: the values of its parameters, and what cannot be had. Pure.

The daemon has checked types and ranges of the fields it knows; here is what depends on the workflow.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hal0.backends.ignored import without_effect
from hal0.errors import Hal0Error
from hal0.workflows import Workflow

SEED_BITS = 48  # of a fresh one: whole numbers that every JSON reader keeps exactly
SEEDS = 2**64  # what ComfyUI's samplers take
# Fields that a workflow honours only if it has such a parameter.
OWN_FIELDS = ("negative_prompt", "seed", "steps", "cfg")
HEEDED = {*OWN_FIELDS, "prompt", "model", "n", "size", "response_format"}
# Heeded as well: what they ask for beyond this is refused.
REFUSED = {"stream", "output_format", "background"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """One request, as far as its pictures depend on it."""

    values: Mapping[str, Any]  # of parameters, by name; without the seed
    given: frozenset[str]  # the parameters that the request itself has values for
    n: int
    seed: int  # of the first picture; each further one has the next
    as_url: bool
    ignored: tuple[str, ...] = ()  # fields that have no effect

    def for_picture(self, index: int) -> dict[str, Any]:
        return {**self.values, "seed": self.seed_of(index)}

    def seed_of(self, index: int) -> int:
        return (self.seed + index) % SEEDS


def read(body: Mapping[str, Any], workflow: Workflow, *, model: str) -> Wanted:
    """Raises `dispatch.unsupported` or `dispatch.invalid_request` for what would be without effect."""
    _refuse_unsupported(body)
    parameters = workflow.parameters
    values: dict[str, Any] = {"prompt": body["prompt"], "model": model}
    given = {"prompt"}
    for name in OWN_FIELDS:
        if body.get(name) is not None:
            _must_have(name, name, parameters)
            values[name] = body[name]
            given.add(name)
    size = body.get("size")
    if size not in (None, "auto"):
        _must_have("width", "size", parameters)
        _must_have("height", "size", parameters)
        values["width"], values["height"] = map(int, size.split("x"))
        given |= {"width", "height"}
    n = body.get("n") or 1
    if n > 1 and "seed" not in parameters:
        _without("n", "${seed}", "so all its pictures would be the same")
    seed = secrets.randbits(SEED_BITS) if body.get("seed") is None else body["seed"]
    return Wanted(
        values,
        frozenset(given),
        n,
        seed,
        as_url=body.get("response_format") != "b64_json",
        ignored=without_effect(body, heeded=HEEDED | REFUSED),
    )


def _refuse_unsupported(body: Mapping[str, Any]) -> None:
    if body.get("stream"):
        raise Hal0Error("dispatch.unsupported", param="stream", field="stream", what="a picture in parts")
    if (form := body.get("output_format")) not in (None, "png"):
        raise Hal0Error("dispatch.unsupported", param="output_format", field="output_format", what=f"{form!r}")
    if body.get("background") == "transparent":
        raise Hal0Error("dispatch.unsupported", param="background", field="background", what="'transparent'")


def _must_have(parameter: str, field: str, parameters: frozenset[str]) -> None:
    if parameter not in parameters:
        _without(field, f"${{{parameter}}}", "so this would have no effect")


def _without(field: str, parameter: str, consequence: str) -> None:
    reason = f"the slot's workflow has no {parameter}, {consequence}"
    raise Hal0Error("dispatch.invalid_request", param=field, field=field, reason=reason)
