"""What a slot needs, and what would be decided if it started now, as it goes over the wire."""

from hal0.daemon.models.memory import Needs
from hal0.daemon.slots.admission import Evict, Fits, Impossible, Wait
from hal0.daemon.slots.room import Preview
from hal0.wire import FitView, NeedsView, RoomView


def fit_view(name: str, preview: Preview) -> FitView:
    rooms = [
        RoomView(
            device=pool,
            need_bytes=amount,
            free_bytes=preview.free.get(pool),
            reserved_bytes=preview.reserved.get(pool, 0),
        )
        for pool, amount in preview.need.items()
    ]
    match preview.decision:
        case Fits():
            return FitView(verdict="fits", rooms=rooms)
        case Evict(order):
            return FitView(verdict="evict", would_go=list(order), rooms=rooms)
        case Wait(names):
            return FitView(verdict="wait", waits_for=list(names), rooms=rooms)
        case Impossible():
            return FitView(verdict="impossible", reason=preview.decision.error(name).message, rooms=rooms)


def needs_view(needs: Needs) -> NeedsView:
    return NeedsView(
        weights_bytes=needs.weights_bytes,
        kv_bytes=needs.kv_bytes,
        compute_bytes=needs.compute_bytes,
        base_bytes=needs.base_bytes,
        cache_bytes=needs.cache_bytes,
        total_bytes=needs.total_bytes,
        source=needs.source,
        uncertainty=needs.uncertainty,
    )
