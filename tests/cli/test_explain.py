"""`hal0 explain`: every code has its entry, without a daemon."""

import json

import pytest

from hal0.errors import CATALOGUE
from tests.cli.conftest import Run


def test_a_code_is_explained_with_cause_and_remedy(hal0: Run) -> None:
    ended = hal0("explain", "slot.crashed")
    assert ended.status == 0
    spec = CATALOGUE["slot.crashed"]
    words = " ".join(ended.out.split())
    assert "slot.crashed HTTP 502, server_error, worth retrying" in words
    assert spec.cause in words
    assert "<slot>" in words
    assert "{" not in words


def test_the_last_part_of_a_code_is_enough(hal0: Run) -> None:
    assert hal0("explain", "crash_looping").out == hal0("explain", "slot.crash_looping").out


def test_a_namespace_lists_its_codes(hal0: Run) -> None:
    lines = hal0("explain", "model.").out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == [code for code in CATALOGUE if code.startswith("model.")]


def test_all_lists_every_code(hal0: Run) -> None:
    assert [entry["code"] for entry in json.loads(hal0("explain", "--all", "--json").out)] == list(CATALOGUE)
    assert len(hal0("explain", "--all").out.splitlines()) == 1 + len(CATALOGUE)


@pytest.mark.parametrize(("given", "nearest"), [("slot.crashd", "slot.crashed"), ("no_rout", "no_route")])
def test_an_unknown_code_names_the_nearest(hal0: Run, given: str, nearest: str) -> None:
    ended = hal0("explain", given)
    assert ended.status == 1
    assert ended.err.startswith(
        f"error: system.unknown_code: there is no error code {given!r}; did you mean {nearest!r}?"
    )


@pytest.mark.parametrize("words", [(), ("slot.crashed", "--all")])
def test_neither_and_both_are_wrong_usage(hal0: Run, words: tuple[str, ...]) -> None:
    assert hal0("explain", *words).status == 2


@pytest.mark.parametrize("code", CATALOGUE)
def test_every_entry_has_a_cause_and_a_remedy(code: str) -> None:
    spec = CATALOGUE[code]
    assert spec.cause.endswith(".")
    assert spec.remedy
    assert spec.namespace in {"slot", "model", "dispatch", "config", "system"}
