"""`hal0 why` and `hal0 crash` against a real daemon whose backend is killed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.fakes.installation import Installation, installed


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installed(tmp_path_factory.mktemp("crashed")) as hal0:
        pid = hal0.wait_for_slot("primary", "ready")["pid"]
        os.kill(pid, signal.SIGKILL)
        while hal0.slot("primary")["pid"] in (pid, None):
            pass
        hal0.wait_for_slot("primary", "ready")
        yield hal0


def run(hal0: Installation, *words: str, status: int = 0) -> str:
    command = [sys.executable, "-m", "hal0.cli", *words]
    done = subprocess.run(command, env=hal0.env, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == status, done.stderr
    return done.stdout if status == 0 else done.stderr


def test_why_tells_of_the_crash_and_of_both_starts(crashed: Installation) -> None:
    text = run(crashed, "why", "primary")
    assert text.count("started by") == 2
    assert "started by autostart" in text
    assert "started by retry" in text
    assert "killed by SIGKILL" in text
    entries = json.loads(run(crashed, "why", "primary", "--json"))["entries"]
    assert [entry["state"] for entry in entries] == ["pulling", "starting", "ready", "error", "starting", "ready"]


def test_why_of_an_unknown_slot_has_a_code(crashed: Installation) -> None:
    assert "slot.not_found" in run(crashed, "why", "primry", status=1)


def test_the_bundle_named_by_the_ledger_is_shown(crashed: Installation) -> None:
    (bundle,) = json.loads(run(crashed, "crash", "list", "--json"))["crashes"]
    assert bundle["id"] in run(crashed, "why", "primary")
    assert bundle["id"] in run(crashed, "crash", "list")
    text = run(crashed, "crash", "show", bundle["id"])
    assert text.startswith("slot.crashed")
    assert "--model" in text
    assert "exit" in text
    assert "-9" in text


def test_an_unknown_bundle_has_a_code(crashed: Installation) -> None:
    assert "slot.no_such_crash" in run(crashed, "crash", "show", "nope", status=1)
