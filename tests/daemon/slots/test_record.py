"""A record is of this very process or of none, and whatever lies in the folder is read without harm."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hal0.daemon.providers.base import Launch, ModelFile, Word
from hal0.daemon.slots.bonds import Bonds
from hal0.daemon.slots.process import start_of
from hal0.daemon.slots.record import Record, Records, boot_id
from hal0.marks import is_marked

MARK = "HAL0_RUN=life:s:token"
MODEL = ModelFile("m", Path("/models/m.gguf"), "embedding", 7, aliases=("n",))
LAUNCH = Launch((Word("program", "hal0"), Word("{port}", "hal0")), env=(("A", "b"),), key_env="KEY", context=512)


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    code = "import time; print(flush=True); time.sleep(600)"
    name, _, value = MARK.partition("=")
    process = subprocess.Popen(
        [sys.executable, "-S", "-c", code],
        stdout=subprocess.PIPE,
        env={**os.environ, name: value, "HAL0_BACKEND": "/somewhere/state"},
        start_new_session=True,
    )
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def record(process: subprocess.Popen[bytes], **other: Any) -> Record:
    facts: dict[str, Any] = {
        "slot": "s",
        "boot": boot_id(),
        "pid": process.pid,
        "started": start_of(process.pid),
        "mark": MARK,
        "output": 7,
        "port": 8081,
        "key": "secret",
        "launch": LAUNCH,
        "model": MODEL,
        "run": 3,
        "by": "person",
        "spawned_at": 1.5,
    }
    return Record(**{**facts, **other})


@pytest.mark.parametrize("other", [{"boot": "another"}, {"started": 1}, {"mark": "HAL0_RUN=life:s:other"}])
def test_one_fact_that_differs_makes_it_somebody_else(process: subprocess.Popen[bytes], other: dict[str, Any]) -> None:
    assert record(process).is_alive()
    assert not record(process, **other).is_alive()


def test_one_that_has_ended_and_is_not_reaped_is_not_alive(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not record(process).is_alive()


def test_what_is_written_is_read_again_and_its_owners_only(tmp_path: Path, process: subprocess.Popen[bytes]) -> None:
    records = Records(tmp_path / "slots")
    written = record(process, load_ms=12.5)
    assert records.write(written)
    assert records.all() == [written]
    assert "secret" not in repr(written)
    (file,) = records.folder.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    records.drop("s")
    assert records.all() == []


@pytest.mark.parametrize("damage", ["", "{", "[]", "null", '{"slot": "s"}', "\ud800", "[" * 10_000])
def test_a_damaged_record_is_removed(tmp_path: Path, process: subprocess.Popen[bytes], damage: str) -> None:
    records = Records(tmp_path / "slots")
    records.write(record(process))
    (records.folder / "s.json").write_bytes(damage.encode("utf-8", "surrogatepass"))
    (records.folder / "half.new").write_text("{")
    (records.folder / "folder.json").mkdir()
    assert records.all() == []
    assert [path.name for path in records.folder.iterdir()] == ["folder.json"]


async def test_survivors_are_those_on_record_and_only_if_backends_are_kept(
    tmp_path: Path, process: subprocess.Popen[bytes]
) -> None:
    kept = Bonds(tmp_path, keep=True)
    kept.records.write(record(process))
    kept.records.write(record(process, slot="dead", started=1))
    assert list(kept.survivors()) == ["s"]
    assert [path.name for path in kept.records.folder.iterdir()] == ["s.json"]
    assert Bonds(tmp_path, keep=False).survivors() == {}
    assert list(kept.records.folder.iterdir()) == []


async def test_strays_are_those_of_the_same_state_folder_that_were_not_taken_back(
    process: subprocess.Popen[bytes],
) -> None:
    for state, taken in ((Path("/somewhere/else"), []), (Path("/somewhere/state"), [record(process)])):
        bonds = Bonds(state, keep=True)
        bonds.end_strays(taken)
        await bonds.close()
        assert is_marked(process.pid, MARK)
    bonds = Bonds(Path("/somewhere/state"), keep=True)
    bonds.end_strays([])
    await bonds.strays_ended()
    assert not is_marked(process.pid, MARK)
