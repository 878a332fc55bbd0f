"""From the daemon's own values to what goes over the wire: the one place where they meet."""

import os
import socket
import time

from hal0 import __version__
from hal0.daemon.providers.llama_load import PROJECTOR
from hal0.daemon.providers.words import last_value
from hal0.daemon.remotes.remote import Remote
from hal0.daemon.services import Services
from hal0.daemon.slots.slot import Slot
from hal0.wire import RemoteView, SlotView, State


def slot_view(slot: Slot, services: Services) -> SlotView:
    """A slot with its figures: speed from its requests, memory from the sampler."""
    tokens_per_second, ttft_ms = services.requests.speed_of(slot.name)
    usage = services.sampler.slots.get(slot.name) if slot.process_group else None
    return slot.view().model_copy(
        update={
            "vision": _sees(slot),
            "tokens_per_second": tokens_per_second,
            "ttft_ms": ttft_ms,
            "swap": services.swaps.view_of(slot.name),
            "memory_bytes": usage.memory_bytes if usage else None,
            "private_bytes": usage.private_bytes if usage else None,
            "gpu_bytes": dict(usage.gpu_bytes) if usage else {},
            "reserved_bytes": services.supervisor.room.reserved_by(slot.name),
        }
    )


def _sees(slot: Slot) -> bool:
    """Whether a projector for images was, or will be, given to its llama-server."""
    config = slot.config
    if config.provider != "llama":
        return False
    launch = slot.run.launch if slot.run else None
    if launch is None:
        return config.mmproj is not None or last_value(config.args, PROJECTOR) is not None
    return last_value([word.text for word in launch.command], PROJECTOR) is not None


def remote_view(remote: Remote, services: Services) -> RemoteView:
    """A remote with what was asked of it since the daemon started."""
    meter = services.requests.meter.of(remote.name)
    return remote.view().model_copy(
        update={
            "requests": meter.requests.total(),
            "prompt_tokens": meter.prompt_tokens,
            "tokens": meter.tokens,
            "cost": meter.dollars,
        }
    )


def state_view(services: Services) -> State:
    """Everything a dashboard needs, as of the last event."""
    return State(
        event_id=services.bus.last_id,
        now=time.time(),
        version=__version__,
        host=socket.gethostname(),
        pid=os.getpid(),
        started_at=services.started_at,
        listen=list(services.listen),
        warnings=list(services.warnings()),
        draining=services.gate.is_closed,
        keeps_backends=services.keeps_backends,
        slots=[slot_view(slot, services) for slot in services.supervisor.all()],
        requests=services.requests.views(),
        devices=services.sampler.devices,
        config=services.config.view(),
        errors=services.errors.records(),
        totals=services.requests.totals(),
        pulls=services.pulls.views(),
    )
