"""A provider for `backend_program.py`, and everything a slot needs around it, all real but the model."""

import asyncio
import json
import os
import sys
import tempfile
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hal0.daemon.config.schema import Slot as SlotConfig
from hal0.daemon.http.client import fetch
from hal0.daemon.http.endpoint import Endpoint
from hal0.daemon.providers.base import Api, Launch, Loading, ModelFile, NotUp, Probe, Ready, SlotSpec, Unfit, Word
from hal0.daemon.slots.bonds import Bonds
from hal0.daemon.slots.model_files import Progress
from hal0.daemon.slots.ports import Ports
from hal0.daemon.slots.run import Tools
from hal0.errors import Hal0Error
from hal0.wire import Kind

PROGRAM = Path(__file__).with_name("backend_program.py")


class ScriptedProvider:
    """Starts `backend_program.py`; the slot's `args` hold its script as JSON."""

    name = "llama"
    engine = "scripted"
    patience_seconds = 0.0
    answers_while_busy = True

    def model(self, slot: str, config: SlotConfig, find: Callable[[str], ModelFile]) -> ModelFile:
        return find(config.model or slot)

    def apis(self, kind: Kind) -> frozenset[Api]:
        return frozenset({Api.EMBEDDINGS, Api.RERANK} if kind == "embedding" else {Api.CHAT, Api.COMPLETION})

    def launch(self, spec: SlotSpec) -> Launch:
        script = spec.config.args[0] if spec.config.args else "{}"
        program = spec.config.binary or sys.executable
        words = [program, "-S", str(PROGRAM), "{port}"] if not spec.config.binary else [program]
        return Launch(
            command=tuple(Word(text, "provider scripted") for text in words),
            env=(("SCRIPT", script),),
            key_env="BACKEND_KEY",
            engine="scripted",
            context=spec.config.context,
            parallel=spec.config.parallel,
        )

    async def probe(self, spec: SlotSpec, endpoint: Endpoint) -> Probe:
        try:
            answer = await fetch(endpoint, "GET", "/health", timeout_seconds=1.0)
        except Exception:
            return NotUp()
        if answer.status == 503:
            return Loading()
        return Ready() if answer.status == 200 else Unfit(f"status {answer.status}")

    async def is_alive(self, endpoint: Endpoint) -> bool:
        try:
            return (await fetch(endpoint, "GET", "/health", timeout_seconds=0.5)).status == 200
        except Exception:
            return False

    def failure_reason(self, output: Sequence[str]) -> str | None:
        return next((line.removeprefix("E ") for line in reversed(output) if line.startswith("E ")), None)


class Models:
    """A registry whose models need no file."""

    def __init__(self) -> None:
        self.missing: set[str] = set()
        self.unverified: set[str] = set()
        self.to_fetch: set[str] = set()  # come when they are ordered
        self.coming: dict[str, asyncio.Future[Hal0Error | None]] = {}  # result: why it does not come
        self.progress: dict[str, Progress] = {}  # whom to tell how far they are
        self.kinds: dict[str, Kind] = {}

    def find(self, name: str) -> ModelFile:
        if name in self.to_fetch:
            raise Hal0Error("model.not_fetched", model=name, source="https://x", licence="")
        if name in self.coming and not self.coming[name].done():
            raise Hal0Error("model.being_pulled", model=name, progress="1%")
        if name in self.missing:
            raise Hal0Error("model.not_found", model=name, nearest="")
        return ModelFile(name, Path("/dev/null"), self.kinds.get(name, "chat"), 0)

    def is_verified(self, model: ModelFile) -> bool:
        return model.id not in self.unverified

    async def verify(self, model: ModelFile, on_progress: Progress | None = None) -> None:
        await asyncio.sleep(0)
        self.unverified.discard(model.id)

    async def order(self, name: str) -> None:
        self.to_fetch.discard(name)
        self.coming[name] = asyncio.get_running_loop().create_future()

    async def arrival(self, name: str, on_progress: Progress) -> None:
        self.progress[name] = on_progress
        await asyncio.wait({self.coming[name]})
        if (error := self.coming[name].result()) is not None:
            raise error


def port_range() -> tuple[int, int]:
    """Ports that no other test worker uses, below those the kernel gives to clients."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = 20_000 + 400 * worker
    return first, first + 399


def tools(models: Models | None = None, *, start_timeout: float = 20.0) -> Tools:
    registry = models or Models()
    return Tools(
        providers={"llama": ScriptedProvider()},
        models=lambda: registry,
        ports=Ports(port_range),
        start_timeout=lambda: start_timeout,
        environ=dict(os.environ),
        bonds=Bonds(Path(tempfile.gettempdir()) / uuid.uuid4().hex, keep=False),
        health_seconds=0.2,
    )


def slot_config(script: dict[str, Any] | None = None, **fields: Any) -> SlotConfig:
    defaults: dict[str, Any] = {"model": "m", "stop_timeout": 0.5, "drain_timeout": 2.0}
    return SlotConfig(args=(json.dumps(script or {}),), **{**defaults, **fields})
