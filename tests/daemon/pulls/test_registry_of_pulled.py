"""What has been pulled is known: one file, a file in parts, a folder; and what is damaged or gone says so."""

import shutil

import pytest

from hal0.daemon.config.schema import Models, Slot
from hal0.daemon.models.registry import Registry
from hal0.daemon.providers.base import spec_of
from hal0.daemon.providers.llama import LlamaProvider
from hal0.errors import Hal0Error
from hal0.hardware.facts import read_facts
from tests.daemon.pulls.conftest import MODEL, Bench

FOLDER = {"config.json": b"{}", "model.safetensors": b"w" * 500}


def registry(bench: Bench) -> Registry:
    return Registry(Models(), state=bench.folder / "state", cards=())


async def test_one_file_is_known_with_where_it_came_from(bench: Bench) -> None:
    bench.server.put_repository("owner/M-GGUF", {"M-Q4_K_M.gguf": MODEL})
    assert await bench.pull("hf:owner/M-GGUF") is None
    found = registry(bench).find("m")
    assert (found.id, found.path, found.kind, found.pulled) == ("M", bench.store / "M.gguf", "chat", True)
    assert (found.source, found.size_bytes, found.context_limit) == ("hf:owner/M-GGUF", len(MODEL), 4096)


async def test_a_model_in_parts_is_known_by_its_first(bench: Bench) -> None:
    parts = {f"big-{n:05}-of-00002.gguf": MODEL for n in (1, 2)}
    bench.server.put_repository("owner/big", parts)
    assert await bench.pull("hf:owner/big") is None
    found = registry(bench).find("big")
    assert (found.path.name, found.size_bytes) == ("big-00001-of-00002.gguf", 2 * len(MODEL))
    (bench.store / "big" / "big-00002-of-00002.gguf").unlink()
    with pytest.raises(Hal0Error, match=r"model\.file_missing.*00002-of-00002"):
        registry(bench).find("big")


async def test_a_folder_is_what_it_was_said_to_be_and_nothing_for_llama(bench: Bench) -> None:
    bench.server.put_repository("owner/encoder", FOLDER)
    assert await bench.pull("hf:owner/encoder", kind="embedding") is None
    models = registry(bench)
    found = models.find("encoder")
    assert (found.format, found.kind, found.path) == ("folder", "embedding", bench.store / "encoder")
    provider = LlamaProvider(read_facts())
    spec = spec_of("s", Slot(model="encoder"), provider=provider, find=models.find)
    with pytest.raises(Hal0Error, match=r"slots\.s\.model.*folder of several files"):
        provider.launch(spec)
    shutil.rmtree(found.path)
    with pytest.raises(Hal0Error, match=r"model\.file_missing"):
        models.find("encoder")


async def test_what_lies_in_the_store_half_is_no_model(bench: Bench) -> None:
    bench.server.put("m.gguf", MODEL, break_after=[100_000] + [0] * 99)
    assert await bench.pull(bench.server.url("m.gguf")) is not None
    with pytest.raises(Hal0Error, match=r"model\.not_found"):
        registry(bench).find("m")


async def test_a_removed_model_leaves_nothing(bench: Bench) -> None:
    bench.server.put_repository("owner/encoder", FOLDER)
    async with bench.running() as pulls:
        await pulls.start("hf:owner/encoder")
        assert await bench.outcome(pulls, "encoder") is None
        assert await pulls.has("encoder")
        assert await pulls.remove("encoder") == sum(map(len, FOLDER.values()))
        assert not await pulls.has("encoder")
    assert list(bench.store.iterdir()) == []
