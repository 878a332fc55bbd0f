import json
import os
import signal
import time
from pathlib import Path

import pytest

from hal0.daemon.slots.crashes import KEPT_BUNDLES, Crashes
from hal0.daemon.slots.ledger import KEPT_ENTRIES, Ledger
from hal0.errors import Hal0Error
from hal0.wire import CrashBundle, ErrorView, LedgerEntry
from tests.daemon.slots.conftest import House
from tests.fakes.scripted import slot_config


def entry(number: int) -> LedgerEntry:
    return LedgerEntry(at=float(number), state="ready", cause=f"cause {number}", run=number)


def test_a_ledger_outlives_the_daemon_and_is_bounded(tmp_path: Path) -> None:
    file = tmp_path / "s.jsonl"
    ledger = Ledger(file)
    for number in range(3 * KEPT_ENTRIES):
        ledger.record(entry(number))
    again = Ledger(file)
    assert again.entries() == ledger.entries() == [entry(n) for n in range(2 * KEPT_ENTRIES, 3 * KEPT_ENTRIES)]
    assert len(file.read_text().splitlines()) <= 2 * KEPT_ENTRIES


async def test_a_number_never_means_two_runs_also_under_another_daemon(house: House) -> None:
    for number in (5, 7, 6):
        Ledger(house.folder / "ledger" / "s.jsonl").record(entry(number))
    slot = house.add()
    slot.load(by="test")
    await house.until(lambda: slot.state == "ready")
    assert slot.view().run == 8
    assert [each.run for each in slot.journal.entries()] == [5, 7, 6, 8, 8]


async def test_the_ledger_of_a_slot_is_deleted_a_month_after_it_has_gone_when_the_daemon_starts(house: House) -> None:
    folder = house.folder / "ledger"
    now = time.time()
    for name, days in (("here", 40), ("gone", 31), ("just.gone", 29)):
        Ledger(folder / f"{name}.jsonl").record(entry(1))
        os.utime(folder / f"{name}.jsonl", (now, now - days * 86_400))
    house.supervisor.begin({"here": slot_config({})}, revision=1, survivors={})
    assert sorted(file.name for file in folder.iterdir()) == ["here.jsonl", "just.gone.jsonl"]
    assert house.supervisor.get("here").journal.entries() == [entry(1)]


def test_a_damaged_line_costs_that_line(tmp_path: Path) -> None:
    file = tmp_path / "s.jsonl"
    Ledger(file).record(entry(1))
    file.write_bytes(file.read_bytes() + b'{"at": 1, "sta\xff\n')
    ledger = Ledger(file)
    ledger.record(entry(2))
    assert Ledger(file).entries() == [entry(1), entry(2)]


def test_a_ledger_that_cannot_be_written_goes_on_in_memory(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ledger = Ledger(tmp_path / "nowhere" / "s.jsonl")
    ledger.record(entry(1))
    ledger.record(entry(2))
    assert len(ledger.entries()) == 2
    assert caplog.text.count("cannot write") == 1


async def test_the_ledger_tells_who_started_and_stopped_a_slot(house: House) -> None:
    slot = house.add(idle_after=0.05, unload_after=0.05)
    async with slot.lease(request="r1"):
        pass
    await house.until(lambda: slot.state == "offline")
    told = [(entry.state, entry.cause, entry.request) for entry in slot.journal.entries()]
    assert told[0] == ("starting", "started by request", "r1")
    assert told[1][0] == "ready"
    assert told[1][1].startswith("ready after ")
    assert [state for state, _, _ in told[2:]] == ["idle", "unloading", "offline"]
    assert told[2][1] == "no request for 0.05 s"
    assert told[3][1] == "idle for longer than unload_after"


async def test_a_crash_leaves_a_bundle_whose_id_is_in_the_error(house: House) -> None:
    slot = house.add({"say": "last words"})
    async with slot.lease(request="r7") as lease:
        assert slot.process_group is not None
        os.kill(slot.process_group, signal.SIGSEGV)
        error = await lease.failure("reset")
        await house.until(lambda: slot.state == "error")
    bundle = house.supervisor.crashes.get(error.details["crash"])
    assert (bundle.slot, bundle.run, bundle.exit, bundle.state) == ("s", 1, -signal.SIGSEGV, "serving")
    assert bundle.requests == ["r7"]
    assert "last words" in bundle.output
    assert bundle.argv[-1] == str(lease.endpoint.port)
    assert lease.endpoint.key not in bundle.model_dump_json()
    assert bundle.memory_bytes == [1, 2, 3]
    failure = next(entry for entry in slot.journal.entries() if entry.state == "error")
    assert (failure.error, failure.crash, failure.run) == ("slot.crashed", bundle.id, 1)


async def test_the_last_words_in_a_bundle_are_those_of_its_own_run(house: House) -> None:
    slot = house.add({"say": "last words"})
    for number in (1, 2):
        slot.load(by="test")  # also hastens the next try after the first failure
        await house.until(lambda number=number: slot.state == "ready" and slot.view().run == number)  # type: ignore[misc]
        assert slot.process_group is not None
        os.kill(slot.process_group, signal.SIGKILL)
        await house.until(lambda: slot.state == "error")
    newest = house.supervisor.crashes.all()[0]
    assert (newest.run, newest.output) == (2, ["last words"])
    assert slot.view().log_tail == ["last words"]
    assert slot.output.tail(100).count("last words") == 2


def test_bundles_are_bounded_and_found_by_id(tmp_path: Path) -> None:
    crashes = Crashes(tmp_path)
    error = ErrorView(code="slot.crashed", message="x")
    ids = [f"20260101-0000{n:02}-{n:04x}" for n in range(KEPT_BUNDLES + 2)]
    for at, id in enumerate(ids):
        crashes.keep(CrashBundle(id=id, at=at, slot="s", run=1, revision=1, error=error, argv=[], state="ready"))
    assert [bundle.id for bundle in crashes.all()] == ids[:1:-1]
    assert json.loads((tmp_path / f"{ids[-1]}.json").read_text())["slot"] == "s"


@pytest.mark.parametrize("id", ["nope", "../../etc/passwd", "20260101-000000-0000"])
def test_an_unknown_bundle_has_a_code(tmp_path: Path, id: str) -> None:
    with pytest.raises(Hal0Error) as caught:
        Crashes(tmp_path).get(id)
    assert caught.value.code == "slot.no_such_crash"
