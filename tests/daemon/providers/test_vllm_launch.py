"""How a slot becomes a `vllm serve`, and where its model is looked for."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from hal0.daemon.config.schema import Slot
from hal0.daemon.models.file import ModelFile
from hal0.daemon.providers.base import Launch, SlotSpec, spec_of
from hal0.daemon.providers.vllm import VllmProvider
from hal0.errors import Hal0Error
from tests.fakes.programs import install_stand_in, write_model_folder

PULLED = Path("/nowhere/pulled")


class Place:
    """A machine with vLLM on its PATH and a cache of Hugging Face."""

    def __init__(self, folder: Path) -> None:
        (folder / "bin").mkdir()
        self.program = install_stand_in(folder / "bin", "vllm", "vllm_server.py")
        self.folder = write_model_folder(folder / "Qwen2")
        self.cache = folder / "cache" / "hub"
        self.provider = VllmProvider(environ={"PATH": str(folder / "bin"), "HF_HOME": str(folder / "cache")})

    def spec(self, **config: Any) -> SlotSpec:
        slot = Slot.model_validate({"provider": "vllm", "model": str(self.folder), **config})
        return spec_of("s", slot, provider=self.provider, find=no_registry)

    def launch(self, **config: Any) -> Launch:
        return self.provider.launch(self.spec(**config))

    def add_to_cache(self, repository: str) -> Path:
        entry = self.cache / ("models--" + repository.replace("/", "--"))
        (entry / "refs").mkdir(parents=True)
        (entry / "refs" / "main").write_text("abc123")
        return write_model_folder(entry / "snapshots" / "abc123", limit=1024)


def no_registry(name: str) -> ModelFile:
    """Of what is there for other providers, nothing is for vLLM but the folders that were pulled."""
    if name == "pulled":
        return ModelFile(name, PULLED, "chat", 0, pulled=True, format="folder")
    if name == "gguf":
        return ModelFile(name, PULLED / "x.gguf", "chat", 0)
    raise Hal0Error("model.not_found", model=name, nearest="")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def refusal(place: Place, **config: Any) -> Hal0Error:
    with pytest.raises(Hal0Error) as caught:
        place.launch(**config)
    return caught.value


def pairs(launch: Launch) -> set[tuple[str, str]]:
    words = [word.text for word in launch.command]
    return set(pairwise(words))


def test_the_command_line_says_everything_that_hal0_decides(place: Place) -> None:
    made = place.launch()
    words = [word.text for word in made.command]
    assert words[:3] == [str(place.program), "serve", str(place.folder)]
    assert {
        ("--served-model-name", "Qwen2"),
        ("--host", "127.0.0.1"),
        ("--port", "{port}"),
        ("--allowed-origins", "[]"),
        ("--max-model-len", "8192"),
        ("--max-num-seqs", "256"),
        ("--gpu-memory-utilization", "0.9"),
    } <= pairs(made)
    assert all(word.origin for word in made.command)


def test_the_key_is_in_the_environment_only(place: Place) -> None:
    made = place.launch()
    assert made.environment(1, "k3y")["VLLM_API_KEY"] == "k3y"
    assert "k3y" not in made.argv(1, key="k3y")


def test_it_neither_downloads_nor_reports_home(place: Place) -> None:
    assert {("HF_HUB_OFFLINE", "1"), ("VLLM_NO_USAGE_STATS", "1")} <= set(place.launch().env)


def test_settings_of_the_slot_have_their_words(place: Place) -> None:
    made = place.launch(context=4096, parallel=4, gpus=(0, 2), args=("--dtype", "half"))
    assert {("--max-model-len", "4096"), ("--max-num-seqs", "4"), ("--tensor-parallel-size", "2")} <= pairs(made)
    assert [word.text for word in made.command][-2:] == ["--dtype", "half"]
    assert {("CUDA_VISIBLE_DEVICES", "0,2"), ("ROCR_VISIBLE_DEVICES", "0,2")} <= set(made.env)
    assert (made.device, made.context, made.parallel) == ("0,2", 4096, 4)


@pytest.mark.parametrize("args", [("--gpu-memory-utilization", "0.5"), ("--kv_cache_memory_bytes=4G",)])
def test_the_share_of_the_gpus_memory_is_not_said_twice(place: Place, args: tuple[str, ...]) -> None:
    words = [word.text for word in place.launch(args=args).command]
    assert sum(word.startswith("--gpu-memory-utilization") for word in words) == args.count("--gpu-memory-utilization")


def test_an_embedding_model_is_told_by_its_folder_and_pools(place: Place) -> None:
    write_model_folder(place.folder, architecture="BertModel", limit=512)
    made = place.launch()
    assert place.spec().kind == "embedding"
    assert {("--runner", "pooling"), ("--max-model-len", "512")} <= pairs(made)


def test_a_model_of_sentence_transformers_embeds_whatever_its_architecture(place: Place) -> None:
    (place.folder / "modules.json").write_text("[]")
    assert place.spec().kind == "embedding"


def test_owner_and_name_are_found_in_the_cache(place: Place) -> None:
    folder = place.add_to_cache("Qwen/Qwen2.5-0.5B-Instruct")
    spec = place.spec(model="Qwen/Qwen2.5-0.5B-Instruct")
    assert spec.model.path == folder
    assert spec.model.id == "Qwen/Qwen2.5-0.5B-Instruct"
    assert spec.model.aliases == ("Qwen2.5-0.5B-Instruct",)
    assert ("--served-model-name", "Qwen/Qwen2.5-0.5B-Instruct") in pairs(place.provider.launch(spec))


def test_the_cache_may_be_the_slots_own(place: Place, tmp_path: Path) -> None:
    place.add_to_cache("a/b")
    elsewhere = tmp_path / "elsewhere"
    place.cache.rename(elsewhere)
    assert place.spec(model="a/b", env={"HF_HUB_CACHE": str(elsewhere)}).model.id == "a/b"


def test_what_is_not_in_the_cache_is_told_with_the_command_that_fetches_it(place: Place) -> None:
    error = refusal(place, model="Qwen/Qwen3-8B")
    assert error.code == "model.not_downloaded"
    assert "hf download Qwen/Qwen3-8B" in error.remedy


@pytest.mark.parametrize(
    ("config", "code", "words"),
    [
        ({"model": "qwen"}, "config.invalid", "neither a folder"),
        ({"model": "gguf"}, "config.invalid", "neither a folder"),
        ({"model": "pulled"}, "model.file_missing", "/nowhere/pulled"),
        ({"model": "/nowhere/m"}, "model.file_missing", "/nowhere/m"),
        ({"context": 99999}, "config.invalid", "32768"),
        ({"args": ("--api_key", "x")}, "config.invalid", "--api_key is hal0's own"),
        ({"args": ("--port=1",)}, "config.invalid", "`port`"),
        ({"binary": "/nowhere/vllm"}, "slot.engine_missing", "/nowhere/vllm"),
    ],
)
def test_what_cannot_work_is_refused(place: Place, config: dict[str, Any], code: str, words: str) -> None:
    error = refusal(place, **config)
    assert error.code == code
    assert words in error.message


@pytest.mark.parametrize("text", ["[1]", "{", "\ud800"])
def test_a_folder_whose_description_is_damaged_is_refused(place: Place, text: str) -> None:
    (place.folder / "config.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    assert refusal(place).code == "model.file_invalid"


def test_a_model_of_scores_is_refused(place: Place) -> None:
    write_model_folder(place.folder, architecture="BertForSequenceClassification")
    assert "vllm slots are for chat and embedding" in refusal(place).message


def test_a_machine_without_vllm_is_told_how_to_get_it(place: Place) -> None:
    place.program.unlink()
    error = refusal(place)
    assert error.code == "slot.engine_missing"
    assert "uv tool install vllm" in error.remedy


def test_the_reason_is_the_engines_and_not_its_consequence(place: Place) -> None:
    output = [
        "--- run 1 on port 8081: vllm serve",
        "(EngineCore_0 pid=7) ERROR 11-22 10:00:00 [core.py:700] ValueError: No available memory for the blocks.",
        *['(APIServer pid=1)   File "/opt/x.py", line 1, in serve'] * 60,
        "(APIServer pid=1) RuntimeError: Engine core initialization failed. See root cause above.",
    ]
    assert place.provider.failure_reason(output) == "ValueError: No available memory for the blocks."


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("vllm serve: error: unrecognized arguments: --foo", "unrecognized arguments: --foo"),
        ("vllm: no such program", "vllm: no such program"),
        ("torch.OutOfMemoryError: CUDA out of memory.", "torch.OutOfMemoryError: CUDA out of memory."),
        ("\x1b[1;36m(EngineCore pid=7)\x1b[0;0m RuntimeError: no GPU", "RuntimeError: no GPU"),
        ("INFO: all is well", None),
    ],
)
def test_its_own_words_are_found(place: Place, line: str, reason: str | None) -> None:
    assert place.provider.failure_reason([line, "", "INFO: bye"]) == reason
