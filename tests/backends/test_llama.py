"""The engine of the package as a program, with the shipped models."""

import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from pathlib import Path

import pytest

from hal0.models import CARDS
from tests.fakes.programs import free_port, last_words, running

STARTER, EMBEDDER = (str(card.path) for card in CARDS)
KEY = "secret"
ORIGIN = "https://evil.example"
MIB = 2**20


def words(model: str, port: int, *more: str) -> list[str]:
    return [sys.executable, "-P", "-m", "hal0.backends.llama", "--model", model, "--port", str(port), *more]


def ask(
    port: int, path: str, body: object = None, *, key: str = KEY, method: str | None = None, **headers: str
) -> tuple[int, Message, bytes]:
    data = None if body is None else json.dumps(body).encode()
    given = {"Authorization": f"Bearer {key}", "Content-Type": "application/json", **headers}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, given, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


@contextmanager
def serving(model: str, *more: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The program, once it is healthy."""
    port = free_port()
    with running(words(model, port, *more), {"LLAMA_API_KEY": KEY, "OMP_WAIT_POLICY": "passive"}) as program:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and program.poll() is None:
            try:
                if ask(port, "/health")[0] == 200:
                    break
            except OSError:
                time.sleep(0.01)
        else:
            pytest.fail(f"not healthy: {last_words(program)}")
        yield program, port


@pytest.fixture(scope="module")
def starter() -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    with serving(STARTER, "--alias", "hal0-starter", "--ctx-size", "1024", "--threads", "1") as it:
        yield it


@pytest.fixture
def port(starter: tuple[subprocess.Popen[bytes], int]) -> int:
    return starter[1]


CHAT = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4, "temperature": 0}


def test_it_answers_a_chat_under_its_alias(port: int) -> None:
    status, _, body = ask(port, "/v1/chat/completions", CHAT)
    answer = json.loads(body)
    assert status == 200
    assert answer["model"] == "hal0-starter"
    assert answer["choices"][0]["message"]["content"]


@pytest.mark.parametrize("key", ["", "wrong", KEY + "x"])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/completion", "/v1/embeddings", "/tokenize"])
def test_another_key_is_refused(port: int, path: str, key: str) -> None:
    assert ask(port, path, CHAT, key=key)[0] == 401


@pytest.mark.parametrize("path", ["/slots", "/props", "/metrics"])
def test_what_tells_of_requests_needs_the_key(port: int, path: str) -> None:
    assert ask(port, path, key="wrong")[0] == 401


def permissions(headers: Message) -> dict[str, str]:
    """What a browser reads before it lets a page of another origin see an answer."""
    return {name.lower(): value for name, value in headers.items() if name.lower().startswith("access-control-allow")}


@pytest.mark.parametrize("path", ["/v1/models", "/health"])
def test_a_web_page_gets_no_leave_to_read_an_answer(port: int, path: str) -> None:
    _, headers, _ = ask(port, path, Origin=ORIGIN)
    given = permissions(headers)
    assert given.get("access-control-allow-origin", "") == ""
    assert given.get("access-control-allow-credentials", "false") == "false"


def test_a_web_page_gets_no_leave_to_send_a_request(port: int) -> None:
    asked = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    _, headers, _ = ask(port, "/v1/chat/completions", method="OPTIONS", **asked)
    given = permissions(headers)
    assert given.get("access-control-allow-origin", "") == ""
    assert given.get("access-control-allow-credentials", "false") == "false"


def test_it_has_no_page_of_its_own(port: int) -> None:
    status, _, body = ask(port, "/")
    assert status == 404
    assert b"<html" not in body


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly_also_in_the_middle_of_an_answer(number: signal.Signals) -> None:
    with serving(STARTER, "--ctx-size", "1024", "--threads", "1") as (program, port):
        body = json.dumps({"prompt": "Tell me a story", "stream": True, "ignore_eos": True, "n_predict": 900}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/completion", body, {"Authorization": f"Bearer {KEY}"}
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            assert answer.readline().startswith(b"data: ")
            wait_until_heard(program.pid)  # the engine may answer before it lets Python go on
            program.send_signal(number)
            assert program.wait(timeout=30) == 0


def wait_until_heard(pid: int) -> None:
    """Until it has a handler for SIGTERM."""
    deadline = time.monotonic() + 30
    while True:
        status = Path(f"/proc/{pid}/status").read_text()
        caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
        if int(caught, 16) >> (signal.SIGTERM - 1) & 1:
            return
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_signal_while_it_loads_ends_it(tmp_path: Path) -> None:
    fifo = tmp_path / "model.gguf"
    subprocess.run(["mkfifo", fifo], check=True)  # opening it never ends: a model that loads for ever
    with running(words(str(fifo), free_port()), {}) as program:
        assert program.stdout is not None
        while b"loading model" not in program.stdout.readline():
            pass
        program.terminate()
        assert program.wait(timeout=30) == -signal.SIGTERM


@pytest.mark.parametrize(("model", "limit_mib"), [(STARTER, 80), (EMBEDDER, 100)])
def test_it_is_small(model: str, limit_mib: int) -> None:
    more = ("--embedding",) if model == EMBEDDER else ()
    with serving(model, "--ctx-size", "512", "--threads", "1", *more) as (program, port):
        asked = ("/v1/embeddings", {"input": "hello"}) if more else ("/v1/chat/completions", CHAT)
        assert ask(port, *asked)[0] == 200
        lines = Path(f"/proc/{program.pid}/status").read_text().splitlines()
        resident = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))
        assert resident < limit_mib * MIB


def test_a_file_it_cannot_serve_ends_it_with_the_engines_own_words(tmp_path: Path) -> None:
    path = tmp_path / "foreign.gguf"
    path.write_bytes(b"PK\x03\x04" * 1000)
    with running(words(str(path), free_port()), {}) as program:
        status, lines = last_words(program)
    assert status == 3
    assert any(str(path) in line for line in lines)
    assert any("invalid magic" in line for line in lines)
    assert not any("Traceback" in line for line in lines)


@pytest.mark.parametrize(
    ("more", "status", "reason"),
    [
        (("--frobnicate",), 2, "invalid argument: --frobnicate"),
        (("--ctx-size", "99999999999"), 2, "a value the engine does not take"),
        (("-ngl", "4"), 3, "computes on the CPU only"),
    ],
)
def test_what_it_cannot_do_it_says_in_one_line(more: tuple[str, ...], status: int, reason: str) -> None:
    with running(words(STARTER, free_port(), *more), {}) as program:
        ended, lines = last_words(program)
    assert (ended, len(lines)) == (status, 1)
    assert lines[0].startswith("error: ")
    assert reason in lines[0]
