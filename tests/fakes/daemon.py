"""A daemon that is only its admin API: a real HTTP server, with a state and events that a test scripts.

`python -m tests.fakes.daemon --socket PATH` runs one that is busy, to look at the dashboard without any model.
"""

import argparse
import asyncio
import itertools
import json
import random
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel

from hal0.daemon.events import EventBus
from hal0.errors import Hal0Error
from hal0.wire import (
    Accepted,
    CommandView,
    ConfigTexts,
    ConfigValue,
    DeviceView,
    EventKind,
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
    SlotView,
    State,
    TokenBatch,
)

KEEP_ALIVE_SECONDS = 5.0


class FakeDaemon:
    """Serves `state`; `publish` sends an event to every dashboard; `calls` tells what was asked."""

    def __init__(self, state: State, socket: Path | None = None, *, clock: Callable[[], float] = time.time) -> None:
        self.state = state
        self.bus = EventBus(clock=clock)
        self.calls: list[tuple[str, str]] = []
        self.targets: list[str] = []  # what was asked, with the query
        self.keys: set[str] = set()  # what was shown as a key
        self.bodies: dict[tuple[str, str], Any] = {}  # the last one of each call
        self.past: PastView | None = None
        self.heads: dict[tuple[str, str], dict[str, str]] = {}  # headers of the last one of each call, in small letters
        self.models: list[ModelView] = []
        self.details: dict[str, ModelDetail] = {}  # of models, by name
        self.logs: dict[str, list[str]] = {}
        self.log_times: dict[str, list[float]] = {}  # of these lines, as far as they are known
        self.ledgers: dict[str, list[LedgerEntry]] = {}
        self.commands: dict[str, CommandView] = {}
        self.refusals: dict[tuple[str, str], Hal0Error] = {}
        self.revisions: list[Revision] = []
        self.rolled_back: list[int] = []  # revisions that were gone back to
        self.differences: dict[str, list[str]] = {}  # by the query
        self.plans: dict[str, SlotPlan] = {}  # of new slots, by name; "" for all others
        self.texts: ConfigTexts | None = None  # the files of the configuration
        self.text_plan = PlanView(revision=1)  # of another text
        self.values: list[ConfigValue] = []  # of the configuration
        self.place: KeyPlace | None = None  # of whatever is looked for in the configuration
        self.called = asyncio.Condition()
        self.printed = asyncio.Condition()
        self.answers: dict[str, list[Any]] = {}  # of a model to a chat: texts, deltas, errors, None for a pause
        self.go_on = asyncio.Event()
        self.url = ""
        self._socket = socket
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        if self._socket is not None:
            self._server = await asyncio.start_unix_server(self._serve, self._socket)
        else:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
            self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        """Go away as a killed daemon does: every connection breaks."""
        assert self._server is not None
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        if self._socket is not None:
            self._socket.unlink(missing_ok=True)

    def publish(self, kind: EventKind, data: BaseModel | dict[str, Any]) -> None:
        self.bus.publish(kind, data)

    def change_slot(self, name: str, **update: Any) -> SlotView:
        """Change a slot in the state and say so."""
        slot = next(slot for slot in self.state.slots if slot.name == name).model_copy(update=update)
        slots = [slot if known.name == name else known for known in self.state.slots]
        self.state = self.state.model_copy(update={"slots": slots})
        self.publish("slot.transition", slot)
        return slot

    async def wait_for_call(self, method: str, path: str) -> None:
        async with asyncio.timeout(40), self.called:
            await self.called.wait_for(lambda: (method, path) in self.calls)

    async def wait_for_dashboard(self) -> None:
        async with asyncio.timeout(40):
            while not self.bus.watched:
                await asyncio.sleep(0.005)

    # HTTP ------------------------------------------------------------------------------------------------------
    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        assert self._server is not None
        if not self._server.is_serving():  # accepted by a daemon that was gone before this could begin
            writer.transport.abort()
            return
        self._connections.add(task)
        try:
            while asked := await reader.readuntil(b"\r\n\r\n"):
                method, target, _ = asked.split(b"\r\n", 1)[0].decode().split(" ")
                length = next(
                    (int(h[15:]) for h in asked.lower().split(b"\r\n") if h.startswith(b"content-length:")), 0
                )
                sent = await reader.readexactly(length)
                path, _, query = target.partition("?")
                self.targets.append(f"{method} {target}")
                if shown := re.search(rb"\r\nauthorization: (.*?)\r\n", asked, re.IGNORECASE):
                    self.keys.add(shown[1].decode())
                tag = re.search(rb'\r\nif-match: "(.*?)"', asked, re.IGNORECASE)
                heads = (each.partition(":") for each in asked.decode().split("\r\n")[1:] if each)
                self.heads[(method, path)] = {name.lower(): value.strip() for name, _, value in heads}
                self.bodies[(method, path)] = json.loads(sent or b"{}")
                async with self.called:
                    self.calls.append((method, path))
                    self.called.notify_all()
                if path == "/v1/chat/completions":
                    await self._chat(writer, self.bodies[(method, path)]["model"])
                    return
                if path.endswith("/logs") and "follow=1" in query and (method, path) not in self.refusals:
                    await self._stream_log(writer, path.split("/")[3])
                    return
                if path == "/api/events":
                    await self._stream(writer, int(query.removeprefix("since=") or 0))
                    return
                status, body = self._answer(method, path, query, tag[1].decode() if tag else "")
                head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
                writer.write(head.encode() + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            return  # the dashboard closed its end, or the fake goes away
        finally:
            self._connections.discard(task)
            writer.transport.abort()

    def _answer(self, method: str, path: str, query: str, tag: str) -> tuple[int, bytes]:
        if refusal := self.refusals.get((method, path)):
            return refusal.status, refusal.body()
        match method, path.strip("/").split("/"):
            case "GET", ["health"]:
                return 200, b'{"status":"ok"}'
            case "GET", ["api", "state"]:
                state = self.state.model_copy(update={"event_id": self.bus.last_id})
                return 200, state.model_dump_json().encode()
            case "GET", ["api", "history"] if self.past is not None:
                return 200, self.past.model_dump_json().encode()
            case "GET", ["api", "models"]:
                return 200, json.dumps({"models": [model.model_dump() for model in self.models]}).encode()
            case "GET", ["api", "models", name] if name in self.details:
                return 200, self.details[name].model_dump_json().encode()
            case "GET", ["api", "config"]:
                return 200, self.state.config.model_dump_json().encode()
            case "GET", ["api", "config", "text"] if self.texts is not None:
                return 200, self.texts.model_dump_json().encode()
            case "POST", ["api", "config", "plan"]:
                return 200, self.text_plan.model_dump_json().encode()
            case "PUT", ["api", "config"] if tag == (self.texts.tag if self.texts else ""):
                return 200, self.state.config.model_dump_json().encode()
            case "PUT", ["api", "config"]:
                error = Hal0Error("config.conflict", reason="it was changed meanwhile")
                return error.status, error.body()
            case "GET", ["api", "config", "values"]:
                return 200, json.dumps({"values": [value.model_dump() for value in self.values]}).encode()
            case "GET", ["api", "config", "history"]:
                kept = [revision.model_dump() for revision in self.revisions]
                return 200, json.dumps({"revisions": kept, "running": self.state.config.revision}).encode()
            case "GET", ["api", "config", "diff"]:
                return 200, json.dumps({"lines": self.differences.get(query, [])}).encode()
            case "POST", ["api", "config", "rollback"] if tag != self.state.config.tag:
                error = Hal0Error("config.conflict", reason="it was changed meanwhile")
                return error.status, error.body()
            case "POST", ["api", "config", "rollback"]:
                self.rolled_back.append(self.bodies[(method, path)]["revision"])
                return 200, self.state.config.model_dump_json().encode()
            case "GET", ["api", "config", "place"] if self.place is not None:
                return 200, self.place.model_dump_json().encode()
            case "POST", ["api", "slots", name, "plan"] if {name, ""} & self.plans.keys():
                return 200, self.plans.get(name, self.plans.get("")).model_dump_json().encode()
            case (("PUT" | "DELETE"), ["api", "slots", _]):
                return 200, self.state.config.model_dump_json().encode()
            case "POST", ["api", "slots", _, "pin"]:
                return 200, self.state.config.model_dump_json().encode()
            case "POST", ["api", "slots", name, ("load" | "unload" | "restart" | "swap") as verb]:
                return 202, Accepted(operation=verb, slot=name, since=self.bus.last_id).model_dump_json().encode()
            case "GET", ["api", "slots", name, "why"] if name in self.ledgers:
                entries = [entry.model_dump() for entry in self.ledgers[name]]
                return 200, json.dumps({"entries": entries}).encode()
            case "GET", ["api", "slots", name, "command"] if name in self.commands:
                return 200, self.commands[name].model_dump_json().encode()
            case "GET", ["api", "slots", name, "logs"]:
                return 200, LogLines(name=name, lines=self.logs.get(name, [])).model_dump_json().encode()
            case "GET", ["api", "requests", id]:
                return 200, next(view for view in self.state.requests if view.id == id).model_dump_json().encode()
            case "DELETE", ["api", "requests", _]:
                return 202, b"{}"
        error = Hal0Error("system.not_found", path=path, nearest="")
        return error.status, error.body()

    async def _chat(self, writer: asyncio.StreamWriter, model: str) -> None:
        """What `answers` has for the model, piece by piece; an error ends it, and a None waits until `go_on`."""
        pieces = self.answers[model]
        if isinstance(pieces[0], Hal0Error):
            body = pieces[0].body()
            head = f"HTTP/1.1 {pieces[0].status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            writer.write(f"{head}\r\n".encode() + body)
            await writer.drain()
            return
        head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
        writer.write(f"{head}x-hal0-load-ms: 412\r\n\r\n".encode())
        usage = {"completion_tokens": 40, "prompt_tokens": 100}
        for piece in (*pieces, {"choices": [], "usage": usage}, b"[DONE]"):
            if piece is None:
                await self.go_on.wait()
                continue
            data = piece if isinstance(piece, bytes) else json.dumps(_chunk_of(piece)).encode()
            writer.write(f"{len(data) + 8:x}\r\ndata: ".encode() + data + b"\n\n\r\n")
            await writer.drain()
            if isinstance(piece, Hal0Error):
                break
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    async def _stream_log(self, writer: asyncio.StreamWriter, slot: str) -> None:
        """The lines of a slot's log, then those that `print_line` adds."""
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        sent = 0
        while True:
            lines = self.logs.get(slot, [])
            if lines[sent:] or not sent:
                new = LogLines(name=slot, lines=lines[sent:], times=self.log_times.get(slot, [])[sent:])
                chunk = f"data: {new.model_dump_json()}\n\n".encode()
                sent = len(lines)
                writer.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
                await writer.drain()
            async with self.printed:
                await self.printed.wait()

    async def print_line(self, slot: str, line: str) -> None:
        self.logs.setdefault(slot, []).append(line)
        async with self.printed:
            self.printed.notify_all()

    async def _stream(self, writer: asyncio.StreamWriter, since: int) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")

        def send(text: str) -> None:
            chunk = text.encode()
            writer.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")

        with self.bus.subscribe(since=since) as subscription:
            while True:
                try:
                    async with asyncio.timeout(KEEP_ALIVE_SECONDS):
                        batch = await subscription.next_batch()
                except TimeoutError:
                    send(": keep-alive\n\n")
                else:
                    for event in batch:
                        body = {"id": event.id, "at": event.at, "kind": event.kind, "data": event.json_data()}
                        send(f"id: {event.id}\nevent: {event.kind}\ndata: {json.dumps(body)}\n\n")
                await writer.drain()


def _chunk_of(piece: Any) -> dict[str, Any]:
    if isinstance(piece, Hal0Error):
        envelope: dict[str, Any] = json.loads(piece.body())
        return envelope
    if isinstance(piece, str):
        piece = {"content": piece}
    return piece if "choices" in piece else {"choices": [{"delta": piece}]}


# A show: devices that move, requests that come, talk and go ---------------------------------------------------------
SPEECH = """so the reducer never sees a half-applied config. The watcher first parses the whole file, validates every
slot against the schema, and only then swaps the pointer.

Two things follow:
1. A reader gets one revision, never a mix of two.
2. `def merge(a, b):`
    return sorted(a + b)
Überraschend: 深い森の中で, e\u0301, \x1b[31mred\x1b[0m """
WORDS = SPEECH.split(" ")


async def show(daemon: FakeDaemon, *, streams: int, tokens_per_second: float) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_devices(daemon))
        chats = [slot.name for slot in daemon.state.slots if slot.kind == "chat" and slot.state in ("ready", "serving")]
        for number, name in zip(range(streams), itertools.cycle(chats), strict=False):
            tasks.create_task(_talk(daemon, name, number, tokens_per_second))


async def _devices(daemon: FakeDaemon) -> None:
    load = 0.5
    while True:
        await asyncio.sleep(1)
        load = min(1.0, max(0.0, load + random.uniform(-0.2, 0.2)))
        devices = [
            DeviceView.model_validate(device).model_copy(
                update={"utilisation": load} if device.kind != "memory" else {}
            )
            for device in daemon.state.devices
        ]
        daemon.state = daemon.state.model_copy(update={"devices": devices, "now": time.time()})
        daemon.publish("device.sample", {"devices": [device.model_dump() for device in devices], "slots": {}})


async def _talk(daemon: FakeDaemon, slot: str, number: int, rate: float) -> None:
    for turn in itertools.count(1):
        await asyncio.sleep(random.uniform(0.2, 2))
        view = RequestView(
            id=f"req-{number}{turn:05}", path="/v1/chat/completions", slot=slot, model="m", stream=True,
            started_at=time.time(), phase="prefill", prompt="why is a mixture of two revisions so dangerous?",
        )  # fmt: skip
        daemon.publish("request.started", view)
        await asyncio.sleep(random.uniform(0.1, 0.8))
        begin = time.time()
        view = view.model_copy(update={"phase": "decoding", "ttft_ms": (begin - view.started_at) * 1000})
        daemon.publish("request.phase", view)
        tokens = 0
        text = ""
        for word in itertools.islice(itertools.cycle(WORDS), random.randint(100, 600)):
            await asyncio.sleep(1 / rate)
            tokens += 1
            text += word + " "
            if tokens % max(1, round(rate / 15)) == 0:
                speed = tokens / (time.time() - begin)
                daemon.publish(
                    "request.tokens", TokenBatch(id=view.id, text=text, tokens=tokens, tokens_per_second=speed)
                )
                text = ""
        ended = {"phase": "finished", "outcome": "ok", "status": 200, "finished_at": time.time(), "tokens": tokens}
        daemon.publish("request.finished", view.model_copy(update=ended | {"tokens_per_second": rate}))


async def main() -> None:
    from tests.tui.samples import busy_state

    options = argparse.ArgumentParser()
    options.add_argument("--socket", type=Path, required=True)
    options.add_argument("--streams", type=int, default=2)
    options.add_argument("--rate", type=float, default=50.0)
    chosen = options.parse_args()
    chosen.socket.unlink(missing_ok=True)
    async with FakeDaemon(busy_state(time.time()), chosen.socket) as daemon:
        daemon.logs["rerank"] = [f"line {number} of the log" for number in range(30)]
        await show(daemon, streams=chosen.streams, tokens_per_second=chosen.rate)


if __name__ == "__main__":
    asyncio.run(main())
