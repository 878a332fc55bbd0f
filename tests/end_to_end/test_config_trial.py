"""An edit that makes a slot fail is told with its revision, and taken back where that is wanted."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.fakes.installation import Installation, installed

CONFIG = """\
[daemon]
ports = @PORTS@
auto_rollback = {auto}

# For everybody.
[slots.primary]
model = "hal0-starter"
autostart = true
"""
BROKEN = 'model = "hal0-starter"\nargs = ["--no-such-option"]'


def until(claim: Callable[[], Any], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.02)


def config(hal0: Installation) -> dict[str, Any]:
    view: dict[str, Any] = hal0.admin("GET", "/api/config")
    return view


def codes(hal0: Installation) -> set[str]:
    return {each["error"]["code"] for each in hal0.admin("GET", "/api/errors")["errors"]}


def test_the_revision_that_made_a_slot_fail_is_named(tmp_path: Path) -> None:
    with installed(tmp_path, CONFIG.format(auto="false")) as hal0:
        hal0.wait_for_slot("primary", "ready")
        hal0.config.write_text(hal0.config.read_text().replace('model = "hal0-starter"', BROKEN))
        until(lambda: config(hal0)["failed"])
        view = config(hal0)
        assert view["revision"] == 2
        assert view["failed"].startswith("since revision 2 of the configuration primary does not become ready: ")
        assert "config.slot_failed" in codes(hal0)
        hal0.config.write_text(hal0.config.read_text().replace(BROKEN, 'model = "hal0-starter"'))
        hal0.wait_for_slot("primary", "ready")
        assert config(hal0)["failed"] == ""


def test_the_last_good_revision_comes_back_by_itself(tmp_path: Path) -> None:
    with installed(tmp_path, CONFIG.format(auto="true")) as hal0:
        hal0.wait_for_slot("primary", "ready")
        good = hal0.config.read_text()
        hal0.config.write_text(good.replace('model = "hal0-starter"', BROKEN))
        until(lambda: config(hal0)["failed"])
        hal0.wait_for_slot("primary", "ready")
        view = config(hal0)
        assert (view["revision"], view["by"]) == (3, "hal0")
        assert "primary did not become ready" in view["why"]
        assert view["failed"].startswith("revision 2 was taken back to revision 1: primary did not become ready: ")
        assert "config.rolled_back" in codes(hal0)
        assert hal0.config.read_text() == good
        history = hal0.admin("GET", "/api/config/history")["revisions"]
        assert [each["revision"] for each in history] == [3, 2, 1]


def test_a_slot_that_dies_later_takes_no_edit_back(tmp_path: Path) -> None:
    with installed(tmp_path, CONFIG.format(auto="true")) as hal0:
        pid = hal0.wait_for_slot("primary", "ready")["pid"]
        edited = hal0.config.read_text().replace("autostart", "context = 256\nautostart")
        hal0.config.write_text(edited)

        def restarted() -> bool:
            slot = hal0.slot("primary")
            return slot["state"] == "ready" and slot["pid"] != pid

        until(restarted)
        os.kill(hal0.slot("primary")["pid"], signal.SIGKILL)
        until(lambda: "slot.crashed" in codes(hal0))
        hal0.wait_for_slot("primary", "ready")
        assert config(hal0)["revision"] == 2
        assert hal0.config.read_text() == edited
