import asyncio

from hal0.daemon.events import CROWD_EVENTS, QUEUE_EVENTS, RING_EVENTS, EventBus
from hal0.wire import EventKind

KINDS: tuple[EventKind, ...] = ("slot.removed", "slot.transition", "device.sample", "config.rejected")


def filled(count: int) -> EventBus:
    bus = EventBus(clock=lambda: 1.0)
    for number in range(count):
        bus.publish("slot.removed", {"name": str(number)})
    return bus


async def ids(bus: EventBus, since: int | None) -> list[tuple[int, str]]:
    with bus.subscribe(since=since) as subscription:
        bus.publish("slot.removed", {"name": "last"})
        return [(event.id, event.kind) for event in await subscription.next_batch()]


async def test_a_new_reader_hears_from_now_on() -> None:
    assert await ids(filled(3), None) == [(4, "slot.removed")]


async def test_a_returning_reader_gets_what_it_missed() -> None:
    assert [number for number, _ in await ids(filled(5), 2)] == [3, 4, 5, 6]
    assert [number for number, _ in await ids(filled(5), 5)] == [6]


async def test_what_is_no_longer_kept_is_a_gap() -> None:
    bus = filled(RING_EVENTS + 10)
    assert (await ids(bus, 3))[0] == (bus.last_id - 1, "gap")


async def test_what_is_told_again_anyway_is_not_kept_and_leaves_no_gap() -> None:
    bus = filled(3)
    for _ in range(RING_EVENTS + 10):
        bus.publish("device.sample", {}, keep=False)
    assert await ids(bus, 1) == [(2, "slot.removed"), (3, "slot.removed"), (bus.last_id, "slot.removed")]
    bus = filled(0)
    for _ in range(3):
        bus.publish("device.sample", {}, keep=False)
    assert await ids(bus, 1) == [(4, "slot.removed")]
    assert await ids(bus, 1) == [(4, "slot.removed"), (5, "slot.removed")]


async def test_a_reader_of_some_topics_gets_only_those_also_of_what_it_missed_and_is_told_of_a_gap() -> None:
    bus = filled(2)
    bus.publish("slot.transition", {})
    bus.publish("config.applied", {})
    with bus.subscribe(since=0, topics=("config", "slot.transition")) as subscription:
        for kind in KINDS:
            bus.publish(kind, {})
        told = [event.kind for event in await subscription.next_batch()]
    assert told == ["slot.transition", "config.applied", "slot.transition", "config.rejected"]
    with bus.subscribe(since=99, topics=("config",)) as subscription:
        assert [event.kind for event in await subscription.next_batch()] == ["gap"]


async def test_a_reader_of_other_topics_is_no_audience() -> None:
    bus = EventBus()
    with bus.subscribe(topics=("slot", "error")):
        assert bus.watches("slot.transition")
        assert not bus.watches("device.sample")
        with bus.subscribe():
            assert bus.watches("device.sample")


async def test_a_number_from_another_daemon_is_a_gap() -> None:
    assert (await ids(filled(3), 500))[0][1] == "gap"


async def test_a_slow_reader_gets_one_gap_and_then_goes_on() -> None:
    bus = EventBus()
    with bus.subscribe() as subscription:
        for _ in range(QUEUE_EVENTS + 5):
            bus.publish("slot.removed", {"name": "x"})
        (gap,) = await subscription.next_batch()
        assert (gap.kind, gap.data) == ("gap", {"missed_from": 1, "missed_to": QUEUE_EVENTS + 5})
        bus.publish("slot.removed", {"name": "after"})
        assert [event.id for event in await subscription.next_batch()] == [QUEUE_EVENTS + 6]


async def test_publishing_wakes_a_waiting_reader() -> None:
    bus = EventBus()
    with bus.subscribe() as subscription:
        waiting = asyncio.create_task(subscription.next_batch())
        await asyncio.sleep(0)
        bus.publish("slot.removed", {"name": "x"})
        assert len(await waiting) == 1


async def test_events_gather_for_a_moment_and_no_longer_than_until_there_are_many() -> None:
    bus = EventBus()
    with bus.subscribe() as subscription:
        bus.publish("slot.removed", {"name": "x"})
        await subscription.gather(0.01)
        assert len(await subscription.next_batch()) == 1
        gathering = asyncio.create_task(subscription.gather(3600.0))
        for _ in range(CROWD_EVENTS):
            await asyncio.sleep(0)
            assert not gathering.done()
            bus.publish("slot.removed", {"name": "x"})
        await gathering
        assert len(await subscription.next_batch()) == CROWD_EVENTS


async def test_nothing_gathers_any_more_once_the_daemon_stops() -> None:
    bus = EventBus()
    with bus.subscribe() as everything, bus.subscribe(topics=("slot",)) as slots:
        gathering = [asyncio.create_task(reader.gather(3600.0)) for reader in (everything, slots)]
        await asyncio.sleep(0)
        bus.publish("daemon.stopping", {"drain_seconds": 30.0})
        await asyncio.gather(*gathering)
        assert [event.kind for event in await everything.next_batch()] == ["daemon.stopping"]
        await everything.gather(3600.0)


async def test_nobody_is_watched_over_after_leaving() -> None:
    bus = EventBus()
    with bus.subscribe():
        assert bus.watched
    assert not bus.watched
