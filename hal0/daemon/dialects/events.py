"""The data of server-sent events, cut out of a stream as its bytes come. No I/O here."""

from collections.abc import Iterator

HELD_BYTES = 16 * 2**20  # of one event


class EventData:
    """Takes bytes in any pieces; comments and fields other than `data` pass unseen."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The data of each event that is whole by now; raises ValueError for one without an end."""
        lines = (self._held + data).split(b"\n")
        self._held = lines.pop()
        if len(self._held) > HELD_BYTES:
            raise ValueError(f"an event of its stream is longer than {HELD_BYTES} bytes")
        for line in lines:
            if line.startswith(b"data:"):
                yield line[5:].strip()
