import json
from pathlib import Path

import pytest

from hal0.daemon.config.schema import Models
from hal0.daemon.models.foreign import ForeignStores
from hal0.daemon.models.projectors import AUTO, projector_of
from hal0.daemon.models.registry import Registry
from tests.fakes.gguf_files import write_model

DIGEST = "a" * 64


def stores(home: Path, **env: str) -> ForeignStores:
    return ForeignStores({"HOME": str(home), **env})


def names(found: ForeignStores) -> set[str]:
    return {each.name for each in found.all()}


def manifest(folder: Path, path: str, *digests: str, media: str = "application/vnd.ollama.image.model") -> None:
    file = folder / "manifests" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"layers": [{"mediaType": media, "digest": f"sha256:{digest}"} for digest in digests]}))


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    assert stores(tmp_path).all() == []


def test_ollama_names_its_models_as_ollama_does(tmp_path: Path) -> None:
    folder = tmp_path / ".ollama" / "models"
    blob = write_model(folder / "blobs" / f"sha256-{DIGEST}")
    manifest(folder, "registry.ollama.ai/library/llama3.2/3b", DIGEST)
    manifest(folder, "registry.ollama.ai/someone/llama/latest", DIGEST)
    manifest(folder, "hf.co/owner/Model-GGUF/Q4_K_M", DIGEST)
    found = stores(tmp_path)
    assert names(found) == {
        "ollama/llama3.2:3b",
        "ollama/someone/llama:latest",
        "ollama/hf.co/owner/Model-GGUF:Q4_K_M",
    }
    one = found.find("ollama/llama3.2:3b")
    assert one is not None
    assert (one.path, one.size_bytes) == (blob, blob.stat().st_size)


def test_the_projector_of_a_model_of_ollama_is_known(tmp_path: Path) -> None:
    folder = tmp_path / ".ollama" / "models"
    write_model(folder / "blobs" / f"sha256-{DIGEST}")
    layers = [("model", DIGEST), ("projector", "b" * 64), ("license", "c" * 64), ("license", "d" * 64)]
    file = folder / "manifests/registry.ollama.ai/library/llava/7b"
    file.parent.mkdir(parents=True)
    media = "application/vnd.ollama.image"
    listed = [{"mediaType": f"{media}.{kind}", "digest": f"sha256:{digest}"} for kind, digest in layers]
    file.write_text(json.dumps({"layers": listed}))
    manifest(folder, "registry.ollama.ai/library/blind/1", DIGEST)
    found = stores(tmp_path)
    eyes = folder / "blobs" / f"sha256-{'b' * 64}"
    assert {each.name: each.projector for each in found.all()} == {"ollama/llava:7b": eyes, "ollama/blind:1": None}
    model = Registry(Models(), state=tmp_path / "state", cards=(), foreign=found).find("ollama/llava:7b")
    assert model.projector is None  # its slot decides
    write_model(eyes, {"general.architecture": "clip"})
    assert projector_of(model, AUTO) == eyes


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"layers": 5}', '{"layers": [{}]}', "[" * 10_000, "\xff"])
def test_a_damaged_manifest_hides_only_its_own_model(text: str, tmp_path: Path) -> None:
    folder = tmp_path / ".ollama" / "models"
    write_model(folder / "blobs" / f"sha256-{DIGEST}")
    manifest(folder, "registry.ollama.ai/library/good/1", DIGEST)
    manifest(folder, "registry.ollama.ai/library/bad/1", DIGEST)
    (folder / "manifests/registry.ollama.ai/library/bad/1").write_text(text, encoding="latin-1")
    assert names(stores(tmp_path)) == {"ollama/good:1"}


def test_a_digest_that_leads_elsewhere_is_no_model(tmp_path: Path) -> None:
    folder = tmp_path / ".ollama" / "models"
    write_model(tmp_path / "secret")
    write_model(folder / "blobs" / f"sha256-{DIGEST}")
    manifest(folder, "registry.ollama.ai/library/bad/1", "/../../../secret")
    manifest(folder, "registry.ollama.ai/library/two/1", DIGEST, "b" * 64)
    manifest(folder, "registry.ollama.ai/library/other/1", DIGEST, media="application/vnd.ollama.image.adapter")
    assert names(stores(tmp_path)) == set()


def test_the_cache_of_the_hub_shows_its_current_snapshots(tmp_path: Path) -> None:
    entry = tmp_path / "hub" / "models--owner--Model-GGUF"
    blob = write_model(entry / "blobs" / "abc")
    for commit in ("old", "new"):
        (entry / "snapshots" / commit).mkdir(parents=True)
        (entry / "snapshots" / commit / f"{commit}.gguf").symlink_to(blob)
    (entry / "snapshots" / "new" / "mmproj-new.gguf").symlink_to(blob)
    (entry / "snapshots" / "new" / "broken.gguf").symlink_to(entry / "blobs" / "gone")
    (entry / "refs").mkdir()
    (entry / "refs" / "main").write_text("new")
    assert names(stores(tmp_path, HF_HUB_CACHE=str(tmp_path / "hub"))) == {"huggingface/owner/Model-GGUF/new"}


def test_lm_studio_and_llama_cpp_are_named_by_their_paths(tmp_path: Path) -> None:
    write_model(tmp_path / ".lmstudio/models/owner/repo/A.gguf")
    write_model(tmp_path / ".lmstudio/models/owner/repo/mmproj-A.gguf")
    for number in (1, 2):
        write_model(tmp_path / f".cache/llama.cpp/big-{number:05}-of-00002.gguf")
    write_model(tmp_path / ".cache/llama.cpp/half-00001-of-00002.gguf")
    found = stores(tmp_path)
    assert names(found) == {"lm-studio/owner/repo/A", "llama.cpp/big-00001-of-00002"}
    assert found.is_name("lm-studio/owner/repo/A")
    assert not found.is_name("owner/repo")
