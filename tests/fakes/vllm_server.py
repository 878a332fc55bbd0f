"""A stand-in for `vllm serve`: its command line, its key, its paths and its manners, without a model.

Words it does not know end it, as they end the real one. Like the real one it refuses a `model` it was not told to
serve, wants its key below /v1 only, and listens only once the model is loaded. Steered by the environment:
  FAKE_VLLM_RECORD    file that gets the command line and the variables it looks at, as JSON
  FAKE_VLLM_LOAD      seconds until it listens
  FAKE_VLLM_CRASH     "engine": its engine process fails, as when the GPU's memory is too small; "later": dies on a chat
"""

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

from openai_server import Handler, Server

SEEN = ("VLLM_", "HF_", "CUDA_", "HIP_", "ROCR_")


class Parser(argparse.ArgumentParser):
    """Underscores are as good as hyphens in an option's name."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        words = [word.replace("_", "-") if word.startswith("--") and "=" not in word else word for word in args]
        return super().parse_known_args(words, namespace)


def parse(argv: list[str]) -> argparse.Namespace:
    parser = Parser(prog="vllm serve", allow_abbrev=False)
    parser.add_argument("model_tag")
    parser.add_argument("--served-model-name", nargs="+")
    parser.add_argument("--host")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--allowed-origins", type=json.loads, default=["*"])
    parser.add_argument("--max-model-len", type=int)
    parser.add_argument("--max-num-seqs", type=int)
    parser.add_argument("--tensor-parallel-size", "-tp", type=int, default=1)
    parser.add_argument("--gpu-memory-utilization", type=float, default=0.9)
    parser.add_argument("--runner", choices=["auto", "generate", "pooling", "draft"], default="auto")
    parser.add_argument("--dtype", choices=["auto", "half", "float16", "bfloat16", "float", "float32"])
    parser.add_argument("--enforce-eager", action="store_true")
    return parser.parse_args(argv)


class Vllm(Server):
    options: argparse.Namespace


class VllmHandler(Handler):
    server: Vllm

    def problem(self, body: dict[str, Any]) -> tuple[int, str] | None:
        options = self.server.options
        names = options.served_model_name or [options.model_tag]
        if body.get("model") not in (None, *names):
            return 404, f"The model `{body['model']}` does not exist."
        is_pooling = self.path.endswith(("/embeddings", "/rerank"))
        if is_pooling != (options.runner == "pooling"):
            return 404, "Not Found"
        if os.environ.get("FAKE_VLLM_CRASH") == "later" and body.get("messages", [{}])[-1].get("content") == "die":
            os._exit(1)
        return None


def fail_in_the_engine() -> NoReturn:
    say = sys.stderr.write
    core = "(EngineCore_0 pid=7) ERROR 11-22 10:00:00 [core.py:700]"
    say(f"{core} EngineCore failed to start.\n{core} Traceback (most recent call last):\n")
    say(f"{core} ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization`.\n")
    say("(APIServer pid=1) Traceback (most recent call last):\n")
    for number in range(60):
        say(f'(APIServer pid=1)   File "/opt/vllm/entrypoints/step{number}.py", line {number}, in serve\n')
    say("(APIServer pid=1) RuntimeError: Engine core initialization failed. See root cause above.\n")
    sys.exit(1)


def main() -> None:
    if sys.argv[1:2] != ["serve"]:
        sys.exit("vllm: error: the following arguments are required: subparser")
    options = parse(sys.argv[2:])
    if path := os.environ.get("FAKE_VLLM_RECORD"):
        env = {name: value for name, value in os.environ.items() if name.startswith(SEEN)}
        Path(path).write_text(json.dumps({"argv": sys.argv[1:], "env": env}))
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    if not (Path(options.model_tag) / "config.json").is_file():
        sys.exit(f"OSError: {options.model_tag} does not appear to have a file named config.json")
    time.sleep(float(os.environ.get("FAKE_VLLM_LOAD", "0")))
    if os.environ.get("FAKE_VLLM_CRASH") == "engine":
        fail_in_the_engine()
    server = Vllm((options.host or "0.0.0.0", options.port), VllmHandler)
    server.options = options
    server.key = os.environ.get("VLLM_API_KEY", "")
    server.serve_forever()


if __name__ == "__main__":
    main()
