"""`hal0 why` and `hal0 crash` against a real daemon whose backend is killed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from hal0.wire import CrashBundle, ErrorView
from tests.cli.conftest import Run
from tests.fakes.admin import FakeAdmin
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
    assert exit_line(text) == "killed by SIGKILL"


def exit_line(text: str) -> str:
    (line,) = (line for line in text.splitlines() if line.split()[:1] == ["exit"])
    return " ".join(line.split()[1:])


@pytest.mark.parametrize(
    ("details", "exit", "out_of_memory", "words"),
    [
        ({"exit": -11}, -11, False, "killed by SIGSEGV"),
        ({"exit": 3}, 3, False, "exit status 3"),
        ({"exit": -9, "out_of_memory": True}, -9, True, "killed by the kernel, which had run out of memory"),
        ({"exit": None}, None, False, "it has ended; how is not known, as an earlier daemon had started it"),
        ({"seconds": 180.0}, None, False, "not by itself"),
    ],
)
def test_how_a_backend_ended_is_told_in_words(
    details: dict[str, object], exit: int | None, out_of_memory: bool, words: str, hal0: Run, admin: FakeAdmin
) -> None:
    error = ErrorView(code="slot.crashed", message="it crashed", details=details)
    admin.answers["GET /api/crashes/1"] = CrashBundle(
        id="1", at=0, slot="s", run=1, revision=1, error=error, argv=[], exit=exit, out_of_memory=out_of_memory,
        state="ready",
    )  # fmt: skip
    assert exit_line(hal0("crash", "show", "1").out) == words


def test_an_unknown_bundle_has_a_code(crashed: Installation) -> None:
    assert "slot.no_such_crash" in run(crashed, "crash", "show", "nope", status=1)
