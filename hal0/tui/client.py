"""The admin API as the dashboard uses it, over the Unix socket or TCP. Every failure leaves as a `Hal0Error`.

httpx is imported when the first connection is made: the first frame does not wait for it.
"""

import asyncio
import importlib
import json
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from urllib.parse import quote, urlsplit

from pydantic import BaseModel

from hal0.access import Access, checked_address, unreached
from hal0.errors import Hal0Error
from hal0.paths import find_socket
from hal0.person import person
from hal0.tui.facts import Fact, read_fact
from hal0.tui.pieces import Piece, read_piece
from hal0.voices import Hearing
from hal0.wire import (
    CommandView,
    ConfigTexts,
    ConfigValue,
    ConfigView,
    KeyPlace,
    LedgerEntry,
    LogLines,
    ModelDetail,
    ModelView,
    PastView,
    PlanView,
    RequestView,
    Revision,
    SlotPlan,
    State,
)

if TYPE_CHECKING:
    import httpx

CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 10.0
SILENCE_SECONDS = 45.0  # the daemon sends a comment more often than that when it has nothing to tell
LOOPBACK = ("localhost", "127.0.0.1", "::1")
EVENT_LIMIT_BYTES = 16 * 2**20  # one event longer than that is not one

M = TypeVar("M", bound=BaseModel)
Verb = Literal["load", "unload", "restart", "swap", "pin"]


@dataclass(frozen=True, slots=True)
class Address:
    """Where the daemon is: a Unix socket, or a URL."""

    socket: Path | None = None
    url: str = "http://localhost"

    def __str__(self) -> str:
        return str(self.socket) if self.socket else self.url

    @classmethod
    def of_host(cls, host: str) -> "Address":
        """Raises `system.bad_address`."""
        return cls(None, checked_address(host))

    @classmethod
    def read(cls, text: str) -> "Address":
        """As people write it: a path is a socket, all else a host."""
        return cls(Path(text).expanduser()) if text.startswith(("/", "~/")) else cls.of_host(text)

    @classmethod
    def default(cls) -> "Address":
        """The socket of this user's daemon, or of the system's service when only that one is there."""
        return cls(find_socket())

    @property
    def without_secrets(self) -> str:
        """To be shown and kept: a URL may have a password in it."""
        scheme, _, rest = self.url.partition("://")
        authority, slash, path = rest.partition("/")
        return str(self.socket) if self.socket else f"{scheme}://{authority.rpartition('@')[2]}{slash}{path}"

    @property
    def is_near(self) -> bool:
        """Whether it is of this machine, or looks like it: a tunnel may end here."""
        return self.socket is not None or urlsplit(self.url).hostname in LOOPBACK

    def curl(self, path: str) -> str:
        return f"curl --unix-socket {self.socket} http://localhost{path}" if self.socket else f"curl {self.url}{path}"


class Client:
    """One connection pool to one daemon."""

    is_past = False  # a recording, of which nothing can be asked

    def __init__(
        self,
        address: Address,
        access: Access | None = None,
        tap: Callable[[Literal["state", "event", "past"], bytes], None] | None = None,
    ) -> None:
        self.address = address
        self._access = access or Access()
        self.tap = tap  # is given each state, event and past as it came
        self._http: httpx.AsyncClient | None = None

    async def _open(self) -> "httpx.AsyncClient":
        if self._http is None:
            # In a thread, so that keys are answered while the library is read from disk.
            httpx = await asyncio.to_thread(importlib.import_module, "httpx")
            transport = httpx.AsyncHTTPTransport(uds=str(self.address.socket)) if self.address.socket else None
            is_tls = self.address.url.startswith("https:")
            self._http = httpx.AsyncClient(
                base_url=self.address.url,
                transport=transport,
                headers=self._access.headers,
                verify=await asyncio.to_thread(self._access.context) if is_tls else False,
                trust_env=False,
                timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
            )
        assert self._http is not None
        return self._http

    async def aclose(self) -> None:
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    async def state(self) -> State:
        body = await self._call("GET", "/api/state")
        state = self._parse(State, body)
        if self.tap is not None:
            self.tap("state", body)
        return state

    async def past(self) -> PastView:
        """The last hour of the devices and the slots."""
        body = await self._call("GET", "/api/history")
        past = self._parse(PastView, body)
        if self.tap is not None:
            self.tap("past", body)
        return past

    def clock(self) -> float:
        """Seconds that go on as fast as the daemon's."""
        return time.monotonic()

    async def ended(self) -> None:
        """Wait until there is nothing more to come: with a daemon, for ever."""
        await asyncio.Event().wait()

    async def ask(self, verb: Verb, slot: str, **more: object) -> None:
        """Begin a verb on a slot; its outcome comes as events. `more` is what the verb wants to know."""
        named = {"X-Hal0-By": person("hal0-tui")}  # pin and swap write the configuration
        await self._call("POST", f"/api/slots/{quote(slot, safe='')}/{verb}", body=more, headers=named)

    async def models(self) -> list[ModelView]:
        """The models of the registry."""
        return await self._list(ModelView, "/api/models", "models")

    async def model_in(self, model: str, slot: str) -> ModelDetail:
        """What a model would need with the settings of a slot, in its place."""
        return await self._get(ModelDetail, f"/api/models/{quote(model, safe='/')}?slot={quote(slot, safe='')}")

    async def plan_slot(self, name: str, keys: Mapping[str, Any]) -> SlotPlan:
        """What a new slot with this table would do and take."""
        path, headers = f"/api/slots/{quote(name, safe='')}/plan", {"If-None-Match": "*"}
        return self._parse(SlotPlan, await self._call("POST", path, body=keys, headers=headers))

    async def create_slot(self, name: str, keys: Mapping[str, Any]) -> None:
        headers = {"If-None-Match": "*", "X-Hal0-By": person("hal0-tui")}
        await self._call("PUT", f"/api/slots/{quote(name, safe='')}", body=keys, headers=headers)

    async def delete_slot(self, name: str) -> None:
        """Take it out of the configuration; it goes when its requests are done."""
        headers = {"X-Hal0-By": person("hal0-tui")}
        await self._call("DELETE", f"/api/slots/{quote(name, safe='')}", headers=headers)

    async def cancel(self, request: str) -> None:
        await self._call("DELETE", f"/api/requests/{quote(request, safe='')}")

    async def request(self, id: str) -> RequestView:
        """One request with its text."""
        return await self._get(RequestView, f"/api/requests/{quote(id, safe='')}")

    async def ledger(self, slot: str) -> list[LedgerEntry]:
        """What happened to a slot, the oldest first."""
        return await self._list(LedgerEntry, f"/api/slots/{quote(slot, safe='')}/why", "entries")

    async def command(self, slot: str) -> CommandView:
        """The command line of a slot; raises what keeps it from being rendered."""
        return await self._get(CommandView, f"/api/slots/{quote(slot, safe='')}/command")

    async def config(self) -> ConfigView:
        return await self._get(ConfigView, "/api/config")

    async def values(self) -> list[ConfigValue]:
        """Every key that is in force, with where it was said."""
        return await self._list(ConfigValue, "/api/config/values", "values")

    async def history(self) -> list[Revision]:
        """The revisions that are kept, the newest first."""
        return await self._list(Revision, "/api/config/history", "revisions")

    async def difference(self, first: int, second: int) -> list[str]:
        """What two revisions have different, as `diff -u` tells it."""
        return await self._lines(f"/api/config/diff?from={first}&to={second}")

    async def config_texts(self) -> ConfigTexts:
        """The files as they are on disk, with their tag."""
        return await self._get(ConfigTexts, "/api/config/text")

    async def plan_text(self, file: str, text: str) -> PlanView:
        """What a file would do with another text."""
        return self._parse(PlanView, await self._call("POST", "/api/config/plan", body={"file": file, "text": text}))

    async def put_text(self, file: str, text: str, *, tag: str, why: str) -> None:
        """Write the whole text of a file, if what is on disk still has this tag."""
        value = {"file": file, "text": text, "by": person("hal0-tui"), "why": why}
        await self._call("PUT", "/api/config", body=value, headers={"If-Match": f'"{tag}"'})

    async def roll_back(self, revision: int, tag: str) -> None:
        """Write an earlier revision over what is on disk, if that still has this tag."""
        value = {"revision": revision, "by": person("hal0-tui")}
        await self._call("POST", "/api/config/rollback", body=value, headers={"If-Match": f'"{tag}"'})

    async def place_of_slot(self, slot: str) -> KeyPlace:
        """Where the configuration on disk has the table of a slot."""
        name = slot if re.fullmatch(r"[A-Za-z0-9_-]+", slot) else f'"{slot}"'
        return await self._get(KeyPlace, f"/api/config/place?key={quote(f'slots.{name}', safe='')}")

    async def log_lines(self, slot: str, count: int) -> list[str]:
        return await self._lines(f"/api/slots/{quote(slot, safe='')}/logs?lines={count}")

    async def log(self, slot: str, count: int) -> AsyncIterator[LogLines]:
        """The last lines of a slot's output, then new ones as they come; ends when the daemon ends it."""
        path = f"/api/slots/{quote(slot, safe='')}/logs?lines={count}&follow=1"
        async for _, blocks in self._events(path, silence_seconds=None):
            for data in filter(None, map(_data_of, blocks)):
                yield self._parse(LogLines, data)

    async def latency_ms(self) -> float:
        """How long the daemon takes to answer the smallest question."""
        http = await self._open()
        begin = time.perf_counter()
        async with _translated(self.address):
            await http.get("/health")
        return (time.perf_counter() - begin) * 1000

    async def facts(self, since: int) -> AsyncIterator[list[Fact]]:
        """The event stream from an event number on, as many facts at a time as arrived together; ends when it ends."""
        async for _, blocks in self._events(f"/api/events?since={since}", silence_seconds=SILENCE_SECONDS):
            facts: list[Fact] = []
            for data in filter(None, map(_data_of, blocks)):  # others are comments that keep the connection alive
                if (fact := _read_event(data)) is not None:
                    facts.append(fact)
                    if self.tap is not None:
                        self.tap("event", data)
            if facts:
                yield facts

    async def chat(self, body: dict[str, Any]) -> AsyncIterator[Piece]:
        """An answer to a chat as it comes. Raises what it failed of, also in the middle."""
        ended, hearing = False, Hearing()
        async for headers, blocks in self._events("/v1/chat/completions", silence_seconds=None, body=body):
            told = {name: value for name, value in headers.items() if name.startswith("x-hal0-")}
            for data in filter(None, map(_data_of, blocks)):
                if data == b"[DONE]":
                    ended = True  # and read on to the end: leaving early would look like giving up
                else:
                    yield read_piece(data, told, hearing, where=str(self.address))
        if not ended:
            reason = "the connection ended before the answer"
            raise Hal0Error("dispatch.stream_broken", slot=str(body["model"]), reason=reason)

    async def _events(
        self, path: str, *, silence_seconds: float | None, body: object = None
    ) -> AsyncIterator[tuple[Mapping[str, str], list[bytes]]]:
        """Server-sent events as they arrive, undecoded, as many at a time as came together, with the answer's head."""
        http = await self._open()
        import httpx

        patience = httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS, read=silence_seconds)
        method = "GET" if body is None else "POST"
        async with _translated(self.address), http.stream(method, path, json=body, timeout=patience) as answer:
            if answer.status_code != 200:
                _raise_for(self.address, answer.status_code, await answer.aread())
            rest = b""
            async for chunk in answer.aiter_bytes():
                *blocks, rest = (rest + chunk).split(b"\n\n")
                if len(rest) > EVENT_LIMIT_BYTES:
                    raise Hal0Error("system.bad_answer", where=str(self.address), reason="an event without an end")
                yield answer.headers, blocks

    async def _call(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> bytes:
        http = await self._open()
        async with _translated(self.address):
            answer = await http.request(method, path, json=body, headers=headers)
        if answer.status_code >= 400:
            _raise_for(self.address, answer.status_code, answer.content)
        return answer.content

    async def _get(self, kind: type[M], path: str) -> M:
        return self._parse(kind, await self._call("GET", path))

    async def _list(self, kind: type[M], path: str, key: str) -> list[M]:
        body = await self._call("GET", path)
        with self._understood():
            return [kind.model_validate(each) for each in json.loads(body)[key]]

    async def _lines(self, path: str) -> list[str]:
        body = await self._call("GET", path)
        with self._understood():
            return [str(line) for line in json.loads(body)["lines"]]

    def _parse(self, kind: type[M], body: bytes) -> M:
        with self._understood():
            return kind.model_validate_json(body)

    @contextmanager
    def _understood(self) -> Iterator[None]:
        """An answer of another form than the API has is told as such."""
        try:
            yield
        except (ValueError, KeyError, TypeError) as error:
            raise Hal0Error("system.bad_answer", where=str(self.address), reason=_first_line(error)) from error


def _data_of(block: bytes) -> bytes:
    return b"\n".join(line[5:].lstrip() for line in block.split(b"\n") if line.startswith(b"data:"))


def _read_event(data: bytes) -> Fact | None:
    try:
        event = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Hal0Error("system.bad_answer", where="the event stream", reason=_first_line(error)) from error
    return read_fact(event) if isinstance(event, dict) else None


def _raise_for(address: Address, status: int, body: bytes) -> None:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    if error := Hal0Error.from_envelope(answer):
        raise error
    told = answer.get("error") if isinstance(answer, dict) else None
    reason = str(told.get("message")) if isinstance(told, dict) else f"status {status}"
    raise Hal0Error("system.bad_answer", where=str(address), reason=reason)


@asynccontextmanager
async def _translated(address: Address) -> AsyncIterator[None]:
    """Turns what httpx raises into the catalogue's codes."""
    import httpx

    try:
        yield
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        # In a thread: what closes the connection is asked whether it speaks TLS.
        raise await asyncio.to_thread(unreached, error, where=str(address)) from error


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0]
