"""One ComfyUI: asked over HTTP, listened to over its WebSocket, stopped by the id of a job and never otherwise.

https://docs.comfy.org/development/comfyui-server/comms_overview. What it says comes over the WebSocket; in case that
breaks, or a job was answered before anyone could listen, its queue and history are looked at every few seconds too.
"""

import asyncio
import json
import uuid
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import quote, urlencode

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from hal0.backends.comfyui_job import Job, Progress
from hal0.errors import Hal0Error
from hal0.workflows import Graph

ASK_SECONDS = 30.0
HEALTH_SECONDS = 3.0
LOOK_SECONDS = 2.0  # between looks at the queue and the history
RECONNECT_SECONDS = 1.0
MISSING_LOOKS = 2  # in a row, before a job counts as lost: between two looks it may move from queue to history
STOP_SECONDS = 5.0
RECENT_MESSAGES = 256  # a job may begin before its id is known here
RECENT_STOPS = 256
PICTURE_BYTES = 64 * 2**20
MESSAGE_BYTES = 64 * 2**20  # an error has the inputs of its node in it

Report = Callable[[Progress], None]


class Unreachable(Exception):  # noqa: N818 - it says what ComfyUI is
    """Nothing answers, or something else than ComfyUI."""


class Silent(Unreachable):
    """It is there, but does not answer in time: it may be busy."""


class Refused(Exception):  # noqa: N818 - it says what became of the graph
    """ComfyUI does not take the graph; its own words."""

    def __init__(self, error: Mapping[str, Any], node_errors: Mapping[str, Any]) -> None:
        super().__init__(str(error.get("message", "")))
        self.error = error
        self.node_errors = node_errors


class Comfy:
    """Owner of the connections to one ComfyUI, and of the jobs that it was given here."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._client_id = uuid.uuid4().hex
        # Not through a proxy of the environment: it is on this machine or beside it.
        self._http = httpx.AsyncClient(base_url=self.url, timeout=ASK_SECONDS, trust_env=False)
        self._jobs: dict[str, Job] = {}
        self._recent: deque[tuple[str, Mapping[str, Any]]] = deque(maxlen=RECENT_MESSAGES)
        self._stopped: deque[str] = deque(maxlen=RECENT_STOPS)
        self._background: set[asyncio.Task[None]] = set()
        self._listens = asyncio.Event()

    async def stats(self) -> Mapping[str, Any]:
        """What it says of itself; raises Unreachable."""
        answer = await self._ask("GET", "/system_stats", timeout=HEALTH_SECONDS)
        if "system" not in answer:
            raise Unreachable("what answers there is not ComfyUI")
        return answer

    async def nodes(self, classes: Sequence[str]) -> dict[str, Any]:
        """What it knows of these kinds of nodes; those that it does not know are missing."""
        found: dict[str, Any] = {}
        for name in classes:
            found |= await self._ask("GET", f"/object_info/{_quoted(name)}")
        return found

    async def draw(self, graph: Graph, report: Report) -> list[bytes]:
        """Run a graph and fetch its pictures; raises Refused, Unreachable or Hal0Error.

        Whoever cancels this has the job taken out of the queue, or interrupted, by its id.
        """
        await self._heard()
        job = await self._submit(graph)
        try:
            await self._until_done(job, report)
            return [await self._picture(each) for each in job.pictures]
        finally:
            del self._jobs[job.id]
            if not job.has_ended:
                self._later(self._stop(job.id))

    async def settle(self) -> None:
        """Wait until ComfyUI has been told of every job that nobody wants any more, for a moment."""
        if self._background:
            await asyncio.wait(self._background, timeout=STOP_SECONDS)

    async def is_quiet(self) -> bool:
        """Whether it has no job of anybody else's. One that was stopped here may be in its last step."""
        running, waiting = await self._queue()
        return {*running, *waiting} <= {*self._stopped}

    async def free(self) -> None:
        """Let it unload its models; it does so after the job that runs."""
        await self._post("/free", {"unload_models": True, "free_memory": True})

    async def close(self) -> None:
        await self.settle()
        await self._http.aclose()

    async def listen(self) -> None:
        """Hear of jobs, for as long as the program runs."""
        scheme, _, rest = self.url.partition("://")
        where = f"{'wss' if scheme == 'https' else 'ws'}://{rest}/ws?clientId={self._client_id}"
        while True:
            with suppress(OSError, TimeoutError, WebSocketException):
                async with connect(where, max_size=MESSAGE_BYTES, proxy=None, ping_interval=None) as messages:
                    self._listens.set()
                    async for message in messages:
                        if isinstance(message, str):  # bytes are previews of pictures
                            self._hear(message)
            self._listens.clear()
            await asyncio.sleep(RECONNECT_SECONDS)

    # ------------------------------------------------------------------------------------------------------------

    async def _heard(self) -> None:
        """Wait for the WebSocket for a moment; without it a job is looked at instead."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_SECONDS):
                await self._listens.wait()

    def _hear(self, message: str) -> None:
        try:
            told = json.loads(message)
            kind, data = told["type"], told["data"]
            id = data["prompt_id"]
        except (ValueError, TypeError, LookupError, RecursionError):  # of the queue, of its log, of nodes of others
            return
        if not isinstance(id, str):
            return
        self._recent.append((kind, data))
        if (job := self._jobs.get(id)) is not None:
            job.hear(kind, data)

    async def _submit(self, graph: Graph) -> Job:
        sending = asyncio.ensure_future(self._send(graph))
        try:
            id = await asyncio.shield(sending)
        except asyncio.CancelledError:
            self._later(self._stop_when_known(sending))
            raise
        job = self._jobs[id] = Job(id, graph)
        for kind, data in self._recent:
            if data["prompt_id"] == id:
                job.hear(kind, data)
        return job

    async def _send(self, graph: Graph) -> str:
        answer = await self._post("/prompt", {"prompt": graph, "client_id": self._client_id})
        id = answer.get("prompt_id")
        if not isinstance(id, str):
            raise Unreachable("its answer to /prompt has no prompt_id")
        return id

    async def _until_done(self, job: Job, report: Report) -> None:
        """Wait for the end of it; raises what it failed of."""
        missed = 0
        while not job.has_ended:
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await job.changed.wait()
            except TimeoutError:
                with suppress(Silent):  # then nothing is reported either, and hal0 ends it after its own patience
                    missed = 0 if await self._look(job) else missed + 1
                    report(job.progress)
                if missed == MISSING_LOOKS:
                    job.fail(Hal0Error("dispatch.upstream_failed", reason="ComfyUI has dropped the job"))
            else:
                report(job.progress)
            job.changed.clear()
        if job.failure is None:
            await self._look(job)
        job.result()

    async def _look(self, job: Job) -> bool:
        """Ask for what the WebSocket may not have told; whether the job is anywhere."""
        history = await self._ask("GET", f"/history/{_quoted(job.id)}")
        if (entry := history.get(job.id)) is not None:
            job.ended_as(entry)
            return True
        running, waiting = await self._queue()
        if job.id in waiting:
            job.waits_behind(len(running) + waiting.index(job.id))
        return job.id in running or job.id in waiting

    async def _queue(self) -> tuple[list[str], list[str]]:
        """Ids of the jobs that run, and of those that wait, the next one first."""
        queue = await self._ask("GET", "/queue")
        try:
            waiting = sorted(queue["queue_pending"], key=lambda item: item[0])
            return [str(item[1]) for item in queue["queue_running"]], [str(item[1]) for item in waiting]
        except (LookupError, TypeError) as error:
            raise Unreachable("its answer to /queue makes no sense") from error

    async def _stop_when_known(self, sending: "asyncio.Future[str]") -> None:
        with suppress(Refused, Unreachable):
            await self._stop(await sending)

    async def _stop(self, id: str) -> None:
        """Older releases take every /interrupt for one of all, so it is sent only while this very job runs."""
        self._stopped.append(id)
        with suppress(Unreachable, Refused):
            await self._post("/queue", {"delete": [id]})
            running, _ = await self._queue()
            if id in running:
                await self._post("/interrupt", {"prompt_id": id})

    async def _picture(self, reference: Mapping[str, Any]) -> bytes:
        names = {name: str(reference.get(name, "")) for name in ("filename", "subfolder", "type")}
        held = bytearray()
        with _translated():
            async with self._http.stream("GET", f"/view?{urlencode(names)}") as answer:
                if answer.status_code != 200:
                    reason = f"ComfyUI does not give out its picture {names['filename']} (status {answer.status_code})"
                    raise Hal0Error("dispatch.upstream_failed", reason=reason)
                async for part in answer.aiter_bytes():
                    held += part
                    if len(held) > PICTURE_BYTES:
                        reason = f"ComfyUI gave a picture of more than {PICTURE_BYTES} bytes"
                        raise Hal0Error("dispatch.upstream_failed", reason=reason)
        return bytes(held)

    async def _post(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        return await self._ask("POST", path, json=body)

    async def _ask(self, method: str, path: str, **more: Any) -> Mapping[str, Any]:
        """What it answers; raises Unreachable, or Refused for an answer 400 with reasons."""
        answer = await self._request(method, path, **more)
        try:
            body = json.loads(answer.content) if answer.content else {}
        except (ValueError, RecursionError) as error:
            raise Unreachable(f"its answer to {path} is not JSON") from error
        if not isinstance(body, dict):
            raise Unreachable(f"its answer to {path} makes no sense")
        if answer.status_code == 400 and isinstance(body.get("error"), dict):
            errors = body.get("node_errors")
            raise Refused(body["error"], errors if isinstance(errors, dict) else {})
        if answer.status_code != 200:
            raise Unreachable(f"{path.partition('?')[0]} answers {answer.status_code}")
        return body

    async def _request(self, method: str, path: str, **more: Any) -> httpx.Response:
        with _translated():
            return await self._http.request(method, path, **more)

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except httpx.ReadTimeout as error:
        raise Silent("no answer in time") from error
    except httpx.HTTPError as error:
        raise Unreachable(str(error) or type(error).__name__) from error


def _quoted(text: str) -> str:
    return quote(text, safe="")
