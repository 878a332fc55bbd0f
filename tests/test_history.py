"""Rings over the steps of the clock: what they tell, and that they stay as large as they are."""

import pytest

from hal0.history import LETTERS, TELLING, DeviceHistory, Means, States
from hal0.wire import DeviceView

NOW = 1_795_350_660.0


def means(*values: float, at: float = NOW, steps: int = 60) -> Means:
    ring = Means(steps)
    for second, value in enumerate(values):
        ring.add(at + second, value)
    return ring


def test_a_step_is_the_mean_of_what_was_said_in_it() -> None:
    ring = Means(60, 5.0)
    for second, value in enumerate((1.0, 2.0, 3.0, 4.0, 5.0, 7.0)):
        ring.add(NOW + second, value)
    assert ring.steps_from(ring.number(NOW), ring.number(NOW) + 2) == [3.0, 7.0, None]


def test_seconds_without_a_figure_are_unknown_and_no_zero() -> None:
    ring = means(1.0)
    ring.add(NOW + 3, 4.0)
    assert ring.cells(1.0, int(NOW) + 3, 4) == [1.0, None, None, 4.0]
    assert ring.mean(NOW, NOW + 4) == 2.5


def test_what_is_older_than_the_ring_is_forgotten_and_its_place_is_used_again() -> None:
    ring = means(*map(float, range(100)), steps=60)
    assert ring.mean(NOW, NOW + 40) is None
    assert ring.mean(NOW + 40, NOW + 41) == 40.0
    ring.add(NOW + 1000, 5.0)
    assert ring.cells(1.0, int(NOW) + 1000, 60)[:-1] == [None] * 59


def test_cells_that_are_over_do_not_change_and_the_newest_does() -> None:
    ring = means(1.0, 1.0)
    last = int(NOW) // 2
    assert ring.cells(2.0, last, 1) == [1.0]
    ring.add(NOW + 1, 4.0)
    assert ring.cells(2.0, last, 1) == [1.75]
    ring.add(NOW + 2, 9.0)
    assert ring.cells(2.0, last + 1, 2) == [1.75, 9.0]
    assert ring.cells(4.0, int(NOW) // 4, 1) == [pytest.approx((1 + 2.5 + 9) / 3)], "other cells are reckoned anew"


def test_a_cell_shorter_than_a_step_has_the_step_it_lies_in() -> None:
    assert means(1.0, 2.0).cells(0.5, int(NOW * 2) + 3, 4) == [1.0, 1.0, 2.0, 2.0]


def test_what_is_filled_in_does_not_take_the_place_of_what_is_known() -> None:
    ring = means(7.0, at=NOW + 10)
    assert ring.cells(1.0, int(NOW) + 10, 11)[:10] == [None] * 10
    ring.fill(NOW + 5, NOW + 11, 3.0)
    ring.fill(NOW - 500, NOW - 490, 1.0)
    assert ring.cells(1.0, int(NOW) + 10, 11) == [None] * 5 + [3.0] * 5 + [7.0]


def test_an_empty_ring_is_filled_and_goes_on_from_there() -> None:
    ring = Means(60)
    ring.fill(NOW, NOW + 5, 3.0)
    ring.add(NOW + 5, 4.0)
    ring.add(NOW + 5.5, 6.0)
    assert ring.cells(1.0, int(NOW) + 5, 6) == [3.0] * 5 + [5.0]


def test_a_clock_that_was_put_back_begins_the_ring_anew() -> None:
    ring = means(1.0, 2.0)
    ring.add(NOW - 5000, 3.0)
    assert ring.mean(NOW - 5000, NOW - 4999) == 3.0
    assert ring.mean(NOW, NOW + 2) is None


def states(*changes: tuple[float, str], now: float) -> States:
    lane = States(100)
    for since, state in changes:
        lane.note(NOW + since, state, NOW + since)  # type: ignore[arg-type]
    lane.go_on(NOW + now)
    return lane


def told(lane: States, first: int, last: int) -> str:
    return lane.letters(int(NOW) + first, int(NOW) + last)


def test_the_most_telling_state_of_a_step_is_kept() -> None:
    lane = states((0, "ready"), (2.2, "serving"), (2.4, "ready"), (4, "error"), now=6)
    assert told(lane, -1, 7) == "-rrvreee-"
    assert lane.most_telling(NOW, NOW + 4) == "serving"
    assert lane.most_telling(NOW, NOW + 5) == "error"
    assert lane.most_telling(NOW - 20, NOW - 10) is None


def test_a_state_counts_from_when_it_began_also_if_that_is_long_ago() -> None:
    lane = States(100)
    lane.note(NOW - 5000, "idle", NOW)
    assert lane.letters(int(NOW) - 99, int(NOW)) == "i" * 100


def test_cells_of_states_that_are_over_are_reckoned_once_and_anew_when_more_is_known() -> None:
    lane = states((0, "ready"), (3, "serving"), (3.5, "ready"), now=9)
    last = lane.number(NOW) // 2 + 4
    assert lane.cells(2.0, last, 6) == [None, "ready", "serving", "ready", "ready", "ready"]
    assert lane.cells(1.0, lane.number(NOW) + 3, 2) == ["ready", "serving"], "other cells are reckoned anew"
    lane.note(NOW + 10, "error", NOW + 10)
    assert lane.cells(2.0, last + 1, 3) == ["ready", "ready", "error"]
    lane.note(NOW + 7, "idle", NOW + 10)  # told late
    assert lane.cells(2.0, last + 1, 4) == ["ready", "ready", "idle", "idle"]
    lane.fill(NOW - 2, NOW, "e")
    assert lane.cells(2.0, last, 6)[0] == "error"


def test_what_was_not_seen_is_unknown_until_it_is_told() -> None:
    lane = states((0, "serving"), now=3)
    lane.lose(NOW + 3)
    lane.note(NOW + 6, "ready", NOW + 8)
    assert told(lane, 0, 8) == "vvvv--rrr"
    lane.fill(NOW + 2, NOW + 7, "e")
    assert told(lane, 0, 8) == "vvvveerrr"
    lane.note(NOW + 6, "ready", NOW + 10)
    assert told(lane, 6, 10) == "rrrrr"


def test_every_state_has_a_letter_and_a_letter_of_a_newer_daemon_is_unknown() -> None:
    assert len(set(LETTERS)) == len(LETTERS) == len(TELLING)
    lane = states((5, "ready"), now=6)
    lane.fill(NOW, NOW + 5, "?")
    assert told(lane, 0, 6) == "-----rr"


def test_a_device_has_rings_for_what_it_reports_and_no_others() -> None:
    history = DeviceHistory(60)
    history.note(NOW, DeviceView(id="gpu0", kind="gpu", name="x", utilisation=0.0, power_w=None))
    assert set(history.of) == {"utilisation"}
    assert history.of["utilisation"].mean(NOW, NOW + 1) == 0.0
