"""What the stand-ins for OpenAI-compatible servers have in common: HTTP, a few words of an answer, vectors, streams.

Standard library only: the programs that use it run as processes of their own, without this repository on their path.
"""

import base64
import email
import hashlib
import json
import math
import struct
import time
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

DIMENSIONS = 8


class Server(ThreadingHTTPServer):
    daemon_threads = True
    key = ""
    api_path = "/v1"


class Handler(BaseHTTPRequestHandler):
    """Chat, completion, embeddings and rerank below the server's `api_path`."""

    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def answer(self, status: int, body: Any) -> None:
        data = json.dumps(body, separators=(",", ":")).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def fail(self, status: int, message: str) -> None:
        self.answer(status, {"error": {"message": message, "type": "BadRequestError", "code": status}})

    def is_allowed(self) -> bool:
        return not self.server.key or self.headers.get("Authorization") == f"Bearer {self.server.key}"

    def do_GET(self) -> None:
        if self.path == "/health":
            self.answer(200, {})
        else:
            self.fail(404, "Not Found")

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not self.is_allowed():
            self.fail(401, "Unauthorized")
            return
        work = {
            "/chat/completions": self.chat,
            "/completions": self.complete,
            "/embeddings": self.embed,
            "/rerank": self.rank,
            "/audio/speech": self.speak,
            "/images/generations": self.draw,
            "/audio/transcriptions": self.transcribe,
        }.get(self.path.removeprefix(self.server.api_path))
        if work is None or not self.path.startswith(self.server.api_path):
            self.fail(404, "Not Found")
            return
        media = self.headers.get("Content-Type", "")
        body = fields_of(media, data) if media.startswith("multipart/") else json.loads(data)
        if (problem := self.problem(body)) is not None:
            self.fail(*problem)
            return
        work(body)

    def problem(self, body: dict[str, Any]) -> tuple[int, str] | None:
        """Why this request is refused; a server of its own kind says more."""
        return None

    def words(self, body: dict[str, Any], said: str) -> list[str]:
        return f"You said: {said}".split()[: body.get("max_tokens") or 99]

    def chat(self, body: dict[str, Any]) -> None:
        said = str(body["messages"][-1]["content"])
        words = self.words(body, said)
        head = {"id": "chatcmpl-1", "created": int(time.time()), "model": body.get("model")}
        usage = {"prompt_tokens": len(said.split()), "completion_tokens": len(words), "total_tokens": len(words)}
        if body.get("stream"):
            self.stream({**head, "object": "chat.completion.chunk"}, words)
            return
        choice = {"index": 0, "message": {"role": "assistant", "content": " ".join(words)}, "finish_reason": "stop"}
        self.answer(200, {**head, "object": "chat.completion", "choices": [choice], "usage": usage})

    def complete(self, body: dict[str, Any]) -> None:
        choice = {"index": 0, "text": " ".join(self.words(body, body["prompt"])), "finish_reason": "stop"}
        self.answer(200, {"id": "cmpl-1", "object": "text_completion", "model": body.get("model"), "choices": [choice]})

    def stream(self, head: dict[str, Any], words: Iterable[str]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for word in words:
            choice = {"index": 0, "delta": {"content": word + " "}, "finish_reason": None}
            self.chunk(b"data: %b\n\n" % json.dumps({**head, "choices": [choice]}).encode())
        end = {"index": 0, "delta": {}, "finish_reason": "stop"}
        self.chunk(b"data: %b\n\n" % json.dumps({**head, "choices": [end]}).encode())
        self.chunk(b"data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        self.wfile.flush()

    def embed(self, body: dict[str, Any]) -> None:
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        data = []
        for index, text in enumerate(texts):
            numbers: Any = [byte / 255 - 0.5 for byte in hashlib.sha256(str(text).encode()).digest()[:DIMENSIONS]]
            if body.get("encoding_format") == "base64":
                numbers = base64.b64encode(struct.pack(f"<{DIMENSIONS}f", *numbers)).decode()
            data.append({"object": "embedding", "index": index, "embedding": numbers})
        self.answer(200, {"object": "list", "model": body.get("model"), "data": data})

    def draw(self, body: dict[str, Any]) -> None:
        picture = {"b64_json": "iVBORw0KGgo=", "asked": body["prompt"]}
        self.answer(200, {"created": 1, "data": [picture] * body.get("n", 1)})

    def speak(self, body: dict[str, Any]) -> None:
        """A tone, a quarter second for each word, as WAV; sent in pieces, for its length is not said."""
        samples = [int(8000 * math.sin(at / 8)) for at in range(2000 * len(body["input"].split()))]
        data = struct.pack(f"<{len(samples)}h", *samples)
        form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16)
        head = b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVE" + form + b"data" + struct.pack("<I", len(data))
        self.send_response(200)
        self.send_header("Content-Type", "audio/wav")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.chunk(head)
        self.chunk(data)
        self.wfile.write(b"0\r\n\r\n")

    def transcribe(self, body: dict[str, Any]) -> None:
        """Says what it was given."""
        file = body["file"]
        text = f"{file['name']}, {file['type']}, {len(file['content'])} bytes"
        if body.get("stream") == "true":
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for event in (
                {"type": "transcript.text.delta", "delta": text},
                {"type": "transcript.text.done", "text": text},
            ):
                self.chunk(b"data: %b\n\n" % json.dumps(event).encode())
            self.wfile.write(b"0\r\n\r\n")
            return
        self.answer(200, {"text": text, "model": body.get("model")})

    def rank(self, body: dict[str, Any]) -> None:
        asked = set(body["query"].lower().split())
        scores = [len(asked & set(document.lower().split())) - 0.5 for document in body["documents"]]
        self.answer(200, {"results": [{"index": i, "relevance_score": score} for i, score in enumerate(scores)]})


def fields_of(media: str, data: bytes) -> dict[str, Any]:
    """A form: texts, and of the file its name, type and bytes."""
    message = email.message_from_bytes(b"Content-Type: " + media.encode() + b"\r\n\r\n" + data)
    fields: dict[str, Any] = {}
    parts: Any = message.get_payload()
    for part in parts:
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if (filename := part.get_filename()) is None:
            fields[name] = content.decode()
        else:
            fields[name] = {"name": filename, "type": part.get_content_type(), "content": content}
    return fields
