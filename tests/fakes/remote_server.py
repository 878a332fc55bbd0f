"""A provider elsewhere, as a thread of the test: OpenAI's API with a key, a list of models, and its ways of failing."""

import json
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.fakes.openai_server import Handler, Server


class RemoteServer(Server):
    """`script` says how the next answers come; `asked` remembers what was sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), RemoteHandler)
        self.key = "sk-remote"
        self.models = ["big", "vendor/model-a", "vendor/model-b"]
        self.status = 200
        self.more_headers: dict[str, str] = {}
        self.breaks_off = False
        self.pricing: dict[str, str] | None = None  # as OpenRouter's list has it
        self.cost: float | None = None  # what its answers say that they took
        self.stalls = False  # in the middle of a stream
        self.silent = threading.Event()  # set: it accepts, and says nothing
        self.asked: list[tuple[str, dict[str, str], Any]] = []

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that leave are part of the tests."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    @property
    def chats(self) -> list[tuple[str, dict[str, str], Any]]:
        return [each for each in self.asked if each[0].endswith("/chat/completions")]


class RemoteHandler(Handler):
    server: RemoteServer

    def do_GET(self) -> None:  # noqa: N802 - the library's name
        self.server.asked.append((self.path, dict(self.headers), None))
        if not self.is_allowed():
            self.fail(401, "Incorrect API key provided")
        elif self.path == "/v1/models":
            more = {"pricing": self.server.pricing} if self.server.pricing else {}
            data = [{"id": id, "object": "model", "context_length": 4096, **more} for id in self.server.models]
            self.answer(200, {"object": "list", "data": data})
        else:
            self.fail(404, "Not Found")

    def problem(self, body: dict[str, Any]) -> tuple[int, str] | None:
        self.server.asked.append((self.path, dict(self.headers), body))
        while self.server.silent.is_set():
            time.sleep(0.01)
        if self.server.status != 200:
            return self.server.status, "so it says"
        return None

    def send_response(self, code: int, message: str | None = None) -> None:
        super().send_response(code, message)
        for name, value in self.server.more_headers.items():
            self.send_header(name, value)

    def answer(self, status: int, body: Any) -> None:
        if self.server.cost is not None and "usage" in body:
            body["usage"]["cost"] = self.server.cost
        super().answer(status, body)

    def do_POST(self) -> None:  # noqa: N802 - the library's name
        if self.path == "/v1/responses" and self.is_allowed():
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            self.server.asked.append((self.path, dict(self.headers), body))
            self.respond(body)
        else:
            super().do_POST()

    def respond(self, body: dict[str, Any]) -> None:
        """OpenAI's Responses API, as far as a request that passes through needs it."""
        part = {"type": "output_text", "text": "stored and answered", "annotations": []}
        item = {"id": "msg_far", "type": "message", "status": "completed", "role": "assistant", "content": [part]}
        usage = {"input_tokens": 11, "output_tokens": 3, "total_tokens": 14}
        whole = {"id": "resp_far", "object": "response", "status": "completed", "model": body["model"]}
        whole |= {"output": [item], "usage": {**usage, "input_tokens_details": {"cached_tokens": 4}}}
        if not body.get("stream"):
            self.answer(200, whole)
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number, word in enumerate(("stored ", "and ", "answered")):
            self.event({"type": "response.output_text.delta", "sequence_number": number, "delta": word})
        self.event({"type": "response.completed", "sequence_number": 3, "response": whole})
        self.wfile.write(b"0\r\n\r\n")

    def event(self, event: dict[str, Any]) -> None:
        data = json.dumps(event, separators=(",", ":"))
        self.chunk(f"event: {event['type']}\ndata: {data}\n\n".encode())

    def stream(self, head: dict[str, Any], words: Iterable[str]) -> None:
        if self.server.stalls:
            self.server.silent.set()
        if self.server.breaks_off:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            choice = {"index": 0, "delta": {"content": "half "}, "finish_reason": None}
            self.chunk(b"data: %b\n\n" % json.dumps({**head, "choices": [choice]}).encode())
            self.close_connection = True
            return
        super().stream(head, words)

    def chunk(self, data: bytes) -> None:
        super().chunk(data)
        while self.server.stalls and self.server.silent.is_set():
            time.sleep(0.01)


@contextmanager
def remote_server() -> Iterator[RemoteServer]:
    server = RemoteServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.silent.clear()
        server.shutdown()
        thread.join()
        server.server_close()
