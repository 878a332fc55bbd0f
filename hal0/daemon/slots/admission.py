"""Who must go so that a slot fits. Pure: values in, a decision out; the caller acts, measures again and asks again.

Amounts are bytes by pool: "memory" for RAM, "gpu0" and so on, as devices are named. A GPU that shares RAM has its own
limit, and RAM and what firmware carved out for it have one together: "memory+gpu0", whose amounts are sums.

Nobody is asked to leave unless that is enough; busy, starting and pinned slots are never asked. Who waits for busy ones
gets their room once they are quiet; only pinned slots and the machine itself can make a start impossible.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from hal0.daemon.models.memory import Needs, SlotNeeds
from hal0.errors import Hal0Error
from hal0.wire import DeviceView

MEMORY = "memory"
KIB, MIB, GIB = 2**10, 2**20, 2**30

Amounts = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Carved:
    """What firmware set aside for a GPU that shares RAM, in bytes. Whatever else that GPU takes is RAM."""

    size: int
    used: int = 0


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
    lent: int = 0  # bytes of RAM, at least, that it has taken through GPUs that share it
    is_busy: bool = False  # requests in flight, or waiting for it
    is_starting: bool = False
    is_leaving: bool = False  # on its way out: its memory comes back without being asked for
    is_fresh: bool = False  # used a moment ago: the next request may be on its way
    is_idle: bool = False  # quiet for longer than its `idle_after`
    pinned: bool = False
    priority: int = 0  # a higher one stays longer
    last_used: float = 0.0
    ready_since: float = 0.0
    group: str | None = None
    exclusive: bool = False

    def outstanding(self, pool: str) -> int:
        return sum(max(0, self.reserved.get(part, 0) - self.taken.get(part, 0)) for part in parts(pool))

    def holds(self, pool: str) -> int:
        """What is free again once it has gone."""
        held = sum(max(self.reserved.get(part, 0), self.taken.get(part, 0)) for part in parts(pool))
        return held + self.lent if pool == MEMORY else held

    @property
    def is_quiet(self) -> bool:
        """It may be asked to go, now or in a moment."""
        return not (self.is_busy or self.is_starting or self.is_leaving or self.pinned)

    @property
    def may_go(self) -> bool:
        return self.is_quiet and not self.is_fresh

    @property
    def is_in_use(self) -> bool:
        """It can be asked once it is quiet."""
        return not (self.pinned or self.is_leaving or self.is_quiet)


@dataclass(frozen=True, slots=True)
class Candidate:
    """The slot that wants to start."""

    name: str
    need: Amounts
    may_evict: bool = True  # somebody waits for it; else it takes only what is free
    group: str | None = None
    exclusive: bool = False

    def needs(self, pool: str) -> int:
        return sum(self.need.get(part, 0) for part in parts(pool))


@dataclass(frozen=True, slots=True)
class Shortfall:
    """The sum for one pool, in bytes."""

    pool: str
    need: int
    free: int  # as measured
    reserved: int  # of that, promised to slots that have not taken it yet
    evictable: int  # held by slots that may go, now or when they are quiet
    held: int  # by pinned ones
    held_by: tuple[str, ...] = ()

    def __str__(self) -> str:
        words = f"{in_units(self.need)} of {in_words(self.pool)} needed, {in_units(self.free)} free"
        if self.reserved:
            words += f" ({in_units(self.reserved)} of it promised to others)"
        words += f", {in_units(self.evictable)} held by slots that could go"
        if self.held_by:
            words += f", {in_units(self.held)} by {', '.join(self.held_by)}, pinned"
        return words


@dataclass(frozen=True, slots=True)
class Fits:
    """It can start now."""


@dataclass(frozen=True, slots=True)
class Evict:
    """These must go, in this order. After each one the figures are others: measure and ask again."""

    order: tuple[str, ...]
    sums: tuple[Shortfall, ...] = field(default=(), compare=False)  # as long as they have not gone


@dataclass(frozen=True, slots=True)
class Wait:
    """There will be room: these are leaving, or can be asked once they are quiet."""

    on: tuple[str, ...]
    sums: tuple[Shortfall, ...] = field(default=(), compare=False)

    def error(self, slot: str, *, retry_after_seconds: float) -> Hal0Error:
        """For whoever has waited for long enough."""
        text = "; ".join([*map(str, self.sums), f"it has waited for {', '.join(self.on)}"])
        return _error(slot, text, self.sums, retry_after_seconds=retry_after_seconds)


@dataclass(frozen=True, slots=True)
class Impossible:
    """Nobody is asked to go, as it would not be enough, or nobody waits for this start."""

    sums: tuple[Shortfall, ...] = ()
    blocked_by: tuple[str, ...] = ()  # slots of the same exclusive group that stay
    may_evict: bool = True

    def error(self, slot: str) -> Hal0Error:
        if self.blocked_by:
            why = "pinned" if self.may_evict else "running"
            text = f"{', '.join(self.blocked_by)} of its exclusive group is {why}"
        else:
            text = "; ".join(map(str, self.sums))
        if not self.may_evict:
            text += "; nothing is unloaded for a start that nobody waits for"
        return _error(slot, text, self.sums)


Plan = Fits | Evict | Wait | Impossible


def plan(candidate: Candidate, free: Amounts, holders: Sequence[Holder]) -> Plan:
    """Decide. A pool that `free` does not name is not known, and limits nothing."""
    others = [holder for holder in holders if holder.name != candidate.name]
    rivals = [holder for holder in others if _take_turns(candidate, holder)]
    staying = [h.name for h in rivals if not h.is_leaving and (h.pinned or not candidate.may_evict)]
    if staying:
        return Impossible(blocked_by=tuple(staying), may_evict=candidate.may_evict)
    now = _Room(candidate, free, others)
    sums = tuple(_sum(pool, candidate, free, others) for pool in now.short())
    # Whoever leaves anyway, and rivals, will have given theirs back.
    later = _Room(candidate, free, others)
    for holder in others:
        if holder.is_leaving or holder in rivals:
            later.give_back(holder)
    rest = [h for h in others if candidate.may_evict and h not in rivals]
    going = _enough(later, sorted((h for h in rest if h.is_quiet), key=_first_to_go))
    in_use = _enough(later, sorted((h for h in rest if h.is_in_use), key=_first_to_yield))
    if later.short():
        return Impossible(
            tuple(_sum(pool, candidate, free, others) for pool in later.short()), may_evict=candidate.may_evict
        )
    if waiting := [h for h in [*rivals, *going] if not h.may_go] + in_use:
        return Wait(tuple(h.name for h in waiting), sums)
    if order := sorted(rivals, key=_first_to_go) + going:
        return Evict(tuple(h.name for h in order), sums)
    return Wait(tuple(h.name for h in others if h.is_leaving), sums) if sums else Fits()


class _Room:
    """What is free in each pool that the candidate needs."""

    def __init__(self, candidate: Candidate, free: Amounts, others: Sequence[Holder]) -> None:
        self._need = {pool: need for pool in free if (need := candidate.needs(pool))}
        self._left = {pool: free[pool] - sum(h.outstanding(pool) for h in others) for pool in self._need}

    def short(self) -> list[str]:
        return [pool for pool, left in self._left.items() if left < self._need[pool]]

    def give_back(self, holder: Holder) -> None:
        for pool in self._left:
            self._left[pool] += holder.holds(pool)


def _enough(room: _Room, holders: Iterable[Holder]) -> list[Holder]:
    """The first of them whose going is enough, or all; those that hold nothing of what is short are left alone."""
    chosen = []
    for holder in holders:
        short = room.short()
        if not short:
            break
        if any(holder.holds(pool) for pool in short):
            chosen.append(holder)
            room.give_back(holder)
    return chosen


def _error(slot: str, text: str, sums: Iterable[Shortfall], *, retry_after_seconds: float | None = None) -> Hal0Error:
    return Hal0Error(
        "slot.insufficient_memory",
        retry_after_seconds=retry_after_seconds,
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
                "held_by": list(each.held_by),
            }
            for each in sums
        ],
    )


def _take_turns(candidate: Candidate, holder: Holder) -> bool:
    """Slots of one group run side by side unless one of the two wants it for itself."""
    return candidate.group is not None and candidate.group == holder.group and (candidate.exclusive or holder.exclusive)


def _first_to_go(holder: Holder) -> tuple[bool, int, float, str]:
    return not holder.is_idle, holder.priority, holder.last_used, holder.name


def _first_to_yield(holder: Holder) -> tuple[bool, int, float, str]:
    """Of those in use: whoever had its turn for longest."""
    return holder.is_starting, holder.priority, holder.ready_since, holder.name


def _sum(pool: str, candidate: Candidate, free: Amounts, others: Iterable[Holder]) -> Shortfall:
    others = list(others)
    staying = [h for h in others if h.pinned and not h.is_leaving and h.holds(pool)]
    return Shortfall(
        pool=pool,
        need=candidate.needs(pool),
        free=free[pool],
        reserved=sum(h.outstanding(pool) for h in others),
        evictable=sum(h.holds(pool) for h in others if h not in staying),
        held=sum(h.holds(pool) for h in staying),
        held_by=tuple(h.name for h in staying),
    )


def need_of(needs: SlotNeeds | None, gpus: Sequence[str], *, wanted: int | None = None) -> dict[str, int]:
    """Which device must give how much; a model on several GPUs is spread over them evenly.

    `wanted` is what a person says instead of the estimate: of the GPUs together, or of RAM where there are none.
    Without either nothing is known, and nothing is reserved.
    """
    if wanted == 0 or (needs is None and wanted is None):
        return {}
    amounts = {} if needs is None else {MEMORY: _with_margin(needs.ram)}
    on_gpus = _with_margin(needs.gpu) if needs and needs.gpu else None
    if wanted is not None:
        if gpus and (needs is None or needs.gpu is not None):
            on_gpus = wanted
        else:
            amounts[MEMORY] = wanted
    if on_gpus is not None and gpus:
        amounts.update(dict.fromkeys(gpus, -(-on_gpus // len(gpus))))
    return amounts


def within(
    free: Amounts,
    holders: Iterable[Holder],
    *,
    reserve: int,
    limit: int | None,
    carved: Mapping[str, Carved] | None = None,
) -> dict[str, int]:
    """What is free for slots: `reserve` bytes of RAM stay free, and together they may take `limit`.

    `carved` names the GPUs that share RAM.
    """
    left = dict(free)
    rooms = [max(0, free[MEMORY] - reserve)] if MEMORY in free else []
    if limit is not None:
        rooms.append(max(0, limit - sum(holder.taken.get(MEMORY, 0) + holder.lent for holder in holders)))
    if rooms:
        left[MEMORY] = min(rooms)
    if carved and MEMORY in left:
        pool = "+".join([MEMORY, *carved])
        left[pool] = left[MEMORY] + sum(max(0, each.size - each.used) for each in carved.values())
    return left


def carved_of(devices: Iterable[DeviceView]) -> dict[str, Carved]:
    """The GPUs that share RAM, by id, where it is known how much of their memory does not count as RAM."""
    return {
        device.id: Carved(device.carved_total_bytes, device.carved_used_bytes or 0)
        for device in devices
        if device.unified and device.carved_total_bytes is not None
    }


def lent_to(taken: Amounts, carved: Mapping[str, Carved]) -> int:
    """RAM that comes back if these amounts are given back: what of them cannot lie in what was carved out."""
    return sum(max(0, taken.get(gpu, 0) - each.used) for gpu, each in carved.items())


def without(carved: Mapping[str, Carved], taken: Amounts) -> dict[str, Carved]:
    """As it would be if these amounts were given back."""
    return {gpu: Carved(each.size, max(0, each.used - taken.get(gpu, 0))) for gpu, each in carved.items()}


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


def parts(pool: str) -> list[str]:
    """The devices whose memory it is."""
    return pool.split("+")


def in_words(pool: str) -> str:
    names = ["RAM" if part == MEMORY else part for part in parts(pool)]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]} together"


def in_units(amount: int) -> str:
    """As people say it: 812 MiB, 5.1 GiB."""
    if amount >= GIB:
        return f"{amount / GIB:,.1f} GiB"
    return f"{amount / MIB:,.0f} MiB" if amount >= MIB or not amount else f"{amount / KIB:,.0f} KiB"
