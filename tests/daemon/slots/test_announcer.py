import asyncio

import pytest

from hal0.daemon.slots.announcer import LEAST_SECONDS, Announcer
from hal0.daemon.slots.slot import Slot
from tests.daemon.slots.conftest import House

REQUESTS = 500


class Told(list[str]):
    """The states that were told, in order."""

    def __init__(self, house: House) -> None:
        super().__init__()
        self.announcer = Announcer(self._tell)
        house.listener = self.announcer.changed
        self._news = asyncio.Event()

    def _tell(self, slot: Slot) -> None:
        self.append(slot.state.value)
        self._news.set()

    async def until(self, state: str) -> None:
        while self[-1:] != [state]:
            self._news.clear()
            await self._news.wait()


async def test_short_requests_one_after_another_are_told_ten_times_a_second_and_the_last_state_in_any_case(
    house: House,
) -> None:
    told, loop = Told(house), asyncio.get_running_loop()
    slot = house.add({})
    async with slot.lease():
        pass
    before, begun = len(told), loop.time()
    for _ in range(REQUESTS):
        async with slot.lease():
            await asyncio.sleep(0)
    spent = loop.time() - begun
    assert len(told) - before <= spent / LEAST_SECONDS + 1
    await told.until("ready")


async def test_a_request_to_a_slot_at_rest_and_each_step_of_its_life_are_told_at_once(house: House) -> None:
    told = Told(house)
    slot = house.add({"listen_after": 0.05, "ready_after": 0.05}, idle_after=LEAST_SECONDS)
    async with slot.lease():
        pass
    assert told[:4] == ["offline", "starting", "warming", "ready"]
    await told.until("idle")
    async with slot.lease():
        assert told[-1] == "serving"
        ended = slot.unload("a test", drain="wait")
        assert told[-1] == "unloading"
    assert ended is not None
    await ended
    await told.until("offline")
    assert "ready" not in told[told.index("unloading") :]


async def test_nothing_is_told_of_a_slot_that_is_gone(house: House) -> None:
    told = Told(house)
    slot = house.add({})
    for _ in range(3):
        async with slot.lease():
            pass
    assert slot.state == "ready"
    told.announcer.forget("s")
    before = list(told)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(3 * LEAST_SECONDS):
            await told.until("never")
    assert told == before
