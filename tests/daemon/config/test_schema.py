"""Every table and key explains itself, and every key can be written in the file and has its place in the diff."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic.fields import FieldInfo

from hal0.daemon.config.backends import EFFECTIVE
from hal0.daemon.config.expectation import Shape, as_toml, shape_of_field, words_for
from hal0.daemon.config.file import judge
from hal0.daemon.config.schema import Model, Models, Remote, Settings, Slot, Table
from hal0.daemon.config.snapshot import compare

TABLES: dict[str, type[Table]] = {
    name: shape.type for name, info in Settings.model_fields.items() if (shape := shape_of_field(info)).is_table
}
TABLES |= {"models.m": Model, "slots.s": Slot, "remotes.r": Remote}
FIELDS = [(table, name, info) for table, model in TABLES.items() for name, info in model.model_fields.items()]
IDS = [f"{table}.{name}" for table, name, _ in FIELDS]
NEEDED = {
    "models.m": 'path = "/m"\n',
    "slots.s": 'model = "m"\n',
    "remotes.r": 'url = "https://y.lan/v1"\n',
}
A_URL = 'url = "https://y.lan/m.gguf"\n'
A_COMFYUI = 'provider = "comfyui"\nmodel = "sdxl-turbo"\nurl = "http://a.lan"\n'
A_COMMAND = 'provider = "command"\ncommand = ["serve", "${port}"]\n'


FILES = ("tls_cert", "tls_key")  # must be there and fit each other; the tests of TLS have such


def needed(table: str, name: str) -> str:
    """What a table must have so that this key of it counts."""
    if table == "slots.s" and EFFECTIVE.get(name) == ("comfyui",):
        return A_COMFYUI
    if table == "slots.s" and "command" in EFFECTIVE.get(name, ()) and "llama" not in EFFECTIVE[name]:
        return A_COMMAND
    if table == "slots.s" and "kokoro" in EFFECTIVE.get(name, ()) and "llama" not in EFFECTIVE[name]:
        return 'provider = "kokoro"\nmodel = "m"\n'
    if table == "slots.s" and name in ("exclusive", "restore_after"):
        return NEEDED[table] + 'group = "g"\n' + ("exclusive = true\n" if name == "restore_after" else "")
    if table == "models.m" and name == "url":
        return A_URL
    return NEEDED.get(table, "")


def numbers_in(shape: Shape) -> Iterator[Shape]:
    if shape.type in (int, float):
        yield shape
    for part in shape.parts:
        yield from numbers_in(part)


@pytest.mark.parametrize("table", TABLES)
def test_every_table_has_a_sentence(table: str) -> None:
    assert (TABLES[table].__doc__ or "").endswith(".")


@pytest.mark.parametrize(("table", "name", "info"), FIELDS, ids=IDS)
def test_every_key_has_a_sentence_a_unit_and_a_default(table: str, name: str, info: FieldInfo) -> None:
    assert info.description, "a sentence"
    assert info.description[0].isupper()
    assert info.description.endswith(".")
    shape = shape_of_field(info)
    for number in numbers_in(shape):
        assert number.unit, "a unit"
    if shape.type is int:
        assert shape.low is not None
        assert shape.high is not None
    assert words_for(shape)
    assert not info.is_required()


def another(info: FieldInfo) -> str:
    """A value that is not the default, as TOML."""
    shape = shape_of_field(info)
    default = None if info.is_required() else info.get_default(call_default_factory=True)
    for value in _values(shape):
        if value != as_toml(default, shape.unit):
            return value
    raise AssertionError("no other value")


def _values(shape: Shape) -> Iterator[str]:
    if shape.type is bool:
        yield from ("true", "false")
    elif shape.type in (int, float):
        few = min(17, int(shape.high or 17))
        yield f"{int(max(shape.low or 0, shape.above or 0)) + 1 + 1024}" if shape.unit == "bytes" else f"{few}"
    elif shape.like.startswith("a command line"):
        yield '"serve --port ${port} --quiet"'
    elif shape.like.startswith("a URL"):
        yield '"http://b.lan"'
    elif shape.like.startswith("a path"):
        yield '"/other"'
    elif shape.type is tuple and shape.parts[0].like.startswith('"chat"'):
        yield '["chat"]'
    elif shape.like.startswith(("an address", "a URL")):
        yield '"https://x.lan/m.gguf"'
    elif shape.type is str:
        yield f'"{"0" * 64}"' if "hex" in shape.like else '"other"'
    elif shape.parts and shape.like == "pair":
        yield "[9000, 9001]"
    elif shape.type is tuple:
        yield (
            "[1]" if shape.parts[0].type is int else '["https://x.lan"]' if "origin" in shape.parts[0].like else '["x"]'
        )
    elif shape.parts:
        yield "{ A = { input = 1 } }" if shape.parts[1].is_table else '{ A = "1" }'
    else:
        yield from shape.like.split(" or ")


@pytest.mark.parametrize(
    ("table", "name", "info"),
    [field for field in FIELDS if field[1] not in FILES],
    ids=[id for id, field in zip(IDS, FIELDS, strict=True) if field[1] not in FILES],
)
def test_every_key_can_be_written_and_shows_in_the_diff(tmp_path: Path, table: str, name: str, info: FieldInfo) -> None:
    path = tmp_path / "hal0.toml"
    path.write_text(f"[{table}]\n" + needed(table, name))
    before = judge(path, env={}).settings
    line = f"{name} = {another(info)}\n"
    rest = "".join(each for each in needed(table, name).splitlines(True) if not each.startswith(f"{name} = "))
    extra = '[slots.other]\nmodel = "m"\n' if table == "dispatch" else ""
    path.write_text(f"[{table}]\n{rest}{line}{extra}")
    judgement = judge(path, env={})
    assert judgement.settings is not None, judgement.problems
    assert before is not None
    keys = compare(before, judgement.settings).keys
    assert any(key == f"{table}.{name}" or key.startswith(f"{table}.{name}.") for key in keys), keys


def test_a_model_may_be_called_like_anything_but_a_key_of_models() -> None:
    models = Models.model_validate({"folders": (), "files": {"path": "/f"}})
    assert models.files["files"].path == "/f"
