"""The way from a command to the daemon: the admin API over its Unix socket, or over TCP with an address.

The standard library's client is used because a command is short: httpx takes longer to import than a command may run.
Every failure is a `Hal0Error`: the daemon's own, or one that says that the daemon cannot be reached or understood.
"""

import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection, IncompleteRead
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

from pydantic import BaseModel, ValidationError

from hal0.access import Access, checked_address, unreached
from hal0.errors import Hal0Error
from hal0.paths import find_socket

ANSWER_SECONDS = 15.0  # the admin API answers from memory; longer means that it hangs

B = TypeVar("B", bound=BaseModel)


class _UnixConnection(HTTPConnection):
    def __init__(self, path: Path, timeout: float | None) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Daemon:
    """A daemon's admin API, and its /v1 beside that. Each call is one connection."""

    def __init__(self, address: str | Path, access: Access | None = None) -> None:
        self.address = address
        self._access = access or Access()

    @classmethod
    def at(cls, host: str | None) -> "Daemon":
        """The daemon named by `--host` or HAL0_URL, else the one of this user's socket, which wants no key."""
        named = host or os.environ.get("HAL0_URL")
        return cls(named, Access.of(os.environ)) if named else cls(find_socket())

    @property
    def _url(self) -> str:
        return str(self.address) if isinstance(self.address, Path) else checked_address(self.address)

    @property
    def where(self) -> str:
        return str(self.address)

    def get(self, path: str, model: type[B]) -> B:
        return self.parse(self.ask("GET", path), model)

    def post(self, path: str, model: type[B]) -> B:
        return self.parse(self.ask("POST", path), model)

    def send(self, method: str, path: str, value: object, *, headers: Mapping[str, str] | None = None) -> bytes:
        """As `ask`, with a JSON value to say."""
        return self.ask(method, path, body=json.dumps(value).encode(), headers=headers)

    def ask(
        self, method: str, path: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> bytes:
        """The body of a successful answer: JSON of some kind."""
        with self.open(method, path, body=body, headers=headers) as answer, self.translated():
            body = answer.read()
        try:
            json.loads(body)
        except ValueError as error:
            raise Hal0Error("system.bad_answer", where=self.where, reason="it is not JSON") from error
        return body

    def follow(self, path: str) -> Iterator[bytes]:
        """The data of server-sent events as they come; that they end is a failure, for the daemon has ended."""
        with self.open("GET", path, timeout_seconds=None) as answer, self.translated():
            check_stream(answer, where=self.where)
            yield from event_data(answer)
            raise self._down("it ended the stream")

    @contextmanager
    def open(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_seconds: float | None = ANSWER_SECONDS,
    ) -> Iterator[HTTPResponse]:
        """An answer whose body is still to be read; raises if its status tells of a failure."""
        connection = self._connection(timeout_seconds)
        try:
            with self.translated():
                said = {"Content-Type": "application/json", **self._access.headers, **(headers or {})}
                connection.request(method, path, body=body, headers=said)
                answer = connection.getresponse()
                if answer.status >= 300:
                    raise self._failure(answer.status, answer.read())
            yield answer
        finally:
            connection.close()

    def _connection(self, timeout_seconds: float | None) -> HTTPConnection:
        if isinstance(self.address, Path):
            return _UnixConnection(self.address, timeout_seconds)
        parts = urlsplit(checked_address(self.address))
        assert parts.hostname is not None
        if parts.scheme == "http":
            return HTTPConnection(parts.hostname, parts.port, timeout=timeout_seconds)
        return HTTPSConnection(parts.hostname, parts.port, timeout=timeout_seconds, context=self._access.context())

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Make what the socket and the protocol raise a failure with a code."""
        try:
            yield
        except (OSError, UnicodeError) as error:  # the latter: a name that cannot be one of a host
            raise unreached(error, where=self._url) from error
        except IncompleteRead as error:
            raise self._down("the connection was closed") from error
        except HTTPException as error:
            raise Hal0Error("system.bad_answer", where=self.where, reason="it is not HTTP") from error

    def _down(self, reason: str) -> Hal0Error:
        return Hal0Error("system.daemon_down", where=self.where, reason=reason)

    def _failure(self, status: int, body: bytes) -> Hal0Error:
        try:
            answer = json.loads(body)
        except ValueError:
            answer = None
        return failure_in(answer, where=self.where, otherwise=f"status {status} without an error code")

    def parse(self, body: bytes, model: type[B]) -> B:
        """A body as the model that it should be."""
        try:
            return model.model_validate_json(body)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            reason = f"{place}: {first['msg']}" if place else first["msg"]
            raise Hal0Error("system.bad_answer", where=self.where, reason=reason) from error


def failure_in(answer: Any, *, where: str, otherwise: str) -> Hal0Error:
    """The failure an envelope tells of, also when its code is of a newer daemon."""
    if known := Hal0Error.from_envelope(answer):
        return known
    error = answer.get("error") if isinstance(answer, dict) else None
    if isinstance(error, dict) and error.get("code"):
        otherwise = f"{error['code']}: {error.get('message', '')}"
    return Hal0Error("system.bad_answer", where=where, reason=otherwise)


def check_stream(answer: HTTPResponse, *, where: str) -> None:
    """Raises `system.bad_answer` if no events come."""
    if answer.headers.get_content_type() != "text/event-stream":
        raise Hal0Error("system.bad_answer", where=where, reason="it is not a stream of events")


def event_data(answer: HTTPResponse) -> Iterator[bytes]:
    """The `data:` of each server-sent event."""
    data: list[bytes] = []
    while line := answer.readline():
        line = line.rstrip(b"\r\n")
        if line.startswith(b"data:"):
            data.append(line[5:].removeprefix(b" "))
        elif not line and data:
            yield b"\n".join(data)
            data = []


def part(name: str) -> str:
    """A name as one part of a path."""
    return quote(name, safe="")
