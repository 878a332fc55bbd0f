"""How far a slot's swap to another model is, in the same words everywhere."""

from hal0.wire import SwapView


def in_words(swap: SwapView) -> str:
    """Empty once there is nothing more to say than the slot's model says."""
    before = swap.before or "no model"
    match swap.step:
        case "under way":
            return f"from {before} to {swap.model}"
        case "going back":
            return f"to {swap.model} failed, back to {before}"
        case "failed":
            return f"to {swap.model} failed"
        case "called off":
            return f"to {swap.model} was called off"
    return ""
