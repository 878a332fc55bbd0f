"""How a remote answers a request, where that differs from how a slot does. Values only."""

from dataclasses import dataclass

from hal0.daemon.remotes.offer import Price


@dataclass(frozen=True, slots=True)
class Terms:
    """Of one request to one model of a remote."""

    native: frozenset[str] = frozenset()  # paths of other APIs than chat completions that it has itself
    idle_seconds: float | None = None  # its longest silence in an answer, if it is not that of all
    price: Price | None = None  # of the model, if anyone tells
    tells_cost: bool = False  # whether its answers say what they cost
