"""A program of somebody's that speaks OpenAI's API in its own way: other paths, no key or one of its own.

`any_server.py --listen PORT [--secret KEY] [--below PATH] [--model-file FILE] [--name NAME] [--size N]
[--slow SECONDS] [--until FILE]`. Says at the start where it runs and what it was told. With
--slow, /ready answers 503 for so long, with --until as long as there is no such file; /health never does. Asked to
"die" it does, and a stream on "stall" stops after two words, for ever.
"""

import argparse
import json
import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

from openai_server import Handler, Server


class SomeServer(Server):
    ready_at = 0.0
    until: str | None = None
    told: dict[str, Any]


class AnyHandler(Handler):
    server: SomeServer

    def do_GET(self) -> None:  # noqa: N802
        server = self.server
        loading = time.monotonic() < server.ready_at or (server.until and not os.path.exists(server.until))
        if self.path == "/ready" and loading:
            self.fail(503, "loading")
        elif self.path in ("/ready", "/health"):
            self.answer(200, self.server.told)
        else:
            self.fail(404, "Not Found")

    def problem(self, body: dict[str, Any]) -> tuple[int, str] | None:
        if body.get("messages", [{}])[-1].get("content") == "die":
            print("fatal: asked to die", flush=True)
            os._exit(3)
        if not self.server.key and "Authorization" in self.headers:
            return 400, "a key was sent to a program that takes none"
        return None

    def stream(self, head: dict[str, Any], words: Iterable[str]) -> None:
        super().stream(head, stalling(words))


def stalling(words: Iterable[str]) -> Iterator[str]:
    """Up to the word "stall", upon which nothing comes any more."""
    for word in words:
        if word == "stall":
            threading.Event().wait()
        yield word


def main() -> None:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--listen", type=int, required=True)
    parser.add_argument("--secret", default=os.environ.get("ANY_SECRET", ""))
    parser.add_argument("--below", default="/v1")
    parser.add_argument("--model-file")
    parser.add_argument("--name")
    parser.add_argument("--size", type=int)
    parser.add_argument("--slow", type=float, default=0.0)
    parser.add_argument("--until")
    options = parser.parse_args()
    if options.model_file and not os.path.exists(options.model_file):
        sys.exit(f"fatal: no such file: {options.model_file}")
    server = SomeServer(("127.0.0.1", options.listen), AnyHandler)
    server.key, server.api_path = options.secret, options.below
    server.ready_at, server.until = time.monotonic() + options.slow, options.until
    server.told = {"cwd": os.getcwd(), **vars(options)}
    print(json.dumps(server.told), flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
