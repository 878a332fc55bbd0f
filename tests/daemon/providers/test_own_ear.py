"""How slots of Moonshine and PocketSphinx become programs, and what is said where that cannot be."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hal0.daemon.config.schema import Slot
from hal0.daemon.http.client import Answer
from hal0.daemon.models.file import ModelFile
from hal0.daemon.providers.base import Api, Launch, spec_of
from hal0.daemon.providers.moonshine import MoonshineProvider
from hal0.daemon.providers.own_ear import OwnEar
from hal0.daemon.providers.sphinx import SphinxProvider
from hal0.daemon.providers.transcription_proof import judge_text, sound
from hal0.errors import Hal0Error
from tests.fakes.moonshine_files import plain_model


def nothing(name: str) -> ModelFile:
    raise Hal0Error("model.not_found", model=name, nearest="")


def launch(provider: OwnEar, find: Callable[[str], ModelFile] = nothing, **config: Any) -> Launch:
    slot = Slot(provider=provider.name, **config)  # type: ignore[arg-type]
    return provider.launch(spec_of("stt", slot, provider=provider, find=find))  # type: ignore[arg-type]


def test_sphinx_needs_no_model_and_moonshine_a_folder(tmp_path: Path) -> None:
    made = launch(SphinxProvider(python="python"), env={"A": "1"})
    assert made.argv(8081) == ["python", "-P", "-m", "hal0.backends.sphinx", "--port", "8081"]
    assert (made.env, made.takes_key, made.engine_name) == ((("A", "1"),), True, "PocketSphinx (built in)")
    folder = plain_model(tmp_path / "base-es")
    made = launch(MoonshineProvider(python="python"), model=str(folder), args=("--arch", "base"))
    assert made.argv(8081)[3:] == [
        "hal0.backends.moonshine", "--port", "8081", "--model", str(folder), "--arch", "base",
    ]  # fmt: skip


def test_a_pulled_folder_is_found_by_its_name(tmp_path: Path) -> None:
    def find(name: str) -> ModelFile:
        return ModelFile(name, tmp_path, "transcription", 1, format="folder")

    assert str(tmp_path) in launch(MoonshineProvider(), find, model="moonshine-tiny-en").argv(1)


def test_they_answer_transcriptions_only() -> None:
    for provider in (SphinxProvider(), MoonshineProvider()):
        assert provider.apis("transcription") == {Api.TRANSCRIPTION}
        assert provider.apis("chat") == frozenset()


def test_what_is_not_installed_is_named_with_what_brings_it(tmp_path: Path) -> None:
    provider = MoonshineProvider(has_library=lambda name: name != "moonshine_voice")
    with pytest.raises(Hal0Error, match="there is no moonshine_voice") as caught:
        launch(provider, model=str(plain_model(tmp_path / "m")))
    assert caught.value.code == "slot.engine_missing"
    assert "hal0[moonshine]" in caught.value.remedy


@pytest.mark.parametrize(
    ("name", "code"),
    [("gone", "model.file_missing"), ("empty", "model.file_invalid"), ("a-file", "model.file_invalid")],
)
def test_what_is_no_folder_of_moonshines_is_told(tmp_path: Path, name: str, code: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "a-file").write_text("x")
    with pytest.raises(Hal0Error) as caught:
        launch(MoonshineProvider(), model=str(tmp_path / name))
    assert caught.value.code == code


@pytest.mark.parametrize("word", ["--port=1", "--model"])
def test_words_of_hal0s_own_are_refused(tmp_path: Path, word: str) -> None:
    with pytest.raises(Hal0Error, match="hal0's own") as caught:
        launch(MoonshineProvider(), model=str(plain_model(tmp_path / "m")), args=(word,))
    assert caught.value.details["place"] == "slots.stt.args"


def test_a_model_for_something_else_is_refused() -> None:
    def find(name: str) -> ModelFile:
        return ModelFile(name, Path("/m.gguf"), "chat", 1)

    with pytest.raises(Hal0Error, match="is a model for chat"):
        launch(MoonshineProvider(), find, model="m")


def test_the_librarys_reason_is_found_among_what_it_prints() -> None:
    output = [
        "--- run 1 on port 8081: python",
        "Thread 139:ort-utils.cpp:64:ort_session_from_path(): ORT Error: verification failed.",
        "Thread 139:moonshine-c-api.cpp:285:moonshine_load_transcriber_from_files(): Failed to load transcriber: Why",
        "error: /m as tiny: Failed to load transcriber: Unknown error",
    ]
    assert MoonshineProvider().failure_reason(output) == "Failed to load transcriber: Why"
    assert MoonshineProvider().failure_reason([output[0], output[-1]]) == output[-1]


def test_the_sound_of_the_proof_is_taken_for_speech_by_the_judge_that_backends_use() -> None:
    import pocketsphinx

    from hal0.backends.transcription.chunks import FRAME_SECONDS, Chunks

    judge = pocketsphinx.Vad(pocketsphinx.Vad.LOOSE, 16_000, FRAME_SECONDS)
    chunks = Chunks(judge.is_speech)
    found = [*chunks.feed(sound()[44:]), *chunks.end()]
    assert sum(len(chunk.pcm) for chunk in found) > 0.8 * 32_000


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (200, b'{"text":""}', None),
        (200, b'{"text":1}', "an answer without a `text`"),
        (200, b"[]", "200 and no JSON object"),
        (200, b"WEBVTT", "200 and no JSON"),
        (500, b'{"error":{"message":"no"}}', "500: no"),
    ],
)
def test_an_answer_to_the_proof_is_judged(status: int, body: bytes, reason: str | None) -> None:
    assert judge_text(Answer(status, (), body)) == reason


def test_the_daemon_imports_none_of_the_heavy_libraries() -> None:
    heavy = "{'av', 'pocketsphinx', 'moonshine_voice', 'numpy'}"
    program = f"import hal0.daemon.assembly, sys; print({heavy} & {{*sys.modules}})"
    made = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert made.stdout == "set()\n"
