"""`python -m hal0.backends.comfyui`: ComfyUI as a backend that answers OpenAI's `/v1/images/generations`.

It starts a checkout as its child, or uses one that runs elsewhere, turns each request into jobs of the slot's workflow,
and tells the daemon how far they are (docs/design/016-images.md has the form). `GET /health` answers 200 once ComfyUI
does and has all that the workflow needs. Takes the key from HAL0_BACKEND_KEY. Ends with status 2 for a wrong command
line, 3 if ComfyUI ended or is not there.
"""

import argparse
import asyncio
import base64
import json
import os
import secrets
import signal
import sys
import time
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from hal0.backends import comfyui_check, comfyui_request
from hal0.backends.comfyui_client import Comfy, Refused, Silent, Unreachable
from hal0.backends.comfyui_job import Progress
from hal0.backends.comfyui_process import Child
from hal0.backends.comfyui_request import Wanted
from hal0.backends.ignored import ignored_header
from hal0.backends.png import stripped
from hal0.backends.serving import EXIT_CANNOT_SERVE, KEY_ENV, App, Exchange, Refusal, serving_on
from hal0.errors import Hal0Error
from hal0.spool import FULL
from hal0.workflows import CURATED, Workflow, WorkflowInvalid, read

PROGRESS = [(b"content-type", b"application/vnd.hal0.progress")]
BODY_LIMIT_BYTES = 2**20
FIRST_POLL_SECONDS, LONGEST_POLL_SECONDS = 0.05, 0.5
REPORT_SECONDS = 0.1  # at most so often
NAME_BYTES = 24  # of randomness in the name of a picture's file


class Backend:
    """One ComfyUI with one workflow."""

    def __init__(self, comfy: Comfy, *, model: str, workflow: Path) -> None:
        self._comfy = comfy
        self._model = model
        self._workflow = workflow
        self._checkpoint = model
        self._problem: Hal0Error | None = None
        self._is_up = False

    async def bring_up(self, *, patient: bool) -> None:
        """Wait for ComfyUI and check the workflow; raises Unreachable if nothing is there and nobody is patient."""
        pause = FIRST_POLL_SECONDS
        while True:
            try:
                await self._comfy.stats()
                break
            except Unreachable as error:
                if not (patient or isinstance(error, Silent)):
                    raise
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, LONGEST_POLL_SECONDS)
        try:
            await self._check()
        except Hal0Error as error:
            self._problem = error
        self._is_up = True

    def app(self, *, key: str) -> App:
        return App(
            {("POST", "/v1/images/generations"): self._images},
            key=key,
            is_ready=lambda: self._is_up,
            body_limit_bytes=BODY_LIMIT_BYTES,
            health=self._health,
        )

    async def draw(self, workflow: Workflow, wanted: Wanted, index: int, report: Any) -> list[bytes]:
        """Run the workflow once; raises Hal0Error."""
        graph = workflow.filled({**wanted.for_picture(index), "checkpoint": self._checkpoint})
        try:
            return await self._comfy.draw(graph, report)
        except Refused as refused:
            raise _judged(refused, workflow, wanted) from refused
        except Unreachable as error:
            raise Hal0Error("dispatch.upstream_unavailable", reason=f"ComfyUI: {error}") from error

    def read(self, raw: bytes) -> tuple[Workflow, Wanted]:
        workflow = self._read_workflow()
        return workflow, comfyui_request.read(json.loads(raw), workflow, model=self._model)

    async def _images(self, exchange: Exchange) -> None:
        await Drawing(self, exchange).run()

    async def _health(self, exchange: Exchange) -> None:
        if self._problem is not None:
            raise self._problem
        try:
            await self._comfy.stats()
        except Unreachable as error:
            raise Refusal(f"ComfyUI: {error}", status=503) from error
        await exchange.json(200, {"status": "ok"})

    async def _check(self) -> None:
        """Find the file of the model, and what the graph lacks here; raises `dispatch.workflow_invalid`."""
        workflow = self._read_workflow()
        classes = sorted({node["class_type"] for node in workflow.graph.values()})
        try:
            nodes = await self._comfy.nodes([*classes, *comfyui_check.CHECKPOINT_NODES[: self._model in CURATED]])
        except Unreachable as error:
            raise Hal0Error("dispatch.upstream_unavailable", reason=f"ComfyUI: {error}") from error
        self._checkpoint = comfyui_check.checkpoint_of(self._model, nodes)
        graph = workflow.filled({"prompt": "x", "seed": 0, "model": self._model, "checkpoint": self._checkpoint})
        if errors := comfyui_check.node_errors(graph, nodes):
            raise Hal0Error("dispatch.workflow_invalid", reason=comfyui_check.sentence(errors), node_errors=errors)

    def _read_workflow(self) -> Workflow:
        """Each time anew: who works on it sees the effect at once."""
        try:
            return read(self._workflow)
        except WorkflowInvalid as error:
            reason = f"{self._workflow}: {error}"
            raise Hal0Error("dispatch.workflow_invalid", reason=reason, node_errors={}) from error


class Drawing:
    """One request: jobs one after another until there are enough pictures, and what the daemon hears of them."""

    def __init__(self, backend: Backend, exchange: Exchange) -> None:
        self._backend = backend
        self._exchange = exchange
        self._ignored: tuple[str, ...] = ()
        self._progress = Progress("waiting for ComfyUI", 0.0)
        self._reported = asyncio.Event()

    async def run(self) -> None:
        workflow, wanted = self._backend.read(self._exchange.body)
        self._ignored = wanted.ignored
        drawing = asyncio.ensure_future(self._draw(workflow, wanted))
        try:
            await self._tell(drawing)
            body = await self._answer(drawing.result(), wanted)
        except Hal0Error as error:
            if not self._exchange.has_begun:
                raise
            await self._line(error.envelope())
            await self._exchange.end()
            return
        finally:
            drawing.cancel()
            await asyncio.gather(drawing, return_exceptions=True)
        await self._begin()
        await self._line({"answer_bytes": len(body)})
        await self._exchange.end(body)

    async def _draw(self, workflow: Workflow, wanted: Wanted) -> list[tuple[bytes, int]]:
        """Pictures, each with its seed."""
        found: list[tuple[bytes, int]] = []
        for index in range(wanted.n):

            def report(progress: Progress, index: int = index) -> None:
                self._report(progress, index, wanted.n)

            drawn = await self._backend.draw(workflow, wanted, index, report)
            found += [(_plain(picture), wanted.seed_of(index)) for picture in drawn]
            if len(found) >= wanted.n:
                break
        return found[: wanted.n]

    def _report(self, progress: Progress, index: int, n: int) -> None:
        doing = progress.doing if n == 1 else f"picture {index + 1}/{n}, {progress.doing}"
        done = None if progress.done is None else (index + progress.done) / n
        self._progress = Progress(doing, done)
        self._reported.set()

    async def _tell(self, drawing: "asyncio.Future[Any]") -> None:
        """Lines for the daemon until it is done; what fails before the first of them is still a plain answer."""
        while not drawing.done():
            waiting = asyncio.ensure_future(self._reported.wait())
            try:
                await asyncio.wait({drawing, waiting}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                waiting.cancel()
            if drawing.done():
                break
            self._reported.clear()
            await self._begin()
            await self._line({"doing": self._progress.doing, "done": self._progress.done})
            await asyncio.wait({drawing}, timeout=REPORT_SECONDS)

    async def _answer(self, pictures: list[tuple[bytes, int]], wanted: Wanted) -> bytes:
        """The whole of it; pictures that are answered as a URL are kept. Raises what `_keep` does."""
        headers = self._exchange.headers
        folder, prefix = headers.get(b"x-hal0-pictures"), headers.get(b"x-hal0-pictures-url")
        data: list[dict[str, Any]] = []
        if wanted.as_url and folder and prefix:
            for picture, seed in pictures:
                name = await asyncio.to_thread(_keep, picture, Path(unquote(folder.decode())))
                data.append({"url": prefix.decode() + name, "seed": seed})
        else:
            data = [{"b64_json": base64.b64encode(picture).decode(), "seed": seed} for picture, seed in pictures]
        return json.dumps({"created": int(time.time()), "output_format": "png", "data": data}).encode()

    async def _begin(self) -> None:
        if not self._exchange.has_begun:
            await self._exchange.begin(200, PROGRESS + ignored_header(self._ignored))

    async def _line(self, told: Mapping[str, Any]) -> None:
        await self._exchange.part(json.dumps(told, default=str).encode() + b"\n")


def _judged(refused: Refused, workflow: Workflow, wanted: Wanted) -> Hal0Error:
    """Whose fault it is that ComfyUI does not take a graph: the request's, if only its values are wrong."""
    errors = refused.node_errors
    field = comfyui_check.asked_for(errors, workflow, wanted.given)
    reason = comfyui_check.sentence(errors, refused.error)
    if field is not None:
        field = "size" if field in ("width", "height") else field
        return Hal0Error("dispatch.invalid_request", param=field, field=field, reason=reason, node_errors=errors)
    return Hal0Error("dispatch.workflow_invalid", reason=reason, error=refused.error, node_errors=errors)


def _plain(picture: bytes) -> bytes:
    try:
        return stripped(picture)
    except ValueError as error:
        reason = f"ComfyUI gave {error} as a picture; let the workflow save or preview PNG"
        raise Hal0Error("dispatch.upstream_failed", reason=reason) from error


def _keep(picture: bytes, folder: Path) -> str:
    """Put it into the daemon's folder, whole or not at all; the name it has there.

    Raises `system.disk_full` or `system.state_unwritable`.
    """
    name = f"{secrets.token_urlsafe(NAME_BYTES)}.png"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        temporary = folder / f".{name}"
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(picture)
        temporary.rename(folder / name)
    except OSError as error:
        code = "system.disk_full" if error.errno in FULL else "system.state_unwritable"
        raise Hal0Error(code, path=str(folder), reason=error.strerror or str(error)) from error
    return name


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m hal0.backends.comfyui")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--model", required=True, help="the name of the model")
    parser.add_argument("--workflow", type=Path, required=True, help="the file with the graph")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--url", help="of a ComfyUI that runs")
    where.add_argument("--checkout", type=Path, help="the folder of a ComfyUI to start")
    parser.add_argument("--python", default=sys.executable, help="what runs the checkout")
    parser.add_argument("--checkpoints", type=Path, help="a folder with further checkpoints for the checkout")
    parser.add_argument("words", nargs="*", help="further words for the checkout's command line, after --")
    return parser.parse_args(argv)


async def run(args: argparse.Namespace) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    key = os.environ.pop(KEY_ENV, "")
    if args.url is not None:
        comfy = Comfy(args.url)
        status = await _serve(args, comfy, key=key, end=stop.wait(), patient=False)
        await _leave(comfy)
        return status
    child = await Child.start(args.checkout, python=args.python, checkpoints=args.checkpoints, words=args.words)
    try:
        ended = asyncio.ensure_future(child.wait())
        stopped = asyncio.ensure_future(stop.wait())
        either = asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
        status = await _serve(args, Comfy(child.url), key=key, end=either, patient=True)
        stopped.cancel()
        return status if stop.is_set() else EXIT_CANNOT_SERVE
    finally:
        await child.end()


async def _serve(
    args: argparse.Namespace, comfy: Comfy, *, key: str, end: Coroutine[Any, Any, Any], patient: bool
) -> int:
    """Answer until the end; the exit status."""
    backend = Backend(comfy, model=args.model, workflow=args.workflow)
    listening = asyncio.ensure_future(comfy.listen())
    starting = asyncio.ensure_future(backend.bring_up(patient=patient))
    ending = asyncio.ensure_future(end)
    serving = asyncio.ensure_future(serving_on(backend.app(key=key), args.port))
    tasks = (serving, listening, starting, ending)
    try:
        await asyncio.wait({starting, ending, serving}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
        await asyncio.wait({ending, serving}, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()
        return 0
    except Unreachable as error:
        sys.stderr.write(f"error: there is no ComfyUI at {comfy.url}: {error}\n")
        return EXIT_CANNOT_SERVE
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _leave(comfy: Comfy) -> None:
    """Give back the memory of a ComfyUI that goes on, unless somebody else works with it."""
    with suppress(Unreachable, Refused):
        await comfy.settle()
        if await comfy.is_quiet():
            await comfy.free()
    await comfy.close()


def main() -> int:
    try:
        return asyncio.run(run(parse(sys.argv[1:])))
    except OSError as error:
        sys.stderr.write(f"error: {error}\n")
        return EXIT_CANNOT_SERVE


if __name__ == "__main__":
    sys.exit(main())
