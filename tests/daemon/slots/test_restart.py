from hal0.daemon.slots.restart import PARKED_AFTER, PARKED_DELAY_SECONDS, delay_seconds, is_parked


def test_delays_double_until_the_slot_is_parked() -> None:
    assert [delay_seconds(n, chance=0.5) for n in range(1, PARKED_AFTER)] == [1, 2, 4, 8]
    assert delay_seconds(PARKED_AFTER, chance=0.5) == PARKED_DELAY_SECONDS


def test_chance_spreads_a_delay_by_a_tenth_each_way() -> None:
    assert delay_seconds(1, chance=0.0) == 0.9
    assert delay_seconds(1, chance=1.0) == 1.1


def test_a_slot_is_parked_from_the_fifth_failure_on() -> None:
    assert [is_parked(n) for n in (1, 4, 5, 6)] == [False, False, True, True]
