"""Servers that break, stall and lie: either the right bytes come in the end, or a failure says what was wrong."""

import hashlib
import resource
import threading
from dataclasses import replace
from typing import Any

import pytest

from hal0.errors import Hal0Error
from tests.daemon.pulls.conftest import MODEL, Bench, until
from tests.fakes.model_server import ModelServer

SHA256 = hashlib.sha256(MODEL).hexdigest()
OTHER = MODEL[:50_000] + bytes(reversed(MODEL[50_000:]))


async def test_an_honest_server_is_asked_for_pieces_over_several_connections(bench: Bench) -> None:
    bench.server.put("m.gguf", MODEL, slow_seconds=0.002)
    assert await bench.pull(bench.server.url("m.gguf")) is None
    assert bench.bytes_of("m") == MODEL
    assert 2 <= bench.server.most_open_bodies <= 4
    assert sorted(path.name for path in bench.store.iterdir()) == ["m.gguf", "m.json"]
    assert bench.arrived == ["m"]


@pytest.mark.parametrize(
    "fault",
    [
        {"break_after": [70_000, 0, 1, 50_000, 3]},
        {"stall_after": [70_000]},
        {"statuses": [503, 500]},
        {"statuses": [429], "retry_after": "0"},
        {"ranges": False},
        {"ranges": False, "break_after": [300_000]},
        {"ranges": False, "chunked": True, "etag": None},
        {"chunked": True},
        {"ignore_range": 1},
        {"wrong_start": 1},
        {"wrong_start": -64},
        {"wrong_total": 5},
        {"wrong_total": -5},
        {"etags": ['"first"', '"first"', '"second"']},
        {"etags": [f'"{n}"' for n in range(40)]},
        {"etag": None},
        {"etag": 'W/"weak"'},
    ],
    ids=lambda value: str(value)[:40],
)
async def test_the_right_bytes_come_whatever_the_server_does(fault: dict[str, Any], bench: Bench) -> None:
    bench.server.put("m.gguf", MODEL, **fault)
    assert await bench.pull(bench.server.url("m.gguf")) is None
    assert bench.bytes_of("m") == MODEL


@pytest.mark.parametrize(
    ("fault", "code", "words"),
    [
        ({"content_type": "text/html; charset=utf-8"}, "model.not_a_model", "web page"),
        ({"body": b"<!DOCTYPE html><title>Log in</title>" * 50}, "model.not_a_model", "web page"),
        ({"body": b"PK\x03\x04 not a model" * 50}, "model.not_a_model", "GGUF"),
        ({"body": MODEL[:60]}, "model.not_a_model", "cut short"),
        ({"statuses": [500] * 50}, "model.pull_failed", "answers 500, 5 times in a row"),
        ({"statuses": [503], "retry_after": "7200"}, "model.pull_failed", "120 minutes"),
        ({"statuses": [418]}, "model.pull_failed", "418"),
        ({"ranges": False, "announce": 1000}, "model.pull_failed", "times in a row"),
        ({"until_close": True, "ranges": False}, "model.pull_failed", "how long"),
        ({"headers": {"Content-Encoding": "gzip"}}, "model.pull_failed", "gzip"),
        ({"break_after": [0] * 99}, "model.pull_failed", "in a row"),
        ({"stall_after": [0] * 99}, "model.pull_failed", "nothing came"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_what_cannot_be_had_is_told_and_nothing_takes_its_place(
    fault: dict[str, Any], code: str, words: str, bench: Bench
) -> None:
    bench.server.put("m.gguf", **{"body": MODEL, **fault})
    error = await bench.pull(bench.server.url("m.gguf"))
    assert error is not None
    assert error.code == code
    assert words in error.message
    assert not (bench.store / "m.gguf").exists()
    assert bench.arrived == []


async def test_more_than_was_promised_is_not_taken(bench: Bench) -> None:
    bench.server.put("m.gguf", MODEL, ranges=False, chunked=True, surplus=b"!" * 40_000)
    error = await bench.pull(bench.server.url("m.gguf"), sha256=SHA256)
    assert error is not None
    assert error.code == "model.checksum_mismatch"


async def test_pieces_that_are_longer_than_asked_for_are_not_trusted(bench: Bench) -> None:
    bench.server.put("m.gguf", MODEL, chunked=True, surplus=b"!" * 40_000)
    error = await bench.pull(bench.server.url("m.gguf"))
    assert error is not None
    assert "sends more than" in error.message


async def test_a_wrong_checksum_leaves_nothing_behind_that_could_be_used(bench: Bench) -> None:
    bench.server.put("m.gguf", MODEL)
    error = await bench.pull(bench.server.url("m.gguf"), sha256="0" * 64)
    assert error is not None
    assert error.code == "model.checksum_mismatch"
    assert not (bench.store / "m.gguf").exists()
    assert not (bench.store / "m.part" / "m.gguf").exists()


async def test_a_page_to_log_in_does_not_cost_what_has_come(bench: Bench) -> None:
    file = bench.server.put("m.gguf", MODEL, break_after=[100_000] + [0] * 99)
    bench.settings = {"connections": 1}
    assert await bench.pull(bench.server.url("m.gguf")) is not None
    file.break_after, file.content_type = [], "text/html"
    error = await bench.pull(bench.server.url("m.gguf"))
    assert error is not None
    assert error.code == "model.not_a_model"
    file.content_type = "application/octet-stream"
    bench.server.requests.clear()
    assert await bench.pull(bench.server.url("m.gguf")) is None
    assert bench.bytes_of("m") == MODEL
    assert "bytes=0-131071" not in [each.range for each in bench.server.requests]


async def test_a_server_that_is_not_there_means_offline(bench: Bench) -> None:
    with ModelServer() as gone:
        url = gone.url("m.gguf")
    error = await bench.pull(url)
    assert error is not None
    assert error.code == "model.offline"
    assert "127.0.0.1" in error.message
    assert "HTTPS_PROXY" in error.remedy


async def test_a_name_that_dns_does_not_know_means_offline(bench: Bench) -> None:
    error = await bench.pull("https://no-such-host.invalid/m.gguf")
    assert error is not None
    assert error.code == "model.offline"
    assert "DNS" in error.message


async def test_retry_after_is_waited_for(bench: Bench) -> None:
    bench.server.put("m.gguf", MODEL, statuses=[429], retry_after="1")
    assert await bench.pull(bench.server.url("m.gguf")) is None
    first, second, *_ = bench.server.asked("m.gguf")
    assert second.at - first.at >= 0.95


async def test_a_busy_server_gets_fewer_connections(bench: Bench) -> None:
    hold = threading.Event()
    file = bench.server.put("m.gguf", MODEL, hold=hold)
    bench.settings = {"connections": 4}
    async with bench.running() as pulls:
        view = await pulls.start(bench.server.url("m.gguf"))
        await until(lambda: bench.server.open_bodies == 4)
        file.statuses = [429, 429]  # for two of those that are done first
        file.slow_seconds = 0.002
        hold.set()
        await until(lambda: not file.statuses)
        bench.server.most_open_bodies = 0
        assert await bench.outcome(pulls, view.name) is None
    assert 1 <= bench.server.most_open_bodies <= 2
    assert bench.bytes_of("m") == MODEL


async def test_a_file_that_becomes_another_meanwhile_is_never_a_mixture(bench: Bench) -> None:
    hold = threading.Event()
    file = bench.server.put("m.gguf", MODEL, hold=hold)
    async with bench.running() as pulls:
        view = await pulls.start(bench.server.url("m.gguf"))
        await until(lambda: bench.server.open_bodies == 4)
        file.body, file.etag = OTHER, '"second"'
        hold.set()
        assert await bench.outcome(pulls, view.name) is None
    assert bench.bytes_of("m") == OTHER


@pytest.mark.parametrize("ranges", [True, False])
async def test_a_disk_that_fills_up_keeps_what_has_come(ranges: bool, bench: Bench) -> None:
    """A limit on the size of files says the same as a quota."""
    bench.server.put("m.gguf", MODEL, ranges=ranges)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(MODEL) - 1000, hard))
    try:
        error = await bench.pull(bench.server.url("m.gguf"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert error is not None
    assert error.code == "model.no_space"
    assert await bench.pull("m") is None
    assert bench.bytes_of("m") == MODEL


async def test_a_full_disk_is_noticed_before_a_byte_is_fetched(bench: Bench) -> None:
    bench.server.put("m.gguf", MODEL)
    bench.pace = replace(bench.pace, reserve_bytes=2**60)
    error = await bench.pull(bench.server.url("m.gguf"))
    assert isinstance(error, Hal0Error)
    assert error.code == "model.no_space"
    assert "MiB" in error.message
    assert [each.range for each in bench.server.requests] == ["bytes=0-0"]
