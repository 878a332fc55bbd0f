"""Which projector a model sees pictures with."""

from pathlib import Path
from typing import Any

import pytest

from hal0.daemon.models.file import ModelFile
from hal0.daemon.models.projectors import AUTO, choose, projector_of
from hal0.errors import Hal0Error
from tests.fakes.gguf_files import write_model

GEMMA = "gemma-3-4b-it-Q4_K_M.gguf"


@pytest.mark.parametrize(
    ("model", "candidates", "chosen"),
    [
        (GEMMA, ["mmproj-F16.gguf"], "mmproj-F16.gguf"),
        (GEMMA, ["mmproj-model-f16.gguf"], "mmproj-model-f16.gguf"),
        (GEMMA, ["mmproj-F32.gguf", "mmproj-BF16.gguf", "mmproj-F16.gguf"], "mmproj-F16.gguf"),
        (GEMMA, ["mmproj-F16.gguf", "mmproj-gemma-3-4b-it-f32.gguf"], "mmproj-gemma-3-4b-it-f32.gguf"),
        (GEMMA, ["gemma-3-4b-it.mmproj-Q8_0.gguf"], "gemma-3-4b-it.mmproj-Q8_0.gguf"),
        (GEMMA, ["mmproj-gemma-3-12b-it-f16.gguf"], None),
        (GEMMA, ["mmproj-Qwen2.5-VL-7B-Instruct-f16.gguf"], None),
        (GEMMA, [], None),
        ("Qwen2.5-VL-7B-Instruct-Q8_0-00001-of-00002.gguf", ["mmproj-Qwen2.5-VL-7B-Instruct-f16.gguf"],
         "mmproj-Qwen2.5-VL-7B-Instruct-f16.gguf"),
    ],
)  # fmt: skip
def test_of_those_beside_it_a_model_gets_its_own(model: str, candidates: list[str], chosen: str | None) -> None:
    assert choose(model, candidates) == chosen


def write_projector_header(path: Path) -> Path:
    return write_model(path, {"general.architecture": "clip", "general.type": "mmproj"})


def gemma(path: Path, **more: Any) -> ModelFile:
    return ModelFile("gemma", path, "chat", 1, **more)


def test_the_one_beside_the_model_is_found(tmp_path: Path) -> None:
    model = write_model(tmp_path / GEMMA)
    projector = write_projector_header(tmp_path / "mmproj-gemma-3-4b-it-f16.gguf")
    write_projector_header(tmp_path / "mmproj-other-f16.gguf")
    assert projector_of(gemma(model), AUTO) == projector


def test_the_one_that_came_with_the_model_goes_before_those_beside_it(tmp_path: Path) -> None:
    model, own = write_model(tmp_path / GEMMA), write_projector_header(tmp_path / "blobs" / "sha256-1")
    write_projector_header(tmp_path / "mmproj-gemma-3-4b-it-f16.gguf")
    assert projector_of(gemma(model, own_projector=own), AUTO) == own
    own.unlink()
    with pytest.raises(Hal0Error, match=r"model\.no_projector.*sha256-1"):
        projector_of(gemma(model, own_projector=own), AUTO)


def test_where_unrelated_models_lie_together_a_projector_must_tell_whose_it_is(tmp_path: Path) -> None:
    pulled = gemma(write_model(tmp_path / "gemma.gguf"), pulled=True)
    write_projector_header(tmp_path / "mmproj-F16.gguf")
    with pytest.raises(Hal0Error, match=r"model\.no_projector.*mmproj-F16\.gguf there is another model's"):
        projector_of(pulled, AUTO)
    projector = write_projector_header(tmp_path / "mmproj-gemma.gguf")
    assert projector_of(pulled, AUTO) == projector


def test_a_file_that_is_named_may_lie_anywhere(tmp_path: Path) -> None:
    model, projector = write_model(tmp_path / GEMMA), write_projector_header(tmp_path / "eyes" / "any.gguf")
    assert projector_of(gemma(model), str(projector)) == projector


@pytest.mark.parametrize(
    ("wanted", "beside", "code", "words"),
    [
        (AUTO, (), "model.no_projector", "none lies in"),
        (AUTO, ("mmproj-other.gguf",), "model.no_projector", "mmproj-other.gguf there is another model's"),
        ("/nowhere/mmproj.gguf", (), "model.no_projector", "there is no file /nowhere/mmproj.gguf"),
    ],
)
def test_what_is_not_there_is_told(wanted: str, beside: tuple[str, ...], code: str, words: str, tmp_path: Path) -> None:
    model = write_model(tmp_path / GEMMA)
    for name in beside:
        write_projector_header(tmp_path / name)
    with pytest.raises(Hal0Error) as caught:
        projector_of(gemma(model), wanted)
    assert caught.value.code == code
    assert words in caught.value.message


def test_a_file_that_is_no_projector_is_refused_until_it_is_one(tmp_path: Path) -> None:
    model = write_model(tmp_path / GEMMA)
    with pytest.raises(Hal0Error, match=r"model\.file_invalid.*no image projector"):
        projector_of(gemma(model), str(model))
    write_projector_header(model)
    assert projector_of(gemma(model), str(model)) == model
