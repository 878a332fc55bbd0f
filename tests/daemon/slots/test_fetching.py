"""A slot whose model is on its way: it waits in `pulling`, tells how far it is, and starts when the model is there."""

import asyncio

import pytest

from hal0.errors import Hal0Error
from tests.daemon.slots.conftest import House
from tests.daemon.slots.test_slot import ask, refused


def comes(house: House) -> asyncio.Future[Hal0Error | None]:
    house.models.coming["m"] = asyncio.get_running_loop().create_future()
    return house.models.coming["m"]


async def test_it_waits_tells_its_progress_and_starts(house: House) -> None:
    coming = comes(house)
    slot = house.add()
    waiting = asyncio.create_task(ask(slot))
    await house.until(lambda: slot.state == "pulling")
    while "m" not in house.models.progress:
        await asyncio.sleep(0)
    house.models.progress["m"](300, 1000)
    await house.until(lambda: slot.view().fetched_bytes == 300)
    view = slot.view()
    assert (view.progress, view.fetch_bytes, view.pid) == (0.3, 1000, None)
    coming.set_result(None)
    assert await waiting == 1
    view = slot.view()
    assert (view.progress, view.fetched_bytes, view.fetch_bytes) == (None, None, None)
    states = [state for _, state in house.states]
    assert states == ["offline", "pulling", "starting", "warming", "ready", "serving", "ready"]


async def test_a_model_that_has_an_address_is_ordered_by_the_slot_that_needs_it(house: House) -> None:
    house.models.to_fetch.add("m")
    slot = house.add()
    waiting = asyncio.create_task(ask(slot))
    await house.until(lambda: "m" in house.models.coming)
    assert slot.state == "pulling"
    house.models.coming["m"].set_result(None)
    assert await waiting == 1


async def test_a_model_that_is_not_there_after_it_came_is_not_ordered_for_ever(house: House) -> None:
    house.models.to_fetch.add("m")
    slot = house.add()
    waiting = asyncio.create_task(refused(slot))
    await house.until(lambda: "m" in house.models.coming)
    house.models.to_fetch.add("m")
    house.models.coming["m"].set_result(None)
    assert (await waiting).code == "model.not_fetched"


async def test_a_model_that_arrived_is_verified_without_a_second_way_through_the_states(house: House) -> None:
    coming = comes(house)
    house.models.unverified.add("m")
    slot = house.add()
    waiting = asyncio.create_task(ask(slot))
    await house.until(lambda: slot.state == "pulling")
    coming.set_result(None)
    assert await waiting == 1
    assert [state for _, state in house.states].count("pulling") == 1
    assert house.models.unverified == set()


async def test_a_pull_that_fails_fails_the_slot_with_its_code_and_without_retries(house: House) -> None:
    coming = comes(house)
    slot = house.add()
    waiting = asyncio.create_task(refused(slot))
    await house.until(lambda: slot.state == "pulling")
    coming.set_result(Hal0Error("model.offline", host="h", reason="no way"))
    assert (await waiting).code == "model.offline"
    view = slot.view()
    assert (view.state, view.error and view.error.code, view.retry_at) == ("error", "model.offline", None)


async def test_it_can_be_stopped_while_it_waits(house: House) -> None:
    comes(house)
    slot = house.add()
    slot.load(by="person")
    await house.until(lambda: slot.state == "pulling")
    slot.unload("test")
    await house.until(lambda: slot.state == "offline")
    assert house.failures == []


async def test_a_request_that_waited_long_enough_is_told_that_the_model_is_still_coming(house: House) -> None:
    comes(house)
    slot = house.add(start_timeout=0.2)
    waiting = asyncio.create_task(ask(slot))
    slot.load(by="person")
    await house.until(lambda: slot.state == "pulling")
    while "m" not in house.models.progress:
        await asyncio.sleep(0)
    house.models.progress["m"](1, None)
    with pytest.raises(Hal0Error) as caught:
        await waiting
    assert (caught.value.code, caught.value.details["state"]) == ("slot.not_ready", "pulling")
    assert slot.state == "pulling"
