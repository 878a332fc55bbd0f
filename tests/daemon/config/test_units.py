"""Durations and sizes as people write them."""

import pytest

from hal0.daemon.config.units import parse_bytes, parse_seconds, show_bytes, show_seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("5m", 300),
        ("2h", 7200),
        ("1m30s", 90),
        ("1h 30m", 5400),
        (" 10s ", 10),
        ("250ms", 0.25),
        ("1.5h", 5400),
        ("7d", 604800),
        ("0s", 0),
    ],
)
def test_durations_are_read_as_people_write_them(text: str, seconds: float) -> None:
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "30", "s", "5 minutes", "30s5m", "1m 2m", "-5s", "1e3s", "5m!", "!5m", "٣s", "1" * 400 + "s"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        parse_seconds(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("64MiB", 2**26),
        ("8GiB", 2**33),
        ("1kB", 1000),
        ("10 MB", 10**7),
        ("512B", 512),
        ("1.5 GiB", 1610612736),
        ("64mib", 2**26),
    ],
)
def test_sizes_are_read_as_people_write_them(text: str, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "64", "MiB", "8G", "-1MiB", "1MiB2KiB", "1e9B"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a size"):
        parse_bytes(text)


@pytest.mark.parametrize("seconds", [0.0, 0.25, 1.0, 90.0, 300.0, 5400.0, 86400.0])
def test_a_shown_duration_reads_back_the_same(seconds: float) -> None:
    assert parse_seconds(show_seconds(seconds)) == seconds


@pytest.mark.parametrize("size", [1, 1000, 1024, 1536, 2**26, 2**33])
def test_a_shown_size_reads_back_the_same(size: int) -> None:
    assert parse_bytes(show_bytes(size)) == size


@pytest.mark.parametrize("value", [30, 1.5, True, None, [1]])
def test_what_is_not_text_is_left_to_the_type(value: object) -> None:
    assert parse_seconds(value) is value
    assert parse_bytes(value) is value
