"""The examples of the README work as they are written, with only the port changed to that of the test's daemon."""

import json
import re
import shutil
import subprocess
import sys
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.installation import Installation, installed
from tests.fakes.recordings import BEST_OF_TIMES, BEST_SECONDS, speech

README = (Path(__file__).resolve().parent.parent / "README.md").read_text(encoding="utf-8")
CURLS = re.findall(r"^```bash\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
PYTHON = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installed(tmp_path_factory.mktemp("hal0")) as installation:
        yield installation


def run(here: Installation, *command: str) -> str:
    words = [word.replace("http://localhost:8080", here.url) for word in command]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def curl(here: Installation, path: str, *, stream: bool = False) -> str:
    url = f"http://localhost:8080{path}"
    [example] = [text for text in CURLS if url in text.split() and ('"stream": true' in text) is stream]
    return run(here, "bash", "-c", example)


def answer(here: Installation, path: str) -> Any:
    return json.loads(curl(here, path))


needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


@needs_curl
def test_models_are_listed(here: Installation) -> None:
    names = {model["id"] for model in answer(here, "/v1/models")["data"]}
    assert {"primary", "embed", "hal0-starter", "all-minilm-l6-v2"} <= names


@needs_curl
def test_a_chat_is_answered(here: Installation) -> None:
    assert answer(here, "/v1/chat/completions")["choices"][0]["message"]["content"]


@needs_curl
def test_a_chat_is_streamed(here: Installation) -> None:
    lines = curl(here, "/v1/chat/completions", stream=True).split("\n\n")
    assert len(lines) > 3
    assert lines[-2] == "data: [DONE]"


@needs_curl
def test_a_text_is_completed(here: Installation) -> None:
    assert answer(here, "/v1/completions")["choices"][0]["text"]


@needs_curl
def test_texts_are_embedded(here: Installation) -> None:
    data = answer(here, "/v1/embeddings")["data"]
    assert [len(entry["embedding"]) for entry in data] == [384, 384]


@needs_curl
def test_a_text_is_spoken(here: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    [example] = [text for text in CURLS if "/v1/audio/speech" in text]
    run(here, "bash", "-c", example)
    with wave.open(str(tmp_path / "speech.wav")) as file:
        assert 0.5 < file.getnframes() / file.getframerate() < 5


@needs_curl
def test_a_recording_is_transcribed(here: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "speech.wav").write_bytes(speech(*BEST_SECONDS))
    told = answer(here, "/v1/audio/transcriptions")
    assert told.get("text") == BEST_OF_TIMES, told


@needs_curl
def test_documents_are_ranked(here: Installation) -> None:
    results = answer(here, "/v1/rerankings")["results"]
    assert [entry["index"] for entry in results] == [0, 1]
    assert results[0]["relevance_score"] > results[1]["relevance_score"]


@needs_curl
def test_a_response_is_given(here: Installation) -> None:
    assert answer(here, "/v1/responses")["output"][0]["content"][0]["text"]


@needs_curl
def test_a_message_is_given(here: Installation) -> None:
    assert answer(here, "/v1/messages")["content"][0]["text"]


@needs_curl
def test_tokens_of_a_message_are_counted(here: Installation) -> None:
    assert answer(here, "/v1/messages/count_tokens")["input_tokens"] > 0


@needs_curl
def test_without_comfyui_the_example_for_images_is_told_what_to_do(here: Installation) -> None:
    assert answer(here, "/v1/images/generations")["error"]["code"] == "dispatch.no_image_slot"


def test_the_openai_package_streams(here: Installation) -> None:
    [example] = PYTHON
    assert "hal0" in run(here, sys.executable, "-c", example)


def test_every_curl_of_the_readme_is_run_here() -> None:
    assert len(CURLS) == 12
