"""Backends that eat, lie or loop: real processes, and the real proof of llama.cpp's provider."""

import asyncio
import dataclasses
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from hal0.daemon.http.client import BrokenAnswer, fetch
from hal0.daemon.providers.last_words import last_complaint
from hal0.daemon.providers.llama import LlamaProvider
from hal0.errors import Hal0Error
from hal0.hardware.facts import read_facts
from tests.daemon.slots.conftest import House
from tests.fakes.scripted import ScriptedProvider, tools
from tests.hardware.test_oom import Kernel

CGROUP = Path("/sys/fs/cgroup")
LIMIT_MIB = 96
LOOK_SECONDS = 1.0


def make_group() -> Path:
    """A control group in which memory ends early, of version 1 or 2; raises OSError where none can be made."""
    if (CGROUP / "cgroup.controllers").exists():
        own = next(line[3:] for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::"))
        group, limit = CGROUP / own.lstrip("/") / f"hal0-test-{os.getpid()}", "memory.max"
    else:
        group, limit = CGROUP / "memory" / f"hal0-test-{os.getpid()}", "memory.limit_in_bytes"
    group.mkdir()
    try:
        (group / limit).write_text(str(LIMIT_MIB * 2**20))  # not there unless this group's parent hands memory out
        if (group / "memory.swap.max").exists():
            (group / "memory.swap.max").write_text("0")
    except OSError:
        group.rmdir()
        raise
    return group


@pytest.fixture
def small_memory() -> Iterator[Path]:
    try:
        group = make_group()
    except OSError as error:
        pytest.skip(f"no control group for memory can be made here: {error}")
    try:
        yield group
    finally:
        group.rmdir()


async def test_a_backend_that_the_kernel_ends_for_its_memory_is_told_so(house: House, small_memory: Path) -> None:
    slot = house.add({"cgroup": str(small_memory), "eat_mib": 512})
    async with slot.lease(request="hungry") as lease:
        with suppress(BrokenAnswer, OSError):
            await fetch(lease.endpoint, "POST", "/eat", b"", timeout_seconds=15.0)
        error = await lease.failure("the connection broke")
    assert error.code == "slot.crashed"
    assert "run out of memory" in error.message
    await house.until(lambda: slot.state == "error")
    (bundle,) = house.supervisor.crashes.all()
    assert (bundle.out_of_memory, bundle.exit, bundle.requests) == (True, -9, ["hungry"])
    house.supervisor.get("s").unload("done")
    await house.until(lambda: slot.state == "offline")


class Complaining(ScriptedProvider):
    """Finds the reason as it is found for any program."""

    def failure_reason(self, output: Sequence[str]) -> str | None:
        return last_complaint(output)


async def test_a_backend_that_is_given_no_more_memory_ends_with_its_own_words(tmp_path: Path) -> None:
    house = House(tmp_path, made=dataclasses.replace(tools(), providers={"llama": Complaining()}))
    async with house.supervisor:
        slot = house.add({"limit_mib": 4 * LIMIT_MIB, "eat_mib": 8 * LIMIT_MIB})
        async with slot.lease(request="hungry") as lease:
            with suppress(BrokenAnswer, OSError):
                await fetch(lease.endpoint, "POST", "/eat", b"", timeout_seconds=15.0)
            error = await lease.failure("the connection broke")
        words = f"fatal: cannot allocate {8 * LIMIT_MIB * 2**20} bytes (killed by SIGABRT)"
        assert (error.code, error.details["reason"]) == ("slot.crashed", words)
        await house.until(lambda: slot.state == "error")
        (bundle,) = house.supervisor.crashes.all()
        assert (bundle.out_of_memory, bundle.exit, bundle.requests) == (False, -signal.SIGABRT, ["hungry"])


@pytest.mark.parametrize(("seconds", "blamed"), [(1, True), (60, False)])
async def test_a_kill_is_laid_to_the_kernel_only_if_it_ran_out_of_memory_lately(
    tmp_path: Path, seconds: int, blamed: bool
) -> None:
    kernel = Kernel(tmp_path / "root")
    house = House(tmp_path, made=dataclasses.replace(tools(), oom_kills=kernel.kills))
    async with house.supervisor:
        slot = house.add()
        slot.load(by="person")
        await house.until(lambda: slot.state == "ready")
        kernel.kill()  # of whom, it does not say
        kernel.pass_by(seconds)
        assert slot.process_group is not None
        os.kill(slot.process_group, signal.SIGKILL)
        await house.until(lambda: slot.state == "error")
        (bundle,) = house.supervisor.crashes.all()
        assert bundle.out_of_memory is blamed
        assert ("SIGKILL" in bundle.error.message) is not blamed


class Proving(ScriptedProvider):
    """Starts the scripted program, and proves it as llama.cpp's server is proven."""

    def __init__(self) -> None:
        self.probe = LlamaProvider(read_facts()).probe  # type: ignore[method-assign]


@pytest.fixture
async def strict(tmp_path: Path) -> AsyncIterator[House]:
    made = dataclasses.replace(tools(), providers={"llama": Proving()})
    house = House(tmp_path, made=made)
    async with house.supervisor:
        yield house


@pytest.mark.parametrize(("lies", "code"), [("garbage", "slot.bad_response"), ("silent", "slot.start_timeout")])
async def test_a_health_of_200_proves_nothing(strict: House, lies: str, code: str) -> None:
    slot = strict.add({"lies": lies}, start_timeout=3.0)
    with pytest.raises(Hal0Error) as caught:
        async with slot.lease():
            pass
    assert caught.value.code == code
    await strict.until(lambda: bool(strict.failures))
    assert strict.failures == [code]
    assert "ready" not in [state for _, state in strict.states]


async def test_a_slot_that_waits_for_its_next_try_takes_no_time_of_the_processor(house: House) -> None:
    slot = house.add({"exit_after": 0.0})
    slot.load(by="person")
    for failures in range(1, 6):
        await house.until(lambda failures=failures: slot.view().failures == failures)  # type: ignore[misc]
        if failures < 5:
            assert slot.run is not None
            slot.run.hasten()
    assert slot.view().parked
    before = time.process_time()  # of this process, however busy the machine is
    await asyncio.sleep(LOOK_SECONDS)
    assert time.process_time() - before < 0.05 * LOOK_SECONDS
