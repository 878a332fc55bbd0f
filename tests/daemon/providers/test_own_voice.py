"""Kokoro and eSpeak NG as slots: which files are meant, the command line, and what is missing."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hal0.daemon.config.schema import Slot
from hal0.daemon.models.file import ModelFile
from hal0.daemon.providers.base import Api, SlotSpec, spec_of
from hal0.daemon.providers.espeak import EspeakProvider
from hal0.daemon.providers.kokoro import BASE_BYTES, COMPUTE_BYTES, KokoroProvider
from hal0.errors import Hal0Error
from hal0.hardware.facts import Facts

MIB = 2**20
FACTS = Facts(physical_cores=5, cpu_flags=frozenset(), memory_bytes=2**34)
KOKORO = KokoroProvider(FACTS, has_library=lambda name: True)


def nothing(name: str) -> ModelFile:
    raise Hal0Error("model.not_found", model=name, nearest="")


def write(folder: Path, *names: str, size: int = 3) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"x" * size)
    return folder


def spec(find: Callable[[str], ModelFile] = nothing, **fields: Any) -> SlotSpec:
    return spec_of("tts", Slot(provider="kokoro", **fields), provider=KOKORO, find=find)


def words(made: SlotSpec) -> list[str]:
    argv = KOKORO.launch(made).argv(8099)
    return argv[argv.index("hal0.backends.kokoro") + 1 :]


def test_a_path_names_the_file_and_the_voices_lie_beside_it(tmp_path: Path) -> None:
    folder = write(tmp_path, "kokoro-v1.0.onnx", "other.onnx", "voices-v1.0.bin")
    made = spec(model=str(folder / "kokoro-v1.0.onnx"))
    assert (made.model.id, made.kind) == ("kokoro-v1.0", "speech")
    assert words(made) == [
        *("--port", "8099", "--model", str(folder / "kokoro-v1.0.onnx")),
        *("--voices", str(folder / "voices-v1.0.bin"), "--threads", "4"),
    ]


def test_a_folder_or_a_pulled_model_names_the_file_in_it(tmp_path: Path) -> None:
    folder = write(tmp_path / "kokoro-82m", "kokoro-v1.0.onnx", "voices-v1.0.bin")
    assert spec(model=str(folder)).model.path == folder / "kokoro-v1.0.onnx"
    pulled = ModelFile("kokoro-82m", folder, "speech", 6, ("kokoro",), format="folder")
    found = spec(lambda name: pulled, model="kokoro-82m").model
    assert (found.id, found.aliases, found.path) == ("kokoro-82m", ("kokoro",), folder / "kokoro-v1.0.onnx")


def test_what_is_set_is_said_to_the_program_and_where_it_comes_from(tmp_path: Path) -> None:
    folder = write(tmp_path, "m.onnx", "mine.bin")
    made = spec(
        model=str(folder / "m.onnx"),
        voices=str(folder / "mine.bin"),
        threads=2,
        parallel=3,
        default_voice="af_sky",
        default_format="mp3",
    )
    launch = KOKORO.launch(made)
    said = [word for word in launch.command if word.origin.startswith("config ")]
    assert [(word.text, word.origin.removeprefix("config slots.tts.")) for word in said] == [
        *(("--default-voice", "default_voice"), ("af_sky", "default_voice")),
        *(("--default-format", "default_format"), ("mp3", "default_format")),
        *(("--parallel", "parallel"), ("3", "parallel")),
        *(("--model", "model"), (str(folder / "m.onnx"), "model")),
        *(("--voices", "voices"), (str(folder / "mine.bin"), "voices")),
        *(("--threads", "threads"), ("2", "threads")),
    ]
    assert (launch.parallel, launch.device, launch.engine_name) == (3, "cpu", "Kokoro (kokoro-onnx)")
    assert launch.environment(1, "k3y") == {"HAL0_BACKEND_KEY": "k3y"}
    assert "k3y" not in launch.argv(1, key="k3y")


@pytest.mark.parametrize(
    ("there", "model", "code", "words"),
    [
        ((), "m.onnx", "model.file_missing", "m.onnx"),
        ((), ".", "model.file_missing", "a model of Kokoro"),
        (("a.onnx", "b.onnx"), ".", "model.file_invalid", "it holds 2 files *.onnx; name one of them"),
        (("m.onnx",), "m.onnx", "model.file_missing", "a file of voices"),
        (("m.onnx", "voices-1.bin", "voices-2.bin"), "m.onnx", "model.file_invalid", "it holds 2 files voices*.bin"),
    ],
)
def test_what_is_not_there_is_named(tmp_path: Path, there: tuple[str, ...], model: str, code: str, words: str) -> None:
    write(tmp_path, *there)
    with pytest.raises(Hal0Error) as caught:
        KOKORO.launch(spec(model=str(tmp_path / model)))
    assert caught.value.code == code
    assert words in caught.value.message


def test_a_model_for_something_else_is_refused() -> None:
    chat = ModelFile("qwen", Path("/q.gguf"), "chat", 1)
    with pytest.raises(Hal0Error, match=r"config\.invalid") as caught:
        spec(lambda name: chat, model="qwen")
    assert "a model for chat" in caught.value.message


def test_without_the_extra_both_say_what_to_install(tmp_path: Path) -> None:
    folder = write(tmp_path, "m.onnx", "voices.bin")
    bare = KokoroProvider(FACTS, has_library=lambda name: name == "av")
    silent = EspeakProvider(has_library=lambda name: False)
    for provider, config, extra in (
        (bare, Slot(provider="kokoro", model=str(folder / "m.onnx")), "hal0[kokoro]"),
        (silent, Slot(provider="espeak"), "hal0[espeak]"),
    ):
        with pytest.raises(Hal0Error) as caught:
            provider.launch(spec_of("tts", config, provider=provider, find=nothing))
        assert caught.value.code == "slot.engine_missing"
        assert f"pip install '{extra}'" in caught.value.remedy


def test_the_names_of_the_voices_are_told_by_their_file(tmp_path: Path) -> None:
    folder = write(tmp_path, "m.onnx", "voices.bin")
    with pytest.raises(Hal0Error, match=r"model\.file_invalid"):
        KOKORO.voices(spec(model=str(folder / "m.onnx")))
    with zipfile.ZipFile(folder / "voices.bin", "w") as archive:
        for name in ("bm_lewis.npy", "af_bella.npy", "README"):
            archive.writestr(name, b"")
    assert KOKORO.voices(spec(model=str(folder / "m.onnx"))) == ["af_bella", "bm_lewis"]


def test_what_kokoro_needs_is_told_by_its_files(tmp_path: Path) -> None:
    write(tmp_path, "m.onnx", size=5 * MIB)
    write(tmp_path, "voices.bin", size=MIB)
    needs = KOKORO.needs(spec(model=str(tmp_path / "m.onnx")))
    assert needs.ram.weights_bytes == 6 * MIB
    assert needs.ram.total_bytes == 6 * MIB + BASE_BYTES + COMPUTE_BYTES
    assert needs.gpu is None


def test_espeak_needs_no_model() -> None:
    provider = EspeakProvider(has_library=lambda name: True)
    made = spec_of("tts", Slot(provider="espeak"), provider=provider, find=nothing)
    assert (made.model.id, made.kind, provider.apis(made.kind)) == ("espeak-ng", "speech", {Api.SPEECH})
    assert provider.launch(made).argv(8099)[-4:] == ["-m", "hal0.backends.espeak", "--port", "8099"]
