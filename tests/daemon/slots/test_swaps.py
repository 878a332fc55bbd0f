"""A swap whose caller does not wait for it; the rest of its life is in `end_to_end/test_swap.py`."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hal0.daemon.config.store import ConfigStore
from hal0.daemon.slots.slot import Slot
from hal0.daemon.slots.swaps import Swaps
from tests.daemon.slots.conftest import House


class Config:
    """A store whose write takes until `may_end`, and is brought to its end whoever leaves."""

    def __init__(self, house: House, slot: Slot) -> None:
        self.slots = {slot.name: slot.config.model_copy(update={"model": "other"})}
        self.current = SimpleNamespace(settings=SimpleNamespace(slots=self.slots), revision=2)
        self.then: Callable[[], object] = lambda: None  # what happens as soon as it is written
        self.has_begun, self.may_end = asyncio.Event(), asyncio.Event()
        self._house = house

    async def judge(self, proposal: object) -> Any:
        return SimpleNamespace(settings=self.current.settings, problems=())

    async def write(self, proposal: object, **said: object) -> Any:
        return await asyncio.shield(asyncio.ensure_future(self._write()))

    async def _write(self) -> Any:
        self.has_begun.set()
        await self.may_end.wait()
        self._house.apply(self.slots, revision=2)
        self.then()
        return SimpleNamespace(revision=2)


async def there_is_room(*_: object) -> None:
    pass


def swaps_of(house: House, config: Config) -> Swaps:
    return Swaps(
        cast(ConfigStore, config),
        models=lambda: house.models,
        check_room=there_is_room,
        on_failure=lambda error, name: None,
    )


async def test_a_swap_is_seen_through_although_whoever_asked_leaves_while_it_is_written(house: House) -> None:
    slot = house.add()
    config = Config(house, slot)
    swaps = swaps_of(house, config)
    asking = asyncio.create_task(swaps.begin(slot, "other", operation="swap-1", drain="grace", by="test"))
    await config.has_begun.wait()
    asking.cancel()
    config.may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await house.until(lambda: (view := swaps.view_of("s")) is not None and view.step == "done")
    assert (slot.model, slot.state) == ("other", "ready")
    await swaps.close()


async def test_a_slot_that_is_taken_out_as_its_swap_is_written_and_put_back_can_be_swapped_again(house: House) -> None:
    slot = house.add()
    config = Config(house, slot)
    config.then = lambda: house.apply({}, revision=3)
    config.may_end.set()
    swaps = swaps_of(house, config)
    await swaps.begin(slot, "other", operation="swap-1", drain="grace", by="test")
    await house.until(lambda: (view := swaps.view_of("s")) is not None and view.step == "called off")
    assert not swaps.watches("s")
    await swaps.close()
