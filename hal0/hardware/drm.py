"""Looks at the GPUs that are read through the kernel's own files: AMD's and Intel's, in one pass over the processes."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from hal0.hardware import amd
from hal0.hardware.card import Card, facts_of, is_asleep
from hal0.hardware.clients import Clients, Use
from hal0.hardware.intel import IntelReader
from hal0.hardware.kfd import ComputeProcesses
from hal0.wire import DeviceView


class DrmMeter:
    """The cards stay the same; what is gone is unknown until it is back."""

    def __init__(
        self, cards: Sequence[Card], *, root: Path = Path("/"), clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._cards = tuple(cards)
        self._clients = Clients(root=root, clock=clock)
        self._intel = IntelReader(clock=clock)
        self._compute = ComputeProcesses(root)

    def sample(self) -> list[DeviceView]:
        """The devices now."""
        uses = self._clients.look([card.pci for card in self._cards])
        return [self._view(card, uses[card.pci]) for card in self._cards]

    def _view(self, card: Card, use: Use) -> DeviceView:
        if facts_of(card.folder).get("DRIVER") != card.driver:
            return card.view(f"gone: {card.driver} does not drive it any more")
        if is_asleep(card.folder):
            return card.view("asleep")
        if card.vendor == "intel":
            return self._intel.read(card, use)
        view = amd.read(card, use)
        return view.model_copy(update={"processes": self._compute.added_to(view.processes, card.pci)})
