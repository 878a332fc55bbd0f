"""How fast each slot answered of late, from the requests that the dashboard has seen end. Pure."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from hal0.wire import RequestView

KEPT = 200  # requests of each slot
LEAST_FOR_P95 = 5  # with fewer it would be the slowest one, by another name
RATES = 10


@dataclass(frozen=True, slots=True)
class Recent:
    """The last requests of a slot, in figures."""

    p95_ttft_ms: float | None = None  # 95 of 100 had their first token within that
    rates: tuple[float, ...] = ()  # tokens per second, the newest last


NOTHING = Recent()


class Speeds:
    """The last requests of each slot. Figures are made when a request ends, not when they are painted."""

    def __init__(self) -> None:
        self._requests: dict[str, OrderedDict[str, tuple[float | None, float | None]]] = {}
        self._recent: dict[str, Recent] = {}

    def of(self, slot: str) -> Recent:
        return self._recent.get(slot, NOTHING)

    def note(self, view: RequestView) -> None:
        """A request that has ended well; telling it again changes nothing."""
        if view.outcome != "ok" or not view.slot or (view.ttft_ms is None and view.tokens_per_second is None):
            return
        known = self._requests.setdefault(view.slot, OrderedDict())
        known[view.id] = (view.ttft_ms, view.tokens_per_second)
        if len(known) > KEPT:
            known.popitem(last=False)
        waits = sorted(ttft for ttft, _ in known.values() if ttft is not None)
        p95 = waits[min(len(waits) - 1, int(len(waits) * 0.95))] if len(waits) >= LEAST_FOR_P95 else None
        self._recent[view.slot] = Recent(p95, tuple(rate for _, rate in known.values() if rate is not None)[-RATES:])

    def keep(self, slots: Iterable[str]) -> None:
        """Forget all others."""
        gone = self._requests.keys() - set(slots)
        for name in gone:
            del self._requests[name]
            self._recent.pop(name, None)
