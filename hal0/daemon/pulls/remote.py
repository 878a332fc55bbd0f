"""HTTP towards those who have models: one request at a time, redirects by hand, failures told apart.

Credentials go to the hub alone, and are dropped for good at the first redirect that leaves it. What may work at
another try is `Interruption`; what will not is a `Hal0Error`.
"""

import logging
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Self

from hal0 import __version__
from hal0.daemon.pulls.pace import Pace
from hal0.daemon.pulls.token import Token
from hal0.errors import Hal0Error
from hal0.unreached import in_words, untrusted

if TYPE_CHECKING:
    import httpx

HUB = "https://huggingface.co"
MOST_REDIRECTS = 10
REDIRECTS = (301, 302, 303, 307, 308)
PASSING = (408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524)
BUSY = (429, 503)
ERROR_BODY_BYTES = 2_000
LOCAL = ("127.0.0.1", "localhost", "::1")


class Interruption(Exception):  # noqa: N818 - it says what happened
    """It did not work this time. `retry_after` is what the server asked for, in seconds."""

    def __init__(
        self, reason: str, *, retry_after: float | None = None, busy: bool = False, unreachable: bool = False
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after
        self.busy = busy  # the server has too much to do, perhaps with us
        self.unreachable = unreachable  # no connection came about at all


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer whose body is still to be read, and what the hub said of the file on the way to it."""

    response: "httpx.Response"
    linked: Mapping[str, str] = field(default_factory=dict)
    redirected: bool = False

    @property
    def status(self) -> int:
        return self.response.status_code

    def header(self, name: str) -> str:
        return str(self.response.headers.get(name, ""))


class Remote:
    """The way to servers for one pull. Use as `async with`."""

    def __init__(self, *, model: str, hub: str = HUB, token: Token | None = None, pace: Pace) -> None:
        self.model = model
        self.hub = hub.rstrip("/")
        self.token = token
        self.pace = pace
        self.heard = False  # whether any server has answered yet
        self._client: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        import httpx  # here: it takes longer to import than many daemons need to start, and most never pull

        # They log addresses, and those that the hub redirects to are as good as a key to the file.
        for name in ("httpx", "httpcore"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self._client = httpx.AsyncClient(
            follow_redirects=False,
            timeout=httpx.Timeout(self.pace.stall_seconds, connect=self.pace.connect_seconds, pool=None),
            limits=httpx.Limits(max_connections=None),
            headers={"User-Agent": f"hal0/{__version__}", "Accept": "*/*", "Accept-Encoding": "identity"},
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._client is not None:
            await self._client.aclose()

    @asynccontextmanager
    async def open(self, url: str, *, headers: Mapping[str, str] | None = None) -> AsyncIterator[Answer]:
        """An answer of 200, 206 or 416. Raises `Interruption` or a failure that another try does not mend."""
        with self._translated(url):
            answer = await self._follow(url, dict(headers or {}))
        try:
            if answer.status not in (200, 206, 416):
                raise await self._refusal(url, answer)
            encoding = answer.header("content-encoding").lower()
            if encoding not in ("", "identity"):
                raise Hal0Error(
                    "model.pull_failed", model=self.model, host=host_of(url), reason=f"it sends {encoding}, unasked"
                )
            with self._translated(url):
                yield answer
        finally:
            await answer.response.aclose()

    async def _follow(self, url: str, headers: dict[str, str]) -> Answer:
        import httpx

        assert self._client is not None, "used outside of `async with`"
        at = httpx.URL(url)
        linked: dict[str, str] = {}
        trusted = self.token is not None and self._is_hub(at)
        for hop in range(MOST_REDIRECTS + 1):
            credentials = self.token.header() if self.token is not None and trusted else {}
            # No cookies either: the client is made for one pull, and keeps those of each host apart.
            request = self._client.build_request("GET", at, headers={**headers, **credentials})
            response = await self._client.send(request, stream=True)
            self.heard = True
            if self._is_hub(at):
                linked |= {k: v for k, v in response.headers.items() if k.startswith(("x-linked-", "x-repo-"))}
            if response.status_code not in REDIRECTS or "location" not in response.headers:
                return Answer(response, linked, redirected=hop > 0)
            await response.aclose()
            try:
                before, at = at, at.join(response.headers["location"])
            except (httpx.InvalidURL, ValueError) as error:
                reason = "it redirects to what is no address"
                raise Hal0Error("model.pull_failed", model=self.model, host=at.host, reason=reason) from error
            if at.scheme not in ("http", "https") or (before.scheme == "https" and at.scheme == "http"):
                reason = f"it redirects from {before.scheme} to {at.scheme or 'nowhere'}"
                raise Hal0Error("model.pull_failed", model=self.model, host=before.host, reason=reason)
            if at.userinfo:
                at = at.copy_with(username="", password="")
            trusted = trusted and self._is_hub(at)
        raise Hal0Error("model.pull_failed", model=self.model, host=host_of(url), reason="it redirects without end")

    def _is_hub(self, url: "httpx.URL") -> bool:
        import httpx

        hub = httpx.URL(self.hub)
        same = (url.scheme, url.host, _port(url)) == (hub.scheme, hub.host, _port(hub))
        return same and (url.scheme == "https" or url.host in LOCAL)

    async def _refusal(self, url: str, answer: Answer) -> Exception:
        """What a status other than success means."""
        status, host = answer.status, host_of(url)
        code = answer.header("x-error-code")
        words = answer.header("x-error-message") or f"status {status}"
        wait = retry_after(answer.header("retry-after"))
        if status in PASSING:
            said = {429: "it has had too many requests", 503: "it is overloaded"}.get(status, f"it answers {status}")
            return Interruption(said, retry_after=wait, busy=status in BUSY)
        if answer.redirected and status in (401, 403, 410):
            return Interruption(f"the address it redirected to answers {status}")  # such addresses expire
        source = url.partition("?")[0]
        if status in (401, 403) and code != "RepoNotFound":
            return Hal0Error(
                "model.access_denied", host=host, source=self.model, reason=words, fix=self._how_to_get_in(url, host)
            )
        if status in (404, 410) or code in ("RepoNotFound", "EntryNotFound", "RevisionNotFound"):
            if status == 401 and self.token is None:
                fix = self._how_to_get_in(url, host)
                reason = "it is private, gated, or not there"
                return Hal0Error("model.access_denied", host=host, source=self.model, reason=reason, fix=fix)
            return Hal0Error("model.source_not_found", host=host, source=source)
        return Hal0Error("model.pull_failed", model=self.model, host=host, reason=f"it answers {status}")

    def _how_to_get_in(self, url: str, host: str) -> str:
        import httpx

        if not self._is_hub(httpx.URL(url)):
            return "hal0 has no credentials for this server: fetch the file yourself, then `hal0 model add FILE`."
        if self.token is None:
            return (
                "Accept the licence on the page of the model, make a token with the right to read, and put it into a "
                "file of mode 0600 that `hf_token_file` in [models] names, or into HF_TOKEN of the daemon."
            )
        return f"The token from {self.token.origin} was sent: accept the licence on the page of the model as its owner."

    @contextmanager
    def _translated(self, url: str) -> Iterator[None]:
        import httpx

        try:
            yield
        except httpx.TimeoutException as error:
            unreachable = isinstance(error, httpx.ConnectTimeout)
            reason = "no connection in time" if unreachable else f"nothing came for {self.pace.stall_seconds:g} s"
            raise Interruption(reason, unreachable=unreachable) from error
        except httpx.ConnectError as error:
            reason = in_words(error)
            if untrusted(error):
                raise Hal0Error("model.pull_failed", model=self.model, host=host_of(url), reason=reason) from error
            raise Interruption(reason, unreachable=True) from error
        except httpx.TransportError as error:
            raise Interruption(in_words(error)) from error


def host_of(url: str) -> str:
    from urllib.parse import urlsplit

    return urlsplit(url).hostname or url


def is_local(url: str) -> bool:
    return host_of(url) in LOCAL


def retry_after(value: str) -> float | None:
    """Seconds that a server asks to wait: it says a number, or a date."""
    value = value.strip()
    if value.isascii() and value.isdecimal():
        return float(value[:9])
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def _port(url: "httpx.URL") -> int:
    return url.port or (443 if url.scheme == "https" else 80)
