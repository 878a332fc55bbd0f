"""A daemon's HTTP side with answers laid down by the test: a real server on a Unix socket and on a TCP port.

For what a real daemon does not do on demand: be of another version, answer nonsense, break off, fall silent.
"""

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any

from pydantic import BaseModel

from hal0.errors import Hal0Error

Body = bytes | str | BaseModel | dict[str, Any] | Hal0Error
Pieces = Iterable[bytes]


class FakeAdmin:
    """Answers by "METHOD /path"; a list is answered item by item, its last item for ever."""

    def __init__(self, runtime: Path) -> None:
        self.runtime = runtime
        self.answers: dict[str, Body | list[Body] | Callable[[], Pieces]] = {}
        self.asked: list[tuple[str, bytes]] = []  # "METHOD /path?query" and the body of each request
        self.url = ""

    def next_answer(self, route: str) -> Body | Callable[[], Pieces]:
        answer = self.answers.get(route)
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if answer is None:
            return Hal0Error("system.not_found", path=route, nearest="")
        return answer


class _UnixServer(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True

    def get_request(self) -> Any:
        connection, _ = super().get_request()
        return connection, ("", 0)  # the handler wants a host and a port


def _handler(fake: FakeAdmin) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            fake.asked.append((f"{self.command} {self.path}", body))
            answer = fake.next_answer(f"{self.command} {self.path.partition('?')[0]}")
            if callable(answer):
                self.stream(answer())
            elif isinstance(answer, Hal0Error):
                self.send(answer.status, answer.body())
            elif isinstance(answer, BaseModel):
                self.send(200, answer.model_dump_json().encode())
            elif isinstance(answer, dict):
                self.send(int(answer.get("status", 200)), json.dumps(answer).encode())
            else:
                self.send(200, answer if isinstance(answer, bytes) else answer.encode())

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815

        def send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def stream(self, pieces: Pieces) -> None:
            """Chunks as they are made, then a cut connection: without the last chunk unless a piece is empty."""
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.send_header("X-Hal0-Slot", "primary")
            self.end_headers()
            for piece in pieces:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.wfile.flush()
            self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


@contextmanager
def fake_admin(runtime: Path) -> Iterator[FakeAdmin]:
    """A fake daemon whose HAL0_RUNTIME_DIR is `runtime`."""
    runtime.mkdir(parents=True, exist_ok=True)
    fake = FakeAdmin(runtime)
    handler = _handler(fake)
    with (
        _UnixServer(str(runtime / "hal0.sock"), handler) as unix,
        ThreadingHTTPServer(("127.0.0.1", 0), handler) as tcp,
    ):
        fake.url = f"http://127.0.0.1:{tcp.server_port}"
        threads = [threading.Thread(target=server.serve_forever, args=(0.02,)) for server in (unix, tcp)]
        for thread in threads:
            thread.start()
        try:
            yield fake
        finally:
            for server in (unix, tcp):
                server.shutdown()
            for thread in threads:
                thread.join()
