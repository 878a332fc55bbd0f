"""Chunk in, chunk out: the answer of a backend on its way to the client, under its limits.

Bytes pass as they come. The tap looks at them; a watch ends a backend that falls silent or goes on for too long, and
does not count the time in which it was the client who was behind.
"""

import asyncio
from collections.abc import Callable

from hal0.daemon.http.client import BrokenAnswer
from hal0.daemon.proxy.replies import Reply
from hal0.daemon.proxy.seams import Answer
from hal0.daemon.proxy.tap import Events, Tap
from hal0.daemon.proxy.translated import Translated


class TooSlow(Exception):  # noqa: N818 - says what the backend was
    """The backend fell silent, or took too long as a whole."""

    def __init__(self, *, seconds: float, silent: bool) -> None:
        super().__init__("silent" if silent else "too long")
        self.seconds = seconds
        self.silent = silent


async def relay_events(
    connection: Answer,
    reply: Reply,
    tap: Tap,
    *,
    on_first: Callable[[], None],
    translated: Translated | None = None,
) -> None:
    """Pass a stream of events on, whole ones only, to its end; `translated`: in the words of another API."""
    events = Events()
    clock = asyncio.get_running_loop().time

    def look(data: bytes) -> bytes:
        whole = events.whole(data)
        if whole and tap.look(whole, clock()):
            on_first()
        return whole

    turn = look if translated is None else translated.after(look, connection)
    pipe = reply.pipe
    if pipe is not None:
        write = pipe.write
        pipe.open(pause=connection.pause, resume=connection.resume)
        try:
            if translated is not None:
                write(translated.begun())
            await connection.pour(lambda data: write(turn(data)))
        finally:
            pipe.close()
    else:
        if translated is not None:
            await reply.part(translated.begun())
        while data := await connection.read():
            if whole := turn(data):
                await reply.part(whole)
    head = await connection.head()
    if head.until_close and not tap.has_all:
        raise BrokenAnswer("the connection ended in the middle of its answer")
    rest = events.rest()
    await reply.end(rest if translated is None else translated.ended(rest))


async def relay_bytes(connection: Answer, reply: Reply, tap: Tap, *, on_first: Callable[[], None]) -> None:
    """Pass any other body on to its end."""
    clock = asyncio.get_running_loop().time
    while data := await connection.read():
        if not tap.is_sound:
            tap.keep(data)
        elif tap.look(data, clock()):
            on_first()
        await reply.part(data)
    await reply.end()


class Watch:
    """Inside of it, the connection fails with TooSlow when a limit is passed; 0 as the total is no limit."""

    __slots__ = ("_begun", "_connection", "_handle", "_idle_seconds", "_loop", "_total_seconds")

    def __init__(self, connection: Answer, *, idle_seconds: float, total_seconds: float) -> None:
        self._connection = connection
        self._idle_seconds = idle_seconds
        self._total_seconds = total_seconds
        self._loop = asyncio.get_running_loop()
        self._begun = self._loop.time()

    def __enter__(self) -> None:
        self._handle = self._loop.call_soon(self._check)

    def __exit__(self, *_: object) -> None:
        self._handle.cancel()

    def _check(self) -> None:
        """One timer, set again only when it rings: a chunk costs nothing here."""
        now, connection = self._loop.time(), self._connection
        silent_until = (now if connection.paused else connection.last_heard) + self._idle_seconds
        total_until = self._begun + self._total_seconds if self._total_seconds else silent_until + 1
        if now >= silent_until:
            connection.fail(TooSlow(seconds=self._idle_seconds, silent=True))
        elif now >= total_until:
            connection.fail(TooSlow(seconds=self._total_seconds, silent=False))
        else:
            self._handle = self._loop.call_at(min(silent_until, total_until), self._check)
