"""Speech through the whole of hal0: the real library with a model that is shaped like Kokoro, and eSpeak NG."""

import base64
import io
import json
import re
import shutil
import subprocess
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from tests.fakes.installation import Installation, installed
from tests.fakes.kokoro_model import PITCHES, SECONDS_A_PHONEME, write_kokoro
from tests.fakes.sounds import decoded, of_pcm

SPEECH = "/v1/audio/speech"
CONFIG = """
[daemon]
ports = @PORTS@

[slots.tts]
provider = "kokoro"
model = "./voices/kokoro.onnx"
env = { LOG_LEVEL = "DEBUG" }       # the library then tells of each sentence

[slots.other]
provider = "kokoro"
model = "./voices"
voices = "more/mine.bin"
default_voice = "am_adam"
default_format = "flac"

[slots.stand-in]
provider = "espeak"
default_voice = "de"
default_format = "mp3"

[slots.broken]
provider = "kokoro"
model = "./junk.onnx"
voices = "more/mine.bin"

[slots.away]
provider = "kokoro"
model = "./nowhere.onnx"
"""
HELLO = "Hello from hal0."
SEED = """curl http://localhost:8080/v1/audio/speech \
-H "Content-Type: application/json" \
-d '{
"model": "tts",
"input": "Hello from hal0.",
"voice": "af_bella"
}' --output speech.wav"""


@pytest.fixture(scope="module")
def hal0(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("hal0")
    _, voices = write_kokoro(folder / "voices")
    (folder / "more").mkdir()
    shutil.copy(voices, folder / "more" / "mine.bin")
    (folder / "junk.onnx").write_bytes(b"junk" * 100)
    with installed(folder, CONFIG) as installation:
        yield installation


def speak(hal0: Installation, text: str = HELLO, *, model: str = "tts", **fields: Any) -> httpx.Response:
    return httpx.post(hal0.url + SPEECH, json={"model": model, "input": text, **fields}, timeout=60)


def error(answer: httpx.Response) -> dict[str, Any]:
    told: dict[str, Any] = answer.json()["error"]
    return told


def until(look: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 30
    while not (seen := look()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return seen


def computed(hal0: Installation) -> list[int]:
    """Phonemes of each sentence that the model has computed, as its library tells them, in order."""
    lines: list[str] = hal0.admin("GET", "/api/slots/tts/logs")["lines"]
    return [int(found[1]) for line in lines if (found := re.search(r"Created audio in length .* (\d+) phonemes", line))]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_example_of_the_first_page_gives_a_real_wav(hal0: Installation, tmp_path: Path) -> None:
    command = SEED.replace("localhost:8080", hal0.url.removeprefix("http://")).replace("curl ", "curl -sS --fail ", 1)
    subprocess.run(command, shell=True, check=True, cwd=tmp_path, timeout=60)
    with wave.open(str(tmp_path / "speech.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (24_000, 1, 2)
        seconds = file.getnframes() / 24_000
    assert 10 * SECONDS_A_PHONEME < seconds < 30 * SECONDS_A_PHONEME
    assert decoded((tmp_path / "speech.wav").read_bytes())[3] == pytest.approx(PITCHES["af_bella"], abs=2)


@pytest.mark.parametrize(
    ("format", "content_type", "container"),
    [
        ("mp3", "audio/mpeg", "mp3"),
        ("opus", "audio/ogg; codecs=opus", "ogg"),
        ("aac", "audio/aac", "aac"),
        ("flac", "audio/flac", "flac"),
        ("wav", "audio/wav", "wav"),
    ],
)
def test_each_format_is_what_its_type_says_and_lasts_as_long(
    hal0: Installation, format: str, content_type: str, container: str
) -> None:
    seconds, _ = of_pcm(speak(hal0, HELLO + " It works.", response_format="pcm").content)
    answer = speak(hal0, HELLO + " It works.", response_format=format)
    assert (answer.status_code, answer.headers["content-type"]) == (200, content_type)
    told = decoded(answer.content)
    assert told[0] == container
    assert told[2] == pytest.approx(seconds, abs=0.1)


def test_a_long_wav_is_streamed_and_playable(hal0: Installation) -> None:
    answer = speak(hal0, HELLO + " It works.")
    assert "content-length" not in answer.headers
    with wave.open(io.BytesIO(answer.content)) as file:
        assert len(file.readframes(file.getnframes())) == len(answer.content) - 44


def test_a_voice_a_blend_and_a_speed_are_heard(hal0: Installation) -> None:
    slow, pitch = of_pcm(speak(hal0, voice="af_bella(3)+af_sky(1)", response_format="pcm").content)
    assert pitch == pytest.approx(500, abs=2)
    fast, pitch = of_pcm(speak(hal0, voice={"id": "af_sky"}, speed=4.0, response_format="pcm").content)
    assert pitch == pytest.approx(PITCHES["af_sky"], abs=8)
    assert fast == pytest.approx(slow / 4, rel=0.15)


def test_a_slots_own_voices_voice_and_format_are_what_it_speaks_with(hal0: Installation) -> None:
    answer = speak(hal0, model="other")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "audio/flac"
    assert decoded(answer.content)[3] == pytest.approx(PITCHES["am_adam"], abs=2)
    assert str(hal0.folder / "more" / "mine.bin") in hal0.admin("GET", "/api/slots/other/command")["argv"]


def test_the_engine_is_told_so_that_nobody_takes_one_for_the_other(hal0: Installation) -> None:
    answer = speak(hal0, model="stand-in", voice="af_bella")
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-hal0-engine"] == "eSpeak NG"
    assert answer.headers["content-type"] == "audio/mpeg"
    assert 0.5 < decoded(answer.content)[2] < 5
    assert speak(hal0).headers["x-hal0-engine"] == "Kokoro (kokoro-onnx)"
    entries = httpx.get(hal0.url + "/v1/models").json()["data"]
    told = {entry["id"]: (entry["kind"], entry["engine"]) for entry in entries if "engine" in entry}
    assert told["stand-in"] == ("speech", "eSpeak NG")
    assert told["away"][1] == "Kokoro (kokoro-onnx)"  # also before it is started
    german = speak(hal0, "Guten Tag, wie geht es?", model="stand-in", response_format="pcm").content
    english = speak(hal0, "Guten Tag, wie geht es?", model="stand-in", voice="en-us", response_format="pcm").content
    assert len(german) != len(english)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"voice": "af_nobody"}, "voice"),
        ({"voice": "af_sky("}, "voice"),
        ({"lang": "xx"}, "lang"),
        ({"input": "---"}, "input"),
    ],
)
def test_what_the_engine_cannot_do_is_the_callers_to_mend(
    hal0: Installation, fields: dict[str, Any], param: str
) -> None:
    answer = speak(hal0, **{"text": HELLO, **fields} if "input" not in fields else {"text": fields["input"]})
    assert (answer.status_code, error(answer)["code"]) == (400, "dispatch.upstream_rejected")
    assert error(answer)["param"] == param
    assert hal0.slot("tts")["in_flight"] == 0


def test_a_bad_model_file_is_told_in_the_runtimes_words_and_a_missing_one_by_its_path(hal0: Installation) -> None:
    answer = speak(hal0, model="broken")
    assert error(answer)["code"] == "slot.load_failed"
    assert "junk.onnx is not a model that ONNX Runtime can run" in error(answer)["message"]
    hal0.admin("POST", "/api/slots/broken/unload", {})
    answer = speak(hal0, model="away")
    assert error(answer)["code"] == "model.file_missing"
    assert "nowhere.onnx" in error(answer)["message"]


def test_the_voices_are_listed_without_starting_anything(hal0: Installation) -> None:
    hal0.admin("POST", "/api/slots/other/unload", {})
    hal0.wait_for_slot("other", "offline")
    about = {each["slot"]: each for each in httpx.get(hal0.url + "/v1/audio/voices").json()["slots"]}
    assert about["other"]["voices"] == sorted(PITCHES)
    assert about["other"]["state"] == "offline"
    assert about["away"]["voices"] is None
    speak(hal0, model="stand-in")
    listed = httpx.get(hal0.url + "/v1/audio/voices", params={"model": "stand-in"}).json()
    assert {"id": "de", "name": "de", "slot": "stand-in", "model": "espeak-ng", "engine": "eSpeak NG"} in listed[
        "voices"
    ]
    assert {each["slot"] for each in listed["voices"]} == {"stand-in"}
    answer = httpx.get(hal0.url + "/v1/audio/voices", params={"model": "stand-out"})
    assert (answer.status_code, error(answer)["code"]) == (404, "dispatch.no_route")
    assert "did you mean 'stand-in'" in error(answer)["message"]


def test_a_client_that_leaves_stops_the_computing(hal0: Installation) -> None:
    speak(hal0)
    *_, hello = until(lambda: computed(hal0))
    before = len(computed(hal0))
    body = {"model": "tts", "input": "This is one of a great many sentences. " * 1500, "response_format": "pcm"}
    with httpx.stream("POST", hal0.url + SPEECH, json=body, timeout=60) as answer:
        assert answer.status_code == 200
        parts = answer.iter_raw()  # held: with the iterator the connection would go
        next(parts)
        (view,) = [each for each in hal0.admin("GET", "/api/requests")["requests"] if each["phase"] != "finished"]
        assert (view["slot"], view["phase"], view["stream"]) == ("tts", "decoding", True)
    until(lambda: hal0.slot("tts")["in_flight"] == 0)
    view = hal0.admin("GET", f"/api/requests/{view['id']}")
    assert (view["outcome"], view["tokens"], view["text"]) == ("cancelled", 0, "")
    for _ in range(2):  # it computes one sentence at a time: what is asked now comes after what was left of that
        speak(hal0)
    until(lambda: computed(hal0)[-2:] == [hello, hello])
    assert before < len(computed(hal0)) < 1000


def test_the_dashboard_is_told_of_a_request_for_speech(hal0: Installation) -> None:
    id = speak(hal0, HELLO + " It works.").headers["x-request-id"]
    view = hal0.admin("GET", f"/api/requests/{id}")
    assert (view["path"], view["outcome"], view["prompt"]) == (SPEECH, "ok", HELLO + " It works.")
    assert (view["tokens"], view["text"], view["status"]) == (0, "", 200)
    assert view["ttft_ms"] > 0


def test_the_openai_package_speaks_whole_and_as_it_comes(hal0: Installation, tmp_path: Path) -> None:
    client = openai.OpenAI(base_url=f"{hal0.url}/v1", api_key="any", max_retries=0)
    whole = client.audio.speech.create(model="tts", voice="af_bella", input=HELLO, response_format="mp3")
    assert decoded(whole.content)[0] == "mp3"
    with client.audio.speech.with_streaming_response.create(
        model="tts", voice="alloy", input=HELLO + " It works.", response_format="flac"
    ) as answer:
        answer.stream_to_file(tmp_path / "speech.flac")
    assert decoded((tmp_path / "speech.flac").read_bytes())[:2] == ("flac", "flac")
    with pytest.raises(openai.BadRequestError) as caught:
        client.audio.speech.create(model="tts", voice="nobody", input=HELLO)
    assert caught.value.param == "voice"


def test_events_of_speech_pass_as_openai_has_them(hal0: Installation) -> None:
    answer = speak(hal0, HELLO + " It works.", response_format="pcm", stream_format="sse")
    assert answer.headers["content-type"] == "text/event-stream"
    events = [json.loads(line.removeprefix("data: ")) for line in answer.text.split("\n\n") if line]
    assert [event["type"] for event in events[:-1]] == ["speech.audio.delta"] * (len(events) - 1)
    assert events[-1]["type"] == "speech.audio.done"
    sound = b"".join(base64.b64decode(event["audio"]) for event in events[:-1])
    assert of_pcm(sound)[1] == pytest.approx(PITCHES["af_bella"], abs=2)
    view = hal0.admin("GET", f"/api/requests/{answer.headers['x-request-id']}")
    assert (view["tokens"], view["text"], view["outcome"]) == (0, "", "ok")


def test_what_a_voice_will_take_is_told_before_it_is_started(hal0: Installation) -> None:
    hal0.admin("POST", "/api/slots/other/unload", {})
    hal0.wait_for_slot("other", "offline")
    told = hal0.admin("GET", "/api/slots/other/fit")
    assert told["verdict"] == "fits"
    files = (hal0.folder / "voices" / "kokoro.onnx", hal0.folder / "more" / "mine.bin")
    assert told["rooms"][0]["need_bytes"] > sum(file.stat().st_size for file in files)
