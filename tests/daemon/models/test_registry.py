import asyncio
import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from hal0.daemon.config.schema import Models
from hal0.daemon.models.foreign import ForeignStores
from hal0.daemon.models.headers import Headers
from hal0.daemon.models.registry import Registry
from hal0.errors import Hal0Error
from tests.fakes.gguf_files import chat_entries, encoder_entries, write_model


def registry(tmp_path: Path, *, folders: tuple[Path, ...] = (), **files: dict[str, Any]) -> Registry:
    given = {"folders": tuple(map(str, folders)), **files}
    return Registry(Models.model_validate(given), state=tmp_path / "state")


def ids(models: Registry) -> list[str]:
    return [model.id for model in models.all()]


def test_without_configuration_the_shipped_models_are_known(tmp_path: Path) -> None:
    models = registry(tmp_path)
    assert ids(models) == ["hal0-starter", "all-minilm-l6-v2"]
    starter = models.find("hal0-starter-q8_0")
    assert (starter.id, starter.kind, starter.context_limit, starter.embedded) == ("hal0-starter", "chat", 1024, True)
    assert models.find("all-minilm-l6-v2").kind == "embedding"


def test_a_configured_model_is_found_by_name_and_alias_and_described_by_its_file(tmp_path: Path) -> None:
    path = write_model(tmp_path / "x.gguf", encoder_entries())
    table = {"path": str(path), "aliases": ("text-embedding-3-small",), "licence": "mit"}
    models = registry(tmp_path, mine=table)
    found = models.find("text-embedding-3-small")
    assert (found.id, found.path, found.kind, found.context_limit) == ("mine", path, "embedding", 512)
    assert (found.size_bytes, found.licence) == (path.stat().st_size, "mit")
    assert not found.embedded


def test_folders_give_models_by_file_name_also_below_and_in_small_letters(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    write_model(folder / "Qwen2.5-Q4_K_M.gguf")
    write_model(folder / "owner/repository/deep.gguf")
    write_model(folder / ".cache/hidden.gguf")
    (folder / "notes.txt").write_text("no model")
    models = registry(tmp_path, folders=(folder,))
    assert ids(models)[2:] == ["Qwen2.5-Q4_K_M", "deep"]
    assert models.find("qwen2.5-q4_k_m").id == "Qwen2.5-Q4_K_M"


def test_a_split_model_is_one_model_of_the_size_of_all_parts(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    parts = [write_model(folder / f"big-{n:05}-of-00003.gguf") for n in (1, 2, 3)]
    models = registry(tmp_path, folders=(folder,))
    assert ids(models)[2:] == ["big"]
    assert models.find("big").path == parts[0]
    assert models.find("big").size_bytes == sum(part.stat().st_size for part in parts)
    parts[1].unlink()
    with pytest.raises(Hal0Error, match=r"model\.file_missing.*big-00002-of-00003"):
        models.find("big")


def test_projectors_and_adapters_are_not_models(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    write_model(folder / "mmproj-model-f16.gguf")
    write_model(folder / "projector.gguf", {"general.architecture": "clip", "general.type": "mmproj"})
    write_model(folder / "lora.gguf", chat_entries(**{"general.type": "adapter"}))
    models = registry(tmp_path, folders=(folder,))
    assert ids(models) == ["hal0-starter", "all-minilm-l6-v2"]
    with pytest.raises(Hal0Error, match="LoRA adapter"):
        models.find("lora")


def test_a_damaged_file_harms_only_itself_and_says_why_when_asked_for(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    write_model(folder / "good.gguf")
    (folder / "bad.gguf").write_bytes(b"<html>404 Not Found</html>")
    models = registry(tmp_path, folders=(folder,))
    assert ids(models)[2:] == ["good"]
    assert [error.code for error in models.problems] == ["model.file_invalid"]
    with pytest.raises(Hal0Error, match=r"model\.file_invalid.*bad\.gguf.*not GGUF"):
        models.find("bad")


def test_a_folder_that_is_not_there_is_no_reason_to_fail_and_counts_when_it_comes(tmp_path: Path) -> None:
    folder = tmp_path / "disk" / "models"
    models = registry(tmp_path, folders=(folder,))
    write_model(folder / "late.gguf")
    assert models.find("late").path == folder / "late.gguf"
    assert "late" in ids(models)


def test_a_file_put_into_a_folder_later_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    write_model(folder / "sub" / "one.gguf")
    models = registry(tmp_path, folders=(folder,))
    write_model(folder / "sub" / "two.gguf")
    os.utime(folder / "sub", ns=(1, 1))  # whatever the clock's step: another time than before
    assert models.find("two").id == "two"


def test_a_look_at_the_folders_notices_a_file_that_nobody_has_asked_for(tmp_path: Path) -> None:
    models = registry(tmp_path, folders=(tmp_path,))
    write_model(tmp_path / "new.gguf")
    os.utime(tmp_path, ns=(1, 1))
    models.look()
    assert "new" in ids(models)


def test_a_file_that_vanished_is_missing_until_it_is_back(tmp_path: Path) -> None:
    path = write_model(tmp_path / "x.gguf")
    models = registry(tmp_path, mine={"path": str(path)})
    path.rename(tmp_path / "away")
    with pytest.raises(Hal0Error) as caught:
        models.find("mine")
    assert caught.value.code == "model.file_missing"
    assert str(path) in caught.value.message
    assert "mine" not in ids(models)
    (tmp_path / "away").rename(path)
    assert models.find("mine").path == path


def test_a_file_that_was_replaced_is_read_again(tmp_path: Path) -> None:
    path = write_model(tmp_path / "x.gguf")
    models = registry(tmp_path, mine={"path": str(path)})
    assert models.find("mine").kind == "chat"
    write_model(path, encoder_entries())
    assert models.find("mine").kind == "embedding"


def test_an_unknown_name_names_the_nearest_one(tmp_path: Path) -> None:
    with pytest.raises(Hal0Error) as caught:
        registry(tmp_path).find("hal0-startr")
    assert caught.value.code == "model.not_found"
    assert "did you mean 'hal0-starter'?" in caught.value.message


def test_configured_names_win_over_shipped_ones_and_those_over_folders(tmp_path: Path) -> None:
    own, other = write_model(tmp_path / "own.gguf"), write_model(tmp_path / "models" / "all-minilm-l6-v2.gguf")
    files = {"hal0-starter": {"path": str(own)}}
    models = registry(tmp_path, folders=(other.parent,), **files)
    assert models.find("hal0-starter").path == own
    assert models.find("all-minilm-l6-v2").embedded


def test_an_alias_never_hides_a_model(tmp_path: Path) -> None:
    path = write_model(tmp_path / "x.gguf")
    models = registry(tmp_path, mine={"path": str(path), "aliases": ("hal0-starter",)})
    assert models.find("hal0-starter").embedded


def test_models_of_other_programs_are_known_once_they_are_asked_for_unless_that_is_turned_off(tmp_path: Path) -> None:
    path = write_model(tmp_path / ".lmstudio/models/owner/repo/a.gguf")
    foreign = ForeignStores({"HOME": str(tmp_path)})
    models = Registry(Models(), state=tmp_path / "state", foreign=foreign)
    assert "lm-studio/owner/repo/a" not in ids(models)
    assert models.find("lm-studio/owner/repo/a").path == path
    assert "lm-studio/owner/repo/a" in ids(models)
    models.refresh()
    assert "lm-studio/owner/repo/a" in ids(models)
    off = Registry(Models(scan=False), state=tmp_path / "state", foreign=foreign)
    assert off.found() == []
    with pytest.raises(Hal0Error, match=r"model\.not_found"):
        off.find("lm-studio/owner/repo/a")


def test_a_new_registry_reads_no_header_that_another_has_read(tmp_path: Path) -> None:
    """What an edit of [models] costs on the daemon's loop: a look at sizes and times."""
    path = write_model(tmp_path / "models" / "a.gguf")
    headers = Headers()
    models = Models(folders=(str(path.parent),))
    Registry(models, state=tmp_path, headers=headers)
    status = path.stat()
    path.write_bytes(b"?" * status.st_size)  # unreadable now; only who reads it again can know
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert Registry(models, state=tmp_path, headers=headers).find("a").kind == "chat"


async def test_a_right_checksum_is_computed_once_and_remembered_over_restarts(tmp_path: Path) -> None:
    path = write_model(tmp_path / "x.gguf")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    models = registry(tmp_path, mine={"path": str(path), "sha256": digest})
    model = models.find("mine")
    assert not models.is_verified(model)
    seen: list[tuple[int, int]] = []
    await models.verify(model, lambda done, total: seen.append((done, total)))
    assert seen[-1] == (model.size_bytes, model.size_bytes)
    assert models.is_verified(model)
    again = registry(tmp_path, mine={"path": str(path), "sha256": digest})
    assert again.is_verified(again.find("mine"))


async def test_a_changed_file_is_no_longer_verified(tmp_path: Path) -> None:
    path = write_model(tmp_path / "x.gguf")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    models = registry(tmp_path, mine={"path": str(path), "sha256": digest})
    await models.verify(models.find("mine"))
    path.write_bytes(path.read_bytes() + b"!")
    assert not models.is_verified(models.find("mine"))
    with pytest.raises(Hal0Error) as caught:
        await models.verify(models.find("mine"))
    assert caught.value.code == "model.checksum_mismatch"


async def test_two_slots_of_one_model_read_it_once(tmp_path: Path) -> None:
    models = registry(tmp_path)
    model = models.find("hal0-starter")
    reads: list[int] = []
    await asyncio.gather(*(models.verify(model, lambda done, total: reads.append(done)) for _ in range(5)))
    assert reads.count(model.size_bytes) == 1


async def test_a_file_that_vanishes_while_it_is_wanted_is_missing(tmp_path: Path) -> None:
    path = write_model(tmp_path / "x.gguf")
    models = registry(tmp_path, mine={"path": str(path), "sha256": "0" * 64})
    model = models.find("mine")
    path.unlink()
    with pytest.raises(Hal0Error, match=r"model\.file_missing"):
        await models.verify(model)


async def test_a_model_without_a_checksum_needs_no_proof(tmp_path: Path) -> None:
    models = registry(tmp_path, mine={"path": str(write_model(tmp_path / "x.gguf"))})
    model = models.find("mine")
    assert models.is_verified(model)
    await models.verify(model)
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("text", ["", "[]", '{"files": 1}', '{"files": {"a": [1]}}', "[" * 100_000])
async def test_a_damaged_memory_of_checksums_costs_only_a_second_reading(tmp_path: Path, text: str) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "checksums.json").write_text(text)
    models = registry(tmp_path)
    model = models.find("hal0-starter")
    assert not models.is_verified(model)
    await models.verify(model)
    assert models.is_verified(registry(tmp_path).find("hal0-starter"))


async def test_a_state_folder_that_cannot_be_written_does_not_stop_a_slot(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file, not a folder")
    models = registry(tmp_path)
    await models.verify(models.find("hal0-starter"))
    assert models.is_verified(models.find("hal0-starter"))
