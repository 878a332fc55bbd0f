"""What slots really took, remembered."""

import json
import logging
from pathlib import Path

import pytest

from hal0.daemon.models.memory import Needs, SlotNeeds
from hal0.daemon.models.peaks import MOST_PEAKS, Peak, PeakKey, Peaks, identity, refine

MIB = 2**20
KEY = PeakKey("m:1:2", 8192, 1, "llama.cpp (built in)", "cpu")
NEEDS = SlotNeeds(
    Needs(
        weights_bytes=1000 * MIB,
        kv_bytes=100 * MIB,
        compute_bytes=50 * MIB,
        base_bytes=30 * MIB,
        cache_bytes=20 * MIB,
        uncertainty=0.25,
    )
)


def test_the_largest_peak_of_all_runs_outlives_the_daemon(tmp_path: Path) -> None:
    file = tmp_path / "state" / "peaks.json"
    peaks = Peaks(file, clock=lambda: 7.0)
    peaks.learn(KEY, private_bytes=300)
    peaks.learn(KEY, private_bytes=200, gpu_bytes=5)
    assert Peaks(file).find(KEY) == Peak(300, 5, runs=2, at=7.0)
    assert [path.name for path in file.parent.iterdir()] == ["peaks.json"]


def test_other_circumstances_have_their_own_peak(tmp_path: Path) -> None:
    peaks = Peaks(tmp_path / "peaks.json")
    peaks.learn(KEY, private_bytes=300)
    assert peaks.find(PeakKey("m:1:2", 4096, 1, "llama.cpp (built in)", "cpu")) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"version": 99, "peaks": []}',
        b'{"version": 1}',
        b'{"version": 1, "peaks": [{"key": {}, "peak": {}}]}',
        b'{"version": 1, "peaks": 5}',
        b"[" * 100_000,
        b"\xff\xfe",
        b" " * (2**20 + 1),
    ],
)
def test_a_damaged_file_is_forgotten_and_replaced(
    content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "peaks.json"
    file.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        peaks = Peaks(file)
    assert "learned memory peaks are forgotten" in caplog.text
    peaks.learn(KEY, private_bytes=1)
    assert Peaks(file).find(KEY) is not None


@pytest.mark.parametrize("wrong", [-1, "many", True, None, 1.5])
def test_a_figure_that_cannot_be_is_not_believed(wrong: object, tmp_path: Path) -> None:
    file = tmp_path / "peaks.json"
    Peaks(file).learn(KEY, private_bytes=1)
    whole = json.loads(file.read_text())
    whole["peaks"][0]["peak"]["private_bytes"] = wrong
    file.write_text(json.dumps(whole))
    assert Peaks(file).find(KEY) is None


def test_the_oldest_peaks_make_room(tmp_path: Path) -> None:
    peaks = Peaks(tmp_path / "peaks.json")
    keys = [PeakKey(f"m{n}", 1, 1, "e", "cpu") for n in range(MOST_PEAKS + 1)]
    for key in keys[:MOST_PEAKS]:
        peaks.learn(key, private_bytes=1)
    peaks.learn(keys[0], private_bytes=1)  # seen again
    peaks.learn(keys[-1], private_bytes=1)
    assert peaks.find(keys[0])
    assert peaks.find(keys[1]) is None
    assert len(json.loads((tmp_path / "peaks.json").read_text())["peaks"]) == MOST_PEAKS


def test_a_state_folder_that_cannot_be_written_costs_a_line_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    peaks = Peaks(tmp_path / "file" / "peaks.json")
    peaks.learn(KEY, private_bytes=1)
    assert "not remembered" in caplog.text
    assert peaks.find(KEY) is not None


def test_another_file_in_its_place_is_another_model(tmp_path: Path) -> None:
    file = tmp_path / "m.gguf"
    file.write_text("a")
    before = identity({file: file.stat()})
    file.write_text("ab")
    assert identity({file: file.stat()}) != before


def test_a_run_that_took_more_than_estimated_is_believed() -> None:
    ram = refine(NEEDS, Peak(500 * MIB)).ram
    assert ram.total_bytes == 1500 * MIB
    assert ram.source == "measured"
    assert ram.uncertainty < NEEDS.ram.uncertainty


def test_a_run_that_took_less_is_believed_but_for_what_only_fills_with_use() -> None:
    assert refine(NEEDS, Peak(110 * MIB)).ram.total_bytes == (1000 + 110 + 50 + 20) * MIB
    assert refine(NEEDS, Peak(180 * MIB)).ram.total_bytes == NEEDS.ram.total_bytes  # never more than the estimate


def test_weights_that_were_copied_are_not_counted_twice() -> None:
    copied = SlotNeeds(NEEDS.ram, repacked_bytes=900 * MIB)
    assert refine(copied, Peak(1090 * MIB)).ram.total_bytes <= NEEDS.ram.total_bytes
    assert refine(copied, Peak(150 * MIB)).ram.total_bytes >= 1150 * MIB  # an engine that did not copy them


def test_memory_of_a_gpu_is_corrected_by_itself() -> None:
    both = SlotNeeds(NEEDS.ram, NEEDS.ram)
    refined = refine(both, Peak(130 * MIB, gpu_bytes=1400 * MIB))
    assert refined.gpu is not None
    assert refined.gpu.total_bytes == 1400 * MIB
    untold = refine(both, Peak(130 * MIB))
    assert untold.gpu is not None
    assert untold.gpu.source == "estimate"
