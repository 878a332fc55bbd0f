"""A remote: a provider elsewhere that answers as slots do. It is leased, asked and given back like one."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from hal0.daemon.config.schema import Remote as RemoteConfig
from hal0.daemon.http.endpoint import API_PATH
from hal0.daemon.http.payload import Body
from hal0.daemon.providers.base import Api
from hal0.daemon.remotes.breaker import Breaker
from hal0.daemon.remotes.idiom import OPENAI, PLAIN, Idiom
from hal0.daemon.remotes.keys import key_of
from hal0.daemon.remotes.offer import Offered, let_in, price_of, read_list, recall, remember
from hal0.daemon.remotes.spoken import TurnedStream, WholeAnswer, turned
from hal0.daemon.remotes.terms import Terms
from hal0.errors import Hal0Error
from hal0.wire import ErrorView, Kind, RemoteView

if TYPE_CHECKING:
    import httpx

    from hal0.daemon.remotes.transport import RemoteAnswer

URLS: Mapping[str, str] = {
    "openai": "https://api.openai.com/v1",
    "openrouter": "https://openrouter.ai/api/v1",
    "anthropic": "https://api.anthropic.com/v1",
}
OF_OPENAI = frozenset({Api.CHAT, Api.COMPLETION, Api.EMBEDDINGS, Api.SPEECH, Api.TRANSCRIPTION, Api.IMAGES})
# Rerank is no API of OpenAI's; those that have it agree on its path and its words.
APIS: Mapping[str, frozenset[Api]] = {
    "openai": OF_OPENAI,
    "openrouter": OF_OPENAI | {Api.RERANK},
    "anthropic": frozenset({Api.CHAT}),
    "custom": OF_OPENAI | {Api.RERANK},
}
MOST_PAGES = 50  # of a list of models
OK = 200
CURRENT_FAILURE = 500  # statuses from here on speak of the remote, not of the request
TOO_MANY = 429


@dataclass(frozen=True, slots=True)
class RemoteModel:
    id: str
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RemoteSpec:
    """What a request is told of the upstream it got."""

    name: str
    kind: Kind
    model: RemoteModel
    config: RemoteConfig


@dataclass(frozen=True, slots=True)
class RemoteEndpoint:
    """Where the remote is asked."""

    remote: "Remote" = field(repr=False)
    model: str
    names_model: ClassVar[bool] = True
    speaks_hal0: ClassVar[bool] = False

    def path(self, path: str) -> str:
        return path.removeprefix(API_PATH)


@dataclass(frozen=True, slots=True)
class RemoteLease:
    """A request's hold on a remote. Nothing is queued or loaded there that hal0 could tell of."""

    endpoint: RemoteEndpoint
    spec: RemoteSpec
    terms: Terms
    queue_ms: float = 0.0
    load_ms: float = 0.0
    engine: ClassVar[str] = ""
    context: ClassVar[None] = None
    is_remote: ClassVar[bool] = True

    async def failure(self, reason: str) -> Hal0Error:
        self.endpoint.remote.broke_off()
        return Hal0Error("dispatch.stream_broken", slot=self.spec.name, reason=reason)

    def carried_by(self, line: object) -> None:
        """The answer comes over this; a remote needs no other proof of life."""


class Remote:
    """One `[remotes.NAME]`. Owner of its list of models, its connections and what is known of its health."""

    is_remote: ClassVar[bool] = True
    state: ClassVar[str] = "ready"  # nothing has to be started

    def __init__(
        self,
        name: str,
        config: RemoteConfig,
        *,
        env: Mapping[str, str],
        folder: Path,
        idioms: Mapping[str, Idiom] = MappingProxyType({}),
    ) -> None:
        self.name = name
        self.config = config
        self._idiom = {"openai": OPENAI, **idioms}.get(config.kind, PLAIN)
        self.native = self._idiom.native
        self.apis = APIS[config.kind]
        self.url = (config.url or URLS[config.kind]).rstrip("/")
        self.in_flight = 0
        self._env = env
        self._file = folder / f"{name}.json"
        self._all: tuple[Offered, ...] = recall(self._file, self.url)
        self._fetched_at: float | None = None
        self._list_error: Hal0Error | None = None
        self._breaker = Breaker()
        self._client: httpx.AsyncClient | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self.offered = self._let_in()

    def reconfigured(self, config: RemoteConfig) -> None:
        """Take over what changes neither where nor how it is asked."""
        self.config = config
        self.offered = self._let_in()

    def same_place(self, config: RemoteConfig) -> bool:
        """Whether this configuration asks the same server in the same way."""
        ours, theirs = (
            each.model_dump(include={"kind", "url", "headers", "connect_timeout"}) for each in (self.config, config)
        )
        return ours == theirs

    def _let_in(self) -> dict[str, Offered]:
        found = let_in(self._all, models=self.config.models, exclude=self.config.exclude)
        return {each.id: each for each in found}

    # What requests ask

    def key(self) -> str:
        return key_of(self.name, self.config, self._env)

    @asynccontextmanager
    async def lease(self, model: str) -> AsyncIterator[RemoteLease]:
        """Hold it for a request; raises `dispatch.remote_key_missing` or `dispatch.upstream_unavailable`."""
        self.key()
        if blocked := self._breaker.blocked_seconds(time.monotonic()):
            reason = f"it failed {self._breaker.failures} times in a row and is left alone for a while"
            raise Hal0Error("dispatch.upstream_unavailable", slot=self.name, reason=reason, retry_after_seconds=blocked)
        self._breaker.entered()
        self.in_flight += 1
        try:
            spec = RemoteSpec(self.name, "chat", RemoteModel(model), self.config)
            yield RemoteLease(RemoteEndpoint(self, model), spec, self._terms(model))
        finally:
            self.in_flight -= 1
            self._breaker.abandoned()

    def _terms(self, model: str) -> Terms:
        return Terms(
            native=self.native,
            idle_seconds=self.config.idle_timeout,
            price=price_of(self.config.prices, self.offered.get(model), model),
            tells_cost=self.config.kind == "openrouter",
        )

    async def ask(
        self, path: str, *, model: str, body: Body, headers: Mapping[bytes, bytes], seconds: float
    ) -> "RemoteAnswer | WholeAnswer | TurnedStream":
        """POST and wait for the head, `first_byte_timeout` or `seconds` at most.

        Raises `dispatch.*` or, of an answer in another API that is read whole, TimeoutError or BrokenAnswer.
        """
        spoken = None
        if isinstance(body, bytes):
            spoken = self._idiom.spoken(path, body, remote=self.name, model=self.offered.get(model))
        if spoken is not None:
            path, body = spoken.path, spoken.body
        transport, client = await self._opened()
        try:
            answer: RemoteAnswer = await transport.ask(
                client,
                path,
                name=self.name,
                body=body,
                headers={**headers, **self._authorization()},
                first_byte_seconds=min(seconds, self.config.first_byte_timeout),
                on_close=self._close_later,
            )
        except Hal0Error:
            self.broke_off()
            raise
        status = (await answer.head()).status
        if status >= CURRENT_FAILURE:
            self.broke_off()
        elif status != TOO_MANY:
            self._breaker.succeeded()
        if spoken is None or status != OK:
            return answer
        return await turned(answer, spoken, remote=self.name, seconds=seconds)

    def broke_off(self) -> None:
        self._breaker.failed(time.monotonic())

    # Its list of models

    async def refresh(self) -> None:
        """Fetch the list. A failure keeps the one before and is told in the view; raises nothing but cancellation."""
        try:
            transport, client = await self._opened()
            self._all = await self._fetched(transport, client)
        except Hal0Error as error:
            self._list_error = error
        except ValueError as error:
            self._list_error = Hal0Error("dispatch.upstream_failed", slot=self.name, reason=f"GET /models: {error}")
        else:
            self._list_error = None
            self._fetched_at = time.time()
            self._breaker.succeeded()
            self.offered = self._let_in()
            await asyncio.to_thread(remember, self._file, self.url, self._all)

    async def _fetched(self, transport: Any, client: "httpx.AsyncClient") -> tuple[Offered, ...]:
        """All pages of the list; raises `dispatch.*`, or ValueError for what is no list."""
        found: tuple[Offered, ...] = ()
        path: str | None = self._idiom.list_path
        for _ in range(MOST_PAGES):
            body = await transport.fetch_list(client, path, name=self.name, headers=self._authorization())
            found += read_list(body)
            path = self._idiom.next_page(body)
            if path is None:
                return found
        raise ValueError(f"it has more than {MOST_PAGES} pages")

    @property
    def is_listed(self) -> bool:
        """Whether its list of models is known, from now or from earlier."""
        return bool(self._all) or self._fetched_at is not None

    @property
    def list_error(self) -> Hal0Error | None:
        return self._list_error

    def view(self) -> RemoteView:
        """For people; no key is in it."""
        problem = self._key_error() or self._list_error
        blocked = self._breaker.blocked_seconds(time.monotonic())
        return RemoteView(
            name=self.name,
            kind=self.config.kind,
            url=self.url,
            models=sorted(self.offered),
            aliases=sorted(self.config.aliases),
            in_flight=self.in_flight,
            fetched_at=self._fetched_at,
            blocked_seconds=blocked or None,
            error=ErrorView(code=problem.code, message=problem.message, details=problem.details) if problem else None,
        )

    def _key_error(self) -> Hal0Error | None:
        try:
            self.key()
        except Hal0Error as error:
            return error
        return None

    # Its connections

    async def close(self) -> None:
        """End every connection."""
        if self._closing:
            await asyncio.wait(self._closing)
        if self._client is not None:
            with suppress(Exception):  # half-broken connections of a library; they end with their objects
                await self._client.aclose()

    async def _opened(self) -> "tuple[Any, httpx.AsyncClient]":
        # Its import takes a tenth of a second: in a thread, as streams are relayed here meanwhile.
        transport: Any = await asyncio.to_thread(import_module, "hal0.daemon.remotes.transport")
        if self._client is None:
            made: httpx.AsyncClient = await asyncio.to_thread(  # it reads the certificates of the system
                transport.make_client,
                self.url,
                {**self._idiom.headers, **{name.lower(): value for name, value in self.config.headers.items()}},
                name=self.name,
                connect_seconds=self.config.connect_timeout,
            )
            self._client = self._client or made
        return transport, self._client

    def _authorization(self) -> dict[bytes, bytes]:
        key = self.key()
        return self._idiom.authorization(key) if key else {}

    def _close_later(self, response: "httpx.Response") -> None:
        """Closing waits for the network a little; whoever is done with the answer does not."""
        task = asyncio.get_running_loop().create_task(response.aclose())
        self._closing.add(task)
        task.add_done_callback(self._closed)

    def _closed(self, task: "asyncio.Task[None]") -> None:
        self._closing.discard(task)
        if not task.cancelled():
            task.exception()  # looked at: a connection that cannot be closed is one the less


class Carrier:
    """Sends requests to remotes, as the proxy's pool does to backends."""

    async def ask(
        self,
        endpoint: RemoteEndpoint,
        path: str,
        *,
        body: Body,
        headers: tuple[tuple[bytes, bytes], ...],
        timeout_seconds: float,
    ) -> "RemoteAnswer | WholeAnswer | TurnedStream":
        return await endpoint.remote.ask(
            path, model=endpoint.model, body=body, headers=dict(headers), seconds=timeout_seconds
        )

    def release(self, answer: "RemoteAnswer | WholeAnswer | TurnedStream") -> None:
        answer.close()
