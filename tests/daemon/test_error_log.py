from hal0.daemon.error_log import KEPT_GROUPS, ErrorLog
from hal0.daemon.events import EventBus
from hal0.errors import Hal0Error


def crash(slot: str) -> Hal0Error:
    return Hal0Error("slot.crashed", slot=slot, reason="exit status 1")


def test_failures_of_one_code_and_slot_are_one_group() -> None:
    times = iter(range(1, 10))
    log = ErrorLog(EventBus(), clock=lambda: float(next(times)))
    log.record(crash("a"), slot="a")
    log.record(crash("b"), slot="b")
    log.record(crash("a"), slot="a", request="r2")
    newest, other = log.records()
    assert (newest.slot, newest.count, newest.first_at, newest.last_at, newest.request) == ("a", 2, 1.0, 3.0, "r2")
    assert (other.slot, other.count) == ("b", 1)


def test_every_failure_is_an_event() -> None:
    bus = EventBus()
    ErrorLog(bus).record(crash("a"), slot="a")
    assert bus.last_id == 1


def test_the_oldest_group_is_forgotten_first() -> None:
    log = ErrorLog(EventBus())
    for number in range(KEPT_GROUPS + 1):
        log.record(crash(str(number)), slot=str(number))
    assert len(log.records()) == KEPT_GROUPS
    assert log.records()[-1].slot == "1"
