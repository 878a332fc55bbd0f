"""`/api/models` and `hal0 model` of a running daemon: the registry, and what fits."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hal0.wire import ModelDetail, ModelView
from tests.fakes.gguf_files import write_model
from tests.fakes.gguf_shapes import llama
from tests.fakes.gguf_weights import write_shape
from tests.fakes.installation import Installation, installed

MIB = 2**20


@pytest.fixture(scope="module")
def hal0(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("hal0")
    (folder / "models").mkdir()
    write_shape(folder / "models" / "small.gguf", llama(layers=2))
    write_shape(folder / "models" / "huge.gguf", llama(layers=2, context=2**24))
    write_model(folder / "models" / "hollow.gguf")
    config = (
        f'[daemon]\nports = @PORTS@\n[models]\nfolders = ["{folder}/models"]\n'
        '[slots.primary]\nmodel = "hal0-starter"\nautostart = true\n'
        '[slots.wide]\nmodel = "small"\ncontext = 4096\nparallel = 2\nargs = ["-ctk", "q8_0", "-ctv", "q8_0"]\n'
    )
    with installed(folder, config) as installation:
        installation.wait_for_slot("primary", "ready", "idle")
        yield installation


def detail(hal0: Installation, name: str) -> ModelDetail:
    return ModelDetail.model_validate(hal0.admin("GET", f"/api/models/{name}"))


def command(hal0: Installation, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hal0.cli", "model", *words],
        env=hal0.env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_every_model_is_listed_with_the_slots_that_serve_it(hal0: Installation) -> None:
    models = [ModelView.model_validate(each) for each in hal0.admin("GET", "/api/models")["models"]]
    assert {model.id: model.slots for model in models} == {
        "hal0-starter": ["primary"],
        "all-minilm-l6-v2": [],
        "small": ["wide"],
        "huge": [],
        "hollow": [],
    }


def test_needs_are_those_of_the_slot_that_serves_the_model(hal0: Installation) -> None:
    small = detail(hal0, "small")
    assert (small.like, small.context, small.parallel) == ("wide", 4096, 2)
    assert small.ram is not None
    assert small.ram.kv_bytes == 2 * 2 * 8 * 34 * 8192
    assert (
        small.ram.total_bytes
        == sum((small.ram.weights_bytes, small.ram.kv_bytes, small.ram.compute_bytes, small.ram.base_bytes))
        + small.ram.cache_bytes
    )
    assert small.fit is not None
    assert small.fit.verdict == "fits"


def test_another_context_can_be_asked_for(hal0: Installation) -> None:
    wide, narrow = detail(hal0, "small"), detail(hal0, "small?context=1024&parallel=1")
    assert wide.ram is not None
    assert narrow.ram is not None
    assert wide.ram.kv_bytes == 8 * narrow.ram.kv_bytes


def test_what_cannot_fit_comes_with_the_sum_and_nobody_would_go(hal0: Installation) -> None:
    huge = detail(hal0, "huge?context=16777216&parallel=64")
    assert huge.fit is not None
    assert huge.fit.verdict == "impossible"
    assert huge.fit.would_go == []
    assert "of RAM needed" in huge.fit.reason


def test_a_running_slot_is_not_in_the_way_of_its_own_model(hal0: Installation) -> None:
    starter = detail(hal0, "hal0-starter")
    assert starter.fit is not None
    assert starter.fit.rooms[0].reserved_bytes == 0


def test_a_file_whose_weights_are_missing_is_told_of(hal0: Installation) -> None:
    hollow = detail(hal0, "hollow")
    assert hollow.ram is None
    assert hollow.error is not None
    assert hollow.error.code == "model.file_invalid"


@pytest.mark.parametrize("query", ["context=-1", "context=x", "parallel=1.5"])
def test_a_wrong_number_is_refused(query: str, hal0: Installation) -> None:
    assert hal0.admin("GET", f"/api/models/small?{query}")["error"]["code"] == "dispatch.invalid_request"


def test_the_commands_say_the_same(hal0: Installation) -> None:
    listed = command(hal0, "list").stdout
    assert "small" in listed
    assert "wide" in listed
    shown = command(hal0, "show", "small", "--fit").stdout
    assert "needs for 4096 tokens, 2 at a time, as slot wide" in shown
    assert "it fits" in shown
    assert "it does not fit" in command(hal0, "show", "huge", "--context", "16777216", "--parallel", "64").stdout
    assert "model.file_invalid" in command(hal0, "show", "hollow", "--fit").stdout
    unknown = command(hal0, "show", "smal")
    assert unknown.returncode == 1
    assert "did you mean 'small'" in unknown.stderr
    assert command(hal0, "show", "small", "--context", "0").returncode == 2


def test_the_file_may_go_while_the_daemon_runs(hal0: Installation, tmp_path: Path) -> None:
    file = hal0.folder / "models" / "huge.gguf"
    kept = file.rename(tmp_path / "huge.gguf")
    try:
        assert hal0.admin("GET", "/api/models/huge")["error"]["code"] == "model.file_missing"
    finally:
        kept.rename(file)
