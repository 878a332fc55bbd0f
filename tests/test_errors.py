import re
from pathlib import Path

import pytest

from hal0.errors import CATALOGUE, ErrorSpec, Hal0Error, did_you_mean, fill

SOURCES = {path: path.read_text() for path in (Path(__file__).parent.parent / "hal0").rglob("*.py")}
CODE = re.compile(r'(?:Hal0Error\(\s*|code=)"([a-z]+\.[a-z0-9_]+)"')


@pytest.mark.parametrize("spec", CATALOGUE.values(), ids=lambda spec: spec.code)
def test_every_entry_is_whole(spec: ErrorSpec) -> None:
    assert re.fullmatch(r"(slot|model|dispatch|config|system)\.[a-z][a-z0-9_]+", spec.code)
    assert 400 <= spec.status <= 599
    for sentence in (spec.cause, spec.remedy):
        assert sentence.endswith((".", "}")), sentence
    assert not spec.message.endswith(".")


def test_every_code_in_the_source_is_in_the_catalogue() -> None:
    used = {code for text in SOURCES.values() for code in CODE.findall(text)}
    assert len(used) > 20
    assert used <= set(CATALOGUE)


@pytest.mark.parametrize("code", CATALOGUE)
def test_every_code_is_raised_somewhere(code: str) -> None:
    assert any(f'"{code}"' in text for path, text in SOURCES.items() if path.name != "errors.py")


def test_the_envelope_has_what_openai_clients_read() -> None:
    error = Hal0Error("slot.not_ready", param="model", slot="primary", state="warming")
    assert error.envelope() == {
        "error": {
            "code": "slot.not_ready",
            "message": "primary is still warming",
            "details": {"slot": "primary", "state": "warming"},
            "type": "server_error",
            "param": "model",
        }
    }


def test_an_error_survives_the_wire() -> None:
    error = Hal0Error("slot.crashed", slot="primary", reason="exit status 1")
    copy = Hal0Error.from_envelope(error.envelope())
    assert copy is not None
    assert (copy.code, copy.message, copy.remedy) == (error.code, error.message, error.remedy)


@pytest.mark.parametrize("answer", [None, [], {}, {"error": "x"}, {"error": {"code": "no.such"}}, {"error": {}}])
def test_what_is_no_envelope_is_none(answer: object) -> None:
    assert Hal0Error.from_envelope(answer) is None


def test_a_missing_fact_never_hides_an_error() -> None:
    assert fill("{slot} is {state}", {"slot": "a"}) == "a is <state>"
    assert fill("{seconds:g} s", {"seconds": "long"}) == "{seconds:g} s"


def test_the_nearest_name_is_offered() -> None:
    assert did_you_mean("primry", ["primary", "embed"]) == "; did you mean 'primary'?"
    assert did_you_mean("xyz", ["primary"]) == ""


@pytest.mark.parametrize("code", [["a"], {}, 5, None])
def test_an_envelope_with_a_code_of_another_type_is_none(code: object) -> None:
    assert Hal0Error.from_envelope({"error": {"code": code, "message": "boom"}}) is None
