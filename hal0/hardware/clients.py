"""Who uses the GPUs, from /proc/PID/fdinfo: memory held, and how busy the engines were since the last look.

The kernel writes drm-* keys for each open file of a GPU (docs.kernel.org/gpu/drm-usage-stats.html). A file that was
duplicated or inherited shows the same client again, so each (drm-pdev, drm-client-id) counts once. Only processes that
we may look into are seen: an ordinary user's daemon does not see those of others.
"""

import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from hal0.hardware.card import largest, process_name
from hal0.hardware.files import as_number
from hal0.hardware.rates import Window
from hal0.wire import GpuProcess

RESCAN_SECONDS = 5.0  # looking through the files of all processes costs more than reading those we know
Key = tuple[str, str]  # (drm-pdev, drm-client-id)
UNITS = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
SIZE_KINDS = ("resident", "memory", "total")  # what is in memory now, best key first; older drivers have the later ones


@dataclass(slots=True)
class Client:
    """One open connection of a process to a GPU."""

    pid: int
    memory: dict[str, int] = field(default_factory=dict)  # bytes by region: "vram", "gtt", "local0", "system"
    busy: dict[str, int] = field(default_factory=dict)  # by engine: nanoseconds, or cycles where `elapsed` is told
    elapsed: dict[str, int] = field(default_factory=dict)  # by engine: cycles that passed
    capacity: dict[str, int] = field(default_factory=dict)  # by engine: how many there are of it


@dataclass(frozen=True, slots=True)
class Use:
    """What all clients together do with one GPU."""

    clients: tuple[Client, ...] = ()
    busy: float | None = None  # 0..1 of the busiest kind of engine; None: nobody was seen at two looks
    names: dict[int, str] = field(default_factory=dict)
    complete: bool = True  # no process was hidden from us

    def processes(self, regions: tuple[str, ...]) -> list[GpuProcess]:
        """Memory of each process in the regions whose names begin so."""
        sizes: dict[int, int] = defaultdict(int)
        for client in self.clients:
            sizes[client.pid] += _in_regions(client, regions)
        return largest(
            GpuProcess(pid=pid, name=self.names.get(pid, ""), memory_bytes=size) for pid, size in sizes.items() if size
        )

    def memory_bytes(self, regions: tuple[str, ...]) -> int:
        return sum(_in_regions(client, regions) for client in self.clients)


class Clients:
    """Remembers which open files belong to GPUs, and what each client had used at the last look."""

    def __init__(self, *, root: Path = Path("/"), clock: Callable[[], float] = time.monotonic) -> None:
        self._proc = root / "proc"
        self._clock = clock
        self._files: dict[Key, list[tuple[int, str]]] = {}  # processes and their fdinfo files, by client
        self._names: dict[int, str] = {}
        self._complete = True
        self._scanned_at = float("-inf")
        self._seen: dict[Key, Client] = {}
        self._busy: dict[str, float | None] = {}  # by PCI address
        self._window = Window(clock)

    def look(self, addresses: Iterable[str]) -> dict[str, Use]:
        """The use of each of these GPUs, by PCI address."""
        now = self._clock()
        if now - self._scanned_at >= RESCAN_SECONDS:
            self._scan(now)
        seen: dict[Key, Client] = {}
        for expected, files in self._files.items():
            for pid, file in files:  # one of them is enough, unless it was closed since they were found
                key, client = _read(pid, file)
                if key is not None:
                    seen.setdefault(key, client)
                if key == expected:
                    break
        passed = self._window.turn()
        uses = {}
        for address in addresses:
            own = {key: client for key, client in seen.items() if key[0] == address}
            if passed is not None:
                self._busy[address] = self._busiest(own, passed * 1e9)
            uses[address] = Use(tuple(own.values()), self._busy.get(address), self._names, self._complete)
        if passed is not None:
            self._seen = seen
        return uses

    def _scan(self, now: float) -> None:
        self._scanned_at = now
        self._files, self._complete = {}, True
        try:
            pids = sorted(int(name) for name in os.listdir(self._proc) if name.isdigit())
        except OSError:
            pids, self._complete = [], False
        for pid in pids:
            try:
                for file in _gpu_files(f"{self._proc}/{pid}"):
                    key, _ = _read(pid, file)
                    if key is not None:
                        self._files.setdefault(key, []).append((pid, file))
            except PermissionError:
                self._complete = False
            except OSError:
                continue  # it ended
        holders = {pid for files in self._files.values() for pid, _ in files}
        self._names = {pid: process_name(self._proc, pid) for pid in holders}

    def _busiest(self, clients: dict[Key, Client], passed_ns: float) -> float | None:
        shares: dict[str, float] = defaultdict(float)
        for key, client in clients.items():
            if (before := self._seen.get(key)) is None:
                continue
            for engine, used in client.busy.items():
                if engine in client.elapsed:
                    passed = float(client.elapsed[engine] - before.elapsed.get(engine, client.elapsed[engine]))
                else:
                    passed = passed_ns
                # A counter may fall behind for a moment; it then catches up with the larger value told before.
                used = client.busy[engine] = max(used, before.busy.get(engine, used))
                spent = used - before.busy.get(engine, used)
                shares[engine] += spent / passed / client.capacity.get(engine, 1) if passed > 0 else 0.0
        return min(1.0, max(shares.values())) if shares else None


def _gpu_files(folder: str) -> list[str]:
    """The fdinfo files of a process's open GPUs."""
    files = []
    for descriptor in os.listdir(f"{folder}/fd"):
        with suppress(FileNotFoundError):  # closed meanwhile
            if os.readlink(f"{folder}/fd/{descriptor}").startswith("/dev/dri/"):
                files.append(f"{folder}/fdinfo/{descriptor}")
    return files


def _read(pid: int, file: str) -> tuple[Key | None, Client]:
    """The client of one file, and what tells it from others; no key if the file is not (any more) one of a GPU."""
    client = Client(pid)
    try:
        with open(file, "rb") as info:
            text = info.read().decode(errors="replace")
    except OSError:
        return None, client
    address = number = ""
    sizes: dict[str, dict[str, int]] = {kind: {} for kind in SIZE_KINDS}
    for line in text.splitlines():
        key, _, rest = line.partition(":")
        words = rest.split()
        if not key.startswith("drm-") or not words:
            continue
        if key == "drm-pdev":
            address = words[0].lower()
        elif key == "drm-client-id":
            number = words[0]
        elif (value := as_number(words[0])) is not None and value >= 0:
            what, _, name = key.removeprefix("drm-").partition("-")
            if key.startswith("drm-engine-capacity-"):
                client.capacity[key.removeprefix("drm-engine-capacity-")] = max(1, value)
            elif key.startswith("drm-total-cycles-"):
                client.elapsed[key.removeprefix("drm-total-cycles-")] = value
            elif what in ("engine", "cycles"):
                client.busy[name] = value
            elif what in SIZE_KINDS:
                sizes[what][name] = value * UNITS.get(words[1] if len(words) > 1 else "", 1)
    for kind in reversed(SIZE_KINDS):
        client.memory.update(sizes[kind])
    return ((address, number) if address and number else None), client


def _in_regions(client: Client, regions: tuple[str, ...]) -> int:
    return sum(size for region, size in client.memory.items() if region.startswith(regions))
