"""`--plain`: what happens as lines, for those who cannot use a screen that is drawn over."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from hal0.errors import Hal0Error
from hal0.tui.facts import Fact
from hal0.tui.plain import LINE_LIMIT, Teller
from hal0.tui.store import Store
from hal0.wire import RequestView, State, TokenBatch
from tests.fakes.daemon import FakeDaemon
from tests.tui.samples import NOW, busy_state, default_state, request, slot


class Told:
    """A store, and what is told of it after each change."""

    def __init__(self, state: State) -> None:
        self.store = Store()
        self.teller = Teller(self.store)
        self.store.load(state)
        self.store.connected(None)

    def lines(self) -> list[str]:
        return list(self.teller.lines())

    def reduce(self, kind: str, data: object) -> None:
        self.store.reduce(Fact(1, NOW, kind, data))

    def says(self, text: str, *, reasoning: str = "") -> None:
        self.reduce("request.tokens", TokenBatch(id="7", text=text, reasoning=reasoning, tokens=1))


def begun(**more: object) -> Told:
    told = Told(default_state())
    told.lines()
    told.reduce("request.started", request("7", prompt="why?", **more))
    return told


def ended() -> RequestView:
    return request("7", phase="finished", outcome="ok", finished_at=NOW, tokens=9)


def test_it_begins_with_what_there_is() -> None:
    lines = Told(default_state()).lines()
    assert lines == [
        "12:31:07 hal0: connected to lab01, hal0 0.1.0, http://0.0.0.0:8080",
        "12:31:07 config: r1 ok",
        "12:31:07 primary: ready, loaded in 412ms (chat, hal0-starter-q8_0)",
        "12:31:07 embed: offline (embedding, all-minilm-l6-v2-q8_0)",
    ]


def test_earlier_failures_and_text_in_progress_are_told_but_not_texts_that_ended_before() -> None:
    old = request("1", phase="finished", outcome="ok", finished_at=NOW, text="long ago")
    lines = Told(busy_state(requests=[old, request("2", "chat-l", text="a\nb\nc")])).lines()
    assert "12:26:07 chat-l: dispatch.context_exceeded: the prompt does not fit chat-l: 40121 tokens" in "\n".join(
        lines
    )
    assert [line for line in lines if "#" in line] == ["12:31:07 chat-l #2: a", "12:31:07 chat-l #2: b"]


def test_text_comes_in_whole_lines_and_the_last_one_at_the_end() -> None:
    told = begun()
    assert told.lines() == ["12:31:07 primary #7: > why?"]
    told.says("one\ntw")
    assert told.lines() == ["12:31:07 primary #7: one"]
    told.says("o\n\nthr")
    assert told.lines() == ["12:31:07 primary #7: two"]
    told.says("ee")
    assert told.lines() == []
    told.reduce("request.finished", ended())
    assert told.lines() == [
        "12:31:07 primary #7: three",
        "12:31:07 primary: chat/completions ok after 12.4s, 9 tok",
    ]
    assert told.lines() == []


def test_reasoning_is_told_apart() -> None:
    told = begun()
    told.lines()
    told.says("", reasoning="hm")
    told.says("yes")
    assert told.lines() == ["12:31:07 primary #7: (thinks) hm"]


def test_a_line_without_end_is_told_in_pieces() -> None:
    told = begun()
    told.lines()
    told.says("x" * LINE_LIMIT)
    assert told.lines() == []
    told.says("y")
    assert len(told.lines()) == 1


def test_a_request_that_comes_and_goes_between_two_looks_loses_nothing() -> None:
    told = begun()
    told.says("short")
    told.reduce("request.finished", ended())
    assert [line.partition(": ")[2] for line in told.lines()][:2] == ["> why?", "short"]


def test_after_a_gap_only_what_is_new_is_told() -> None:
    told = begun()
    told.says("one\ntw")
    told.lines()
    told.store.load(default_state(requests=[request("7", prompt="why?", text="one\ntwo\nthree\n")]))
    assert told.lines() == ["12:31:07 primary #7: two", "12:31:07 primary #7: three"]


def test_slots_that_changed_unseen_are_told_after_a_break_and_no_others() -> None:
    told = Told(default_state())
    told.lines()
    told.reduce("slot.transition", slot("embed", "starting"))
    assert told.lines() == ["12:31:07 embed: offline to starting"]
    told.store.disconnected(Hal0Error("system.daemon_down", where="/s", reason="connection refused"), 1.0)
    sentence = "system.daemon_down: hal0d does not answer at /s: connection refused"
    assert told.lines() == [f"12:31:07 hal0: not connected, {sentence}; trying again"]
    told.store.disconnected(Hal0Error("system.daemon_down", where="/s", reason="connection refused"), 2.0)
    assert told.lines() == []
    told.store.load(default_state())
    told.store.connected(None)
    assert [line for line in told.lines() if "hal0:" not in line and "config" not in line] == [
        "12:31:07 embed: starting to offline"
    ]


async def start(socket: Path, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hal0.tui", "--plain", "--socket", str(socket), *arguments,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=os.environ | {"TERM": "dumb", "TZ": "UTC", "LC_ALL": "C.UTF-8"},
    )  # fmt: skip


async def until(process: asyncio.subprocess.Process, text: str) -> str:
    """Read lines up to one with this text."""
    assert process.stdout is not None
    async with asyncio.timeout(60):
        while line := (await process.stdout.readline()).decode():
            if text in line:
                return line
    raise AssertionError(f"it ended without {text!r}")


async def test_it_goes_on_in_a_pipe_and_ends_quietly_with_its_reader(tmp_path: Path) -> None:
    socket = tmp_path / "s"
    async with FakeDaemon(default_state(), socket) as daemon:
        process = await start(socket, "--ascii")
        try:
            await until(process, "embed: offline")
            await daemon.wait_for_dashboard()
            daemon.publish("request.started", request("7", prompt="warum?"))
            daemon.publish("request.tokens", TokenBatch(id="7", text="Grüße\x1b[2J\nund", tokens=2))
            assert (await until(process, "Gru")).isascii()
            daemon.change_slot("embed", state="ready")
            assert "\x1b" not in await until(process, "embed: offline to ready")
            assert process.stdout is not None
            process.stdout._transport.close()  # type: ignore[attr-defined]  # the reader goes, as `| head` does
            for number in range(1000):
                daemon.change_slot("embed", state=("starting", "ready")[number % 2])
                if process.returncode is not None:
                    break
                await asyncio.sleep(0.01)
            async with asyncio.timeout(60):
                assert await process.wait() == 141
            assert process.stderr is not None
            assert await process.stderr.read() == b""
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def test_a_daemon_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    process = await start(tmp_path / "s")
    try:
        await until(process, "not connected, system.daemon_down")
        async with FakeDaemon(default_state(), tmp_path / "s"):
            await until(process, "connected to lab01")
        await until(process, "not connected, system.daemon_down")
    finally:
        process.kill()
        await process.wait()
