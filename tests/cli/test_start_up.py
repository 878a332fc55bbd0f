"""A command starts fast because it imports only what it needs. Figures: docs/design/004."""

import json
import subprocess
import sys
from collections.abc import Sequence

import pytest

from tests.cli import pictures
from tests.fakes.admin import FakeAdmin

PROBE = """
import json, sys
from hal0.cli.__main__ import main
status = main(sys.argv[1:])
sys.stderr.write(json.dumps([status, sorted(name.partition(".")[0] for name in sys.modules)]))
"""
HEAVY = {
    "textual",
    "quart",
    "hypercorn",
    "httpx",
    "asyncio",
    "uvloop",
    "tomlkit",
    "watchfiles",
    "xllamacpp",
    "httptools",
}


def loaded_by(words: Sequence[str], env: dict[str, str]) -> set[str]:
    ended = subprocess.run(
        [sys.executable, "-c", PROBE, *words], env=env, capture_output=True, text=True, timeout=30, check=True
    )
    status, names = json.loads(ended.stderr)
    assert status == 0
    return set(names)


@pytest.mark.parametrize("words", [("--help",), ("--version",), ("explain", "slot.crashed"), ("explain", "--all")])
def test_what_needs_no_daemon_loads_no_model_of_the_wire(env: dict[str, str], words: tuple[str, ...]) -> None:
    assert not loaded_by(words, env) & (HEAVY | {"pydantic", "http", "rich"})


@pytest.mark.parametrize("words", [("status",), ("slot", "list"), ("requests",), ("status", "--json")])
def test_a_look_at_the_daemon_loads_neither_httpx_nor_textual(
    env: dict[str, str], admin: FakeAdmin, words: tuple[str, ...]
) -> None:
    admin.answers["GET /api/state"] = pictures.state()
    admin.answers["GET /api/slots"] = {"slots": []}
    admin.answers["GET /api/requests"] = {"requests": []}
    assert not loaded_by(words, env) & (HEAVY | {"rich"})
