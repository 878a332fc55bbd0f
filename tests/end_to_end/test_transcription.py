"""Speech to text through a real daemon: the real PocketSphinx, real files of every format, real clients."""

import io
import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI

from hal0.backends.transcription.audio import samples
from tests.fakes.installation import Installation, installed
from tests.fakes.recordings import BEST_OF_TIMES, BEST_SECONDS, as_format, speech, wav

TRANSCRIPTIONS = "/v1/audio/transcriptions"
CURL = """curl http://localhost:8080/v1/audio/transcriptions \
-H "Content-Type: multipart/form-data" \
-F file=@hello.wav \
-F model=stt"""
CONFIG = """
[daemon]
ports = @PORTS@
[slots.primary]
model = "hal0-starter"
[slots.stt]
provider = "sphinx"
stop_timeout = 5
"""


@pytest.fixture(scope="module")
def hal0(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installed(tmp_path_factory.mktemp("hal0"), CONFIG) as installation:
        yield installation


@pytest.fixture(scope="module")
def best() -> bytes:
    return speech(*BEST_SECONDS)


@pytest.fixture
def client(hal0: Installation) -> OpenAI:
    return OpenAI(base_url=f"{hal0.url}/v1", api_key="any", max_retries=0, timeout=120)


def ask(hal0: Installation, sound: bytes, *, name: str = "hello.wav", **fields: Any) -> httpx.Response:
    data = {"model": "stt", **fields}
    return httpx.post(hal0.url + TRANSCRIPTIONS, files={"file": (name, sound)}, data=data, timeout=120)


def code(answer: httpx.Response) -> tuple[int, str, str | None]:
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["param"]


def uploads(hal0: Installation, name: str = "") -> list[str]:
    """Files without a name that the daemon, or a slot's backend, holds open."""
    assert hal0.process is not None
    pid = hal0.slot(name)["pid"] if name else hal0.process.pid
    found = []
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = os.readlink(descriptor)
        except OSError:
            continue
        if target.endswith("(deleted)"):
            found.append(target)
    return found


def wait_until_no_uploads(hal0: Installation) -> None:
    deadline = time.monotonic() + 30
    while held := uploads(hal0) + uploads(hal0, "stt"):
        assert time.monotonic() < deadline, held
        time.sleep(0.05)


def peak_kib(pid: int) -> int:
    """The most memory that a process ever had."""
    text = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", text)
    assert found is not None
    return int(found[1])


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_example_of_the_first_page_as_it_is_written(hal0: Installation, best: bytes, tmp_path: Path) -> None:
    (tmp_path / "hello.wav").write_bytes(best)
    port = hal0.url.rpartition(":")[2]
    line = CURL.replace("localhost:8080", f"localhost:{port}").replace("curl ", "curl -sSi --fail-with-body ", 1)
    said = subprocess.run(line, shell=True, check=True, capture_output=True, text=True, timeout=120, cwd=tmp_path)
    head, _, body = said.stdout.partition("\n\n")
    assert json.loads(body)["text"] == BEST_OF_TIMES
    assert "x-hal0-engine: PocketSphinx (built in)" in head
    assert "x-hal0-slot: stt" in head


def test_the_models_say_which_engine_it_is(hal0: Installation) -> None:
    entry = httpx.get(f"{hal0.url}/v1/models/stt").json()
    assert (entry["kind"], entry["engine"]) == ("transcription", "PocketSphinx (built in)")
    assert entry["model"] == "pocketsphinx-en-us"
    assert code(ask(hal0, b"x", model="primary")) == (409, "dispatch.capability_mismatch", "model")
    chat = httpx.post(
        f"{hal0.url}/v1/chat/completions", json={"model": "stt", "messages": [{"role": "user", "content": "x"}]}
    )
    assert code(chat) == (409, "dispatch.capability_mismatch", "model")


def test_the_package_gets_text_times_and_words(client: OpenAI, best: bytes) -> None:
    said = client.audio.transcriptions.create(model="stt", file=("a.wav", best))
    assert said.text == BEST_OF_TIMES
    full = client.audio.transcriptions.create(
        model="pocketsphinx-en-us",
        file=("a.wav", best),
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
        language="en",
    )
    assert (full.text, full.language) == (BEST_OF_TIMES, "english")
    assert full.duration == pytest.approx(3.9, abs=0.01)
    assert full.segments is not None
    assert " ".join(segment.text for segment in full.segments) == full.text
    assert full.words is not None
    assert [word.word for word in full.words] == BEST_OF_TIMES.split()
    times = [time for word in full.words for time in (word.start, word.end)]
    assert times == sorted(times)
    assert 0.0 <= times[0] < times[-1] <= full.duration
    # "it was the best" is said first, the pause before "it was the worst" lies in the middle
    second_it = full.words[6]
    assert 1.2 < second_it.start < 2.8


def test_the_package_streams(client: OpenAI, best: bytes) -> None:
    stream = client.audio.transcriptions.create(model="stt", file=("a.wav", best), stream=True)
    events = list(stream)
    deltas = "".join(event.delta for event in events if event.type == "transcript.text.delta")
    assert events[-1].type == "transcript.text.done"
    assert deltas == events[-1].text == BEST_OF_TIMES


def test_the_package_raises_its_own_errors(client: OpenAI) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        client.audio.transcriptions.create(model="stt", file=("a.wav", b"no sound at all"))
    assert (caught.value.status_code, caught.value.code) == (415, "dispatch.unsupported_audio")


def test_subtitles(hal0: Installation, best: bytes) -> None:
    answer = ask(hal0, best, response_format="vtt")
    assert answer.headers["content-type"].startswith("text/vtt")
    cue = r"00:00:0\d\.\d{3} --> 00:00:0\d\.\d{3}\nit was the best of times(.|\n)*"
    assert re.fullmatch(rf"WEBVTT\n\n{cue}", answer.text), answer.text


@pytest.mark.parametrize("name", ["mp3", "m4a", "webm"])
def test_formats(hal0: Installation, best: bytes, name: str) -> None:
    said = ask(hal0, as_format(best, name), name=f"hello.{name}").json()["text"]
    assert len(set(said.split()) & set(BEST_OF_TIMES.split())) >= 6, said  # lossy for the worst of ears


def test_a_field_without_effect_is_told(hal0: Installation) -> None:
    answer = ask(hal0, wav(bytes(16_000)), prompt="names: Ceph", temperature="0.4", language="en-US")
    assert answer.json()["text"] == ""  # silence
    assert answer.headers["x-hal0-ignored"] == "prompt, temperature"


BAD = {
    "no model": ({"model": ""}, (400, "dispatch.missing_model", "model")),
    "another language": ({"language": "de"}, (400, "dispatch.invalid_request", "language")),
    "no such format": ({"response_format": "pdf"}, (400, "dispatch.invalid_request", "response_format")),
    "a stream of subtitles": (
        {"response_format": "srt", "stream": "true"},
        (400, "dispatch.invalid_request", "stream"),
    ),
    "a stream that may be": ({"stream": "perhaps"}, (400, "dispatch.invalid_request", "stream")),
    "times without a place": (
        {"timestamp_granularities[]": "word"},
        (400, "dispatch.invalid_request", "timestamp_granularities"),
    ),
    "times of letters": (
        {"timestamp_granularities[]": "letter", "response_format": "verbose_json"},
        (400, "dispatch.invalid_request", "timestamp_granularities"),
    ),
    "two models": ({"model": ["stt", "primary"]}, (400, "dispatch.invalid_request", "model")),
    "an unknown model": ({"model": "ears"}, (404, "dispatch.no_route", "model")),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_fields_are_named(hal0: Installation, name: str) -> None:
    fields, expected = BAD[name]
    assert code(ask(hal0, wav(bytes(3200)), **fields)) == expected


BOUND = "multipart/form-data; boundary=x"
MODEL = b'--x\r\ncontent-disposition: form-data; name="model"\r\n\r\nstt\r\n'
FILE = b'--x\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n\r\nabc\r\n'
BROKEN = {
    "JSON": ("application/json", b'{"model": "stt"}', (415, "dispatch.unsupported_media", None)),
    "no boundary": ("multipart/form-data", MODEL + FILE + b"--x--\r\n", (415, "dispatch.unsupported_media", None)),
    "no end": (BOUND, MODEL + FILE, (400, "dispatch.invalid_request", None)),
    "no parts": (BOUND, b"hello", (400, "dispatch.invalid_request", None)),
    "no file": (BOUND, MODEL + b"--x--\r\n", (400, "dispatch.invalid_request", "file")),
    "two files": (BOUND, MODEL + FILE + FILE + b"--x--\r\n", (400, "dispatch.invalid_request", "file")),
    "an empty file": (BOUND, MODEL + FILE.replace(b"abc", b"") + b"--x--\r\n", (400, "dispatch.audio_empty", "file")),
    "no sound": (BOUND, MODEL + FILE + b"--x--\r\n", (415, "dispatch.unsupported_audio", "file")),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_broken_forms_are_refused(hal0: Installation, name: str) -> None:
    media, body, expected = BROKEN[name]
    answer = httpx.post(hal0.url + TRANSCRIPTIONS, content=body, headers={"content-type": media}, timeout=60)
    assert code(answer) == expected


def test_a_file_that_names_other_files_opens_none(hal0: Installation, best: bytes, tmp_path: Path) -> None:
    (tmp_path / "secret.wav").write_bytes(best)
    lists = {
        "a.m3u8": f"#EXTM3U\n#EXTINF:4,\nfile://{tmp_path}/secret.wav\n#EXT-X-ENDLIST\n",
        "a.ffconcat": f"ffconcat version 1.0\nfile '{tmp_path}/secret.wav'\n",
    }
    for name, text in lists.items():
        assert code(ask(hal0, text.encode(), name=name)) == (415, "dispatch.unsupported_audio", "file")


def test_a_large_upload_leaves_the_memory_of_both_processes_flat(hal0: Installation) -> None:
    """25 MiB and more of silence; a second one shows what the first has cost once and for all."""
    quiet = wav(bytes(26 * 2**20))
    assert hal0.process is not None
    ask(hal0, wav(bytes(4 * 2**20)))
    before = peak_kib(hal0.process.pid), peak_kib(hal0.slot("stt")["pid"])
    answer = ask(hal0, quiet)
    assert answer.json() == {"text": "", "usage": {"type": "duration", "seconds": pytest.approx(851.97, abs=0.01)}}
    after = peak_kib(hal0.process.pid), peak_kib(hal0.slot("stt")["pid"])
    assert after[0] - before[0] < 6 * 1024, "the daemon held the upload"
    assert after[1] - before[1] < 6 * 1024, "the backend held the upload, or all of its sound"
    wait_until_no_uploads(hal0)


def test_a_body_over_the_limit_is_refused_before_it_is_read(hal0: Installation) -> None:
    port = int(hal0.url.rpartition(":")[2])
    head = f"POST {TRANSCRIPTIONS} HTTP/1.1\r\nhost: x\r\ncontent-type: {BOUND}\r\ncontent-length: {2**40}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=30) as line:
        line.sendall(head.encode())
        told = line.makefile("rb").read()
    assert told.startswith(b"HTTP/1.1 413 ")
    assert b'"dispatch.too_large"' in told


def test_a_client_that_leaves_stops_the_work_and_leaves_nothing(hal0: Installation, best: bytes) -> None:
    """Ten minutes of talk would keep this engine busy for minutes."""
    long = wav((_mono(best) + bytes(32_000)) * 120)
    wait_for_rest(hal0)
    with httpx.Client(base_url=hal0.url, timeout=60) as client:
        request = client.build_request(
            "POST", TRANSCRIPTIONS, files={"file": ("a.wav", long)}, data={"model": "stt", "stream": "true"}
        )
        answer = client.send(request, stream=True)
        lines = answer.iter_lines()
        assert next(lines).startswith("data: ")
        assert uploads(hal0)
        assert uploads(hal0, "stt")
        answer.close()
    begun = time.monotonic()
    wait_until_no_uploads(hal0)
    said = ask(hal0, wav(bytes(3200))).json()["text"]  # the next one is not kept waiting
    assert said == ""
    assert time.monotonic() - begun < 25
    (view,) = [each for each in hal0.admin("GET", "/api/requests")["requests"][:2] if each["outcome"] == "cancelled"]
    assert view["text"].startswith("it was the best of times")


def test_long_sound_is_cut_at_pauses_and_its_times_go_on(hal0: Installation, best: bytes) -> None:
    pause = bytes(2 * 16_000 * 8)
    mono = _mono(best)
    answer = ask(hal0, wav(mono + pause + mono), response_format="verbose_json").json()
    starts = [segment["start"] for segment in answer["segments"]]
    again = [start for start in starts if start > 8.0]
    assert again, answer
    assert again[0] - starts[0] == pytest.approx(len(mono + pause) / 32_000, abs=0.1)
    assert answer["text"].startswith(BEST_OF_TIMES)
    assert answer["text"].count("best of times") == 2


def wait_for_rest(hal0: Installation) -> None:
    deadline = time.monotonic() + 30
    while hal0.slot("stt")["in_flight"]:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _mono(sound: bytes) -> bytes:
    """The samples of a WAV file at 16 kHz, as hal0 itself reads them."""
    return b"".join(samples(io.BytesIO(sound), name="x"))
