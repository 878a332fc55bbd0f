"""What slots really took, remembered across runs and restarts of the daemon, and how that refines an estimate.

Of RAM the private memory counts (RssAnon): weights mapped from a file are known from the file, and their pages come and
go. A file that is damaged, or of another version, is forgotten with a line in the log: it only costs precision.
"""

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, astuple, dataclass, replace
from pathlib import Path

from hal0.daemon.models.memory import Needs, SlotNeeds

VERSION = 1
MOST_PEAKS = 256  # the ones not seen for longest are dropped
LONGEST_FILE_BYTES = 2**20
MEASURED_UNCERTAINTY = 0.05

log = logging.getLogger("hal0.models")


@dataclass(frozen=True, slots=True)
class PeakKey:
    """What a peak belongs to; one that differs in any of these says nothing."""

    model: str  # `identity` of its files
    context: int  # tokens per request
    parallel: int
    engine: str
    device: str


@dataclass(frozen=True, slots=True)
class Peak:
    """The most that any run took, in bytes."""

    private_bytes: int  # RAM without what is mapped from files
    gpu_bytes: int = 0  # 0: not measured, or no GPU
    runs: int = 1
    at: float = 0.0  # Unix seconds of the last of them


def identity(files: Mapping[Path, os.stat_result]) -> str:
    """Tells a model from another one that took its place: path, size and time of change of each file."""
    return "|".join(f"{path}:{status.st_size}:{status.st_mtime_ns}" for path, status in sorted(files.items()))


class Peaks:
    """The peaks of one installation, in a file of their own."""

    def __init__(self, file: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._file = file
        self._clock = clock
        self._lock = threading.Lock()  # they are asked and told from threads
        self._peaks = self._load()

    def find(self, key: PeakKey) -> Peak | None:
        with self._lock:
            return self._peaks.get(key)

    def learn(self, key: PeakKey, *, private_bytes: int, gpu_bytes: int = 0) -> None:
        """A run has ended that took this much at most. Blocks for a small file."""
        with self._lock:
            before = self._peaks.pop(key, None) or Peak(0, runs=0)
            self._peaks[key] = Peak(
                private_bytes=max(private_bytes, before.private_bytes),
                gpu_bytes=max(gpu_bytes, before.gpu_bytes),
                runs=before.runs + 1,
                at=self._clock(),
            )
            while len(self._peaks) > MOST_PEAKS:
                del self._peaks[next(iter(self._peaks))]
            self._save()

    def refined(self, needs: SlotNeeds, key: PeakKey) -> SlotNeeds:
        """The estimate, corrected by what was measured under the same circumstances."""
        peak = self.find(key)
        return needs if peak is None else refine(needs, peak)

    def _load(self) -> dict[PeakKey, Peak]:
        try:
            with self._file.open("rb") as file:
                data = file.read(LONGEST_FILE_BYTES + 1)
            if len(data) > LONGEST_FILE_BYTES:
                raise ValueError("it is too large")
            whole = json.loads(data)
            if whole["version"] != VERSION:
                raise ValueError(f"it is of version {whole['version']!r}")
            peaks = [(PeakKey(**entry["key"]), Peak(**entry["peak"])) for entry in whole["peaks"]]
            for each in (value for pair in peaks for value in pair):
                _check(each)
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            log.warning("learned memory peaks are forgotten: %s: %s", self._file, error)
            return {}
        return dict(sorted(peaks, key=lambda pair: pair[1].at)[-MOST_PEAKS:])

    def _save(self) -> None:
        entries = [{"key": asdict(key), "peak": asdict(peak)} for key, peak in self._peaks.items()]
        temporary = self._file.with_name(self._file.name + ".new")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("w") as file:
                json.dump({"version": VERSION, "peaks": entries}, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self._file)
        except OSError as error:
            log.warning("memory peaks are not remembered: %s: %s", self._file, error.strerror)


def refine(needs: SlotNeeds, peak: Peak) -> SlotNeeds:
    """Pure. More than estimated is believed; less only as far as it cannot be that a run was never fully used.

    What fills with use (a full batch, kept prompts) may be missing from the peak, so it is added again, up to the
    estimate.
    """
    ram = _corrected(needs.ram, peak.private_bytes + _mapped_bytes(needs, peak))
    gpu = needs.gpu
    if gpu is not None and peak.gpu_bytes:
        gpu = _corrected(gpu, peak.gpu_bytes)
    return replace(needs, ram=ram, gpu=gpu)


def measured(peak: Peak) -> SlotNeeds:
    """Pure. The needs of a backend of which nothing else is known."""
    ram = Needs(base_bytes=peak.private_bytes, source="measured", uncertainty=MEASURED_UNCERTAINTY)
    return SlotNeeds(ram, replace(ram, base_bytes=peak.gpu_bytes) if peak.gpu_bytes else None)


def _mapped_bytes(needs: SlotNeeds, peak: Peak) -> int:
    """Libraries, and weights that stay in the file. Where those were copied, the copy is in the private memory."""
    ram = needs.ram
    was_copied = needs.repacked_bytes and peak.private_bytes >= needs.repacked_bytes + ram.kv_bytes
    return needs.library_bytes + ram.weights_bytes - (needs.repacked_bytes if was_copied else 0)


def _corrected(needs: Needs, measured: int) -> Needs:
    unseen = needs.compute_bytes + needs.cache_bytes
    total = max(measured, min(needs.total_bytes, measured + unseen))
    # The parts stay as estimated but for the process itself, which is the one least known.
    base = max(0, needs.base_bytes + total - needs.total_bytes)
    rest = total - (needs.total_bytes - needs.base_bytes) - base
    return replace(
        needs,
        base_bytes=base,
        compute_bytes=max(0, needs.compute_bytes + min(0, rest)),
        source="measured",
        uncertainty=MEASURED_UNCERTAINTY,
    )


def _check(value: PeakKey | Peak) -> None:
    kinds = (str, int, int, str, str) if isinstance(value, PeakKey) else (int, int, int, int | float)
    for given, kind in zip(astuple(value), kinds, strict=True):
        if not isinstance(given, kind) or isinstance(given, bool) or (isinstance(given, int | float) and given < 0):
            raise ValueError(f"{given!r} in it")
