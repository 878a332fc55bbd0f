"""When a slot that failed is started again. Pure: no clock and no randomness of its own.

Delays double from one second to a minute; after five failures in a row the slot is parked and tried once in ten
minutes. A start that held for `HEALTHY_SECONDS` clears the count.
"""

FIRST_DELAY_SECONDS = 1.0
LONGEST_DELAY_SECONDS = 60.0
PARKED_AFTER = 5  # failures in a row
PARKED_DELAY_SECONDS = 600.0
HEALTHY_SECONDS = 60.0
JITTER = 0.2  # share of the delay by which slots that died together spread out

# A request that meets a slot waiting for its next try waits along if that is soon, and is refused otherwise.
PATIENCE_SECONDS = 5.0


def delay_seconds(failures: int, *, chance: float) -> float:
    """Seconds until the next try after `failures` (>= 1) in a row; `chance` in 0..1 spreads it."""
    if is_parked(failures):
        return PARKED_DELAY_SECONDS
    delay: float = min(FIRST_DELAY_SECONDS * 2.0 ** (failures - 1), LONGEST_DELAY_SECONDS)
    return delay * (1 + JITTER * (chance - 0.5))


def is_parked(failures: int) -> bool:
    return failures >= PARKED_AFTER
