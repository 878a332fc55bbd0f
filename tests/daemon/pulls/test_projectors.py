"""The projector of a model that sees pictures comes with it, lies beside it, and goes with it."""

import hashlib
from pathlib import Path

import pytest

from hal0.daemon.config.schema import Models
from hal0.daemon.models.projectors import AUTO, projector_of
from hal0.daemon.models.record import Record
from hal0.daemon.models.registry import Registry
from hal0.daemon.pulls.hub import HubFile, choose
from hal0.daemon.pulls.sources import HubSource
from tests.daemon.pulls.conftest import MODEL, Bench
from tests.fakes.gguf_files import gguf

REPOSITORY = "owner/Seer-GGUF"
EYES = gguf({"general.architecture": "clip", "general.type": "mmproj"}) + bytes(5_000)
SMALL, LARGE = "Seer-3b-Q4_K_M.gguf", "Seer-7b-Q8_0.gguf"


@pytest.mark.parametrize(
    ("mark", "others", "projector"),
    [
        ("Q4_K_M", ["mmproj-F32.gguf", "mmproj-Q8_0.gguf", "mmproj-BF16.gguf", "mmproj-F16.gguf"], "mmproj-F16.gguf"),
        ("Q4_K_M", ["mmproj-F32.gguf", "mmproj-Q8_0.gguf", "mmproj-BF16.gguf"], "mmproj-BF16.gguf"),
        ("Q4_K_M", ["mmproj-F32.gguf", "mmproj-Q8_0.gguf"], "mmproj-Q8_0.gguf"),
        ("Q8_0", ["Seer-3b.mmproj-f16.gguf", "Seer-7b.mmproj-f32.gguf"], "Seer-7b.mmproj-f32.gguf"),
        ("Q8_0", ["mmproj-Seer-3b-f16.gguf"], None),
        ("Q4_K_M", ["imatrix-mmproj.dat", "mmproj.md"], None),
        ("Q4_K_M", ["old/mmproj-F16.gguf"], None),
        ("Q4_K_M", [], None),
    ],
)
def test_one_projector_is_chosen_for_the_model(mark: str, others: list[str], projector: str | None) -> None:
    listed = [HubFile(path) for path in (*others, SMALL, LARGE)]
    model = SMALL if mark == "Q4_K_M" else LARGE
    found = [file.path for file in choose(HubSource(REPOSITORY, mark=mark), listed)]
    assert found == ([model, projector] if projector else [model])


def test_a_model_in_a_folder_of_its_repository_may_share_the_projector_above() -> None:
    parts = [f"Q8_0/Seer-{n:05}-of-00002.gguf" for n in (1, 2)]
    listed = [HubFile(path) for path in (*parts, "mmproj-F16.gguf", "Q4/mmproj-BF16.gguf")]
    assert [file.path for file in choose(HubSource(REPOSITORY), listed)] == [*parts, "mmproj-F16.gguf"]
    listed.append(HubFile("Q8_0/mmproj-F32.gguf"))
    assert [file.path for file in choose(HubSource(REPOSITORY), listed)] == [*parts, "Q8_0/mmproj-F32.gguf"]


@pytest.mark.parametrize("source", [f"hf:{REPOSITORY}", f"hf:{REPOSITORY}:Q4_K_M"])
async def test_the_projector_comes_and_goes_with_its_model(source: str, bench: Bench) -> None:
    bench.server.put_repository(REPOSITORY, {SMALL: MODEL, "mmproj-F16.gguf": EYES, "mmproj-F32.gguf": EYES + b"32"})
    both = len(MODEL) + len(EYES)
    async with bench.running() as pulls:
        await pulls.start(source, name="seer")
        assert await bench.outcome(pulls, "seer") is None
        view = await pulls.view("seer")
        assert (view.projector, view.done_bytes, view.total_bytes) == ("mmproj-F16.gguf", both, both)
        folder = bench.store / "seer"
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == {SMALL: MODEL, "mmproj-F16.gguf": EYES}
        model = registry(bench).find("seer")
        assert (model.path, model.size_bytes, model.format) == (folder / SMALL, len(MODEL), "gguf")
        assert model.projector is None  # its slot decides
        assert projector_of(model, AUTO) == model.own_projector == folder / "mmproj-F16.gguf"
        assert await pulls.remove("seer") == both
    assert list(bench.store.iterdir()) == []
    assert not any("F32" in asked.path for asked in bench.server.requests)


def registry(bench: Bench) -> Registry:
    return Registry(Models(), state=bench.folder / "state", cards=())


async def test_a_checksum_that_is_asked_for_is_that_of_the_model(bench: Bench) -> None:
    bench.server.put_repository(REPOSITORY, {SMALL: MODEL, "mmproj-F16.gguf": EYES})
    sha256 = hashlib.sha256(MODEL).hexdigest()
    assert await bench.pull(f"hf:{REPOSITORY}:Q4_K_M", name="seer", sha256=sha256) is None
    record = Record.model_validate_json((bench.store / "seer.json").read_text())
    assert [file.sha256 for file in record.files] == [sha256, hashlib.sha256(EYES).hexdigest()]


async def test_one_file_that_is_named_comes_alone(bench: Bench) -> None:
    bench.server.put_repository(REPOSITORY, {SMALL: MODEL, "mmproj-F16.gguf": EYES})
    assert await bench.pull(f"hf:{REPOSITORY}:{SMALL}", name="blind") is None
    assert bench.bytes_of("blind") == MODEL
    assert registry(bench).find("blind").own_projector is None


async def test_what_comes_in_a_projectors_place_is_told_and_only_that_is_fetched_anew(bench: Bench) -> None:
    bench.server.put_repository(REPOSITORY, {SMALL: MODEL, "mmproj-F16.gguf": MODEL})
    error = await bench.pull(f"hf:{REPOSITORY}", name="seer")
    assert error is not None
    assert (error.code, "mmproj-F16.gguf: it is no image projector" in error.message) == ("model.not_a_model", True)
    bench.server.requests.clear()
    assert await bench.pull("seer") is not None
    assert not any(SMALL in asked.path for asked in bench.server.requests)


async def test_the_projector_counts_for_the_room_that_is_needed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.server.put_repository(REPOSITORY, {SMALL: MODEL, "mmproj-F16.gguf": EYES})
    monkeypatch.setattr("hal0.daemon.models.store.Store.free_bytes", lambda _: len(MODEL) + len(EYES) - 1)
    error = await bench.pull(f"hf:{REPOSITORY}", name="seer")
    assert error is not None
    assert error.code == "model.no_space"
    assert files_in(bench.store / "seer.part") == []


def files_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]
