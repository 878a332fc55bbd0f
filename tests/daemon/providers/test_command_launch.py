"""How a slot of somebody's program becomes a command line."""

import sys
from pathlib import Path
from typing import Any

import pytest

from hal0.daemon.config.schema import Slot
from hal0.daemon.models.file import ModelFile
from hal0.daemon.providers.base import Api, Launch, SlotSpec, apis_of, spec_of
from hal0.daemon.providers.command import CommandProvider
from hal0.errors import Hal0Error
from tests.fakes.programs import write_model_folder

PROVIDER = CommandProvider(environ={"PATH": ""})
GGUF = ModelFile(id="m", path=Path("/models/a model.gguf"), kind="embedding", size_bytes=5, context_limit=2048)


def find(name: str) -> ModelFile:
    if name != "m":
        raise Hal0Error("model.not_found", model=name, nearest="")
    return GGUF


def spec(*command: str, **config: Any) -> SlotSpec:
    slot = Slot.model_validate({"provider": "command", "command": (sys.executable, *command), **config})
    return spec_of("s", slot, provider=PROVIDER, find=find)


def launch(*command: str, **config: Any) -> Launch:
    return PROVIDER.launch(spec(*command, **config))


def test_each_placeholder_has_its_value() -> None:
    words = ("${port}", "-m${model}", "${model_id}", "${ctx}", "${parallel}x")
    made = launch(*words, model="m", context=512, parallel=3)
    assert made.argv(8081) == [sys.executable, "8081", "-m/models/a model.gguf", "m", "512", "3x"]
    assert {word.origin for word in made.command} == {"config slots.s.command"}
    assert (made.context, made.parallel) == (512, 3)


def test_one_text_is_split_as_a_shell_would_and_a_path_with_a_space_stays_one_word() -> None:
    slot = Slot.model_validate(
        {"provider": "command", "command": f"{sys.executable} 'a b' --m ${{model}} --p ${{port}}", "model": "m"}
    )
    made = PROVIDER.launch(spec_of("s", slot, provider=PROVIDER, find=find))
    assert made.argv(1) == [sys.executable, "a b", "--m", "/models/a model.gguf", "--p", "1"]


def test_the_context_left_out_is_the_models_own_limit() -> None:
    assert launch("${ctx}", "${model}", model="m").context == 2048


def test_without_a_placeholder_the_program_gets_no_key_and_is_sent_none() -> None:
    made = launch("${port}")
    assert not made.takes_key
    assert made.endpoint(1, "secret").key == ""
    assert "secret" not in str(made.environment(1, "secret"))


def test_a_key_is_on_the_command_line_only_where_a_person_wrote_it() -> None:
    made = launch("--secret", "${key}", "${port}")
    assert made.argv(1, key="k3y") == [sys.executable, "--secret", "k3y", "1"]
    assert made.argv(1) == [sys.executable, "--secret", "${key}", "1"]  # what logs and people see
    assert made.endpoint(1, "k3y").key == "k3y"


def test_a_key_in_the_environment_stays_off_the_command_line() -> None:
    made = launch("${port}", env={"SECRET": "x-${key}", "PORT": "${port}"})
    assert made.argv(1, key="k3y") == [sys.executable, "1"]
    assert made.environment(1, "k3y") == {"SECRET": "x-k3y", "PORT": "1"}


def test_what_a_model_is_called_is_not_filled_in_again() -> None:
    made = launch("${model_id}", "${port}", model="a${key}b")
    assert made.argv(1, key="k3y")[1] == "a${key}b"
    assert not made.takes_key


def test_without_model_in_the_command_line_the_name_is_only_a_name() -> None:
    assert spec("${port}", model="gpt-oss").model.id == "gpt-oss"
    assert spec("${port}").model.id == "s"
    assert spec("${port}", kind="rerank").kind == "rerank"


def test_the_kind_is_told_from_the_models_file() -> None:
    assert spec("${port}", "${model}", model="m").kind == "embedding"


def test_a_model_that_is_a_folder_is_given_by_its_path(tmp_path: Path) -> None:
    folder = write_model_folder(tmp_path / "Bert", architecture="BertModel", limit=512)
    made = spec("${port}", "${model}", model=str(folder))
    assert (made.model.id, made.kind, made.model.context_limit) == ("Bert", "embedding", 512)


@pytest.mark.parametrize(("model", "code"), [("/nowhere/m.bin", "model.file_missing"), ("n", "model.not_found")])
def test_a_model_that_is_asked_for_must_be_there(model: str, code: str) -> None:
    with pytest.raises(Hal0Error) as caught:
        spec("${port}", "${model}", model=model)
    assert caught.value.code == code


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(Hal0Error) as caught:
        PROVIDER.launch(
            SlotSpec("s", Slot(provider="command", command=("frobnicate", "${port}")), GGUF, 1),
        )
    assert caught.value.code == "slot.engine_missing"
    assert "frobnicate" in caught.value.message
    assert "slots.s" in caught.value.remedy


def test_gpus_are_told_by_the_environment() -> None:
    made = launch("${port}", gpus=(1,), env={"CUDA_VISIBLE_DEVICES": "3"})
    assert dict(made.env)["ROCR_VISIBLE_DEVICES"] == "1"
    assert dict(made.env)["CUDA_VISIBLE_DEVICES"] == "3"  # what a person says wins
    assert made.device == "1"


def test_serves_says_what_it_can_be_asked_for() -> None:
    config = Slot(provider="command", command=("x",), serves=("chat", "embedding"))
    assert apis_of(config, kind="chat", provider=PROVIDER) == {Api.CHAT, Api.EMBEDDINGS, Api.RERANK}
    bare = Slot(provider="command", command=("x",))
    assert apis_of(bare, kind="chat", provider=PROVIDER) == {Api.CHAT, Api.COMPLETION}


def test_another_place_of_the_api_is_where_requests_go() -> None:
    endpoint = launch("${port}", api_path="/openai/v1", health_path="/up").endpoint(1, "")
    assert endpoint.path("/v1/chat/completions") == "/openai/v1/chat/completions"
    assert endpoint.health_path == "/up"
    assert launch("${port}", api_path="").endpoint(1, "").path("/v1/embeddings") == "/embeddings"
