"""How patient a pull is with its server. Values only."""

from dataclasses import dataclass

MIB = 2**20


@dataclass(frozen=True, slots=True)
class Pace:
    """Limits and delays, in seconds and bytes. Tests have their own."""

    connect_seconds: float = 20.0
    stall_seconds: float = 30.0  # without a byte, before a connection is given up
    first_delay_seconds: float = 1.0  # before the next try; doubles with each that brings nothing
    longest_delay_seconds: float = 30.0
    longest_asked_seconds: float = 900.0  # a server that asks for more patience than this is given up
    tries: int = 8  # in a row that bring nothing
    tries_unheard: int = 3  # as long as the server has not been heard of at all
    piece_bytes: int = 32 * MIB  # asked for at once on one connection
    save_seconds: float = 2.0  # between notes of what is on the disk
    report_seconds: float = 0.5  # between reports of progress
    reserve_bytes: int = 256 * MIB  # of the disk, left for others
