"""Answers of a remote that speaks another API, as answers of chat completions: whole, or turned on their way."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from hal0.daemon.http.client import BrokenAnswer, Head, read_whole
from hal0.daemon.remotes.idiom import Counted, Spoken
from hal0.errors import Hal0Error

if TYPE_CHECKING:
    from hal0.daemon.remotes.transport import RemoteAnswer

WHOLE_BYTES = 64 * 2**20


class WholeAnswer:
    """An answer that is here already."""

    def __init__(self, head: Head, body: bytes, *, counted: Counted | None) -> None:
        self.paused = False
        self.last_heard = asyncio.get_running_loop().time()
        self.counted = counted
        self._head = replace(head, length=len(body), until_close=False)
        self._body = body

    async def head(self) -> Head:
        return self._head

    async def read(self) -> bytes:
        body, self._body = self._body, b""
        return body

    async def read_all(self, limit_bytes: int) -> bytes:
        return await self.read()

    async def pour(self, sink: Callable[[bytes], None]) -> None:
        sink(await self.read())

    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def fail(self, error: Exception) -> None: ...
    def close(self) -> None: ...


class TurnedStream:
    """A stream, each of its events in the words of chat completions. What it had before a failure is never lost."""

    def __init__(self, answer: "RemoteAnswer", spoken: Spoken, *, head: Head) -> None:
        self._answer = answer
        self._spoken = spoken
        self._head = replace(head, length=None)

    @property
    def counted(self) -> Counted | None:
        return self._spoken.counted

    @property
    def paused(self) -> bool:
        return self._answer.paused

    @property
    def last_heard(self) -> float:
        return self._answer.last_heard

    async def head(self) -> Head:
        return self._head

    async def read(self) -> bytes:
        while True:
            if (failure := self._spoken.failure) is not None:
                raise failure
            data = await self._answer.read()
            if not data and not self._spoken.has_ended:
                raise BrokenAnswer("its stream ended before its answer did")
            said = self._spoken.feed(data)
            if said or not data:
                return said

    async def read_all(self, limit_bytes: int) -> bytes:
        return await read_whole(self.read, limit_bytes)

    async def pour(self, sink: Callable[[bytes], None]) -> None:
        while data := await self.read():
            sink(data)
            await self._answer.may_go_on()

    def pause(self) -> None:
        self._answer.pause()

    def resume(self) -> None:
        self._answer.resume()

    def fail(self, error: Exception) -> None:
        self._answer.fail(error)

    def close(self) -> None:
        self._answer.close()


async def turned(
    answer: "RemoteAnswer", spoken: Spoken, *, remote: str, seconds: float
) -> "WholeAnswer | TurnedStream":
    """The answer in other words; it must be one of status 200. Raises TimeoutError, BrokenAnswer or Hal0Error."""
    head = await answer.head()
    if spoken.streams and head.header(b"content-type").startswith(b"text/event-stream"):
        return TurnedStream(answer, spoken, head=head)
    try:
        async with asyncio.timeout(seconds):
            body = await answer.read_all(WHOLE_BYTES)
        return WholeAnswer(head, spoken.whole(body), counted=spoken.counted)
    except ValueError as error:
        raise Hal0Error("slot.bad_response", slot=remote, reason=str(error)) from error
    finally:
        answer.close()
