"""How a slot becomes the program in front of a ComfyUI."""

import json
from pathlib import Path
from typing import Any

import pytest

from hal0.daemon.config.schema import Slot
from hal0.daemon.models.file import ModelFile
from hal0.daemon.providers.base import Api, Launch, spec_of
from hal0.daemon.providers.comfyui import RESERVED, ComfyuiProvider
from hal0.errors import Hal0Error
from hal0.workflows import CURATED


def not_pulled(name: str) -> ModelFile:
    raise Hal0Error("model.not_pulled", model=name)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "ComfyUI"
    folder.mkdir()
    (folder / "main.py").touch()
    return folder


def launch(find: Any = not_pulled, path: str = "/usr/bin:/bin", **config: Any) -> Launch:
    provider = ComfyuiProvider(environ={"PATH": path}, python="/py")
    slot = Slot.model_validate({"provider": "comfyui", "model": "sdxl-turbo", **config})
    return provider.launch(spec_of("img", slot, provider=provider, find=find))


def code(**config: Any) -> str:
    with pytest.raises(Hal0Error) as caught:
        launch(**config)
    return caught.value.code


def program(folder: Path) -> Path:
    folder.mkdir(parents=True)
    python = folder / "python"
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)
    return python


def test_a_checkout_is_started_with_its_own_python_and_the_slots_words(checkout: Path) -> None:
    python = program(checkout / ".venv" / "bin")
    made = launch(cwd=str(checkout), gpus=(1,), args=("--lowvram",))
    graph = CURATED["sdxl-turbo"].path
    assert made.argv(8081) == [
        *("/py", "-P", "-m", "hal0.backends.comfyui", "--port", "8081", "--model", "sdxl-turbo"),
        *("--workflow", str(graph), "--checkout", str(checkout), "--python", str(python), "--", "--lowvram"),
    ]
    assert dict(made.env)["CUDA_VISIBLE_DEVICES"] == "1"
    assert (made.device, made.engine, made.speaks_hal0) == ("1", str(checkout), True)
    assert made.takes_key


def test_without_gpus_it_computes_on_the_processor(checkout: Path) -> None:
    program(checkout / "venv" / "bin")
    assert launch(cwd=str(checkout), gpus=()).argv(1)[-2:] == ["--", "--cpu"]
    assert "--" not in launch(cwd=str(checkout)).argv(1)


def test_which_python_runs_a_checkout(checkout: Path, tmp_path: Path) -> None:
    def python(**more: Any) -> str:
        argv = launch(cwd=str(checkout), **more).argv(1)
        return argv[argv.index("--python") + 1]

    in_path = program(tmp_path / "bin").rename(tmp_path / "bin" / "python3")
    assert python(path=str(tmp_path / "bin")) == str(in_path)
    own = program(checkout / "venv" / "bin")
    assert python() == str(own)
    named = program(tmp_path / "other")
    assert python(binary=str(named)) == str(named)
    assert code(cwd=str(checkout), binary="/nowhere/python") == "slot.engine_missing"


def test_one_that_runs_already_is_asked_and_takes_nothing_of_this_machine() -> None:
    made = launch(url="http://box.lan:8188")
    argv = made.argv(1)
    assert argv[argv.index("--url") + 1] == "http://box.lan:8188"
    assert "--checkout" not in argv
    assert (made.device, made.engine) == ("cpu", "ComfyUI")


def test_a_pulled_model_is_made_known_to_the_checkout(checkout: Path, tmp_path: Path) -> None:
    program(checkout / "venv" / "bin")
    pulled = ModelFile("sdxl-turbo", tmp_path / "store" / "sdxl-turbo", "image", 9, format="folder", pulled=True)
    argv = launch(lambda name: pulled, cwd=str(checkout)).argv(1)
    assert argv[argv.index("--checkpoints") + 1] == str(pulled.path)
    assert "--checkpoints" not in launch(lambda name: pulled, url="http://box:8188").argv(1)


def test_one_that_is_being_pulled_is_waited_for(checkout: Path) -> None:
    def find(name: str) -> ModelFile:
        raise Hal0Error("model.being_pulled", model=name, progress="3 %")

    assert code(find=find, cwd=str(checkout)) == "model.being_pulled"


def test_a_workflow_of_ones_own_needs_no_model(tmp_path: Path) -> None:
    file = tmp_path / "w.json"
    file.write_text(json.dumps({"1": {"class_type": "T", "inputs": {"text": "${prompt}"}}}))
    made = launch(model=None, workflow=str(file), url="http://box:8188")
    argv = made.argv(1)
    assert (argv[argv.index("--model") + 1], argv[argv.index("--workflow") + 1]) == ("img", str(file))
    file.write_text("{}")
    assert code(workflow=str(file), url="http://box:8188") == "dispatch.workflow_invalid"
    assert code(workflow="/nowhere.json", url="http://box:8188") == "dispatch.workflow_invalid"


def test_what_cannot_be_meant_is_refused(checkout: Path) -> None:
    assert code(model="qwen3-4b", url="http://box:8188") == "config.invalid"
    assert code() == "config.invalid"
    for word in RESERVED:
        assert code(cwd=str(checkout), args=(f"{word}=1",)) == "config.invalid"
    assert code(cwd=str(checkout.parent)) == "slot.engine_missing"


@pytest.mark.parametrize("model", CURATED)
def test_its_licence_is_known_also_where_its_file_is_not(model: str) -> None:
    provider = ComfyuiProvider()
    slot = Slot.model_validate({"provider": "comfyui", "model": model, "url": "http://box:8188"})
    spec = spec_of("img", slot, provider=provider, find=not_pulled)
    assert spec.model.licence
    assert (spec.kind, provider.apis(spec.kind)) == ("image", frozenset({Api.IMAGES}))
