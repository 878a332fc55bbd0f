"""The JSON schema of hal0.toml, for editors (taplo, VS Code): completion, descriptions and a first check while typing.

Made from the models in `schema.py`; `docs/hal0.schema.json` is this, and a test fails when it is out of date. The
daemon's own judgement is stricter: it also looks across keys.
"""

from typing import Any

from hal0.daemon.config.expectation import Shape, shape_of_field
from hal0.daemon.config.schema import Settings
from hal0.daemon.config.units import BYTES, SECONDS

DIALECT = "https://json-schema.org/draft/2020-12/schema"
DURATION = "^([0-9.]+ *(" + "|".join(SECONDS) + ") *)+$"
SIZE = "^[0-9.]+ *(" + "|".join(BYTES) + ")$"


def json_schema() -> dict[str, Any]:
    schema = Settings.model_json_schema()
    for name, table in _tables(Shape(Settings)).items():
        properties = schema["properties"] if table is Settings else schema["$defs"][name]["properties"]
        for key, info in table.model_fields.items():
            properties[key] = _as_written(properties[key], shape_of_field(info))
    title = "hal0.toml"
    return {"$schema": DIALECT, "title": title, **{key: value for key, value in schema.items() if key != "title"}}


def _tables(shape: Shape) -> dict[str, Any]:
    """Every table of the schema, by the name of its model."""
    found = {shape.type.__name__: shape.type}
    for info in shape.type.model_fields.values():
        inner = shape_of_field(info)
        for each in (inner, *inner.parts):
            if each.is_table:
                found |= _tables(each)
    extra = shape.type.__annotations__.get("__pydantic_extra__")
    if extra is not None:
        from hal0.daemon.config.schema import Model

        found[Model.__name__] = Model
    return found


def _as_written(prop: dict[str, Any], shape: Shape) -> dict[str, Any]:
    """A key as TOML has it: durations and sizes also as texts, and nothing is ever null."""
    if prop.get("default", 0) is None:
        del prop["default"]
    alternatives = [each for each in prop.pop("anyOf", []) if each != {"type": "null"}]
    if len(alternatives) == 1:
        prop = {**alternatives[0], **prop}
    elif alternatives:
        prop["anyOf"] = alternatives
    prop = {name: value for name, value in prop.items() if name not in ("title", "ge", "le")}
    if "patternProperties" in prop:
        prop["additionalProperties"] = False  # a name that does not fit is a mistake
    text = {"seconds": DURATION, "bytes": SIZE}.get(shape.unit)
    if text is not None:
        bounds = {name: prop.pop(name) for name in ("minimum", "maximum", "exclusiveMinimum") if name in prop}
        bounds.setdefault("minimum", shape.low or 0)
        prop["anyOf"] = [{"type": prop.pop("type"), **bounds}, {"type": "string", "pattern": text}]
        if shape.word_for_none:
            prop["anyOf"].append({"const": shape.word_for_none})
    elif shape.type is tuple and shape.like and shape.like != "pair":
        listed = {name: prop.pop(name) for name in ("type", "items", "minItems") if name in prop}
        prop["anyOf"] = [listed, {"type": "string", "minLength": 1}]
    return prop
