"""A machine whose memory is a number: what slots reserve is what they take."""

from hal0.daemon.providers.base import Launch, SlotSpec
from hal0.daemon.slots.admission import Carved
from hal0.daemon.slots.appraisal import Appraised
from hal0.daemon.slots.room import Look

GIB = 2**30


class FakeMachine:
    """`total` bytes of RAM; slots need what their `memory` says. `learned` holds what was to be remembered."""

    def __init__(self, total: int = 2**50) -> None:
        self.total = total
        self.carved: dict[str, Carved] = {}
        self.looks = 0
        self.appraised: Appraised | None = None
        self.learned: list[str] = []

    async def appraise(self, spec: SlotSpec, launch: Launch) -> Appraised | None:
        return self.appraised

    async def look(self) -> Look:
        self.looks += 1
        return Look({"memory": self.total}, {}, carved=self.carved)

    async def learn(self, slot: str, appraised: Appraised, *, group: int) -> None:
        self.learned.append(slot)
