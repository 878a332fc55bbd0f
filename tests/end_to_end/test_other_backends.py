"""vLLM, FastFlowLM and programs of somebody's, behind the real daemon: started, asked, streamed, killed, stopped."""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fakes.installation import Installation, events_of, installed
from tests.fakes.programs import install_stand_in, write_model_folder

FAKES = Path(__file__).resolve().parent.parent / "fakes"
LINES = 60_000  # printed as fast as 50,000 a second
CONFIG = """
[daemon]
ports = @PORTS@

[dispatch]
chat = "wrapped"
embedding = "npu-vectors"

[slots.wrapped]
provider = "command"
command = ["sh", "-c", "$PROGRAM --listen ${port} --model-file '${model}' --size ${ctx}; echo done"]
model = "@FOLDER@/Qwen2"
context = 512
cwd = "@FOLDER@/work"
env = { PROGRAM = "@PROGRAM@", ANY_SECRET = "${key}" }
stop_timeout = 5

[slots.elsewhere]
provider = "command"
command = "@PROGRAM@ --listen ${port} --below /openai/v1 --slow 0.5"
api_path = "/openai/v1"
ready_path = "/ready"
model = "its-own-name"
serves = ["chat", "embedding"]

[slots.loud]
provider = "command"
command = ["sh", "-c", "@PROGRAM@ --listen ${port} & exec @PRINTER@ @LINES@ 50000"]

[slots.broken]
provider = "command"
command = "@PROGRAM@ --listen ${port} --model-file /nowhere/m"

[slots.missing]
provider = "command"
command = "frobnicate --listen ${port}"

[slots.unproven]
provider = "command"
command = "@PROGRAM@ --listen ${port} --below /other"

[slots.trusted]
provider = "command"
command = "@PROGRAM@ --listen ${port} --below /other"
proof = false

[slots.painter]
provider = "command"
command = "@PROGRAM@ --listen ${port}"
kind = "image"

[slots.voice]
provider = "command"
command = "@PROGRAM@ --listen ${port}"
kind = "speech"

[slots.big]
provider = "vllm"
memory = "ignore"
binary = "@FOLDER@/bin/vllm"
model = "@FOLDER@/Qwen2"
env = { FAKE_VLLM_RECORD = "@FOLDER@/vllm.json", FAKE_VLLM_LOAD = "0.3", FAKE_VLLM_CRASH = "later" }

[slots.vectors]
provider = "vllm"
memory = "ignore"
binary = "@FOLDER@/bin/vllm"
model = "@FOLDER@/Bert"

[slots.too-big]
provider = "vllm"
memory = "ignore"
binary = "@FOLDER@/bin/vllm"
model = "@FOLDER@/Qwen2"
env = { FAKE_VLLM_CRASH = "engine" }

[slots.npu]
provider = "flm"
binary = "@FOLDER@/bin/flm"
model = "llama3.2:1b"
env = { FAKE_FLM_MODELS = "llama3.2:1b", FAKE_FLM_LOAD = "0.3" }

[slots.npu-vectors]
provider = "flm"
binary = "@FOLDER@/bin/flm"
model = "embed-gemma:300m"

[slots.not-pulled]
provider = "flm"
binary = "@FOLDER@/bin/flm"
model = "gemma3:4b"
env = { FAKE_FLM_MODELS = "llama3.2:1b" }
"""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("hal0")
    for name in ("bin", "work"):
        (folder / name).mkdir()
    install_stand_in(folder / "bin", "vllm", "vllm_server.py")
    install_stand_in(folder / "bin", "flm", "flm_server.py")
    write_model_folder(folder / "Qwen2")
    write_model_folder(folder / "Bert", architecture="BertModel", limit=512)
    program = f"{sys.executable} -S {FAKES / 'any_server.py'}"
    printer = f"{sys.executable} -S {FAKES / 'printer.py'}"
    text = CONFIG.replace("@FOLDER@", str(folder)).replace("@PROGRAM@", program)
    text = text.replace("@PRINTER@", printer).replace("@LINES@", str(LINES))
    with installed(folder, text) as installation:
        yield installation


def ask(here: Installation, path: str, **body: Any) -> httpx.Response:
    return httpx.post(f"{here.url}/v1/{path}", json=body, timeout=30)


def chat(here: Installation, said: str = "a b", **body: Any) -> httpx.Response:
    return ask(here, "chat/completions", messages=[{"role": "user", "content": said}], **body)


def text(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text
    said: str = answer.json()["choices"][0]["message"]["content"]
    return said


def error(answer: httpx.Response) -> dict[str, Any]:
    told: dict[str, Any] = answer.json()["error"]
    return told


def lines(here: Installation, slot: str) -> list[str]:
    told: list[str] = here.admin("GET", f"/api/slots/{slot}/logs")["lines"]
    return told


# Any program


def test_a_program_behind_a_shell_is_asked_with_its_own_key(here: Installation) -> None:
    answer = chat(here)
    assert text(answer) == "You said: a b"
    assert answer.json()["model"] == "Qwen2"  # also named to it when the client names none
    told = json.loads(next(line for line in lines(here, "wrapped") if line.startswith("{")))
    assert told["cwd"] == str(here.folder / "work")
    assert told["model_file"] == str(here.folder / "Qwen2")
    assert told["size"] == 512
    assert len(told["secret"]) > 20
    command = here.admin("GET", "/api/slots/wrapped/command")
    assert told["secret"] not in json.dumps(command)
    port = here.slot("wrapped")["port"]
    assert httpx.post(f"http://127.0.0.1:{port}/v1/chat/completions", json={}).status_code == 401


def test_stopping_ends_the_shell_and_what_it_started(here: Installation) -> None:
    text(chat(here, model="wrapped"))
    shell = here.slot("wrapped")["pid"]
    group = [pid for pid in here.backends() if os.getpgid(pid) == shell]
    assert len(group) == 2
    here.admin("POST", "/api/slots/wrapped/unload", {})
    here.wait_for_slot("wrapped", "offline")
    assert not set(group) & set(here.backends())


def test_a_program_killed_below_its_shell_is_started_again(here: Installation) -> None:
    text(chat(here, model="wrapped"))
    view = here.slot("wrapped")
    [server] = [pid for pid in here.backends() if os.getpgid(pid) == view["pid"] != pid]
    os.kill(server, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while (now := here.slot("wrapped"))["run"] == view["run"] or now["state"] not in ("ready", "idle"):
        assert time.monotonic() < deadline, now
        time.sleep(0.05)


def test_a_crash_says_the_programs_own_words(here: Installation) -> None:
    answer = chat(here, "die", model="elsewhere")
    assert answer.status_code == 502
    assert "fatal: asked to die (exit status 3)" in error(answer)["message"]
    assert text(chat(here, model="elsewhere"))


def test_everybody_else_is_answered_while_a_slot_prints_and_no_line_is_lost(here: Installation) -> None:
    here.admin("POST", "/api/slots/loud/load", {})
    asked_meanwhile = 0
    with httpx.Client(
        base_url=here.url, timeout=10.0
    ) as client:  # how long it takes is measured by tests.bench.loud_slot
        while "all is printed" not in lines(here, "loud")[-1:]:
            assert client.get("/health").status_code == 200
            asked_meanwhile += 1
    assert asked_meanwhile
    files = sorted((here.folder / "state" / "logs").glob("loud.log*"), reverse=True)
    printed = [line for file in files for line in file.read_text().splitlines()]
    numbers = [int(line.rpartition("= ")[2]) for line in printed if "progress, n = " in line]
    assert numbers == list(range(LINES))
    here.admin("POST", "/api/slots/loud/unload", {})


def set_patience(here: Installation, seconds: float) -> None:
    with here.client() as client:
        answer = client.patch("/api/config", json={"set": {"dispatch.stream_idle_timeout": seconds}})
    assert answer.status_code == 200, answer.text


def test_a_stream_that_stops_in_the_middle_is_given_up_and_the_program_is_not(here: Installation) -> None:
    text(chat(here, model="elsewhere"))
    before = here.slot("elsewhere")
    set_patience(here, 0.5)
    try:
        answer = chat(here, "then stall", model="elsewhere", stream=True)
    finally:
        set_patience(here, 300)
    *words, last = events_of(answer.text)
    assert [word["choices"][0]["delta"]["content"] for word in words] == ["You ", "said: ", "then "]
    assert last["error"]["code"] == "dispatch.stream_stalled"
    assert "[DONE]" not in answer.text
    assert here.admin("GET", "/api/requests")["requests"][0]["outcome"] == "failed"
    assert text(chat(here, model="elsewhere")) == "You said: a b"
    after = here.slot("elsewhere")
    assert [after[key] for key in ("pid", "run")] == [before[key] for key in ("pid", "run")]


def test_a_program_with_other_paths_is_asked_there_by_its_own_name(here: Installation) -> None:
    answer = chat(here, model="elsewhere")
    assert text(answer) == "You said: a b"
    assert answer.json()["model"] == "its-own-name"
    assert answer.headers["x-hal0-model"] == "its-own-name"
    assert ask(here, "embeddings", input="x", model="elsewhere").json()["data"]
    assert error(ask(here, "completions", prompt="x", model="elsewhere"))["code"] == "dispatch.capability_mismatch"
    assert (
        ask(here, "rerankings", query="a", documents=["a", "b"], model="elsewhere").json()["results"][0]["index"] == 0
    )


def test_a_program_without_a_key_is_shown_as_such(here: Installation) -> None:
    assert here.admin("GET", "/api/slots/elsewhere/command")["key"] == ""
    assert here.admin("GET", "/api/slots/wrapped/command")["key"] == "${key}"


def test_a_program_that_ends_at_once_is_told_in_its_own_words(here: Installation) -> None:
    answer = chat(here, model="broken")
    assert error(answer)["code"] == "slot.load_failed"
    assert "no such file: /nowhere/m" in error(answer)["message"]


def test_a_program_that_is_not_installed_is_named(here: Installation) -> None:
    assert error(chat(here, model="missing"))["code"] == "slot.engine_missing"


def test_a_program_that_cannot_do_the_work_is_not_ready_unless_it_is_trusted(here: Installation) -> None:
    answer = chat(here, model="unproven")
    assert error(answer)["code"] == "slot.bad_response"
    assert "404" in error(answer)["message"]
    here.admin("POST", "/api/slots/trusted/load", {})
    here.wait_for_slot("trusted", "ready", "idle")


def test_a_program_that_draws_is_proven_and_asked_like_any_other(here: Installation) -> None:
    answer = ask(here, "images/generations", model="painter", prompt="a cat", n=2, response_format="b64_json")
    assert [picture["asked"] for picture in answer.json()["data"]] == ["a cat", "a cat"]
    assert answer.headers["x-hal0-slot"] == "painter"
    assert here.slot("painter")["kind"] == "image"
    assert error(ask(here, "images/generations", model="painter", prompt="x", size="9"))["code"] == (
        "dispatch.size_invalid"
    )


def test_a_program_that_speaks_is_proven_and_asked_like_any_other(here: Installation) -> None:
    answer = ask(here, "audio/speech", model="voice", input="one two three")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "audio/wav")
    assert len(answer.content) == 44 + 3 * 2000 * 2
    assert answer.headers["x-hal0-slot"] == "voice"
    assert answer.headers["x-hal0-engine"] == Path(sys.executable).name
    assert here.slot("voice")["kind"] == "speech"
    assert error(chat(here, model="voice"))["code"] == "dispatch.capability_mismatch"


# vLLM


def test_vllm_is_asked_by_the_name_it_serves(here: Installation) -> None:
    for name in ("big", "Qwen2"):
        answer = chat(here, model=name)
        assert text(answer) == "You said: a b"
        assert answer.json()["model"] == "Qwen2"
    record = json.loads((here.folder / "vllm.json").read_text())
    view = here.slot("big")
    assert record["argv"] == here.admin("GET", "/api/slots/big/command")["argv"][1:]
    assert str(view["port"]) in record["argv"]
    assert record["env"]["VLLM_API_KEY"] not in " ".join(record["argv"])
    assert record["env"]["HF_HUB_OFFLINE"] == "1"
    assert (view["model"], view["context"], view["parallel"]) == ("Qwen2", 8192, 256)
    assert httpx.post(f"http://127.0.0.1:{view['port']}/v1/chat/completions", json={}).status_code == 401


def test_vllm_streams(here: Installation) -> None:
    answer = chat(here, model="big", stream=True)
    said = [event["choices"][0]["delta"].get("content", "") for event in events_of(answer.text)]
    assert "".join(said).strip() == "You said: a b"
    assert answer.text.endswith("data: [DONE]\n\n")


def test_vllm_embeds_and_ranks(here: Installation) -> None:
    answer = ask(here, "embeddings", input=["x", "y"], model="vectors")
    assert [len(entry["embedding"]) for entry in answer.json()["data"]] == [8, 8]
    assert answer.headers["x-hal0-slot"] == "vectors"
    assert ask(here, "rerankings", query="x", documents=["y", "x"], model="vectors").json()["results"][0]["index"] == 1


def test_a_crash_of_vllm_is_told_and_mended(here: Installation) -> None:
    text(chat(here, model="big"))
    assert error(chat(here, "die", model="big"))["code"] == "slot.crashed"
    assert text(chat(here, model="big"))


def test_why_vllms_engine_failed_is_told(here: Installation) -> None:
    answer = chat(here, model="too-big")
    assert error(answer)["code"] == "slot.load_failed"
    assert "No available memory for the cache blocks" in error(answer)["message"]


# FastFlowLM


def test_flm_is_asked_by_its_tag_whatever_the_client_called_it(here: Installation) -> None:
    answer = chat(here, model="npu")
    assert text(answer) == "You said: a b"
    assert answer.json()["model"] == "llama3.2:1b"
    view = here.slot("npu")
    assert (view["device"], view["context"]) == ("npu", 8192)
    assert here.admin("GET", "/api/slots/npu/command")["key"] == ""


def test_flm_embeds_also_for_those_who_name_no_model(here: Installation) -> None:
    for body in ({"model": "npu-vectors"}, {"model": "embed-gemma:300m"}, {}):
        answer = ask(here, "embeddings", input="x", **body)
        assert (answer.status_code, answer.json()["model"]) == (200, "embed-gemma:300m")


def test_a_failure_that_comes_with_status_200_is_told_as_one(here: Installation) -> None:
    turns = [{"role": role, "content": "x"} for role in ("user", "assistant", "user")]
    answer = ask(here, "chat/completions", model="npu", messages=turns)
    assert answer.status_code == 502
    assert error(answer)["code"] == "dispatch.upstream_failed"
    assert "single-turn" in error(answer)["message"]


def test_a_model_that_flm_lacks_is_told_with_the_command_that_fetches_it(here: Installation) -> None:
    answer = chat(here, model="not-pulled")
    assert error(answer)["code"] == "slot.bad_response"
    assert "flm pull gemma3:4b" in error(answer)["message"]
