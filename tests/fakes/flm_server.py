"""A stand-in for FastFlowLM's `flm serve`: its command line, its paths and its manners, without an NPU.

Like the real one it takes no key, has its port open while the model still loads, loads another model when a request
names one, and answers failures with status 200. Steered by the environment:
  FAKE_FLM_RECORD    file that gets the command line and the variables it looks at, as JSON
  FAKE_FLM_MODELS    tags of the models that are there, separated by spaces; others it would fetch
  FAKE_FLM_LOAD      seconds of loading
"""

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from openai_server import Handler, Server

KNOWN = ("llama3.2:1b", "gemma3:4b", "embed-gemma:300m")
TAKES = {
    "--host": str,
    "--port": int,
    "-p": int,
    "--ctx-len": int,
    "-c": int,
    "--embed": int,
    "-e": int,
    "--cors": int,
    "--socket": int,
    "-s": int,
    "--q-len": int,
    "-q": int,
    "--pmode": str,
}


def parse(argv: list[str]) -> tuple[list[str], dict[str, Any]]:
    positional: list[str] = []
    options: dict[str, Any] = {}
    words = iter(argv)
    for word in words:
        if not word.startswith("-"):
            positional.append(word)
        elif word not in TAKES:
            sys.exit(f"Error parsing arguments: unrecognised option '{word}'")
        else:
            options[word] = TAKES[word](next(words))
    return positional, options


class Flm(Server):
    loaded = ""
    embeds = False


class FlmHandler(Handler):
    server: Flm

    def do_GET(self) -> None:  # noqa: N802
        if self.path == "/api/version":
            self.answer(200, {"version": "0.9.26"})
        else:
            self.answer(404, {"error": "Not Found"})

    def fail(self, status: int, message: str) -> None:
        self.answer(status, {"error": message})

    def problem(self, body: dict[str, Any]) -> tuple[int, str] | None:
        if self.path == "/v1/embeddings":
            if "model" not in body:
                os.abort()  # a const access to a key that is not there
            return None if self.server.embeds else (200, "no embedding model loaded")
        model = body.get("model", self.server.loaded)
        if model not in here():
            return 200, f"Failed to load {model} model!"
        self.server.loaded = model
        if len(body.get("messages", ())) > 1:
            return 200, "This model only supports single-turn requests."
        return None


def here() -> list[str]:
    return os.environ.get("FAKE_FLM_MODELS", " ".join(KNOWN)).split()


def load(server: Flm, tag: str) -> None:
    time.sleep(float(os.environ.get("FAKE_FLM_LOAD", "0")))
    if tag and tag not in here():
        print("CURL error: Couldn't connect to server", file=sys.stderr)
        print(f"[Error]  Failed to load default model: {tag}", flush=True)
    server.loaded = tag
    server.serve_forever()


def main() -> None:
    positional, options = parse(sys.argv[1:])
    command, tag = (*positional, "", "")[:2]
    if command != "serve":
        sys.exit("Error: Command is required")
    if path := os.environ.get("FAKE_FLM_RECORD"):
        Path(path).write_text(json.dumps({"argv": sys.argv[1:], "env": dict(os.environ)}))
    if tag and tag not in KNOWN:
        print(f"[ERROR]  Model not found: {tag}; Please check with `flm list` and try again.")
        sys.exit(1)
    server = Flm((options.get("--host", "127.0.0.1"), options.get("--port", 52625)), FlmHandler)
    server.embeds = bool(options.get("--embed"))
    threading.Thread(target=load, args=(server, tag)).start()


if __name__ == "__main__":
    main()
