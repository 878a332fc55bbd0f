"""One job of ComfyUI as its messages tell of it: how far it is, and how it ended. No I/O.

Node by node ComfyUI says what it executes, and of nodes that take long how far they are. For people that becomes a few
words and a share of the whole, of which the sampler is nearly all.
"""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hal0.errors import Hal0Error
from hal0.workflows import Graph

REASON_CHARACTERS = 500

# How a node's class begins: what it does, in words. A sampler counts steps.
DOES = (
    ("Checkpoint", "loading the model"),
    ("UNET", "loading the model"),
    ("Unet", "loading the model"),
    ("CLIPLoader", "loading the model"),
    ("DualCLIPLoader", "loading the model"),
    ("VAELoader", "loading the model"),
    ("LoraLoader", "loading the model"),
    ("CLIPTextEncode", "reading the prompt"),
    ("VAEDecode", "making pixels"),
    ("SaveImage", "saving the picture"),
    ("PreviewImage", "saving the picture"),
)
SAMPLERS = ("KSampler", "SamplerCustom")
BEFORE, AFTER = 0.05, 0.95  # shares of the whole at which a sampler begins and ends


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is."""

    doing: str
    done: float | None = None  # 0..1


class Job:
    """What is known of one job. `changed` is set by whatever is heard."""

    def __init__(self, id: str, graph: Graph) -> None:
        self.id = id
        self.progress = Progress("waiting for ComfyUI", 0.0)
        self.pictures: list[Mapping[str, Any]] = []
        self.failure: Hal0Error | None = None
        self.has_ended = False
        self.changed = asyncio.Event()
        self._graph = graph
        self._outputs: dict[str, Any] = {}

    def hear(self, kind: str, data: Mapping[str, Any]) -> None:
        """One message of the WebSocket about this job."""
        if kind == "executing" and data.get("node") is None:
            self.has_ended = True
        elif kind == "executing":
            self._executes(str(data.get("display_node") or data.get("node")))
        elif kind == "progress":
            self._progresses(data)
        elif kind == "executed":
            self._outputs[str(data.get("node"))] = data.get("output")
            self.pictures = list(_pictures(self._outputs))
        elif kind == "execution_error":
            self.fail(_failure(data))
        elif kind == "execution_interrupted":
            self.fail(Hal0Error("dispatch.cancelled", by="somebody at ComfyUI"))
        self.changed.set()

    def ended_as(self, entry: Mapping[str, Any]) -> None:
        """What the history says of it, which is the last word."""
        status = entry.get("status")
        messages = status.get("messages") if isinstance(status, dict) else None
        for message in messages if isinstance(messages, list) else ():
            kind, data = message if isinstance(message, list) and len(message) == 2 else ("", None)
            if kind in ("execution_error", "execution_interrupted") and isinstance(data, dict):
                self.hear(kind, data)
        outputs = entry.get("outputs")
        self.pictures = list(_pictures(outputs if isinstance(outputs, dict) else {}))
        self.has_ended = True
        self.changed.set()

    def waits_behind(self, others: int) -> None:
        behind = f"waiting behind {others} other job{'s' if others > 1 else ''} of ComfyUI"
        self.progress = Progress(behind if others else "waiting for ComfyUI", 0.0)

    def fail(self, error: Hal0Error) -> None:
        self.failure = self.failure or error
        self.has_ended = True
        self.changed.set()

    def result(self) -> None:
        """Raise what it failed of, or that it has no pictures."""
        if self.failure is not None:
            raise self.failure
        if not self.pictures:
            reason = "it ended without a picture: no node saves or previews one"
            raise Hal0Error("dispatch.workflow_invalid", reason=reason, node_errors={})

    def _executes(self, node: str) -> None:
        class_type = self._class(node)
        done = self.progress.done or 0.0
        if class_type.startswith(SAMPLERS):
            self.progress = Progress("sampling", max(done, BEFORE))
            return
        words = next((words for begin, words in DOES if class_type.startswith(begin)), class_type or "working")
        self.progress = Progress(words, done)

    def _progresses(self, data: Mapping[str, Any]) -> None:
        value, maximum = data.get("value"), data.get("max")
        if not isinstance(value, int | float) or not isinstance(maximum, int | float) or maximum <= 0:
            return
        class_type = self._class(str(data.get("node")))
        share = min(max(value / maximum, 0.0), 1.0)
        if class_type.startswith(SAMPLERS):
            done = BEFORE + share * (AFTER - BEFORE)
            self.progress = Progress(f"step {value:g}/{maximum:g}", max(done, self.progress.done or 0.0))
        else:
            self.progress = Progress(f"{self.progress.doing.partition(',')[0]}, {share:.0%}", self.progress.done)

    def _class(self, node: str) -> str:
        return str(self._graph.get(node, {}).get("class_type", ""))


def _pictures(outputs: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The pictures of all nodes; those that were saved, where there are any, else the previews."""
    found: list[Mapping[str, Any]] = []
    for output in outputs.values():
        images = output.get("images") if isinstance(output, dict) else None
        found += [each for each in images if isinstance(each, dict)] if isinstance(images, list) else []
    saved = [each for each in found if each.get("type") == "output"]
    yield from saved or found


def _failure(data: Mapping[str, Any]) -> Hal0Error:
    kind, words = data.get("exception_type"), str(data.get("exception_message", "")).strip()
    node = f"{data.get('node_type')} (node {data.get('node_id')})"
    upstream = {key: data.get(key) for key in ("node_id", "node_type", "exception_type", "exception_message")}
    reason = f"{node} failed: {words.partition(chr(10))[0] or kind}"[:REASON_CHARACTERS]
    return Hal0Error("dispatch.upstream_failed", reason=reason, upstream=upstream)
