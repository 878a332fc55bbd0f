"""docs/hal0.schema.json is what the schema says, and takes what the daemon takes."""

from typing import Any

from hal0.daemon.config.json_schema import json_schema
from hal0.daemon.config.schema import Slot
from scripts.config_schema import FILE, text


def test_the_file_is_current() -> None:
    assert FILE.read_text(encoding="utf-8") == text(), "run `python -m scripts.config_schema`"


def test_every_key_has_a_sentence_and_nothing_is_null() -> None:
    schema = json_schema()
    keys: dict[str, Any] = schema["$defs"]["Slot"]["properties"]
    assert list(keys) == list(Slot.model_fields)
    tables = [schema, *schema["$defs"].values()]
    for name, key in ((name, key) for table in tables for name, key in table["properties"].items()):
        assert "null" not in str(key), name
        assert "description" in key or "$ref" in key, name


def test_durations_and_sizes_are_numbers_or_texts() -> None:
    tables = json_schema()["$defs"]
    assert {each["type"] for each in tables["Slot"]["properties"]["idle_after"]["anyOf"]} == {"number", "string"}
    assert {each["type"] for each in tables["Server"]["properties"]["body_limit"]["anyOf"]} == {"integer", "string"}
