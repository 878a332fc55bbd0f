"""How a model will be loaded, read from the command line."""

from pathlib import Path

import pytest

from hal0.daemon.models.memory import Load
from hal0.daemon.providers.llama_load import ALL_LAYERS, load_of


def read(words: str, *, device: str = "0", is_builtin: bool = False) -> Load:
    return load_of(words.split(), device=device, is_builtin=is_builtin)


def test_the_last_word_wins_in_every_way_of_writing_it() -> None:
    load = read("--ctx-size 8192 --parallel 2 -ctk q8_0 --ctx-size=4096 -ub 64 -b 128 --cache-ram 16")
    assert (load.context, load.parallel, load.key_type, load.value_type) == (4096, 2, "q8_0", "f16")
    assert (load.ubatch, load.batch, load.prompt_cache_bytes) == (64, 128, 16 * 2**20)


@pytest.mark.parametrize(
    ("words", "field", "value"),
    [
        ("--swa-full", "whole_window", True),
        ("-kvu", "unified", True),
        ("--reranking", "embedding", True),
        ("-nkvo", "cache_on_gpu", False),
        ("--cpu-moe", "expert_layers_on_cpu", ALL_LAYERS),
        ("--n-cpu-moe 7", "expert_layers_on_cpu", 7),
        ("-fa off", "flash_attention", False),
        ("-ot exps=CPU", "is_vague", True),
        ("-ngl 12", "gpu_layers", 12),
        ("", "gpu_layers", ALL_LAYERS),
        ("--cache-ram -1", "prompt_cache_bytes", 2**33),
    ],
)
def test_words_that_move_memory_are_understood(words: str, field: str, value: object) -> None:
    assert getattr(read(words), field) == value


def test_without_a_gpu_no_layer_is_on_one() -> None:
    assert read("-ngl 99", device="cpu").gpu_layers == 0
    assert read("-ngl 99", is_builtin=True).gpu_layers == 0


def test_other_files_are_looked_at_for_their_size(tmp_path: Path) -> None:
    (tmp_path / "projector.gguf").write_bytes(bytes(123))
    assert read(f"--mmproj {tmp_path}/projector.gguf --lora {tmp_path}/missing").more_bytes == 123
