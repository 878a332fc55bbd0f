"""What a folder tells of a Moonshine model; the names are compared with the library's own list."""

from pathlib import Path

import pytest
from moonshine_voice.moonshine_api import ModelArch, model_arch_to_string

from hal0.backends.moonshine_files import ARCHITECTURES, read_model
from hal0.backends.serving import CannotServe
from tests.fakes.moonshine_files import plain_model, streaming_model


def test_the_names_of_architectures_are_the_librarys() -> None:
    assert [model_arch_to_string(each) for each in ModelArch] == list(ARCHITECTURES)


@pytest.mark.parametrize(("layers", "architecture"), [(6, "tiny"), (8, "base")])
def test_the_layers_of_the_decoder_tell_tiny_from_base(tmp_path: Path, layers: int, architecture: str) -> None:
    model = read_model(plain_model(tmp_path / "m", layers=layers))
    assert (model.architecture, model.is_streaming, model.has_word_times) == (architecture, False, False)


@pytest.mark.parametrize(
    ("size", "architecture"),
    [(32_583_720, "tiny-streaming"), (81_878_600, "small-streaming"), (146_972_408, "medium-streaming")],
)
def test_streaming_models_are_told_by_their_files(tmp_path: Path, size: int, architecture: str) -> None:
    model = read_model(streaming_model(tmp_path / "m", decoder_bytes=size))
    assert (model.architecture, model.is_streaming) == (architecture, True)


@pytest.mark.parametrize(
    ("name", "language"),
    [("tiny-en", "en"), ("small-streaming-ja", "ja"), ("base-es/quantized/base-es", "es"), ("m", "")],
)
def test_the_folders_name_tells_the_language(tmp_path: Path, name: str, language: str) -> None:
    assert read_model(plain_model(tmp_path / name)).language == language


def test_what_a_person_says_counts_more(tmp_path: Path) -> None:
    model = read_model(plain_model(tmp_path / "tiny-en", layers=3), architecture="base", language="uk")
    assert (model.architecture, model.language) == ("base", "uk")


def test_word_times_need_the_decoder_that_tells_them(tmp_path: Path) -> None:
    assert read_model(plain_model(tmp_path / "m", words=True)).has_word_times


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda folder: (folder / "tokenizer.bin").unlink(), "lacks tokenizer.bin"),
        (lambda folder: (folder / "decoder_model_merged.ort").write_bytes(b""), "no layers that it names"),
        (lambda folder: (folder / "streaming_config.json").write_text("{}"), "lacks adapter.ort, cross_kv.ort"),
    ],
)
def test_a_folder_that_is_no_model_is_told_why(tmp_path: Path, change: object, reason: str) -> None:
    folder = plain_model(tmp_path / "m")
    change(folder)  # type: ignore[operator]
    with pytest.raises(CannotServe, match=reason):
        read_model(folder)
    with pytest.raises(CannotServe, match="there is no folder"):
        read_model(tmp_path / "gone")
