"""How a slot becomes a `flm serve`."""

from pathlib import Path
from typing import Any

import pytest

from hal0.daemon.config.schema import Slot
from hal0.daemon.models.file import ModelFile
from hal0.daemon.providers.base import Launch, spec_of
from hal0.daemon.providers.flm import FlmProvider
from hal0.errors import Hal0Error
from tests.fakes.programs import install_stand_in


def no_registry(name: str) -> ModelFile:
    raise AssertionError("flm's models are not in the registry")


@pytest.fixture
def provider(tmp_path: Path) -> FlmProvider:
    install_stand_in(tmp_path, "flm", "flm_server.py")
    return FlmProvider(environ={"PATH": str(tmp_path)})


def launch(provider: FlmProvider, **config: Any) -> Launch:
    slot = Slot.model_validate({"provider": "flm", "model": "llama3.2:1b", **config})
    return provider.launch(spec_of("s", slot, provider=provider, find=no_registry))


def words(launch: Launch) -> str:
    return " ".join(launch.argv(8081)[1:])


def test_a_chat_model_is_served_by_its_tag(provider: FlmProvider) -> None:
    made = launch(provider, args=("--pmode", "turbo"))
    assert words(made) == (
        "serve llama3.2:1b --ctx-len 8192 --host 127.0.0.1 --port 8081 --cors 0 --socket 128 --q-len 128 --pmode turbo"
    )
    assert (made.device, made.context) == ("npu", 8192)


def test_the_embedding_model_is_a_switch(provider: FlmProvider) -> None:
    made = launch(provider, model="embed-gemma:300m")
    assert words(made).startswith("serve --embed 1 --host")
    assert made.context is None


@pytest.mark.parametrize(("wanted", "real"), [(16, 512), (512, 512), (513, 1024), (8000, 8192), (8192, 8192)])
def test_the_context_shown_is_the_one_that_flm_makes_of_it(provider: FlmProvider, wanted: int, real: int) -> None:
    assert launch(provider, context=wanted).context == real


def test_it_takes_no_key_and_finds_no_way_out(provider: FlmProvider) -> None:
    made = launch(provider)
    assert not made.takes_key
    assert dict(made.env)["https_proxy"] == "http://127.0.0.1:9"
    assert dict(launch(provider, env={"https_proxy": ""}).env)["https_proxy"] == ""


@pytest.mark.parametrize(
    ("config", "code", "said"),
    [
        ({"kind": "embedding"}, "config.invalid", "embed-gemma:300m"),
        ({"model": "embed-gemma:300m", "kind": "chat"}, "config.invalid", "nothing else"),
        ({"args": ("--cors", "1")}, "config.invalid", "--cors is hal0's own"),
        ({"binary": "/nowhere/flm"}, "slot.engine_missing", "/nowhere/flm"),
    ],
)
def test_what_cannot_work_is_refused(provider: FlmProvider, config: dict[str, Any], code: str, said: str) -> None:
    with pytest.raises(Hal0Error) as caught:
        launch(provider, **config)
    assert caught.value.code == code
    assert said in caught.value.message


def test_a_machine_without_flm_is_told_how_to_get_it() -> None:
    with pytest.raises(Hal0Error) as caught:
        launch(FlmProvider(environ={"PATH": ""}))
    assert caught.value.code == "slot.engine_missing"
    assert "FastFlowLM" in caught.value.remedy


def test_its_own_words_are_found(provider: FlmProvider) -> None:
    lines = [
        "[FLM]  NPU platform: xdna2",
        "\x1b[31m[ERROR]  Model not found: x; Please check\x1b[0m",
        "=====",
        "[LOG] 1",
    ]
    assert provider.failure_reason(lines) == "Model not found: x; Please check"
    assert provider.failure_reason(["[FLM]  all is well"]) is None
