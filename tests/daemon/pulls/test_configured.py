"""Models to which the configuration gives an address: pulled by their name, known by it, and proven as it says."""

import hashlib
from typing import Any

import pytest

from hal0.daemon.config.schema import Models
from hal0.daemon.models.registry import Registry
from hal0.errors import Hal0Error
from tests.daemon.pulls.conftest import MODEL, Bench

SHA256 = hashlib.sha256(MODEL).hexdigest()


def registry(bench: Bench) -> Registry:
    return Registry(Models(**bench.settings), state=bench.folder / "state", cards=())


def configured(bench: Bench, **more: Any) -> None:
    table = {"url": bench.server.url("small.gguf") + "?key=hunter2", "licence": "apache-2.0", **more}
    bench.settings = Models.model_validate({"Mine": table}).model_dump()


async def test_it_is_pulled_by_its_name_and_then_known_by_its_aliases_with_its_licence(bench: Bench) -> None:
    bench.server.put("small.gguf", MODEL)
    configured(bench, aliases=("other",), sha256=SHA256)
    for name in ("Mine", "other"):
        with pytest.raises(Hal0Error) as caught:
            registry(bench).find(name)
        assert (caught.value.code, caught.value.details["model"]) == ("model.not_fetched", "Mine")
        assert "licence apache-2.0" in caught.value.message
        assert "hunter2" not in str(caught.value.details)
    async with bench.running() as pulls:
        view = await pulls.start("Mine")
        assert (view.name, view.licence, view.pinned) == ("Mine", "apache-2.0", "asked")
        assert await bench.outcome(pulls, "Mine") is None
        assert (await pulls.start("Mine")).state == "done"
    models = registry(bench)
    found = models.find("other")
    assert (found.id, found.path, found.licence) == ("Mine", bench.store / "Mine.gguf", "apache-2.0")
    assert models.is_verified(found)


async def test_another_file_than_the_one_meant_is_refused(bench: Bench) -> None:
    bench.server.put("small.gguf", MODEL)
    configured(bench, sha256="0" * 64)
    error = await bench.pull("Mine")
    assert error is not None
    assert error.code == "model.checksum_mismatch"
    assert not (bench.store / "Mine.gguf").exists()


async def test_a_checksum_that_comes_later_is_asked_of_what_is_there(bench: Bench) -> None:
    bench.server.put("small.gguf", MODEL)
    configured(bench)
    assert await bench.pull("Mine") is None
    configured(bench, sha256="0" * 64)
    models = registry(bench)
    with pytest.raises(Hal0Error, match=r"model\.checksum_mismatch"):
        await models.verify(models.find("Mine"))


async def test_another_address_begins_anew_with_what_had_come_from_the_first(bench: Bench) -> None:
    bench.server.put("small.gguf", MODEL, break_after=[100_000] + [0] * 99)
    configured(bench)
    assert await bench.pull("Mine") is not None
    bench.server.put("better.gguf", MODEL)
    configured(bench, url=bench.server.url("better.gguf"))
    assert await bench.pull("Mine") is None
    assert bench.bytes_of("Mine") == MODEL
