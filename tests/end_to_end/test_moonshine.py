"""Slots of Moonshine, of programs and remotes that transcribe, behind a real daemon.

Moonshine's weights are not to be had here: a stand-in for its library answers in their place, and the real library is
asked for what it says without them.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fakes.installation import Installation, events_of, installed
from tests.fakes.moonshine_files import plain_model, streaming_model
from tests.fakes.recordings import wav
from tests.fakes.remote_server import RemoteServer, remote_server

FAKES = Path(__file__).resolve().parent.parent / "fakes"
CONFIG = """
[daemon]
ports = @PORTS@

[slots.ear]
provider = "moonshine"
model = "@FOLDER@/tiny-en"
args = ["--option", "vad_threshold=0.3"]
env = { PYTHONPATH = "@FAKES@/moonshine" }

[slots.live]
provider = "moonshine"
model = "@FOLDER@/small-streaming-ja"
env = { PYTHONPATH = "@FAKES@/moonshine" }

[slots.failing]
provider = "moonshine"
model = "@FOLDER@/tiny-en"
env = { PYTHONPATH = "@FAKES@/moonshine", FAKE_MOONSHINE_CRASH = "1" }

[slots.damaged]
provider = "moonshine"
model = "@FOLDER@/base-es"

[slots.incomplete]
provider = "moonshine"
model = "@FOLDER@/incomplete"

[slots.elsewhere]
provider = "moonshine"
model = "@FOLDER@/elsewhere"

[slots.program]
provider = "command"
command = "@PROGRAM@ --listen ${port} --below /api"
api_path = "/api"
kind = "transcription"
model = "its-own-name"

[remotes.far]
url = "@URL@"
key_file = "@FOLDER@/key"
models = ["whisper-*"]
"""


@pytest.fixture(scope="module")
def far() -> Iterator[RemoteServer]:
    with remote_server() as server:
        yield server


@pytest.fixture(scope="module")
def hal0(tmp_path_factory: pytest.TempPathFactory, far: RemoteServer) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("hal0")
    plain_model(folder / "tiny-en", words=True)
    plain_model(folder / "base-es", layers=8)
    streaming_model(folder / "small-streaming-ja", decoder_bytes=80_000_000)
    (plain_model(folder / "incomplete") / "encoder_model.ort").unlink()
    (folder / "key").write_text("sk-remote\n")
    (folder / "key").chmod(0o600)
    config = CONFIG.replace("@FOLDER@", str(folder)).replace("@FAKES@", str(FAKES)).replace("@URL@", far.url)
    program = f"{sys.executable} -S {FAKES / 'any_server.py'}"
    with installed(folder, config.replace("@PROGRAM@", program)) as installation:
        yield installation


HUM = 1.2  # seconds


def hum(seconds: float = HUM) -> bytes:
    """What an engine takes for speech: the sound that hal0 itself proves it with, repeated."""
    from hal0.daemon.providers.transcription_proof import sound

    once = sound()[44:]
    return wav((once * (int(seconds / HUM) + 1))[: int(seconds * 32_000)])


def ask(hal0: Installation, model: str, sound: bytes | None = None, **fields: Any) -> httpx.Response:
    files = {"file": ("so to say.wav", hum() if sound is None else sound, "audio/x-wav")}
    return httpx.post(f"{hal0.url}/v1/audio/transcriptions", files=files, data={"model": model, **fields}, timeout=60)


def error(answer: httpx.Response) -> dict[str, Any]:
    told: dict[str, Any] = answer.json()["error"]
    return told


def test_moonshine_is_told_the_architecture_that_its_files_tell(hal0: Installation) -> None:
    answer = ask(hal0, "ear")
    assert answer.status_code == 200, answer.text
    assert answer.json()["text"].startswith("tiny ")
    assert answer.headers["x-hal0-engine"] == "Moonshine"
    assert answer.headers["x-hal0-model"] == "tiny-en"
    assert "Moonshine tiny (moonshine-voice" in lines(hal0, "ear")[-1]
    command = hal0.admin("GET", "/api/slots/ear/command")["argv"]
    assert command[-4:] == ["--model", str(hal0.folder / "tiny-en"), "--option", "vad_threshold=0.3"]


def test_words_are_told_where_the_model_has_what_they_need(hal0: Installation) -> None:
    fields = {"response_format": "verbose_json", "timestamp_granularities[]": ["word", "segment"]}
    told = ask(hal0, "ear", hum(4.0), **fields).json()
    assert (told["language"], len(told["segments"])) == ("english", 2)
    assert told["words"][0]["word"] == "tiny"
    assert told["segments"][1]["start"] == pytest.approx(told["segments"][0]["end"], abs=0.02)
    refused = ask(hal0, "live", **fields)
    assert (refused.status_code, error(refused)["param"]) == (400, "timestamp_granularities")


def test_a_streaming_model_takes_a_context_and_another_language_is_refused(hal0: Installation) -> None:
    answer = ask(hal0, "live", prompt="Kubernetes", language="ja")
    assert "Kubernetes" in answer.json()["text"]
    assert "x-hal0-ignored" not in answer.headers
    assert "Kubernetes" not in ask(hal0, "live").json()["text"], "one request's context is not the next one's"
    assert ask(hal0, "ear", prompt="Kubernetes").headers["x-hal0-ignored"] == "prompt"
    refused = ask(hal0, "ear", language="ja")
    assert (error(refused)["code"], error(refused)["param"]) == ("dispatch.invalid_request", "language")


def test_a_stream_has_a_delta_for_each_segment(hal0: Installation) -> None:
    *deltas, done = events_of(ask(hal0, "ear", hum(4.0), stream="true").text)
    assert [event["type"] for event in deltas] == ["transcript.text.delta"] * 2
    assert done["text"] == "".join(event["delta"] for event in deltas)


def test_a_failure_of_the_engine_is_told_and_the_next_request_goes_on(hal0: Installation) -> None:
    answer = ask(hal0, "failing", hum(3.0))
    assert (answer.status_code, error(answer)["code"]) == (502, "dispatch.upstream_failed")
    assert "the engine failed" in error(answer)["message"]
    assert ask(hal0, "failing").status_code == 200


def test_the_real_librarys_own_words_reach_the_user(hal0: Installation) -> None:
    """It prints its reason, and raises `Unknown error`."""
    answer = ask(hal0, "damaged")
    assert error(answer)["code"] == "slot.load_failed"
    assert "Failed to load Moonshine models from" in error(answer)["message"]
    assert str(hal0.folder / "base-es" / "encoder_model.ort") in error(answer)["message"]


def test_a_folder_that_lacks_files_is_told_with_their_names(hal0: Installation) -> None:
    assert "lacks encoder_model.ort" in error(ask(hal0, "incomplete"))["message"]
    assert error(ask(hal0, "elsewhere"))["code"] == "model.file_missing"


def test_a_program_gets_the_form_with_its_own_name_for_the_model(hal0: Installation) -> None:
    answer = ask(hal0, "program", custom="kept")
    size = len(hum())
    assert answer.json() == {"text": f"so to say.wav, audio/x-wav, {size} bytes", "model": "its-own-name"}
    assert hal0.slot("program")["kind"] == "transcription"


def test_a_remote_gets_the_form_with_its_own_name_for_the_model(hal0: Installation, far: RemoteServer) -> None:
    large = wav(bytes(3 * 2**20))  # one that lies on the disk
    answer = ask(hal0, "far/whisper-1", large, language="en", stream="true")
    *deltas, done = events_of(answer.text)
    assert done["text"] == deltas[0]["delta"] == f"so to say.wav, audio/x-wav, {len(large)} bytes"
    assert answer.headers["x-hal0-remote"] == "far"
    path, sent, fields = far.asked[-1]
    headers = {name.lower(): value for name, value in sent.items()}
    assert path == "/v1/audio/transcriptions"
    assert fields["file"]["content"] == large
    assert {name: fields[name] for name in ("model", "language", "stream")} == {
        "model": "whisper-1", "language": "en", "stream": "true",
    }  # fmt: skip
    assert headers["authorization"] == "Bearer sk-remote"
    assert int(headers["content-length"]) > len(large)


def lines(hal0: Installation, slot: str) -> list[str]:
    told: list[str] = hal0.admin("GET", f"/api/slots/{slot}/logs")["lines"]
    return told
