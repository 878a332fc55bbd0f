"""Signs of life for a stream whose slot is not ready yet: comments, which every reader of events passes over.

With the first of them the head is sent, so what goes wrong afterwards is told in the stream. That is why it has to be
asked for, by `heartbeat` in [dispatch].
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TypeVar

from hal0.daemon.proxy.replies import Reply

FIRST_SECONDS = 1.0  # what is there by then needs none, and keeps a status of its own if it fails
NEXT_SECONDS = 10.0  # below the patience of proxies on the way
BEAT = b": waiting\n\n"

Held = TypeVar("Held")


@asynccontextmanager
async def beating(waiting: AbstractAsyncContextManager[Held], reply: Reply) -> AsyncIterator[Held]:
    """Enter a context for which one has to wait, and give signs of life meanwhile."""
    async with AsyncExitStack() as stack:
        beats = asyncio.ensure_future(_beat(reply))
        try:
            held = await stack.enter_async_context(waiting)
        finally:
            beats.cancel()
            await asyncio.gather(beats, return_exceptions=True)  # its client may be gone, which others notice, too
        yield held


async def _beat(reply: Reply) -> None:
    pause = FIRST_SECONDS
    while True:
        await asyncio.sleep(pause)
        await reply.hold(BEAT)
        pause = NEXT_SECONDS
