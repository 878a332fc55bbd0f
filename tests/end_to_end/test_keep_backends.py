"""The daemon is killed and started again: what is provably its own backend goes on, all else is ended or left alone.

One daemon with a slot for each case is killed once; meanwhile records, processes and the configuration are changed.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from hal0.marks import is_marked
from hal0.models import CARDS
from tests.fakes.installation import Installation, installed

PROGRAM = f"{sys.executable} -S {Path(__file__).parents[1] / 'fakes' / 'any_server.py'}"
TICKS = "i=0; while sleep 0.02; do i=$((i+1)); echo tick $i; done"
HELLO = {"messages": [{"role": "user", "content": "Hello!"}]}


def table(name: str, command: str, **keys: Any) -> str:
    shell = json.dumps(["sh", "-c", command])
    lines = [f'[slots.{name}]\nprovider = "command"\ncommand = {shell}\nstop_timeout = 1']
    return "\n".join([*lines, *(f"{key} = {json.dumps(value)}" for key, value in keys.items())]) + "\n"


def config(*, size: int = 1, loaded: Path = Path("/"), keep: str = "true", model: Path = Path("/")) -> str:
    serve = f"exec {PROGRAM} --listen ${{port}}"
    tables = [
        f"[daemon]\nports = @PORTS@\nkeep_backends = {keep}\n",
        table("kept", serve),
        table("talker", f"{PROGRAM} --listen ${{port}} & {TICKS}"),
        table("edited", f"{serve} --size {size}"),
        table("removed", serve),
        table("cut", serve),
        table("other-boot", serve),
        table("other-start", serve),
        table("other-pid", serve),
        table("robbed", f"{PROGRAM} --listen ${{port}} & wait; exec sleep 600"),
        table("loading", f"{serve} --until {loaded}", ready_path="/ready"),
        table("fails", serve),
        table("never", serve),
        f"[models.mine]\npath = {json.dumps(str(model))}\n",
        table("away", f"{serve} --model-file ${{model}}", model="mine"),
    ]
    return "".join(tables)


@dataclass
class Survived:
    """An installation whose daemon was killed and started again."""

    hal0: Installation
    before: dict[str, dict[str, Any]]  # the slots before
    strangers: dict[str, subprocess.Popen[bytes]]
    loaded: Path  # once it is there, `loading` has loaded

    def pid(self, slot: str) -> int:
        pid: int = self.before[slot]["pid"]
        return pid

    def is_ours(self, pid: int) -> bool:
        return is_marked(pid, f"HAL0_BACKEND={self.hal0.folder / 'state'}")

    def why(self, slot: str) -> list[str]:
        return [entry["cause"] for entry in self.hal0.admin("GET", f"/api/slots/{slot}/why")["entries"]]

    def until(self, claim: Callable[[], object]) -> None:
        deadline = time.monotonic() + 15.0
        while not claim():
            assert time.monotonic() < deadline
            time.sleep(0.02)


def record_of(hal0: Installation, slot: str) -> Path:
    return hal0.folder / "state" / "slots" / f"{slot}.json"


def tamper(hal0: Installation, slot: str, **facts: Any) -> None:
    file = record_of(hal0, slot)
    file.write_text(json.dumps({**json.loads(file.read_text()), **facts}))


@pytest.fixture(scope="module")
def survived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Survived]:
    folder = tmp_path_factory.mktemp("keep")
    loaded, model = folder / "loaded", folder / "mine.gguf"
    shutil.copy(next(card.path for card in CARDS if card.id == "all-minilm-l6-v2"), model)
    hal0 = Installation(folder, config(loaded=loaded, model=model))
    strangers: dict[str, subprocess.Popen[bytes]] = {}
    try:
        hal0.start()
        names = [slot["name"] for slot in hal0.admin("GET", "/api/state")["slots"] if slot["name"] != "never"]
        for name in names:
            hal0.admin("POST", f"/api/slots/{name}/load", {})
        before = {name: hal0.wait_for_slot(name, "ready") for name in names if name != "loading"}
        before["loading"] = hal0.slot("loading")
        assert before["loading"]["state"] in ("starting", "warming")

        hal0.stop(signal.SIGKILL)
        record = record_of(hal0, "cut")
        record.write_text(record.read_text()[:-40])
        tamper(hal0, "other-boot", boot="00000000-0000-0000-0000-000000000000")
        tamper(hal0, "other-start", started=1)
        strangers["pid"] = subprocess.Popen(["sleep", "600"], start_new_session=True)
        tamper(hal0, "other-pid", pid=strangers["pid"].pid)
        (record.with_name("never.json")).write_text(record_of(hal0, "kept").read_text())
        os.kill(before["fails"]["pid"], signal.SIGKILL)
        model.unlink()
        # The port of this one now belongs to a stranger that answers as well as it did.
        port = before["robbed"]["port"]
        children = Path(f"/proc/{before['robbed']['pid']}/task/{before['robbed']['pid']}/children").read_text()
        os.kill(int(children.split()[0]), signal.SIGKILL)
        robber = subprocess.Popen([*PROGRAM.split(), "--listen", str(port)], stdout=subprocess.PIPE)
        assert robber.stdout is not None
        robber.stdout.readline()
        strangers["port"] = robber

        hal0.config.write_text(hal0.config.read_text().replace("--size 1", "--size 2"))
        text = hal0.config.read_text()
        hal0.config.write_text(text.replace(text[text.index("[slots.removed]") : text.index("[slots.cut]")], ""))
        hal0.start()
        yield Survived(hal0, before, strangers, loaded)
    finally:
        hal0.stop()
        hal0.end_backends()
        for stranger in strangers.values():
            stranger.kill()
            stranger.wait()
            if stranger.stdout:
                stranger.stdout.close()


def test_a_backend_goes_on_and_answers(survived: Survived) -> None:
    view = survived.hal0.wait_for_slot("kept", "ready")
    assert [view[key] for key in ("pid", "port", "run")] == [survived.before["kept"][k] for k in ("pid", "port", "run")]
    answer = httpx.post(f"{survived.hal0.url}/v1/chat/completions", json={**HELLO, "model": "kept"}, timeout=10)
    assert (answer.status_code, answer.headers["x-hal0-slot"]) == (200, "kept")
    assert survived.why("kept")[-2].startswith("taken back after a restart of the daemon")
    assert view["up_since"] < survived.hal0.admin("GET", "/api/state")["started_at"]


def test_a_backend_goes_on_whose_model_file_is_away(survived: Survived) -> None:
    view = survived.hal0.wait_for_slot("away", "ready")
    for key in ("pid", "run", "kind", "model"):
        assert view[key] == survived.before["away"][key]
    assert view["kind"] == "embedding"  # as its model said
    answer = httpx.post(f"{survived.hal0.url}/v1/embeddings", json={"input": "a", "model": "mine"}, timeout=10)
    assert (answer.status_code, answer.headers["x-hal0-slot"]) == (200, "away")


def test_no_line_is_lost_between_two_daemons(survived: Survived) -> None:
    survived.hal0.wait_for_slot("talker", "ready")
    lines = survived.hal0.admin("GET", "/api/slots/talker/logs?lines=2000")["lines"]
    ticks = [int(match[1]) for line in lines if (match := re.fullmatch(r"tick (\d+)", line))]
    assert ticks == list(range(ticks[0], ticks[-1] + 1))
    taken_back = next(i for i, line in enumerate(lines) if "is taken back" in line)
    assert any(line.startswith("tick") for line in lines[:taken_back])
    assert any(line.startswith("tick") for line in lines[taken_back:])


def test_one_that_is_loading_goes_on_loading(survived: Survived) -> None:
    assert survived.hal0.wait_for_slot("loading", "warming")["pid"] == survived.pid("loading")
    survived.loaded.touch()
    assert survived.hal0.wait_for_slot("loading", "ready")["pid"] == survived.pid("loading")


def test_another_configuration_restarts_it(survived: Survived) -> None:
    survived.until(lambda: not survived.is_ours(survived.pid("edited")))
    view = survived.hal0.wait_for_slot("edited", "ready")
    assert view["run"] == 2
    assert b"--size\x002" in Path(f"/proc/{view['pid']}/cmdline").read_bytes()
    assert "the configuration is another than the one it was started with" in survived.why("edited")


@pytest.mark.parametrize("slot", ["removed", "cut", "other-boot", "other-start", "other-pid"])
def test_what_is_ours_and_cannot_be_taken_back_ends(survived: Survived, slot: str) -> None:
    survived.until(lambda: not survived.is_ours(survived.pid(slot)))
    assert not record_of(survived.hal0, slot).exists()
    if slot != "removed":
        assert survived.hal0.slot(slot)["state"] == "offline"


def test_a_number_that_is_somebody_elses_is_left_alone(survived: Survived) -> None:
    survived.until(lambda: not survived.is_ours(survived.pid("other-pid")))
    assert survived.strangers["pid"].poll() is None


def test_the_record_of_one_slot_is_no_record_of_another(survived: Survived) -> None:
    assert survived.hal0.slot("never")["state"] == "offline"
    assert not record_of(survived.hal0, "never").exists()


def test_one_that_has_ended_meanwhile_is_offline(survived: Survived) -> None:
    assert survived.hal0.slot("fails")["state"] == "offline"
    assert not record_of(survived.hal0, "fails").exists()


def test_a_stranger_on_its_port_is_not_talked_to(survived: Survived) -> None:
    survived.until(lambda: not survived.is_ours(survived.pid("robbed")))
    assert survived.strangers["port"].poll() is None
    assert survived.hal0.wait_for_slot("robbed", "ready")["port"] != survived.before["robbed"]["port"]


def test_its_crash_is_noticed_at_once(survived: Survived) -> None:
    pid = survived.hal0.wait_for_slot("talker", "ready")["pid"]
    began = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    view = survived.hal0.wait_for_slot("talker", "error")
    assert time.monotonic() - began < 3.0  # not by a health check, which is asked every 5 s
    assert view["error"]["code"] == "slot.crashed"
    assert "how is not known" in view["error"]["message"]
    view = survived.hal0.wait_for_slot("talker", "ready")
    assert view["run"] == survived.before["talker"]["run"] + 1


def test_unloading_one_that_was_taken_back_leaves_nothing(survived: Survived) -> None:
    survived.hal0.wait_for_slot("kept", "ready")
    survived.hal0.admin("POST", "/api/slots/kept/unload", {})
    survived.hal0.wait_for_slot("kept", "offline")
    assert not survived.is_ours(survived.pid("kept"))
    assert not record_of(survived.hal0, "kept").exists()


def test_an_orderly_end_keeps_backends_too(tmp_path: Path) -> None:
    hal0 = Installation(tmp_path, config())
    try:
        hal0.start()
        assert hal0.admin("GET", "/api/state")["keeps_backends"]
        hal0.admin("POST", "/api/slots/kept/load", {})
        pid = hal0.wait_for_slot("kept", "ready")["pid"]
        assert hal0.stop() == 0
        assert pid in hal0.backends()
        # A daemon that keeps none ends what one before has kept, and then its own.
        hal0.config.write_text(config(keep="false").replace("@PORTS@", "[1, 2]"))
        hal0.start()
        deadline = time.monotonic() + 10
        while hal0.backends():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert hal0.slot("kept")["state"] == "offline"
    finally:
        hal0.stop()
        hal0.end_backends()


def test_a_backend_that_cannot_be_recorded_ends_with_the_daemon(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "slots").write_text("where the folder of the records should be")
    with installed(tmp_path, config()) as hal0:
        hal0.admin("POST", "/api/slots/kept/load", {})
        hal0.wait_for_slot("kept", "ready")
    assert "kept ends with this daemon, as" in hal0.log.read_text()
