"""`GET /api/events`: the bus as server-sent events, from event `since` on."""

import asyncio
import json
from collections.abc import AsyncIterator

from quart import Blueprint, Response, request

from hal0.daemon.admin.replies import event_stream, query_number
from hal0.daemon.events import Event
from hal0.daemon.services import Services

KEEP_ALIVE_SECONDS = 15.0
GATHER_SECONDS = 0.05  # for which what follows an event may wait: too short for an eye, and twenty batches a second


def make(services: Services) -> Blueprint:
    routes = Blueprint("events", __name__)

    @routes.get("/events")
    async def follow_events() -> Response:
        wanted = request.args.get("since") or request.headers.get("last-event-id")
        since = None if wanted is None else query_number(wanted, "since", default=0, most=2**53)
        topics = frozenset(filter(None, request.args.get("topics", "").split(",")))
        return event_stream(_follow(services, since, topics))

    return routes


async def _follow(services: Services, since: int | None, topics: frozenset[str]) -> AsyncIterator[str]:
    with services.bus.subscribe(since=since, topics=topics) as subscription:
        yield ": connected\n\n"
        while True:
            try:
                async with asyncio.timeout(KEEP_ALIVE_SECONDS):
                    batch = await subscription.next_batch()
            except TimeoutError:
                yield ": keep-alive\n\n"
                continue
            yield "".join(map(_encode, batch))
            await subscription.gather(GATHER_SECONDS)


def _encode(event: Event) -> str:
    data = json.dumps({"id": event.id, "at": event.at, "kind": event.kind, "data": event.json_data()})
    return f"id: {event.id}\nevent: {event.kind}\ndata: {data}\n\n"
