"""How a slot becomes a command line."""

from pathlib import Path
from typing import Any

import pytest

from hal0.daemon.config.schema import Slot
from hal0.daemon.models.file import ModelFile
from hal0.daemon.providers import make_providers
from hal0.daemon.providers.base import Api, Launch, SlotSpec, spec_of
from hal0.daemon.providers.llama import LlamaProvider
from hal0.errors import Hal0Error
from hal0.hardware.facts import Facts
from hal0.wire import Kind
from tests.fakes.gguf_files import write_model

GIB = 2**30
X86 = frozenset({"sse2", "avx2", "fma", "f16c", "bmi2"})


def provider(
    *,
    on_path: tuple[str, ...] = (),
    cores: int = 8,
    flags: frozenset[str] = X86,
    missing: tuple[str, ...] = (),
    memory: int = 64 * GIB,
) -> LlamaProvider:
    return LlamaProvider(
        Facts(physical_cores=cores, cpu_flags=flags, memory_bytes=memory),
        find_program=lambda name: f"/usr/bin/{name}" if name in on_path else None,
        has_library=lambda name: name not in missing,
        python="/venv/python",
    )


def spec(*, of: Kind = "chat", size: int = 4 * GIB, limit: int | None = 32768, **config: Any) -> SlotSpec:
    """A slot with these settings, and a model of the kind `of`."""
    model = ModelFile(id="m", path=Path("/models/m.gguf"), kind=of, size_bytes=size, context_limit=limit)
    return SlotSpec("s", Slot.model_validate({"model": "m", **config}), model, 1)


def words(launch: Launch) -> list[str]:
    return [word.text for word in launch.command]


def value(launch: Launch, name: str) -> str:
    """What stands after a word, which must be there once."""
    given = words(launch)
    assert given.count(name) == 1
    return given[given.index(name) + 1]


def origin(launch: Launch, text: str) -> str:
    return next(word.origin for word in launch.command if word.text == text)


def test_a_chat_slot_on_the_engine_of_the_package() -> None:
    launch = provider().launch(spec())
    assert launch.argv(8081) == [
        *("/venv/python", "-P", "-m", "hal0.backends.llama"),
        *("--model", "/models/m.gguf", "--alias", "m", "--host", "127.0.0.1", "--port", "8081"),
        *("--ctx-size", "8192", "--parallel", "1", "--threads", "7", "--jinja", "--cache-ram", "2048"),
        *("--metrics", "--no-webui"),
    ]
    assert launch.engine == "llama.cpp (built in)"
    assert (launch.device, launch.context, launch.parallel) == ("cpu", 8192, 1)
    assert launch.env == (("OMP_WAIT_POLICY", "passive"),)
    assert launch.key_env == "LLAMA_API_KEY"


def test_a_chat_slot_on_a_llama_server_found_on_path() -> None:
    launch = provider(on_path=("llama-server",)).launch(spec())
    assert launch.argv(8081) == [
        *("/usr/bin/llama-server", "--model", "/models/m.gguf", "--alias", "m", "--host", "127.0.0.1"),
        *("--port", "8081", "--ctx-size", "8192", "--parallel", "1", "--threads", "7", "--jinja"),
        *("--metrics", "--no-webui"),
    ]
    assert launch.engine == "/usr/bin/llama-server"


def test_builtin_means_the_package_whatever_is_on_path() -> None:
    launch = provider(on_path=("llama-server",)).launch(spec(binary="builtin"))
    assert launch.engine == "llama.cpp (built in)"
    assert origin(launch, "hal0.backends.llama") == "config slots.s.binary"


def test_a_configured_binary_is_run_and_not_the_one_on_path() -> None:
    launch = provider(on_path=("llama-server", "llama-cuda")).launch(spec(binary="llama-cuda"))
    assert words(launch)[0] == "/usr/bin/llama-cuda"
    assert origin(launch, "/usr/bin/llama-cuda") == "config slots.s.binary"


def test_a_configured_binary_that_is_not_there_is_named_and_nothing_else_is_run() -> None:
    with pytest.raises(Hal0Error) as caught:
        provider(on_path=("llama-server",)).launch(spec(binary="/opt/llama-server"))
    assert caught.value.code == "slot.engine_missing"
    assert "/opt/llama-server" in caught.value.message
    assert "slots.s" in caught.value.remedy


@pytest.mark.parametrize(("kind", "mode"), [("embedding", "--embedding"), ("rerank", "--reranking")])
def test_pooled_inputs_fit_one_batch_and_the_modes_are_never_mixed(kind: Kind, mode: str) -> None:
    launch = provider().launch(spec(of=kind, limit=512))
    assert (value(launch, "--batch-size"), value(launch, "--ubatch-size")) == ("512", "512")
    assert [word for word in words(launch) if word in ("--embedding", "--reranking", "--jinja")] == [mode]
    assert "--cache-ram" not in words(launch)


@pytest.mark.parametrize(
    ("limit", "config", "context"),
    [
        (1024, {}, 1024),
        (131072, {}, 8192),
        (None, {}, 8192),
        (131072, {"context": 32768}, 32768),
        (None, {"context": 99}, 99),
    ],
)
def test_the_context_is_the_wanted_one_else_8192_or_the_limit_of_the_model(
    limit: int | None, config: dict[str, Any], context: int
) -> None:
    launch = provider().launch(spec(limit=limit, **config))
    assert (value(launch, "--ctx-size"), launch.context) == (str(context), context)


def test_parallel_requests_have_the_whole_context_each() -> None:
    launch = provider().launch(spec(context=4096, parallel=4))
    assert (value(launch, "--ctx-size"), value(launch, "--parallel")) == ("16384", "4")
    assert (launch.context, launch.parallel) == (4096, 4)


@pytest.mark.parametrize(
    ("args", "context", "parallel"),
    [
        (("-c", "2048"), 2048, 1),
        (("--ctx-size=2048", "-np", "2"), 1024, 2),
        (("--parallel", "2"), 4096, 2),
        (("-c", "1", "-c", "512"), 512, 1),
        (("-c", "what"), 8192, 1),
        (("-c",), 8192, 1),
    ],
)
def test_the_launch_tells_the_context_that_args_make_of_it(args: tuple[str, ...], context: int, parallel: int) -> None:
    launch = provider().launch(spec(args=args))
    assert (launch.context, launch.parallel) == (context, parallel)


def test_a_context_over_the_limit_of_the_model_is_refused_and_not_cut() -> None:
    with pytest.raises(Hal0Error) as caught:
        provider().launch(spec(limit=1024, context=4096))
    assert caught.value.code == "config.invalid"
    assert "slots.s.context" in caught.value.message
    assert "1024" in caught.value.message


def test_a_stretched_context_may_be_over_the_limit() -> None:
    stretched = ("--rope-scaling", "yarn", "--yarn-orig-ctx", "1024")
    assert provider().launch(spec(limit=1024, context=4096, args=stretched)).context == 4096


@pytest.mark.parametrize(
    ("cores", "size", "config", "threads"),
    [(8, 4 * GIB, {}, "7"), (1, 4 * GIB, {}, "1"), (8, 3 * 2**20, {}, "1"), (8, 3 * 2**20, {"threads": 5}, "5")],
)
def test_threads_leave_a_core_free_and_tiny_models_get_one(
    cores: int, size: int, config: dict[str, Any], threads: str
) -> None:
    launch = provider(cores=cores).launch(spec(size=size, **config))
    assert value(launch, "--threads") == threads
    assert origin(launch, "--threads") == ("config slots.s.threads" if config else "machine")


@pytest.mark.parametrize(
    ("size", "memory", "mib"), [(3 * 2**20, 64 * GIB, "16"), (4 * GIB, 8 * GIB, "512"), (4 * GIB, 64 * GIB, "2048")]
)
def test_earlier_prompts_take_no_more_memory_than_model_and_machine_are_worth(size: int, memory: int, mib: str) -> None:
    assert value(provider(memory=memory).launch(spec(size=size)), "--cache-ram") == mib


def test_chosen_gpus_are_made_visible_to_every_kind_of_driver() -> None:
    launch = provider(on_path=("llama-server",)).launch(spec(gpus=(2, 0)))
    assert dict(launch.env) == {
        "OMP_WAIT_POLICY": "passive",
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "CUDA_VISIBLE_DEVICES": "2,0",
        "ROCR_VISIBLE_DEVICES": "2,0",
        "HIP_VISIBLE_DEVICES": "0,1",
        "GGML_VK_VISIBLE_DEVICES": "2,0",
    }
    assert launch.device == "2,0"
    assert "--device" not in words(launch)


def test_no_gpus_means_the_cpu_even_where_there_are_some() -> None:
    launch = provider(on_path=("llama-server",)).launch(spec(gpus=()))
    assert value(launch, "--device") == "none"
    assert dict(launch.env)["CUDA_VISIBLE_DEVICES"] == "-1"
    assert launch.device == "cpu"


def test_without_a_choice_a_llama_server_chooses_its_devices_itself() -> None:
    launch = provider(on_path=("llama-server",)).launch(spec())
    assert (launch.device, dict(launch.env)) == ("auto", {"OMP_WAIT_POLICY": "passive"})


def test_gpu_layers_are_passed_on() -> None:
    launch = provider(on_path=("llama-server",)).launch(spec(gpu_layers=20))
    assert (value(launch, "-ngl"), origin(launch, "-ngl")) == ("20", "config slots.s.gpu_layers")


def test_a_projector_is_looked_for_with_the_model_and_passed_on(tmp_path: Path) -> None:
    llama, file = provider(), write_model(tmp_path / "m.gguf")
    eyes = write_model(tmp_path / "mmproj-m-f16.gguf", {"general.architecture": "clip"})
    slot = Slot(model="m", mmproj="auto")
    asked = spec_of("s", slot, provider=llama, find=lambda name: ModelFile(name, file, "chat", 4 * GIB))
    launch = llama.launch(asked)
    assert (value(launch, "--mmproj"), origin(launch, "--mmproj")) == (str(eyes), "config slots.s.mmproj")


def test_only_a_slot_for_chat_takes_a_projector() -> None:
    with pytest.raises(Hal0Error, match=r"slots\.s\.mmproj.*embedding"):
        provider().launch(spec(kind="embedding", mmproj="/m/eyes.gguf"))


@pytest.mark.parametrize("config", [{"gpus": (0,)}, {"gpu_layers": 10}])
def test_the_engine_of_the_package_does_not_fall_back_to_the_cpu_silently(config: dict[str, Any]) -> None:
    with pytest.raises(Hal0Error) as caught:
        provider().launch(spec(**config))
    assert caught.value.code == "slot.engine_missing"
    assert "CPU only" in caught.value.message
    assert "llama-server" in caught.value.remedy


def test_args_come_last_as_separate_words_and_say_where_they_are_from() -> None:
    launch = provider().launch(spec(args=("--temp", "0.2", "-fa", "on")))
    assert words(launch)[-4:] == ["--temp", "0.2", "-fa", "on"]
    assert {word.origin for word in launch.command[-4:]} == {"config slots.s.args"}


@pytest.mark.parametrize("word", ["--port", "--host", "--model", "-m", "--api-key", "--port=99"])
def test_args_may_not_take_over_what_hal0_must_know(word: str) -> None:
    with pytest.raises(Hal0Error) as caught:
        provider().launch(spec(args=(word, "x")))
    assert caught.value.code == "config.invalid"
    assert word in caught.value.message


def test_the_slots_own_environment_wins() -> None:
    launch = provider().launch(spec(env={"OMP_WAIT_POLICY": "active", "A": "b"}))
    assert launch.env == (("A", "b"), ("OMP_WAIT_POLICY", "active"))


ALLOWED: dict[tuple[Kind, Kind], bool] = {
    ("chat", "chat"): True,
    ("chat", "embedding"): True,
    ("chat", "rerank"): False,
    ("embedding", "chat"): False,
    ("embedding", "embedding"): True,
    ("embedding", "rerank"): False,
    ("rerank", "chat"): False,
    ("rerank", "embedding"): False,
    ("rerank", "rerank"): True,
}


@pytest.mark.parametrize(("model", "slot"), ALLOWED)
def test_a_model_is_only_used_for_what_it_can_do(model: Kind, slot: Kind) -> None:
    asked = spec(of=model, kind=slot)
    if ALLOWED[model, slot]:
        assert provider().launch(asked).command
        return
    with pytest.raises(Hal0Error, match=rf"slots\.s\.kind.*{model}.*{slot}"):
        provider().launch(asked)


def test_equal_slots_give_equal_launches_and_every_word_has_an_origin() -> None:
    first, second = provider().launch(spec(args=("-fa", "on"))), provider().launch(spec(args=("-fa", "on")))
    assert first == second
    assert all(word.origin for word in first.command)


@pytest.mark.parametrize(("library", "package"), [("libgomp.so.1", "libgomp1"), ("libstdc++.so.6", "libstdc++6")])
def test_a_missing_library_is_named_with_the_package_that_has_it(library: str, package: str) -> None:
    with pytest.raises(Hal0Error) as caught:
        provider(missing=(library,)).launch(spec())
    assert caught.value.code == "slot.engine_missing"
    assert library in caught.value.message
    assert caught.value.remedy == f"apt install {package}"


def test_a_processor_without_avx2_is_named_before_it_meets_an_illegal_instruction() -> None:
    with pytest.raises(Hal0Error) as caught:
        provider(flags=X86 - {"avx2", "fma"}).launch(spec())
    assert "AVX2, FMA" in caught.value.message
    assert "binary" in caught.value.remedy


@pytest.mark.parametrize("flags", [frozenset(), frozenset({"neon", "asimd"})])
def test_another_architecture_or_unknown_flags_are_not_judged(flags: frozenset[str]) -> None:
    assert provider(flags=flags).launch(spec())


def test_a_system_llama_server_is_not_held_to_what_the_package_needs() -> None:
    bare = provider(on_path=("llama-server",), flags=frozenset({"sse2"}), missing=("libgomp.so.1",))
    assert bare.launch(spec()).engine == "/usr/bin/llama-server"


def test_each_kind_serves_its_own_endpoints_and_embeddings_also_rank() -> None:
    llama = make_providers(Facts(physical_cores=1))["llama"]
    assert llama.apis("chat") == {Api.CHAT, Api.COMPLETION}
    assert llama.apis("embedding") == {Api.EMBEDDINGS, Api.RERANK}
    assert llama.apis("rerank") == {Api.RERANK}
    assert llama.apis("speech") == frozenset()
