"""Needs, told from headers: which layers keep what, and on which device the parts are."""

from dataclasses import replace
from pathlib import Path

import pytest

from hal0.daemon.models.layout import Layout, Tensor, read_layout
from hal0.daemon.models.memory import Load, SlotNeeds, estimate
from hal0.errors import Hal0Error
from tests.fakes.gguf_files import gguf
from tests.fakes.gguf_shapes import SHAPES, llama
from tests.fakes.gguf_weights import write_shape

MIB = 2**20


@pytest.fixture(scope="module")
def layouts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Layout]:
    folder = tmp_path_factory.mktemp("shapes")
    return {name: read_layout(write_shape(folder / f"{name}.gguf", make())) for name, make in SHAPES.items()}


def kv(layout: Layout, **load: object) -> int:
    return estimate(layout, Load(**{"context": 8192, **load})).ram.kv_bytes  # type: ignore[arg-type]


def test_every_byte_of_the_tensors_is_counted(layouts: dict[str, Layout]) -> None:
    assert sum(t.size_bytes for t in layouts["llama"].tensors) == pytest.approx(157.85 * MIB, rel=1e-4)


def test_keys_and_values_of_every_layer_are_kept(layouts: dict[str, Layout]) -> None:
    assert kv(layouts["llama"]) == 2 * 8 * 4 * 64 * 8192 * 2
    assert kv(layouts["llama"], key_type="q8_0", value_type="q4_0") == 8 * 8 * (34 + 18) * 8192
    assert kv(layouts["llama"], context=1000) == kv(layouts["llama"], context=1024)


def test_a_window_bounds_what_its_layers_keep(layouts: dict[str, Layout]) -> None:
    cell = 2 * 256 * 2
    assert kv(layouts["gemma3"]) == 2 * 8192 * cell + 10 * 1024 * cell
    assert kv(layouts["gemma3"], whole_window=True) == 12 * 8192 * cell
    assert kv(layouts["gemma3"], parallel=4) == 2 * 8192 * cell + 10 * 4 * 1024 * cell


def test_the_pattern_of_windows_may_be_told_layer_by_layer(layouts: dict[str, Layout]) -> None:
    gemma = layouts["gemma3"]
    told = replace(gemma, entries={**gemma.entries, "attention.sliding_window_pattern": [True] * 3 + [False] * 9})
    cell = 2 * 256 * 2
    assert kv(told) == 9 * 8192 * cell + 3 * 1024 * cell


def test_a_state_does_not_grow_with_the_context(layouts: dict[str, Layout]) -> None:
    assert kv(layouts["mamba"]) == kv(layouts["mamba"], context=262_144) == 16 * (3 * 2048 + 16 * 2048) * 4
    assert kv(layouts["mamba"], parallel=3) == 3 * kv(layouts["mamba"])


def test_a_hybrid_keeps_both(layouts: dict[str, Layout]) -> None:
    assert kv(layouts["lfm2"]) == 4 * 2 * 512 * 8192 * 2 + 8 * 2 * 1024 * 4


def test_latent_attention_keeps_one_vector_for_all_heads(layouts: dict[str, Layout]) -> None:
    assert kv(layouts["deepseek2"]) == 8 * (512 + 64) * 8192 * 2


def test_an_encoder_keeps_nothing_but_computes_scores_for_every_token(layouts: dict[str, Layout]) -> None:
    needs = estimate(layouts["bert"], Load(context=2048, batch=2048, ubatch=2048, embedding=True)).ram
    assert needs.kv_bytes == 0
    assert needs.compute_bytes > 2048 * 30_522 * 4


def test_keys_and_values_in_one_tensor_are_told_from_the_header() -> None:
    tensors = (Tensor("blk.0.attn_qkv.weight", (512, 1024), 1, 2**20),)
    entries = {"block_count": 1, "embedding_length": 512, "attention.head_count": 8, "attention.head_count_kv": 2}
    assert kv(Layout("phi3", entries, tensors), context=1024) == 2 * 2 * 64 * 1024 * 2


def test_layers_that_use_the_cache_of_others_keep_none(layouts: dict[str, Layout]) -> None:
    gemma = layouts["gemma3"]
    shared = replace(gemma, entries={**gemma.entries, "attention.shared_kv_layers": 12})
    assert kv(shared) == 0


def on_gpu(layout: Layout, layers: int, **more: object) -> SlotNeeds:
    return estimate(layout, Load(context=8192, gpu_layers=layers, is_builtin=False, **more))  # type: ignore[arg-type]


def test_layers_go_to_the_gpu_from_the_last_and_take_their_cache_along(layouts: dict[str, Layout]) -> None:
    layout = layouts["llama"]
    whole, half, output = on_gpu(layout, 99), on_gpu(layout, 5), on_gpu(layout, 1)
    size = {t.name: t.size_bytes for t in layout.tensors}
    assert whole.gpu
    assert half.gpu
    assert output.gpu
    assert whole.ram.weights_bytes == size["token_embd.weight"]
    assert whole.ram.kv_bytes == 0
    assert half.gpu.kv_bytes == half.ram.kv_bytes == whole.gpu.kv_bytes // 2
    assert output.gpu.weights_bytes == size["output.weight"] + size["output_norm.weight"]
    for needs in (whole, half, output):
        assert needs.gpu
        assert needs.ram.weights_bytes + needs.gpu.weights_bytes == sum(size.values())


def test_tied_embeddings_are_on_both_sides(layouts: dict[str, Layout]) -> None:
    needs = on_gpu(layouts["qwen3"], 99)
    assert needs.gpu
    size = {t.name: t.size_bytes for t in layouts["qwen3"].tensors}
    assert needs.ram.weights_bytes + needs.gpu.weights_bytes == sum(size.values()) + size["token_embd.weight"]


def test_the_cache_and_the_experts_can_be_kept_from_the_gpu(layouts: dict[str, Layout]) -> None:
    needs = on_gpu(layouts["qwen3moe"], 99, cache_on_gpu=False, expert_layers_on_cpu=99)
    assert needs.gpu
    assert needs.gpu.kv_bytes == 0
    experts = sum(t.size_bytes for t in layouts["qwen3moe"].tensors if "_exps" in t.name)
    assert needs.ram.weights_bytes > experts


def test_what_nobody_compared_says_so(layouts: dict[str, Layout]) -> None:
    layout = layouts["llama"]
    known = estimate(layout, Load(context=1024)).ram.uncertainty
    assert estimate(replace(layout, architecture="llama9"), Load(context=1024)).ram.uncertainty > known
    assert estimate(layout, Load(context=1024, is_vague=True)).ram.uncertainty > known
    assert estimate(layout, Load(context=1024, is_builtin=False)).ram.uncertainty > known


def test_the_parts_of_a_split_model_count_together(tmp_path: Path) -> None:
    whole = llama(layers=2)
    first, second = tmp_path / "m-00001-of-00002.gguf", tmp_path / "m-00002-of-00002.gguf"
    middle = len(whole.tensors) // 2
    write_shape(first, replace(whole, tensors=whole.tensors[:middle]))
    write_shape(second, replace(whole, tensors=whole.tensors[middle:]))
    split, single = read_layout(first), read_layout(write_shape(tmp_path / "m.gguf", whole))
    assert {t.name: t.size_bytes for t in split.tensors} == {t.name: t.size_bytes for t in single.tensors}
    second.unlink()
    with pytest.raises(Hal0Error, match="00002-of-00002") as missing:
        read_layout(first)
    assert missing.value.code == "model.file_missing"


@pytest.mark.parametrize("cut", [0, 3, 30, 200])
def test_a_damaged_file_is_told_of(cut: int, tmp_path: Path) -> None:
    file = tmp_path / "m.gguf"
    file.write_bytes(gguf({"general.architecture": "llama"})[:cut] if cut < 200 else gguf({"general.alignment": "x"}))
    with pytest.raises(Hal0Error) as raised:
        read_layout(file)
    assert raised.value.code == "model.file_invalid"
