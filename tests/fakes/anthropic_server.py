"""Anthropic's API, as a thread of the test: its headers, rules, blocks, events, pages of models, and ways of failing.

What it answers follows from what it is asked: it thinks when told to, calls every tool that it must, and else repeats
the last text.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.fakes.anthropic_rules import SIGNATURE, check

KEY = "sk-ant-remote"
PAGE = 2  # models
OLD, NEW = "claude-old", "claude-new"  # one takes budgets of thinking, the other efforts


def capable(*, thinking: tuple[str, ...], efforts: tuple[str, ...]) -> dict[str, Any]:
    def told(names: tuple[str, ...], known: tuple[str, ...]) -> dict[str, Any]:
        return {name: {"supported": name in known} for name in names}

    types = told(("adaptive", "between_tools", "disabled", "enabled"), thinking)
    levels = told(("low", "medium", "high", "xhigh", "max"), efforts)
    return {
        "thinking": {"supported": True, "types": types},
        "effort": {"supported": bool(efforts), **levels},
    }


MODELS = [
    {
        "id": NEW,
        "max_input_tokens": 200_000,
        "max_tokens": 64_000,
        "capabilities": capable(thinking=("adaptive", "disabled"), efforts=("low", "medium", "high", "xhigh", "max")),
    },
    {
        "id": OLD,
        "max_input_tokens": 100_000,
        "max_tokens": 4_096,
        "capabilities": capable(thinking=("enabled", "disabled"), efforts=()),
    },
    {"id": "claude-bare", "max_input_tokens": None, "max_tokens": None, "capabilities": None},
]


class AnthropicServer(ThreadingHTTPServer):
    """`asked` remembers what was sent; the other attributes say how it fails."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, dict[str, str], Any]] = []
        self.failure: tuple[int, str, str] | None = None  # status, type, message
        self.fails_in_the_middle: tuple[str, str] | None = None  # type, message
        self.breaks_off = False
        self.ends_early = False  # in the middle of a stream, as if that were its end
        self.stalls = False
        self.left = threading.Event()  # set: a client that was kept waiting has closed its connection

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that leave are part of the tests."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [body for _, _, body in self.asked if body is not None]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: AnthropicServer

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        self.server.asked.append((self.path, self._headers(), None))
        if not self._may_enter():
            return
        if path != "/v1/models":
            self._fail(404, "not_found_error", "Not found")
            return
        wanted = dict(each.split("=") for each in query.split("&") if each)
        ids = [model["id"] for model in MODELS]
        first = ids.index(wanted["after_id"]) + 1 if "after_id" in wanted else 0
        page = MODELS[first : first + PAGE]
        entries = [{**model, "type": "model", "display_name": str(model["id"])} for model in page]
        more = first + PAGE < len(MODELS)
        told = {"data": entries, "has_more": more, "first_id": page[0]["id"], "last_id": page[-1]["id"]}
        self._answer(200, told)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        self.server.asked.append((self.path, self._headers(), body))
        if not self._may_enter():
            return
        if self.server.failure is not None:
            self._fail(*self.server.failure)
            return
        version = self.headers["anthropic-version"]
        counts = self.path == "/v1/messages/count_tokens"
        if not counts and self.path != "/v1/messages":
            self._fail(404, "not_found_error", "Not found")
        elif (reason := check(body, version=version, counts=counts)) is not None:
            self._fail(400, "invalid_request_error", reason)
        elif counts:
            self._answer(200, {"input_tokens": tokens_of(body)})
        elif body.get("stream"):
            self._stream(body)
        else:
            self._answer(200, {**message(body), "content": content(body), **ending(body), "usage": usage(body)})

    def _headers(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.headers.items()}

    def _may_enter(self) -> bool:
        if self.headers.get("x-api-key") != KEY or "authorization" in self._headers():
            self._fail(401, "authentication_error", "invalid x-api-key")
            return False
        if "anthropic-version" not in self._headers():
            self._fail(400, "invalid_request_error", "anthropic-version: header is required")
            return False
        return True

    def _answer(self, status: int, body: Any) -> None:
        data = json.dumps(body, separators=(",", ":")).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if status in (429, 529):
            self.send_header("Retry-After", "7")
        self.end_headers()
        self.wfile.write(data)

    def _fail(self, status: int, kind: str, words: str) -> None:
        error = {"type": kind, "message": words}
        self._answer(status, {"type": "error", "error": error, "request_id": "req_fake"})

    def _stream(self, body: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        begun = {**usage(body), "output_tokens": 1}
        start = {**message(body), "content": [], "stop_reason": None, "stop_sequence": None, "usage": begun}
        self._event("message_start", message=start)
        self._event("ping")
        for index, block in enumerate(content(body)):
            self._block(index, block)
            if self.server.fails_in_the_middle is not None:
                kind, words = self.server.fails_in_the_middle
                self._event("error", error={"type": kind, "message": words})
                break
            if self.server.stalls:
                self.connection.recv(1)  # nothing more is due from it but its end
                self.server.left.set()
            if self.server.ends_early:
                break
            if self.server.breaks_off or self.server.stalls:
                self.close_connection = True
                return
        else:
            self._event("message_delta", delta=ending(body), usage={"output_tokens": usage(body)["output_tokens"]})
            self._event("message_stop")
        self.wfile.write(b"0\r\n\r\n")

    def _block(self, index: int, block: dict[str, Any]) -> None:
        def delta(kind: str, **fields: str) -> None:
            self._event("content_block_delta", index=index, delta={"type": kind, **fields})

        match block["type"]:
            case "thinking":
                self._event(
                    "content_block_start", index=index, content_block={**block, "thinking": "", "signature": ""}
                )
                delta("thinking_delta", thinking=block["thinking"])
                delta("signature_delta", signature=block["signature"])
            case "tool_use":
                self._event("content_block_start", index=index, content_block={**block, "input": {}})
                delta("input_json_delta", partial_json="")
                text = json.dumps(block["input"]) if block["input"] else ""
                for half in (text[: len(text) // 2], text[len(text) // 2 :]):
                    delta("input_json_delta", partial_json=half)
            case "text":
                self._event("content_block_start", index=index, content_block={"type": "text", "text": ""})
                for word in block["text"].split(" "):
                    delta("text_delta", text=word if word == block["text"].split(" ")[0] else f" {word}")
        self._event("content_block_stop", index=index)

    def _event(self, kind: str, **fields: Any) -> None:
        data = json.dumps({"type": kind, **fields}, separators=(",", ":"))
        event = f"event: {kind}\ndata: {data}\n\n".encode()
        self.wfile.write(b"%x\r\n%b\r\n" % (len(event), event))
        self.wfile.flush()


def message(body: dict[str, Any]) -> dict[str, Any]:
    return {"id": "msg_fake", "type": "message", "role": "assistant", "model": body["model"]}


def tokens_of(body: dict[str, Any]) -> int:
    return len(json.dumps([body["messages"], body.get("system"), body.get("tools")]))


def usage(body: dict[str, Any]) -> dict[str, Any]:
    return {
        "input_tokens": tokens_of(body),
        "cache_creation_input_tokens": 3,
        "cache_read_input_tokens": 5,
        "output_tokens": 17,
    }


def content(body: dict[str, Any]) -> list[dict[str, Any]]:
    """What the model says."""
    blocks: list[dict[str, Any]] = []
    if body.get("thinking", {}).get("type") in ("enabled", "adaptive"):
        blocks.append({"type": "thinking", "thinking": "Let me think.", "signature": SIGNATURE})
    choice = body.get("tool_choice", {}).get("type")
    if choice in ("any", "tool"):
        names = [body["tool_choice"]["name"]] if choice == "tool" else [tool["name"] for tool in body["tools"]]
        for number, name in enumerate(names):
            city = {} if name == "no_arguments" else {"city": "Paris"}
            blocks.append({"type": "tool_use", "id": f"toolu_{number}", "name": name, "input": city})
        return blocks
    if "format" in body.get("output_config", {}):
        return [*blocks, {"type": "text", "text": '{"city": "Paris"}'}]
    return [*blocks, {"type": "text", "text": f"You said: {last_text(body)}"}]


def last_text(body: dict[str, Any]) -> str:
    last = body["messages"][-1]["content"]
    if isinstance(last, str):
        return last
    block = last[-1]
    if block["type"] == "tool_result":
        return f"result {block.get('content', '')}"
    return str(block.get("text", block["type"]))


def ending(body: dict[str, Any]) -> dict[str, Any]:
    if body.get("stop_sequences"):
        return {"stop_reason": "stop_sequence", "stop_sequence": body["stop_sequences"][0]}
    reason = "tool_use" if any(block["type"] == "tool_use" for block in content(body)) else "end_turn"
    return {"stop_reason": "max_tokens" if body["max_tokens"] == 1 else reason, "stop_sequence": None}


@contextmanager
def anthropic_server() -> Iterator[AnthropicServer]:
    server = AnthropicServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
