import re
from typing import get_args

import pytest

from hal0.daemon.pulls.hub import HubFile, choose
from hal0.daemon.pulls.sources import HubSource, UrlSource, parse_source
from hal0.models.catalogue import Entry, entries, find_entry
from hal0.wire import Kind


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.name)
def test_an_entry_can_be_pulled_by_its_name(entry: Entry) -> None:
    assert re.fullmatch(r"[a-z0-9][a-z0-9._-]*", entry.name)
    assert entry.kind in get_args(Kind)
    assert entry.licence
    assert entry.about.endswith(".")
    for file in entry.files:
        source = parse_source(file.source)
        assert isinstance(source, UrlSource | HubSource)
        assert source.file or file.sha256, "a mark could come to mean another file"
        assert file.sha256 is None or re.fullmatch("[0-9a-f]{64}", file.sha256)
        assert not file.source.startswith("http:")


def test_there_is_one_of_every_kind_and_those_that_the_seed_names() -> None:
    assert {entry.kind for entry in entries()} == set(get_args(Kind))
    for name in ("qwen2.5-0.5b-instruct-q4_k_m", "sdxl-turbo", "sd-1.5-pruned-emaonly", "flux-schnell"):
        assert find_entry(name) is not None


def test_a_model_that_sees_pictures_is_named_by_its_mark_so_that_its_projector_comes_with_it() -> None:
    seeing = find_entry("gemma-3-4b-it")
    assert seeing is not None
    [file] = seeing.files
    source = parse_source(file.source)
    assert isinstance(source, HubSource)
    there = ["gemma-3-4b-it-Q4_K_M.gguf", "gemma-3-4b-it-UD-Q4_K_XL.gguf", "mmproj-BF16.gguf", "mmproj-F16.gguf"]
    chosen = choose(source, [HubFile(name) for name in there])
    assert [each.path for each in chosen] == ["gemma-3-4b-it-Q4_K_M.gguf", "mmproj-F16.gguf"]


def test_a_name_is_found_in_whatever_letters() -> None:
    assert find_entry("Qwen3-4B") is find_entry("qwen3-4b")
