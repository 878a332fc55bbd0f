import asyncio

import pytest

from hal0.daemon.slots.turns import AGING_SECONDS, Turns
from hal0.errors import Hal0Error

MOST = 2


class Desk:
    """Something that at most MOST may use at a time."""

    def __init__(self, *, most: int = MOST, most_waiting: int = 100) -> None:
        self.most = most
        self.now = 0.0
        self.turns = Turns("s", clock=lambda: self.now)
        self.inside = 0
        self.most_inside = 0
        self.served: list[int] = []
        self.most_waiting = most_waiting
        self.release = asyncio.Event()

    async def use(self, number: int, *, background: bool = False) -> None:
        if not self.turns.is_free(self.inside, most=self.most):
            try:
                await self.turns.wait(most_waiting=self.most_waiting, at_once=self.most, background=background)
            except BaseException:
                self.turns.grant(self.inside, most=self.most)
                raise
            self.turns.taken()
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        self.served.append(number)
        try:
            await self.release.wait()
        finally:
            self.inside -= 1
            self.turns.grant(self.inside, most=self.most)


async def standing(desk: Desk, count: int) -> list[asyncio.Task[None]]:
    tasks = [asyncio.create_task(desk.use(number)) for number in range(count)]
    await asyncio.sleep(0)
    return tasks


async def test_all_are_served_in_order_and_never_too_many_at_once() -> None:
    desk = Desk()
    tasks = await standing(desk, 20)
    assert (desk.inside, len(desk.turns)) == (MOST, 18)
    desk.release.set()
    await asyncio.gather(*tasks)
    assert desk.served == list(range(20))
    assert desk.most_inside == MOST
    assert len(desk.turns) == 0


async def test_a_newcomer_does_not_slip_in_before_one_who_was_granted() -> None:
    desk = Desk()
    tasks = await standing(desk, 3)
    tasks[0].cancel()
    while desk.inside == MOST:
        await asyncio.sleep(0)
    assert not desk.turns.is_free(desk.inside, most=MOST)
    desk.release.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert desk.served == [0, 1, 2]


async def test_those_who_leave_the_line_cost_nothing() -> None:
    desk = Desk()
    tasks = await standing(desk, 6)
    for task in tasks[2:5]:
        task.cancel()
    await asyncio.sleep(0)
    assert len(desk.turns) == 1
    desk.release.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert desk.served == [0, 1, 5]


async def test_one_who_leaves_just_as_he_is_granted_passes_his_turn_on() -> None:
    desk = Desk(most=1)
    tasks = await standing(desk, 3)
    tasks[0].cancel()
    while desk.inside:
        await asyncio.sleep(0)
    tasks[1].cancel()  # granted, and does not know it yet
    desk.release.set()
    async with asyncio.timeout(30):
        await asyncio.gather(*tasks, return_exceptions=True)
    assert desk.served == [0, 2]
    assert len(desk.turns) == 0


async def test_one_who_leaves_in_the_moment_in_which_another_would_be_granted_is_passed_over() -> None:
    desk = Desk(most=1)
    tasks = await standing(desk, 3)
    tasks[0].cancel()  # both in one turn of the loop: the first gives room, the next in line is leaving
    tasks[1].cancel()
    desk.release.set()
    async with asyncio.timeout(30):
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [asyncio.CancelledError, asyncio.CancelledError, type(None)]
    assert desk.served == [0, 2]


async def test_a_full_line_is_refused_with_an_honest_time() -> None:
    desk = Desk(most_waiting=1)
    desk.turns.held_for(8.0)
    tasks = await standing(desk, 3)
    with pytest.raises(Hal0Error) as caught:
        await desk.use(9)
    assert caught.value.code == "slot.queue_full"
    assert caught.value.retry_after_seconds == 8.0 / MOST
    assert caught.value.details == {"slot": "s", "waiting": 1}
    desk.release.set()
    await asyncio.gather(*tasks)


def test_the_newest_durations_count_more() -> None:
    turns = Turns("s")
    for seconds in (1.0, 1.0, 11.0):
        turns.held_for(seconds)
    assert turns._seconds_until_free(1) == pytest.approx(3.0)


async def served_in_order(desk: Desk, *comers: tuple[int, bool, float]) -> list[int]:
    """Who is served when, of (number, in the background, when it comes), behind one who holds the only place."""
    holder = asyncio.create_task(desk.use(0))
    await asyncio.sleep(0)
    tasks = []
    for number, background, at in comers:
        desk.now = at
        tasks.append(asyncio.create_task(desk.use(number, background=background)))
        await asyncio.sleep(0)
    desk.release.set()
    await asyncio.gather(holder, *tasks)
    assert len(desk.turns) == 0
    return desk.served[1:]


async def test_those_in_the_background_come_last_and_in_order_among_themselves() -> None:
    order = await served_in_order(Desk(most=1), (1, True, 0), (2, False, 1), (3, True, 2), (4, False, 3))
    assert order == [2, 4, 1, 3]


async def test_nobody_stays_in_the_background_for_ever() -> None:
    late = AGING_SECONDS + 1
    order = await served_in_order(Desk(most=1), (1, True, 0), (2, False, 1), (3, False, late), (4, True, late))
    assert order == [2, 1, 3, 4]


async def test_in_a_full_line_one_in_the_background_makes_room_for_a_person() -> None:
    desk = Desk(most=1, most_waiting=2)
    holder = asyncio.create_task(desk.use(0))
    await asyncio.sleep(0)
    first, second = (asyncio.create_task(desk.use(number, background=True)) for number in (1, 2))
    await asyncio.sleep(0)
    with pytest.raises(Hal0Error):
        await desk.use(3, background=True)
    person = asyncio.create_task(desk.use(4))
    with pytest.raises(Hal0Error) as caught:
        await second
    assert (caught.value.code, caught.value.retry_after_seconds) == ("slot.queue_full", 1.0)
    desk.release.set()
    await asyncio.gather(holder, first, person)
    assert desk.served == [0, 4, 1]
    assert len(desk.turns) == 0


async def test_one_who_is_sent_away_just_as_he_leaves_costs_no_turn() -> None:
    desk = Desk(most=1, most_waiting=1)
    holder = asyncio.create_task(desk.use(0))
    await asyncio.sleep(0)
    leaver = asyncio.create_task(desk.use(1, background=True))
    await asyncio.sleep(0)
    person = asyncio.create_task(desk.use(2))
    await asyncio.sleep(0)
    leaver.cancel()
    desk.release.set()
    results = await asyncio.gather(holder, leaver, person, return_exceptions=True)
    assert results[0] is results[2] is None
    assert desk.served == [0, 2]
    assert len(desk.turns) == 0
