"""Whether a slot could run another model once its present one is gone. Pure: values in, a refusal out."""

from collections.abc import Iterable, Mapping, Sequence

from hal0.daemon.config.schema import Daemon
from hal0.daemon.config.schema import Slot as SlotConfig
from hal0.daemon.slots.admission import MEMORY, Amounts, Candidate, Holder, Impossible, free_of, need_of, plan, within
from hal0.daemon.slots.appraisal import Appraised
from hal0.daemon.slots.lifecycle import COMING_UP, State
from hal0.daemon.slots.slot import Slot
from hal0.wire import DeviceView


def check_fit(
    slot: Slot,
    config: SlotConfig,
    appraised: Appraised,
    *,
    running: Iterable[Slot],
    resident: Mapping[str, int],
    devices: Sequence[DeviceView],
    free_memory_bytes: int | None,
    given: Daemon,
) -> None:
    """Raises `slot.insufficient_memory` if not even all that may go would make room. `resident` is bytes by slot."""
    need = need_of(appraised.needs, appraised.gpus, wanted=config.memory)
    holders = [_holder(each, _taken(each.name, resident, devices), goes=each is slot) for each in running]
    free = free_of(devices, memory_bytes=free_memory_bytes)
    room = within(free, holders, reserve=given.memory_reserve, limit=given.memory_limit)
    decision = plan(Candidate(slot.name, need, group=config.group, exclusive=config.exclusive), room, holders)
    if isinstance(decision, Impossible):
        raise decision.error(slot.name)


def _holder(slot: Slot, taken: Amounts, *, goes: bool) -> Holder:
    config = slot.config
    return Holder(
        name=f"{slot.name}, as it is" if goes else slot.name,
        reserved=taken,
        taken=taken,
        is_busy=slot.in_flight > 0,
        is_starting=slot.state in COMING_UP,
        is_leaving=goes or slot.state is State.UNLOADING,
        is_idle=slot.state is State.IDLE,
        pinned=config.pinned,
        priority=config.priority,
        group=None if goes else config.group,
        exclusive=config.exclusive,
    )


def _taken(slot: str, resident: Mapping[str, int], devices: Sequence[DeviceView]) -> dict[str, int]:
    taken = {
        device.id: sum(process.memory_bytes or 0 for process in device.processes if process.slot == slot)
        for device in devices
        if device.kind == "gpu"
    }
    return {MEMORY: resident.get(slot, 0), **taken}
