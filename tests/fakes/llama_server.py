"""A stand-in for llama.cpp's llama-server: its command line, its key, its endpoints and its manners, without a model.

Runs as a program of its own (standard library only). Words it does not know end it, as they end the real one.
Steered by the environment:
  FAKE_LLAMA_RECORD    file that gets the command line and the variables a backend looks at, as JSON
  FAKE_LLAMA_LOAD      seconds of "loading", while every path answers 503
  FAKE_LLAMA_CRASH     "load": ends as if the model were damaged; "assert": aborts in the middle of loading
  FAKE_LLAMA_SCORES    "zero": every rerank score is 0
  FAKE_LLAMA_DEVICES   what `--list-devices` names, one a line; left out: the processor alone
"""

import base64
import hashlib
import json
import os
import signal
import struct
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

INT, FLOAT, TEXT, SWITCH = "integer", "number", "text", "switch"
WORDS: dict[tuple[str, ...], str] = {
    ("-m", "--model"): TEXT,
    ("-a", "--alias"): TEXT,
    ("--host",): TEXT,
    ("--port",): INT,
    ("-c", "--ctx-size"): INT,
    ("-np", "--parallel"): INT,
    ("-b", "--batch-size"): INT,
    ("-ub", "--ubatch-size"): INT,
    ("-t", "--threads"): INT,
    ("-tb", "--threads-batch"): INT,
    ("--threads-http",): INT,
    ("-n", "--predict", "--n-predict"): INT,
    ("-mm", "--mmproj"): TEXT,
    ("-ngl", "--gpu-layers", "--n-gpu-layers"): INT,
    ("-dev", "--device"): TEXT,
    ("-fa", "--flash-attn"): TEXT,
    ("-ctk", "--cache-type-k"): TEXT,
    ("-ctv", "--cache-type-v"): TEXT,
    ("--temp",): FLOAT,
    ("--embeddings", "--embedding"): SWITCH,
    ("--rerank", "--reranking"): SWITCH,
    ("--jinja",): SWITCH,
    ("--metrics",): SWITCH,
    ("--no-webui",): SWITCH,
    ("-v", "--verbose"): SWITCH,
    ("--list-devices",): SWITCH,
}
NAMES = {word: (words[-1], kind) for words, kind in WORDS.items() for word in words}
OPEN_PATHS = ("/health", "/v1/health", "/models", "/v1/models")
DIMENSIONS = 8
STARTED = time.monotonic()


def say(level: str, text: str) -> None:
    micros = int((time.monotonic() - STARTED) * 1e6)
    stamp = f"{micros // 60_000_000}.{micros // 1_000_000 % 60:02}.{micros // 1000 % 1000:03}.{micros % 1000:03}"
    print(f"{stamp} {level} {text}", file=sys.stderr, flush=True)


def parse(argv: list[str]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    words = iter(argv)
    for word in words:
        if word not in NAMES:
            sys.exit(f"error: invalid argument: {word}")
        name, kind = NAMES[word]
        if kind is SWITCH:
            options[name] = True
            continue
        text = next(words, None)
        if text is None:
            sys.exit(f"error: expected value for argument: {word}")
        try:
            options[name] = {INT: int, FLOAT: float, TEXT: str}[kind](text)
        except ValueError:
            sys.exit(f"error: {word} wants a {kind}, not {text!r}")
    return options


def vector(text: str) -> list[float]:
    digest = hashlib.sha256(text.encode()).digest()
    numbers = [byte - 127.5 for byte in digest[:DIMENSIONS]]
    length = sum(n * n for n in numbers) ** 0.5
    return [n / length for n in numbers]


class Server(ThreadingHTTPServer):
    daemon_threads = True
    loaded = False
    options: dict[str, Any]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def answer(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        if origin := self.headers.get("Origin"):
            self.send_header("Access-Control-Allow-Origin", origin)  # older servers give any page leave
        self.end_headers()
        self.wfile.write(data)

    def fail(self, status: int, type_: str, message: str) -> None:
        self.answer(status, {"error": {"code": status, "message": message, "type": type_}})

    def may_pass(self) -> bool:
        key = os.environ.get("LLAMA_API_KEY")
        if key and self.path not in OPEN_PATHS and self.headers.get("Authorization") != f"Bearer {key}":
            self.fail(401, "authentication_error", "Invalid API Key")
            return False
        if not self.server.loaded:
            self.fail(503, "unavailable_error", "Loading model")
            return False
        return True

    def do_GET(self) -> None:
        if not self.may_pass():
            return
        alias = self.server.options.get("--alias", "model")
        if self.path in ("/health", "/v1/health"):
            self.answer(200, {"status": "ok"})
        elif self.path in ("/models", "/v1/models"):
            self.answer(200, {"object": "list", "data": [{"id": alias, "object": "model", "owned_by": "llamacpp"}]})
        else:
            self.fail(404, "not_found_error", "File Not Found")

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not self.may_pass():
            return
        work = {
            "/v1/chat/completions": (self.chat, "chat"),
            "/v1/embeddings": (self.embeddings, "--embedding"),
            "/v1/rerank": (self.rerank, "--reranking"),
        }.get(self.path)
        if work is None:
            self.fail(404, "not_found_error", "File Not Found")
            return
        do, needs = work
        options = self.server.options
        serves = needs in options if needs != "chat" else not {"--embedding", "--reranking"} & set(options)
        if not serves:
            self.fail(501, "not_supported_error", "This server does not support it")
            return
        try:
            do(json.loads(data))
        except (ValueError, KeyError, TypeError) as error:
            self.fail(400, "invalid_request_error", f"{type(error).__name__}: {error}")

    def chat(self, body: dict[str, Any]) -> None:
        said = str(body["messages"][-1]["content"]) if body["messages"] else ""
        words = f"You said: {said}".split()
        words = words[: body.get("max_tokens") or len(words)]
        head = {"id": "chatcmpl-1", "created": int(time.time()), "model": self.server.options.get("--alias", "model")}
        usage = {"prompt_tokens": len(said.split()), "completion_tokens": len(words)}
        usage["total_tokens"] = sum(usage.values())
        if not body.get("stream"):
            message = {"role": "assistant", "content": " ".join(words)}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            self.answer(200, {**head, "object": "chat.completion", "choices": [choice], "usage": usage})
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        chunk = {**head, "object": "chat.completion.chunk"}
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": None}]
        deltas += [{"content": word + " "} for word in words]
        for delta in deltas:
            self.event({**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
        self.event({**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        if body.get("stream_options", {}).get("include_usage"):
            self.event({**chunk, "choices": [], "usage": usage})
        self.chunk(b"data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def event(self, data: dict[str, Any]) -> None:
        self.chunk(b"data: " + json.dumps(data).encode() + b"\n\n")

    def chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        self.wfile.flush()

    def embeddings(self, body: dict[str, Any]) -> None:
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        data = []
        for index, text in enumerate(texts):
            numbers: Any = vector(str(text))
            if body.get("encoding_format") == "base64":
                numbers = base64.b64encode(struct.pack(f"<{DIMENSIONS}f", *numbers)).decode()
            data.append({"object": "embedding", "index": index, "embedding": numbers})
        self.answer(200, {"object": "list", "model": self.server.options.get("--alias"), "data": data})

    def rerank(self, body: dict[str, Any]) -> None:
        asked = set(body["query"].lower().split())
        results = []
        for index, document in enumerate(body["documents"]):
            shared = len(asked & set(document.lower().split()))
            score = 0.0 if os.environ.get("FAKE_LLAMA_SCORES") == "zero" else shared - len(asked) / 2
            results.append({"index": index, "relevance_score": score})
        self.answer(200, {"object": "list", "results": results})


def load(server: Server) -> None:
    """What the real one does while every path answers 503."""
    path = server.options["--model"]
    time.sleep(float(os.environ.get("FAKE_LLAMA_LOAD", "0")))
    if os.environ.get("FAKE_LLAMA_CRASH") == "assert":
        print("ggml.c:1234: GGML_ASSERT(n_dims > 0) failed", file=sys.stderr, flush=True)
        os.abort()
    with open(path, "rb") as file:
        is_whole = file.read(4) == b"GGUF" and os.environ.get("FAKE_LLAMA_CRASH") != "load"
    if not is_whole:
        say("E", "llama_model_load: error loading model: the file holds no weights that fit")
        say("E", f"srv    load_model: failed to load model, '{path}'")
        say("I", "srv    operator(): cleaning up before exit...")
        say("E", "srv          init: exiting due to model loading error")
        os._exit(1)
    server.loaded = True
    say("I", "srv          init: model loaded")


def main() -> None:
    options = parse(sys.argv[1:])
    if "--list-devices" in options:
        print("Available devices:")
        for device in os.environ.get("FAKE_LLAMA_DEVICES", "(none)").splitlines():
            print(f"  {device}")
        return
    if path := os.environ.get("FAKE_LLAMA_RECORD"):
        seen = ("LLAMA_", "OMP_", "CUDA_", "HIP_", "ROCR_", "GGML_")
        env = {name: value for name, value in os.environ.items() if name.startswith(seen)}
        with open(path, "w") as file:
            json.dump({"argv": sys.argv[1:], "env": env}, file)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    address = options.get("--host", "127.0.0.1"), options.get("--port", 8080)
    try:
        server = Server(address, Handler)
    except OSError:
        say("E", f"srv         start: couldn't bind HTTP server socket, hostname: {address[0]}, port: {address[1]}")
        sys.exit(1)
    server.options = options
    threading.Thread(target=load, args=(server,), daemon=True).start()
    server.serve_forever()


if __name__ == "__main__":
    main()
