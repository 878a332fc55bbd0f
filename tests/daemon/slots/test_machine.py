"""The real machine as admission sees it."""

from pathlib import Path
from typing import Any, cast

from hal0.daemon.config.schema import Daemon
from hal0.daemon.events import EventBus
from hal0.daemon.slots.machine import LocalMachine
from tests.daemon.test_sampler import sampler

UNUSED = cast(Any, None)  # what a look does not ask


async def test_looks_for_room_tell_the_free_memory_and_publish_nothing(tmp_path: Path) -> None:
    bus = EventBus()
    look = sampler(tmp_path, bus)
    machine = LocalMachine(sampler=lambda: look, appraisal=UNUSED, peaks=UNUSED, settings=Daemon)
    with bus.subscribe():
        for _ in range(5):
            seen = await machine.look()
        assert bus.last_id == 0
    assert seen.free["memory"] > 0
    assert list(seen.taken) == ["primary"]
