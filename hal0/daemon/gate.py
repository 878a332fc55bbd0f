"""Whether new requests are let in, and how many are inside. Closed once, when the daemon stops."""

import asyncio

from hal0.errors import Hal0Error


class Gate:
    """Counts the requests to /v1 that are being answered."""

    def __init__(self) -> None:
        self.is_closed = False
        self.inside = 0
        self._empty = asyncio.Event()
        self._empty.set()

    def __enter__(self) -> None:
        """Be inside; raises `system.shutting_down` once the gate is closed."""
        if self.is_closed:
            raise Hal0Error("system.shutting_down")
        self.inside += 1
        self._empty.clear()

    def __exit__(self, *_: object) -> None:
        self.inside -= 1
        if not self.inside:
            self._empty.set()

    def close(self) -> None:
        self.is_closed = True

    async def wait_empty(self) -> None:
        await self._empty.wait()
