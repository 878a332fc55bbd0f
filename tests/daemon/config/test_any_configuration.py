"""Any valid configuration that is written is read back equal, and the comments of the file stay.

The values come from the JSON schema, so a new key takes part without being named here.
"""

import re
import tomllib
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from hal0.daemon.config.backends import EFFECTIVE
from hal0.daemon.config.edits import Edit
from hal0.daemon.config.file import judge_sources
from hal0.daemon.config.json_schema import DURATION, SIZE, json_schema
from hal0.daemon.config.proposals import with_edits
from hal0.daemon.config.schema import Settings
from hal0.daemon.config.sources import Source, Sources

MAIN = Path("/nowhere/hal0.toml")
BASE = """\
# 1 The box in the cellar.

[server]   # 2
# 3 As the firewall has it.
port = 9000 # 4

# 5 For everybody.
[slots.a]
model = "m"   # 6 small
args = [
  "--flash-attn",  # 7 faster
]

[remotes.r]   # 8
kind = "openrouter"
# 9 The end.
"""
DROP_IN = """\
# 10 A program of somebody's.
[slots.b]
provider = "command" # 11
command = ["serve", "--port", "${port}", "--context", "${ctx}"]
# 12 In a file of its own.
"""
BESIDE = Path("/nowhere/hal0.d/b.toml")
PROVIDERS = {"a": "llama", "b": "command"}
NAMED = {"slots": ["a", "b"], "remotes": ["r"]}
COMMENTS = [f"# {number}" for number in range(1, 13)]
SCHEMA = json_schema()
VALIDATOR = Draft202012Validator(SCHEMA)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0$~"), min_size=1, max_size=12)
# What only goes together with other keys is chosen by the tests of those.
TIED = {
    "server.tls_cert",
    "server.tls_key",
    "dispatch.chat",
    "dispatch.embedding",
    "daemon.ports",
    "slots.provider",
    "slots.command",
    "remotes.kind",
}


def values(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values as the JSON schema describes them."""
    if "$ref" in schema:
        return values(SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]])
    if "anyOf" in schema:
        return st.one_of(*map(values, schema["anyOf"]))
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema.get("type"):
        case "boolean":
            return st.booleans()
        case "integer":
            return st.integers(schema["minimum"], schema.get("maximum", 2**30))
        case "number":
            least = schema.get("minimum", schema.get("exclusiveMinimum", 0))
            return st.integers(least + 1, 1000) | st.floats(least + 0.5, 1e6)
        case "string" if schema.get("pattern") == DURATION:
            return st.sampled_from(["30s", "1h30m", "7d", "2.5m"])
        case "string" if schema.get("pattern") == SIZE:
            return st.sampled_from(["64MiB", "8GiB", "10MB"])
        case "string" if "pattern" in schema:
            return st.from_regex(schema["pattern"].removesuffix("$") + r"\Z")
        case "string":
            return TEXTS
        case "array":
            least = schema.get("minItems", 0)
            return st.lists(
                values(schema.get("items", {"type": "number"})), min_size=least, max_size=least + 2, unique_by=repr
            )
        case "object" if "properties" in schema:
            return st.fixed_dictionaries({name: values(each) for name, each in schema["properties"].items()})
        case "object" if "patternProperties" not in schema:
            return st.dictionaries(st.sampled_from(["a", "b"]), st.integers(), max_size=2)
        case "object":
            ((names, each),) = schema["patternProperties"].items()
            return st.dictionaries(st.from_regex(names.removesuffix("$") + r"\Z"), values(each), max_size=2)
    raise AssertionError(f"a schema of a new kind: {schema}")


def keys() -> dict[tuple[str, ...], st.SearchStrategy[Any]]:
    """Each key of the schema, of two slots and a model as well."""
    found = {}
    for table, holder in SCHEMA["properties"].items():
        paths: list[tuple[str, ...]] = [(table, name) for name in NAMED.get(table, ())] or [(table,)]
        reference = holder.get("$ref") or next(iter(holder["patternProperties"].values()))["$ref"]
        definition = reference.rpartition("/")[2]
        for key, schema in SCHEMA["$defs"][definition]["properties"].items():
            for path in paths if f"{table}.{key}" not in TIED else ():
                provider = PROVIDERS[path[1]] if table == "slots" else ""
                if provider in EFFECTIVE.get(key, (provider,)) or table != "slots":
                    found[*path, key] = values(schema)
    for key, schema in SCHEMA["$defs"]["Model"]["properties"].items():
        found["models", "some/Model:Q4", key] = values(schema)
    return found


KEYS = keys()


def as_read(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: as_read(each) for name, each in value.items()}
    return tuple(map(as_read, value)) if isinstance(value, list) else value


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), chosen=st.lists(st.sampled_from(list(KEYS)), min_size=1, max_size=8, unique=True))
def test_any_configuration_that_is_written_is_read_back_equal_with_its_comments(
    data: st.DataObject, chosen: list[tuple[str, ...]]
) -> None:
    if any(key[0] == "models" and len(key) == 3 for key in chosen):
        chosen = [*chosen, ("models", "some/Model:Q4", "path")]
    wanted = {key: data.draw(KEYS[key], label=".".join(key)) for key in chosen}
    tree = tomllib.loads(BASE)
    tree["slots"] |= tomllib.loads(DROP_IN)["slots"]
    for (*way, last), value in wanted.items():
        table = tree
        for name in way:
            table = table.setdefault(name, {})
        table[last] = value
    try:
        expected = Settings.model_validate(as_read(tree), context={"folder": MAIN.parent})
    except ValueError:
        assume(False)
    before = Sources((Source(MAIN, BASE.encode()), Source(BESIDE, DROP_IN.encode())), (), True)
    after = with_edits([Edit(key, value) for key, value in wanted.items()])(before, MAIN)
    judged = judge_sources(MAIN, after, env={})
    if judged.settings is None:  # keys that contradict one another, which is not what this is about
        assert all(problem.code in ("config.clash", "config.invalid") for problem in judged.problems)
        assume(False)
    assert judged.settings == expected
    VALIDATOR.validate(tree)
    assert [source.path for source in after.files] == [MAIN, BESIDE]
    assert (b"[slots.b]" in after.files[0].raw) is False, "a table stays in its file"
    text = "".join(source.raw.decode() for source in after.files)
    gone = {"# 7"} if ("slots", "a", "args") in wanted else set()  # inside of the value that was replaced
    left = iter(re.findall(r"# \d+\b", text))
    assert all(comment in left for comment in COMMENTS if comment not in gone), "each, in its order"
