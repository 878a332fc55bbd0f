"""The real server around any ASGI app, and the real proxy with slots that are only names for fake backends."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from hal0.daemon.adapters.embeddings import EmbeddingsAdapter
from hal0.daemon.adapters.rerank import RerankAdapter
from hal0.daemon.config.schema import Dispatch, Observe, Settings
from hal0.daemon.config.schema import Server as ServerSettings
from hal0.daemon.config.schema import Slot as SlotConfig
from hal0.daemon.dialects import DIALECTS
from hal0.daemon.events import EventBus
from hal0.daemon.http.client import Connection
from hal0.daemon.http.endpoint import Endpoint
from hal0.daemon.keys.key import Key
from hal0.daemon.keys.ring import Keyring
from hal0.daemon.providers.base import Api, ModelFile, SlotSpec
from hal0.daemon.proxy.app import ProxyApp
from hal0.daemon.proxy.pool import Pool
from hal0.daemon.proxy.requests import Requests
from hal0.daemon.serving.limits import Limits
from hal0.daemon.serving.server import Server
from hal0.daemon.serving.sockets import listen_tcp
from hal0.errors import Hal0Error
from hal0.wire import Kind
from tests.fakes.tls import server_side


@asynccontextmanager
async def served(app: Any, limits: Limits | None = None) -> AsyncIterator[tuple[Server, int]]:
    """The app behind the server on a free port, with TLS inside of `over_tls`."""
    sock = listen_tcp("127.0.0.1", 0)
    port = sock.getsockname()[1]
    server = Server(with_lifespan(app), sockets=[sock], limits=limits, tls=server_side())
    await server.start()
    try:
        yield server, port
    finally:
        await server.close()


def with_lifespan(app: Any) -> Any:
    async def wrapped(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await app(scope, receive, send)
            return
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return

    return wrapped


@dataclass
class FakeLease:
    endpoint: Endpoint
    spec: SlotSpec
    queue_ms: float = 0.0
    load_ms: float = 12.0
    engine: str = "an engine"
    context: int | None = 4096
    is_remote: ClassVar[bool] = False
    terms: ClassVar[None] = None

    def carried_by(self, line: Connection) -> None:
        pass

    async def failure(self, reason: str) -> Hal0Error:
        return Hal0Error("dispatch.stream_broken", slot=self.spec.name, reason=reason)


class FakeSlot:
    """A slot that is always ready, unless `ready` is cleared."""

    is_remote = False
    native: frozenset[str] = frozenset()

    def __init__(self, name: str, endpoint: Endpoint, *, kind: Kind = "chat", model: str = "tiny") -> None:
        self.name = name
        self.state = "ready"
        self.leases = 0
        self.last_in_background = False
        self.ready = asyncio.Event()
        self.ready.set()
        self.endpoint = endpoint
        self.spec = SlotSpec(name, SlotConfig(model=model, kind=kind), ModelFile(model, Path("/m"), kind, 1), 1)

    @asynccontextmanager
    async def lease(self, *, request: str, background: bool) -> AsyncIterator[FakeLease]:
        self.last_in_background = background
        await self.ready.wait()
        self.leases += 1
        try:
            yield FakeLease(self.endpoint, self.spec)
        finally:
            self.leases -= 1


@dataclass(frozen=True)
class FakeChoice:
    upstream: FakeSlot
    rule: str
    fallback: tuple[str, ...] = ()
    background: bool = False


@dataclass
class FakeDispatcher:
    slots: dict[str, FakeSlot] = field(default_factory=dict)
    fallback: tuple[str, ...] = ()  # of the slot that answers when no model is named

    def pick(self, api: Api, model: str | None, settings: Settings, *, key: Key | None) -> FakeChoice:
        if model is None:
            return FakeChoice(next(iter(self.slots.values())), "default", self.fallback)
        if model not in self.slots:
            raise Hal0Error("dispatch.no_route", param="model", model=model, nearest="")
        return FakeChoice(self.slots[model], "slot")


@dataclass
class Relay:
    """A running proxy and all its parts."""

    port: int
    server: Server
    bus: EventBus
    requests: Requests
    pool: Pool
    slots: dict[str, FakeSlot]
    settings: Settings
    capture: Callable[[bool], None]  # a live edit of `capture` in [observe]

    @property
    def slot(self) -> FakeSlot:
        return next(iter(self.slots.values()))


@asynccontextmanager
async def relaying(
    *endpoints: Endpoint,
    kind: Kind = "chat",
    dispatch: Dispatch | None = None,
    server: ServerSettings | None = None,
    keys: Keyring | None = None,
    capture: bool = True,
    wrap: Callable[[Any], Any] = lambda app: app,
    uploads: Path = Path("/nowhere"),
    fallback: tuple[str, ...] = (),
) -> AsyncIterator[Relay]:
    """A proxy before slots named `primary`, `slot1`, … of one kind. Large files of requests lie in `uploads`."""
    settings = Settings(
        dispatch=dispatch or Dispatch(), server=server or ServerSettings(), observe=Observe(capture=capture)
    )
    bus, pool = EventBus(), Pool()
    requests = Requests(bus, capture=lambda: settings.observe.capture)

    def set_capture(on: bool) -> None:
        nonlocal settings
        settings = settings.model_copy(update={"observe": Observe(capture=on)})

    names = ["primary", *(f"slot{number}" for number in range(1, len(endpoints)))]
    slots = {name: FakeSlot(name, endpoint, kind=kind) for name, endpoint in zip(names, endpoints, strict=True)}
    app = ProxyApp(
        dispatcher=FakeDispatcher(slots, fallback),
        keys=keys or Keyring(),
        requests=requests,
        pool=pool,
        remotes=pool,
        settings=lambda: settings,
        adapters={Api.RERANK: RerankAdapter(), Api.EMBEDDINGS: EmbeddingsAdapter()},
        dialects=DIALECTS,
        pictures="/nowhere",
        uploads=uploads,
    )
    batcher = asyncio.ensure_future(requests.run())
    try:
        async with served(wrap(app)) as (door, port):
            yield Relay(port, door, bus, requests, pool, slots, settings, set_capture)
    finally:
        pool.close()
        batcher.cancel()
        with suppress(asyncio.CancelledError):
            await batcher


async def until(claim: Callable[[], bool], *, seconds: float = 30.0) -> None:
    """Poll until the claim holds; fails at the deadline."""
    async with asyncio.timeout(seconds):
        while not claim():
            await asyncio.sleep(0.005)
