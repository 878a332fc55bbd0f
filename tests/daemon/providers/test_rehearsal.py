"""Which mistakes of a configuration show when its slots are rendered, on this machine and with the shipped models."""

from pathlib import Path
from typing import Any

import pytest

from hal0.daemon.config.file import judge
from hal0.daemon.config.schema import Models, Settings
from hal0.daemon.models.registry import Registry
from hal0.daemon.providers import make_providers
from hal0.daemon.providers.rehearsal import Rehearsal
from hal0.hardware.facts import read_facts
from tests.fakes.gguf_files import chat_entries, write_model


class Counted:
    """A rehearsal, and how many registries it took."""

    def __init__(self, state: Path) -> None:
        self.made = 0
        self._state = state
        self.rehearse = Rehearsal(make_providers(read_facts()), make_registry=self._make)

    def _make(self, models: Models) -> Registry:
        self.made += 1
        return Registry(models, state=self._state)


@pytest.fixture
def counted(tmp_path: Path) -> Counted:
    return Counted(tmp_path)


def settings(**slot: Any) -> Settings:
    return Settings.model_validate({"slots": {"x": slot}})


@pytest.mark.parametrize(
    ("name", "model", "key"),
    [
        ("m", {"url": "http://far.lan/m.gguf"}, ("models", "m", "url")),
        ("m", {"url": "https://far.lan/"}, ("models", "m", "url")),
        ("m", {"url": "hf:only-an-owner"}, ("models", "m", "url")),
        ("owner/m", {"url": "https://far.lan/m.gguf"}, ("models", "owner/m")),
    ],
)
def test_a_model_that_could_not_be_pulled_is_told(
    counted: Counted, name: str, model: dict[str, Any], key: tuple[str, ...]
) -> None:
    ((found, error),) = counted.rehearse(Settings.model_validate({"models": {name: model}}))
    assert (found, error.code) == (key, "config.invalid")
    good = {"m": {"url": "http://far.lan/m.gguf", "sha256": "0" * 64}, "n": {"url": "hf:owner/m:Q4_K_M"}}
    assert counted.rehearse(Settings.model_validate({"models": good})) == []


OTHER = {"model": "all-minilm-l6-v2", "aliases": ("tiny",)}


@pytest.mark.parametrize("name", ["other", "tiny", "all-minilm-l6-v2", "hal0-starter-q8_0"])
def test_what_a_slot_answers_to_may_stand_in(counted: Counted, name: str) -> None:
    slots = {"x": {"model": "hal0-starter", "fallback": (name,)}, "other": OTHER}
    assert counted.rehearse(Settings.model_validate({"slots": slots})) == []


def test_a_fallback_that_names_nothing_is_told_unless_a_remote_may_have_it(counted: Counted) -> None:
    slots = {"x": {"model": "hal0-starter", "fallback": ("other", "othr")}, "other": OTHER}
    ((key, error),) = counted.rehearse(Settings.model_validate({"slots": slots}))
    assert (key, error.code) == (("slots", "x", "fallback", 1), "config.invalid")
    assert "did you mean 'other'" in error.message
    far = {"far": {"kind": "openai"}}
    assert counted.rehearse(Settings.model_validate({"slots": slots, "remotes": far})) == []
    away = {"away": {"model": "nowhere"}}
    assert counted.rehearse(Settings.model_validate({"slots": slots | away})) == []


@pytest.mark.parametrize(
    ("key", "slot"),
    [
        ("args", {"model": "hal0-starter", "args": ("--port", "1")}),
        ("context", {"model": "all-minilm-l6-v2", "context": 99999}),
        ("kind", {"model": "all-minilm-l6-v2", "kind": "rerank"}),
        ("model", {"model": "no-folder", "provider": "vllm"}),
    ],
)
def test_a_setting_that_cannot_be_meant_is_told_with_its_key(counted: Counted, key: str, slot: dict[str, Any]) -> None:
    ((found, error),) = counted.rehearse(settings(**slot))
    assert (found, error.code) == (("slots", "x", key), "config.invalid")


@pytest.mark.parametrize(
    "slot",
    [
        {"model": "hal0-starter"},
        {"model": "hal0-starter", "binary": "/nonexistent"},
        {"model": "nowhere"},
        {"model": "/nonexistent/folder", "provider": "vllm"},
        {"command": ("/nonexistent",), "provider": "command"},
    ],
)
def test_what_the_machine_lacks_is_no_mistake_of_the_file(counted: Counted, slot: dict[str, Any]) -> None:
    assert counted.rehearse(settings(**slot)) == []


def test_models_are_read_again_only_for_another_configuration_of_them(counted: Counted, tmp_path: Path) -> None:
    first, other = settings(model="hal0-starter"), Models(folders=(str(tmp_path),))
    for _ in range(3):
        counted.rehearse(first)
    assert counted.made == 1
    mine = counted.rehearse.registry(first.models)
    assert counted.made == 1
    assert counted.rehearse.registry(first.models) is not mine, "a registry is used from one thread only"
    counted.rehearse(first.model_copy(update={"models": other}))
    assert counted.made == 3
    counted.rehearse(first)
    assert counted.made == 4


def test_the_check_of_a_file_tells_line_and_column(counted: Counted, tmp_path: Path) -> None:
    path = tmp_path / "hal0.toml"
    path.write_text('[slots.x]\nmodel = "all-minilm-l6-v2"\ncontext = 99999\n')
    (problem,) = judge(path, env={}, appraise=counted.rehearse).problems
    assert (problem.line, problem.column, problem.key) == (3, 11, "slots.x.context")
    assert "99999 tokens are more than" in problem.message


def test_a_model_file_that_becomes_another_is_judged_as_it_is_now(counted: Counted, tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    wanted = Settings.model_validate(
        {"models": {"m": {"path": str(path)}}, "slots": {"x": {"model": "m", "context": 1024}}}
    )
    assert counted.rehearse(wanted) == [], "that it is not there is no mistake"
    write_model(path, chat_entries(**{"llama.context_length": 512}))
    ((key, _),) = counted.rehearse(wanted)
    assert key == ("slots", "x", "context")
    write_model(path, chat_entries(**{"llama.context_length": 2048}))
    assert counted.rehearse(wanted) == []


@pytest.mark.parametrize(
    "slot", [{"model": "all-minilm-l6-v2"}, {"provider": "espeak"}, {"provider": "sphinx"}], ids=lambda slot: str(slot)
)
@pytest.mark.parametrize(
    "more", [{"max_tokens": 5}, {"defaults": {"seed": 1}}, {"set": {"seed": 1}}, {"strip": ("x",)}]
)
def test_fields_of_chats_in_a_slot_that_answers_none_are_refused(
    counted: Counted, slot: dict[str, Any], more: dict[str, Any]
) -> None:
    (name,) = more
    ((found, error),) = counted.rehearse(settings(**slot, **more))
    assert found == ("slots", "x", name)
    assert "has no effect" in error.message
    assert counted.rehearse(settings(**slot)) == []
    assert counted.rehearse(settings(model="hal0-starter", **more)) == []
