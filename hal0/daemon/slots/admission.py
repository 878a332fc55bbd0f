"""Who must go so that a slot fits. Pure: values in, a decision out; the caller acts, measures again and asks again.

Amounts are bytes by pool: "memory" for RAM, "gpu0" and so on, as devices are named. Nobody is asked to leave unless
that is enough; busy, starting and pinned slots are never asked.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from hal0.daemon.models.memory import Needs, SlotNeeds
from hal0.errors import Hal0Error
from hal0.wire import DeviceView

MEMORY = "memory"
MIB = 2**20

Amounts = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Holder:
    """A slot with a process, or with the promise of one.

    `reserved` is what it was promised; `taken` is the part that the free figures show as gone already (private memory
    in RAM, without mapped weights; memory of its processes on a GPU). What is promised and not yet taken is nobody
    else's: it is counted once, as it moves from one to the other.
    """

    name: str
    reserved: Amounts
    taken: Amounts = field(default_factory=dict)
    is_busy: bool = False  # requests in flight, or waiting for it
    is_starting: bool = False
    is_leaving: bool = False  # on its way out: its memory comes back without being asked for
    is_idle: bool = False  # quiet for longer than its `idle_after`
    pinned: bool = False
    priority: int = 0  # a higher one stays longer
    last_used: float = 0.0
    group: str | None = None
    exclusive: bool = False

    def outstanding(self, pool: str) -> int:
        return max(0, self.reserved.get(pool, 0) - self.taken.get(pool, 0))

    def holds(self, pool: str) -> int:
        """What is free again once it has gone."""
        return max(self.reserved.get(pool, 0), self.taken.get(pool, 0))

    @property
    def may_go(self) -> bool:
        return not (self.is_busy or self.is_starting or self.is_leaving or self.pinned)


@dataclass(frozen=True, slots=True)
class Candidate:
    """The slot that wants to start."""

    name: str
    need: Amounts
    group: str | None = None
    exclusive: bool = False


@dataclass(frozen=True, slots=True)
class Shortfall:
    """The sum for one pool, in bytes."""

    pool: str
    need: int
    free: int  # as measured
    reserved: int  # of that, promised to slots that have not taken it yet
    evictable: int  # held by slots that may go
    held: int  # by those that may not

    def __str__(self) -> str:
        return (
            f"{_mib(self.need)} of {self.pool} are needed; {_mib(self.free)} are free, {_mib(self.reserved)} of them "
            f"promised to others; {_mib(self.evictable)} could be freed; {_mib(self.held)} are held by slots that are "
            "busy, starting or pinned"
        )


@dataclass(frozen=True, slots=True)
class Fits:
    """It can start now."""


@dataclass(frozen=True, slots=True)
class Evict:
    """These must go, in this order. After each one the figures are others: measure and ask again."""

    order: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wait:
    """There will be room without asking anybody: these are leaving, or hold its group until they are done."""

    on: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Impossible:
    """Nobody is asked to go, as it would not be enough."""

    sums: tuple[Shortfall, ...] = ()
    blocked_by: tuple[str, ...] = ()  # pinned slots of the same exclusive group

    def error(self, slot: str) -> Hal0Error:
        if self.blocked_by:
            names = ", ".join(self.blocked_by)
            text = f"{names} shares its exclusive group and is pinned"
        else:
            text = "; ".join(map(str, self.sums))
        return Hal0Error(
            "slot.insufficient_memory",
            slot=slot,
            sum=text,
            sums=[
                {
                    "device": each.pool,
                    "need_bytes": each.need,
                    "free_bytes": each.free,
                    "reserved_bytes": each.reserved,
                    "evictable_bytes": each.evictable,
                    "held_bytes": each.held,
                }
                for each in self.sums
            ],
        )


Plan = Fits | Evict | Wait | Impossible


def plan(candidate: Candidate, free: Amounts, holders: Sequence[Holder]) -> Plan:
    """Decide. A pool that `free` does not name is not known, and limits nothing."""
    others = [holder for holder in holders if holder.name != candidate.name]
    rivals = [holder for holder in others if _take_turns(candidate, holder)]
    if pinned := [holder.name for holder in rivals if holder.pinned]:
        return Impossible(blocked_by=tuple(pinned))
    room = {pool: free[pool] - sum(h.outstanding(pool) for h in others) for pool in candidate.need if pool in free}
    # Whoever leaves anyway, and rivals, will have given theirs back.
    for holder in others:
        if holder.is_leaving or holder in rivals:
            _give_back(room, holder)
    leaving = [h.name for h in others if h.is_leaving]
    going: list[Holder] = []
    for holder in sorted((h for h in others if h.may_go and h not in rivals), key=_first_to_go):
        short = [pool for pool in room if room[pool] < candidate.need[pool]]
        if not short:
            break
        if any(holder.holds(pool) for pool in short):
            going.append(holder)
            _give_back(room, holder)
    if short := [pool for pool in room if room[pool] < candidate.need[pool]]:
        return Impossible(tuple(_sum(pool, candidate, free, others) for pool in short))
    if waiting := [h.name for h in rivals if not h.may_go]:
        return Wait(tuple(waiting))
    order = [h.name for h in sorted(rivals, key=_first_to_go)] + [h.name for h in going]
    if order:
        return Evict(tuple(order))
    now = {pool: free[pool] - sum(h.outstanding(pool) for h in others) for pool in room}
    return Wait(tuple(leaving)) if any(now[pool] < candidate.need[pool] for pool in now) else Fits()


def _take_turns(candidate: Candidate, holder: Holder) -> bool:
    """Slots of one group run side by side unless one of the two wants it for itself."""
    return candidate.group is not None and candidate.group == holder.group and (candidate.exclusive or holder.exclusive)


def _first_to_go(holder: Holder) -> tuple[bool, int, float, str]:
    return not holder.is_idle, holder.priority, holder.last_used, holder.name


def _give_back(room: dict[str, int], holder: Holder) -> None:
    for pool in room:
        room[pool] += holder.holds(pool)


def _sum(pool: str, candidate: Candidate, free: Amounts, others: Iterable[Holder]) -> Shortfall:
    others = list(others)
    return Shortfall(
        pool=pool,
        need=candidate.need[pool],
        free=free[pool],
        reserved=sum(h.outstanding(pool) for h in others),
        evictable=sum(h.holds(pool) for h in others if h.may_go or h.is_leaving),
        held=sum(h.holds(pool) for h in others if not (h.may_go or h.is_leaving)),
    )


def need_of(needs: SlotNeeds, gpus: Sequence[str], *, wanted: int | None = None) -> dict[str, int]:
    """Which device must give how much; a model on several GPUs is spread over them evenly.

    `wanted` is what a person says instead of the estimate: of the GPUs together, or of RAM where there are none.
    """
    if wanted == 0:
        return {}
    amounts = {MEMORY: _with_margin(needs.ram)}
    if needs.gpu is not None and gpus:
        each = -(-(_with_margin(needs.gpu) if wanted is None else wanted) // len(gpus))
        amounts.update(dict.fromkeys(gpus, each))
    elif wanted is not None:
        amounts[MEMORY] = wanted
    return amounts


def within(free: Amounts, holders: Iterable[Holder], *, reserve: int, limit: int | None) -> dict[str, int]:
    """What is free for slots: `reserve` bytes of RAM stay free, and together they may take `limit`."""
    left = dict(free)
    rooms = [max(0, free[MEMORY] - reserve)] if MEMORY in free else []
    if limit is not None:
        rooms.append(max(0, limit - sum(holder.taken.get(MEMORY, 0) for holder in holders)))
    if rooms:
        left[MEMORY] = min(rooms)
    return left


def free_of(devices: Iterable[DeviceView], *, memory_bytes: int | None = None) -> dict[str, int]:
    """What devices have left. `memory_bytes` is a better figure for RAM than the dashboard's, if there is one."""
    free: dict[str, int] = {}
    for device in devices:
        if device.kind in ("gpu", "memory") and device.memory_total_bytes and device.memory_used_bytes is not None:
            free[device.id] = max(0, device.memory_total_bytes - device.memory_used_bytes)
    if memory_bytes is not None:
        free[MEMORY] = memory_bytes
    return free


def _with_margin(needs: Needs) -> int:
    """An estimate may be too small by its uncertainty; half of that is kept in hand, as all of it is rarely needed."""
    return int(needs.total_bytes * (1 + needs.uncertainty / 2))


def _mib(amount: int) -> str:
    return f"{amount / MIB:,.0f} MiB"
