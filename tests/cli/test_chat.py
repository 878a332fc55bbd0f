"""`hal0 chat`: answers as they come, in a pipe and in a conversation."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from hal0.errors import Hal0Error
from tests.cli.conftest import OpenTerminal, Run
from tests.fakes.admin import FakeAdmin

CHAT = "POST /v1/chat/completions"


def event(value: object) -> bytes:
    return b"data: " + (value if isinstance(value, bytes) else json.dumps(value).encode()) + b"\n\n"


def delta(**fields: str) -> bytes:
    return event({"choices": [{"index": 0, "delta": fields}]})


USAGE = event({"choices": [], "usage": {"completion_tokens": 42}})
DONE = event(b"[DONE]")


def streams(admin: FakeAdmin, *pieces: bytes) -> None:
    admin.answers[CHAT] = lambda: [*pieces, b""]


def bodies(admin: FakeAdmin) -> list[dict[str, Any]]:
    return [json.loads(body) for route, body in admin.asked if route == CHAT]


def test_one_message_is_streamed_to_stdout(hal0: Run, admin: FakeAdmin) -> None:
    streams(admin, delta(role="assistant"), delta(content="Hel"), delta(content="lo!"), USAGE, DONE)
    ended = hal0("chat", "primary", "-m", "Hi", "--system", "Be brief.")
    assert (ended.status, ended.out, ended.err) == (0, "Hello!\n", "")
    assert bodies(admin) == [
        {
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
            "stream": True,
            "model": "primary",
            "stream_options": {"include_usage": True},
        }
    ]


def test_without_a_message_the_whole_of_stdin_is_asked(hal0: Run, admin: FakeAdmin) -> None:
    streams(admin, delta(content="ok\n"), DONE)
    assert hal0("chat", stdin="two\nlines\n").out == "ok\n"
    assert bodies(admin)[0]["messages"] == [{"role": "user", "content": "two\nlines\n"}]
    assert "model" not in bodies(admin)[0]


def test_a_chunk_is_printed_before_the_next_is_made(admin: FakeAdmin, terminal: OpenTerminal) -> None:
    seen = threading.Event()

    def pieces() -> Iterator[bytes]:
        yield delta(content="first")
        assert seen.wait(20)
        yield delta(content=" second")
        yield DONE
        yield b""

    admin.answers[CHAT] = pieces
    screen = terminal("chat", "-m", "Hi")
    screen.wait_for("first")
    seen.set()
    assert screen.wait() == 0
    assert "first second" in screen.screen


def test_timing_goes_to_stderr(hal0: Run, admin: FakeAdmin) -> None:
    streams(admin, delta(content="a"), delta(content="b"), USAGE, DONE)
    ended = hal0("chat", "-v", "-m", "Hi")
    assert ended.out == "ab\n"
    assert ended.err.startswith("primary: 42 tokens in 0.")
    assert "first token after" in ended.err


def test_a_whole_answer_is_printed_when_it_is_there(hal0: Run, admin: FakeAdmin) -> None:
    admin.answers[CHAT] = {"choices": [{"message": {"content": "Hello!"}}], "usage": {"completion_tokens": 2}}
    assert hal0("chat", "-m", "Hi", "--no-stream").out == "Hello!\n"
    assert json.loads(hal0("chat", "-m", "Hi", "--json").out)["usage"] == {"completion_tokens": 2}
    assert [body["stream"] for body in bodies(admin)] == [False, False]


def test_thinking_aside_stays_out_of_a_pipe(hal0: Run, admin: FakeAdmin) -> None:
    streams(admin, delta(reasoning_content="hmm"), delta(content="Yes."), DONE)
    assert hal0("chat", "-m", "Hi").out == "Yes.\n"


def test_a_refused_request_fails_with_its_code(hal0: Run, admin: FakeAdmin) -> None:
    admin.answers[CHAT] = Hal0Error(
        "dispatch.capability_mismatch", slot="embed", kind="embedding", path="/v1/chat/completions"
    )
    ended = hal0("chat", "embed", "-m", "Hi")
    assert (ended.status, ended.out) == (1, "")
    assert ended.err.startswith("error: dispatch.capability_mismatch: embed is a slot for embedding")


def test_an_error_in_the_middle_ends_with_its_code_after_the_text_so_far(hal0: Run, admin: FakeAdmin) -> None:
    failure = Hal0Error("dispatch.stream_broken", slot="primary", reason="killed by SIGKILL")
    streams(admin, delta(content="Once upon"), event(failure.envelope()))
    ended = hal0("chat", "-m", "Hi")
    assert (ended.status, ended.out) == (1, "Once upon\n")
    assert ended.err.startswith("error: dispatch.stream_broken: primary broke off in the middle of its answer: killed")


def test_a_stream_that_just_stops_is_a_failure(hal0: Run, admin: FakeAdmin) -> None:
    admin.answers[CHAT] = lambda: [delta(content="Once upon")]
    ended = hal0("chat", "-m", "Hi")
    assert (ended.status, ended.out) == (1, "Once upon\n")
    assert ended.err.startswith("error: dispatch.stream_broken: primary")


@pytest.mark.parametrize("nonsense", [b"{", b"[1]", b"\xff"])
def test_a_chunk_that_makes_no_sense_is_a_failure(hal0: Run, admin: FakeAdmin, nonsense: bytes) -> None:
    streams(admin, event(nonsense), DONE)
    assert hal0("chat", "-m", "Hi").err.startswith("error: system.bad_answer: ")


def test_what_a_model_writes_cannot_act_on_the_terminal(admin: FakeAdmin, terminal: OpenTerminal) -> None:
    streams(
        admin, delta(content="\x1b]0;owned\x07"), delta(content="\x1b"), delta(content="[2Jstill\nhere\u202e"), DONE
    )
    screen = terminal("chat", "-m", "Hi")
    assert screen.wait() == 0
    assert "\x1b" not in screen.screen
    assert "\u202e" not in screen.screen
    assert "still\r\nhere" in screen.screen


def test_what_a_model_writes_goes_into_a_pipe_unchanged(hal0: Run, admin: FakeAdmin) -> None:
    streams(admin, delta(content="a\x1b[1mb"), DONE)
    assert hal0("chat", "-m", "Hi").out == "a\x1b[1mb\n"


def test_a_conversation_remembers_until_it_is_told_to_forget(admin: FakeAdmin, terminal: OpenTerminal) -> None:
    streams(admin, delta(content="Hello!"), DONE)
    screen = terminal("chat", "primary", TERM="dumb")
    screen.wait_for("> ")
    screen.type("one\n")
    screen.wait_for("Hello!")
    screen.type("two\n")
    screen.wait_for("two")
    screen.type("/new\nthree\n/quit\n")
    assert screen.wait() == 0
    said = [[message["content"] for message in body["messages"]] for body in bodies(admin)]
    assert said == [["one"], ["one", "Hello!", "two"], ["three"]]


def test_a_failure_does_not_end_a_conversation(admin: FakeAdmin, terminal: OpenTerminal) -> None:
    admin.answers[CHAT] = Hal0Error("dispatch.context_exceeded", slot="primary", reason="2048 tokens")
    screen = terminal("chat", TERM="dumb")
    screen.wait_for("> ")
    screen.type("one\n")
    screen.wait_for("dispatch.context_exceeded")
    streams(admin, delta(content="Hello!"), DONE)
    screen.type("two\n")
    screen.wait_for("Hello!\r\n> ")  # readline is there again: before that Ctrl-D is not its own
    screen.type("\x04")
    assert screen.wait() == 0
    assert [message["content"] for message in bodies(admin)[-1]["messages"]] == ["two"]


def test_ctrl_c_stops_the_answer_and_the_conversation_goes_on(admin: FakeAdmin, terminal: OpenTerminal) -> None:
    left = threading.Event()

    def pieces() -> Iterator[bytes]:
        try:
            while True:
                yield delta(content="on and ")
                left.wait(0.02)
        finally:
            left.set()

    admin.answers[CHAT] = pieces
    screen = terminal("chat", TERM="dumb")
    screen.wait_for("> ")
    screen.type("one\n")
    screen.wait_for("on and")
    os.kill(screen.process.pid, signal.SIGINT)
    screen.wait_for("(stopped)")
    assert left.wait(10), "the connection is still open"
    screen.type("/quit\n")
    assert screen.wait() == 0


def test_ctrl_c_at_the_prompt_drops_the_line_and_keeps_the_conversation(
    admin: FakeAdmin, terminal: OpenTerminal
) -> None:
    streams(admin, delta(content="Hello!"), DONE)
    screen = terminal("chat", TERM="dumb")
    screen.wait_for("> ")
    screen.type("one\n")
    screen.wait_for("Hello!\r\n> ")
    while "> \r\n> " not in screen.screen:  # between the prompt and the wait for a key, readline misses a signal
        os.kill(screen.process.pid, signal.SIGINT)
        with suppress(TimeoutError):
            screen.wait_for("> \r\n> ", seconds=3.0)
    screen.type("two\n/quit\n")
    assert screen.wait() == 0
    assert [message["content"] for message in bodies(admin)[-1]["messages"]] == ["one", "Hello!", "two"]


def test_what_is_not_utf8_on_stdin_is_asked_with_marks_in_its_place(env: dict[str, str], admin: FakeAdmin) -> None:
    streams(admin, delta(content="ok"), DONE)
    ended = subprocess.run(
        [sys.executable, "-m", "hal0.cli", "chat"],
        input=b"caf\xe9",
        capture_output=True,
        env=env,
        timeout=30,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert bodies(admin)[0]["messages"] == [{"role": "user", "content": "caf\ufffd"}]
