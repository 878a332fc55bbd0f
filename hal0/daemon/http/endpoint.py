"""Where a backend answers, and the secret it wants to hear."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An HTTP server on this machine that belongs to one run of a slot."""

    port: int
    key: str = field(default="", repr=False)  # sent as `Authorization: Bearer`; empty: none
    host: str = "127.0.0.1"
