"""A stand-in for ComfyUI: its command line, its paths, its messages and its manners, without weights and a GPU.

Like the real one it validates a graph when it is queued, runs one job at a time, answers from its cache what it has
computed before, tells of each node and step over the WebSocket with previews among them, writes the prompt into its
pictures as text, and takes an /interrupt without an id for whatever runs. Its node table is the real one's where it
goes. Pictures lie in `temp` of the working directory. Steered by the environment, and by words of the prompt:
  FAKE_COMFY_RECORD       file that gets the command line, and each request but health checks, a line of JSON each
  FAKE_COMFY_CHECKPOINTS  names of the checkpoints that are there, separated by spaces
  FAKE_COMFY_STEP         seconds of one step
  FAKE_COMFY_OLD          as before 2025-09: /interrupt knows no id, no `execution_success`
  "die"   it ends in the middle of sampling        "fail"  the sampler raises
  "huge"  after 80 MiB its picture still has no end
  "hold"  sampling goes on only once it is interrupted, or FAKE_COMFY_RECORD.go exists
"""

import argparse
import asyncio
import hashlib
import heapq
import json
import os
import struct
import sys
import uuid
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from hypercorn.asyncio import serve
from hypercorn.config import Config
from quart import Quart, Response, jsonify, request, websocket

CURATED = "v1-5-pruned-emaonly.safetensors SDXL/sd_xl_turbo_1.0_fp16.safetensors flux1-schnell-fp8.safetensors"
SAMPLERS = ["euler", "euler_ancestral", "dpmpp_2m", "dpmpp_2m_sde", "ddim"]
SCHEDULERS = ["simple", "sgm_uniform", "karras", "exponential", "normal"]
STEP_SECONDS = float(os.environ.get("FAKE_COMFY_STEP", "0.002"))
IS_OLD = bool(os.environ.get("FAKE_COMFY_OLD"))
RECORD = os.environ.get("FAKE_COMFY_RECORD")


def integer(low: int, high: int, **more: Any) -> list[Any]:
    return ["INT", {"min": low, "max": high, **more}]


def number(low: float, high: float) -> list[Any]:
    return ["FLOAT", {"min": low, "max": high, "step": 0.01}]


SIDE = integer(16, 16384, step=8, default=512)
SEED = integer(0, 2**64 - 1)
CONDITIONS = {
    "model": ["MODEL"],
    "positive": ["CONDITIONING"],
    "negative": ["CONDITIONING"],
    "latent_image": ["LATENT"],
}
Table = dict[str, tuple[dict[str, list[Any]], list[str], bool]]


def table(checkpoints: list[str]) -> Table:
    """Inputs, outputs and whether it is an output, of each kind of node."""
    return {
        "CheckpointLoaderSimple": ({"ckpt_name": [checkpoints]}, ["MODEL", "CLIP", "VAE"], False),
        "CLIPTextEncode": ({"text": ["STRING", {"multiline": True}], "clip": ["CLIP"]}, ["CONDITIONING"], False),
        "EmptyLatentImage": ({"width": SIDE, "height": SIDE, "batch_size": integer(1, 4096)}, ["LATENT"], False),
        "EmptySD3LatentImage": ({"width": SIDE, "height": SIDE, "batch_size": integer(1, 4096)}, ["LATENT"], False),
        "KSampler": (
            {
                **CONDITIONS,
                "seed": SEED,
                "steps": integer(1, 10_000),
                "cfg": number(0, 100),
                "sampler_name": [SAMPLERS],
                "scheduler": ["COMBO", {"options": SCHEDULERS}],
                "denoise": number(0, 1),
            },
            ["LATENT"],
            False,
        ),
        "KSamplerSelect": ({"sampler_name": [SAMPLERS]}, ["SAMPLER"], False),
        "SDTurboScheduler": ({"model": ["MODEL"], "steps": integer(1, 10), "denoise": number(0, 1)}, ["SIGMAS"], False),
        "SamplerCustom": (
            {
                **CONDITIONS,
                "sampler": ["SAMPLER"],
                "sigmas": ["SIGMAS"],
                "add_noise": ["BOOLEAN", {}],
                "noise_seed": SEED,
                "cfg": number(0, 100),
            },
            ["LATENT", "LATENT"],
            False,
        ),
        "VAEDecode": ({"samples": ["LATENT"], "vae": ["VAE"]}, ["IMAGE"], False),
        "PreviewImage": ({"images": ["IMAGE"]}, [], True),
        "SaveImage": ({"images": ["IMAGE"], "filename_prefix": ["STRING", {}]}, [], True),
    }


class Interrupted(Exception):  # noqa: N818
    pass


def errors_of(nodes: Table, graph: dict[str, Any], id: str) -> list[dict[str, Any]]:
    """What is wrong with the inputs of a node, without those it is linked to."""
    node, found = graph[id], []
    for name, spec in nodes[node["class_type"]][0].items():
        kind, options = spec[0], spec[1] if len(spec) > 1 else {}

        def add(type: str, message: str, details: str, name: str = name, **info: Any) -> None:
            extra = {"input_name": name, **info}
            found.append({"type": type, "message": message, "details": details, "extra_info": extra})

        if name not in node["inputs"]:
            add("required_input_missing", "Required input is missing", name)
            continue
        value = node["inputs"][name]
        if isinstance(value, list):
            given = nodes[graph[value[0]]["class_type"]][1][value[1]]
            if given != kind:
                details = f"{name}, received_type({given}) mismatch input_type({kind})"
                add("return_type_mismatch", "Return type mismatch between linked nodes", details, linked_node=value)
            continue
        try:
            value = {"INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool}.get(str(kind), lambda v: v)(value)
        except ValueError as error:
            add(
                "invalid_input_type", f"Failed to convert an input value to a {kind} value", f"{name}, {value}, {error}"
            )
            continue
        if "min" in options and value < options["min"]:
            add("value_smaller_than_min", f"Value {value} smaller than min of {options['min']}", name)
        elif "max" in options and value > options["max"]:
            add("value_bigger_than_max", f"Value {value} bigger than max of {options['max']}", name)
        choices = kind if isinstance(kind, list) else options.get("options")
        if choices is not None and value not in choices:
            add("value_not_in_list", "Value not in list", f"{name}: '{value}' not in {choices}", received_value=value)
    return found


def validated(nodes: Table, graph: dict[str, Any]) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """The error of the whole, and those of nodes."""
    for id, node in graph.items():
        if node.get("class_type") not in nodes:
            message = f"Node '{node.get('class_type')}' not found. The custom node may not be installed."
            return {"type": "missing_node_type", "message": message, "details": f"Node ID '#{id}'"}, {}
    outputs = [id for id, node in graph.items() if nodes[node["class_type"]][2]]
    if not outputs:
        return {"type": "prompt_no_outputs", "message": "Prompt has no outputs", "details": "", "extra_info": {}}, {}
    wrong: dict[str, Any] = {}
    for output in outputs:
        for id in order(graph, output):
            if errors := errors_of(nodes, graph, id):
                class_type = graph[id]["class_type"]
                wrong[id] = {"errors": errors, "dependent_outputs": [output], "class_type": class_type}
    if not wrong:
        return None, {}
    error = {"type": "prompt_outputs_failed_validation", "message": "Prompt outputs failed validation", "details": ""}
    return {**error, "extra_info": {}}, wrong


def order(graph: dict[str, Any], id: str) -> list[str]:
    """The nodes that this one needs, and it, each after those it needs."""
    found: list[str] = []
    for value in graph[id]["inputs"].values():
        if isinstance(value, list):
            found += [each for each in order(graph, value[0]) if each not in found]
    return [*found, id]


def signature(graph: dict[str, Any], id: str) -> str:
    """The same for the same work."""
    node = graph[id]
    inputs = {k: signature(graph, v[0]) if isinstance(v, list) else v for k, v in sorted(node["inputs"].items())}
    return hashlib.sha256(json.dumps([node["class_type"], inputs]).encode()).hexdigest()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, colour: bytes, texts: dict[str, str]) -> bytes:
    rows = (b"\0" + colour * width) * height
    parts = [b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))]
    for name, text in texts.items():
        parts.append(chunk(b"tEXt", name.encode() + b"\0" + text.encode()))
        parts.append(chunk(b"iTXt", name.encode() + b"\0\0\0\0\0" + text.encode()))
    return b"".join([*parts, chunk(b"IDAT", zlib.compress(rows, 1)), chunk(b"IEND", b"")])


class Comfy:
    def __init__(self, words: argparse.Namespace) -> None:
        checkpoints = os.environ.get("FAKE_COMFY_CHECKPOINTS", CURATED).split()
        for file in words.extra_model_paths_config or ():
            folder = Path(json.loads(Path(file).read_text())["hal0"]["checkpoints"])
            checkpoints += [each.name for each in folder.iterdir()]
        self.nodes = table(checkpoints)
        self.has_metadata = not words.disable_metadata
        self.folder = Path("temp")
        self.folder.mkdir(exist_ok=True)
        self.sockets: dict[str, asyncio.Queue[str | bytes]] = {}
        self.waiting: list[Any] = []
        self.running: Any = None
        self.history: dict[str, Any] = {}
        self.cache: dict[str, Any] = {}
        self.wake = asyncio.Event()
        self.interrupted = False
        self.count = 0

    def tell(self, client: str, kind: str, **data: Any) -> None:
        if (socket := self.sockets.get(client)) is not None:
            socket.put_nowait(json.dumps({"type": kind, "data": data}))

    def status(self) -> dict[str, Any]:
        return {"exec_info": {"queue_remaining": len(self.waiting) + (self.running is not None)}}

    def put(self, body: dict[str, Any]) -> str:
        id = str(body.get("prompt_id", uuid.uuid4()))
        self.count += 1
        heapq.heappush(self.waiting, (self.count, id, body["prompt"], {"client_id": body.get("client_id")}, []))
        self.wake.set()
        for client in self.sockets:
            self.tell(client, "status", status=self.status())
        return id

    async def work(self) -> None:
        while True:
            while not self.waiting:
                self.wake.clear()
                await self.wake.wait()
            self.running = heapq.heappop(self.waiting)
            await self.execute(*self.running[1:4])
            self.running = None

    async def execute(self, id: str, graph: dict[str, Any], extra: dict[str, Any]) -> None:
        client, self.interrupted = extra["client_id"], False
        messages: list[Any] = []

        def say(kind: str, **data: Any) -> None:
            messages.append([kind, {"prompt_id": id, **data}])
            self.tell(client, kind, prompt_id=id, **data)

        say("execution_start")
        signatures = {node: signature(graph, node) for node in graph}
        say("execution_cached", nodes=[node for node, each in signatures.items() if each in self.cache])
        outputs: dict[str, Any] = {}
        node = ""
        try:
            for output in [each for each, n in graph.items() if self.nodes[n["class_type"]][2]]:
                for node in order(graph, output):
                    if signatures[node] not in self.cache:
                        self.tell(client, "executing", node=node, display_node=node, prompt_id=id)
                        self.cache[signatures[node]] = await self.run(id, graph, node, client)
                outputs[output] = self.cache[signatures[output]]
                self.tell(client, "executed", node=output, display_node=output, output=outputs[output], prompt_id=id)
            if not IS_OLD:
                say("execution_success")
        except Interrupted:
            say("execution_interrupted", node_id=node, node_type=graph[node]["class_type"], executed=[])
        except RuntimeError as error:
            kind, words = "RuntimeError", str(error)
            say(
                "execution_error", node_id=node, node_type=graph[node]["class_type"], exception_message=words,
                exception_type=kind, traceback=["…"], current_inputs={}, current_outputs=[], executed=[],
            )  # fmt: skip
        well = messages[-1][0] in ("execution_success", "execution_cached")
        status = {"status_str": "success" if well else "error", "completed": well, "messages": messages}
        self.history[id] = {"prompt": [], "outputs": outputs, "status": status, "meta": {}}
        self.tell(client, "executing", node=None, prompt_id=id)

    async def run(self, id: str, graph: dict[str, Any], node: str, client: str) -> Any:
        kind, inputs = graph[node]["class_type"], graph[node]["inputs"]
        if kind in ("KSampler", "SamplerCustom"):
            steps = inputs.get("steps") or graph[inputs["sigmas"][0]]["inputs"]["steps"]
            await self.sample(id, node, steps, client, graph[inputs["positive"][0]]["inputs"]["text"])
        if kind in ("PreviewImage", "SaveImage"):
            return {"images": [self.save(graph, node, "output" if kind == "SaveImage" else "temp")]}
        return {}

    async def sample(self, id: str, node: str, steps: int, client: str, prompt: str) -> None:
        for step in range(1, steps + 1):
            if self.interrupted:
                raise Interrupted
            if step == 2 and "die" in prompt:
                os._exit(7)
            if step == 2 and "fail" in prompt:
                raise RuntimeError("HIP out of memory. Tried to allocate 2.00 GiB\nmore of it")
            await asyncio.sleep(STEP_SECONDS)
            while step == 2 and "hold" in prompt and not self.interrupted and not Path(f"{RECORD}.go").exists():
                await asyncio.sleep(0.01)
            self.tell(client, "progress", value=step, max=steps, prompt_id=id, node=node)
            if (socket := self.sockets.get(client)) is not None:
                socket.put_nowait(struct.pack(">II", 1, 1) + b"\xff\xd8 a preview")

    def save(self, graph: dict[str, Any], node: str, place: str) -> dict[str, str]:
        latent = next(n["inputs"] for n in graph.values() if n["class_type"].startswith("Empty"))
        colour = bytes.fromhex(signature(graph, node)[:6])
        texts = {"prompt": json.dumps(graph), "workflow": "{}"} if self.has_metadata else {}
        words = " ".join(n["inputs"].get("text", "") for n in graph.values())
        name = f"{'huge' if 'huge' in words else 'ComfyUI'}_{place}_{len(list(self.folder.iterdir())):05}_.png"
        (self.folder / name).write_bytes(png(latent["width"], latent["height"], colour, texts))
        return {"filename": name, "subfolder": "", "type": place}


def record(told: Any) -> None:
    if RECORD:
        with open(RECORD, "a") as file:
            file.write(json.dumps(told) + "\n")


async def huge() -> AsyncIterator[bytes]:
    for _ in range(80):
        yield bytes(2**20)
    await asyncio.Event().wait()


def make(comfy: Comfy) -> Quart:
    app = Quart(__name__)

    @app.before_request
    async def note() -> None:
        if request.path not in ("/system_stats", "/queue") or request.method == "POST":
            body = await request.get_data(as_text=True)
            record({"method": request.method, "path": request.path, "body": json.loads(body) if body else None})

    @app.get("/system_stats")
    async def system_stats() -> Response:
        return jsonify({"system": {"os": "posix", "comfyui_version": "0.3.60", "argv": sys.argv}, "devices": []})

    @app.get("/object_info/<name>")
    async def object_info(name: str) -> Response:
        if name not in comfy.nodes:
            return jsonify({})
        inputs, outputs, is_output = comfy.nodes[name]
        told = {"input": {"required": inputs}, "output": outputs, "output_node": is_output, "name": name}
        return jsonify({name: told})

    @app.post("/prompt")
    async def prompt() -> tuple[Response, int]:
        body = await request.get_json(force=True)
        error, wrong = validated(comfy.nodes, body["prompt"])
        if error is not None:
            return jsonify({"error": error, "node_errors": wrong}), 400
        return jsonify({"prompt_id": comfy.put(body), "number": comfy.count, "node_errors": {}}), 200

    @app.get("/queue")
    async def queue() -> Response:
        running = [comfy.running] if comfy.running else []
        return jsonify({"queue_running": running, "queue_pending": comfy.waiting})

    @app.post("/queue")
    async def change_queue() -> Response:
        gone = (await request.get_json(force=True)).get("delete", [])
        comfy.waiting = [item for item in comfy.waiting if item[1] not in gone]
        heapq.heapify(comfy.waiting)
        return Response(status=200)

    @app.post("/interrupt")
    async def interrupt() -> Response:
        wanted = (json.loads(await request.get_data() or b"{}")).get("prompt_id")
        if IS_OLD or not wanted or (comfy.running and comfy.running[1] == wanted):
            comfy.interrupted = True
        return Response(status=200)

    @app.post("/free")
    async def free() -> Response:
        return Response(status=200)

    @app.get("/history/<id>")
    async def history(id: str) -> Response:
        return jsonify({id: comfy.history[id]} if id in comfy.history else {})

    @app.get("/view")
    async def view() -> Response:
        file = comfy.folder / request.args["filename"]
        if ".." in request.args["filename"] or not file.exists():
            return Response(status=404)
        return Response(huge() if "huge" in file.name else file.read_bytes(), content_type="image/png")

    @app.websocket("/ws")
    async def ws() -> None:
        client = websocket.args.get("clientId", uuid.uuid4().hex)
        mine = comfy.sockets[client] = asyncio.Queue()
        comfy.tell(client, "status", status=comfy.status(), sid=client)
        try:
            while True:
                await websocket.send(await mine.get())
        finally:
            comfy.sockets.pop(client, None)

    return app


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="main.py")
    parser.add_argument("--listen", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8188)
    parser.add_argument("--disable-auto-launch", action="store_true")
    parser.add_argument("--disable-metadata", action="store_true")
    parser.add_argument("--extra-model-paths-config", nargs="+")
    parser.add_argument("--cpu", action="store_true")
    parser.add_argument("--lowvram", action="store_true")
    return parser.parse_args()


async def main() -> None:
    words = parse()
    record({"argv": sys.argv[1:], "cwd": os.getcwd(), "env": dict(os.environ)})
    comfy = Comfy(words)
    config = Config()
    config.bind = [f"{words.listen}:{words.port}"]
    config.loglevel = "ERROR"
    worker = asyncio.ensure_future(comfy.work())
    await asyncio.wait({worker, asyncio.ensure_future(serve(make(comfy), config))}, return_when=asyncio.FIRST_COMPLETED)


if __name__ == "__main__":
    asyncio.run(main())
