"""docs/hal0.schema.json is what the schema says, and takes what the daemon takes."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from hal0.daemon.config.json_schema import json_schema
from hal0.daemon.config.schema import Slot
from scripts.config_schema import FILE, text

ROOT = Path(__file__).resolve().parent.parent.parent.parent
VALIDATOR = Draft202012Validator(json_schema())


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


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(json_schema())


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
OF_THE_DASHBOARD = "keys.md"  # its example is of tui.toml


@pytest.mark.parametrize("page", [each for each in PAGES if each.name != OF_THE_DASHBOARD], ids=lambda page: page.name)
def test_the_configurations_in_pages_fit_it(page: Path) -> None:
    for example in re.findall(r"^```toml\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        VALIDATOR.validate(tomllib.loads(example))


MISTAKES = {
    "an unknown table": "[sevrer]\n",
    "an unknown key": "[server]\nprot = 1\n",
    "an unknown key of a slot": "[slots.a]\nmodle = 'x'\n",
    "another type": "[server]\nport = 'many'\n",
    "out of range": "[server]\nport = 99999\n",
    "not a duration": "[slots.a]\nmodel = 'x'\nidle_after = 'soon'\n",
    "not a size": "[server]\nbody_limit = '3 apples'\n",
    "not one of the words": "[daemon]\nlog_level = 'loud'\n",
    "no name of a slot": "[slots.A]\nmodel = 'x'\n",
    "no checksum": "[models.m]\npath = '/m'\nsha256 = 'x'\n",
}


@pytest.mark.parametrize("name", MISTAKES)
def test_an_editor_marks_what_is_wrong_by_itself(name: str) -> None:
    assert not VALIDATOR.is_valid(tomllib.loads(MISTAKES[name]))
