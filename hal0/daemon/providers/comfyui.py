"""ComfyUI: a checkout that hal0 starts, or one that runs already, behind hal0's own `hal0.backends.comfyui`.

That program is the slot's process. It starts the checkout as its child, speaks to it, and answers as OpenAI's API does;
so a slot for images is leased, watched, unloaded and measured like any other. With `url` it ends alone, and the ComfyUI
there goes on without the models that it had loaded.
"""

import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hal0.daemon.config.schema import Slot as SlotConfig
from hal0.daemon.http.client import Answer, BrokenAnswer, fetch
from hal0.daemon.http.endpoint import Endpoint
from hal0.daemon.providers.base import Api, Launch, Loading, ModelFile, NotUp, Probe, Ready, SlotSpec, Unfit, Word
from hal0.daemon.providers.gpus import device_of, visible_gpus
from hal0.daemon.providers.last_words import last_complaint
from hal0.daemon.providers.proving import HEALTH_TIMEOUT_SECONDS, answers
from hal0.errors import Hal0Error
from hal0.models.catalogue import find_entry
from hal0.wire import Kind
from hal0.workflows import CURATED, WorkflowInvalid, read

if TYPE_CHECKING:
    from hal0.hardware.card import Card

ENGINE = "ComfyUI"
KEY_ENV = "HAL0_BACKEND_KEY"
MAIN = "main.py"
ENVIRONMENTS = (".venv", "venv")  # where people put a checkout's own Python
PYTHON = "python3"
PATIENCE_SECONDS = 600.0  # its imports alone take a minute from a slow disk
HOW_TO_GET = "Clone github.com/comfyanonymous/ComfyUI and install its requirements into a virtual environment in it"
# Words that hal0 must know of, each with what to use instead.
RESERVED = {
    "--listen": "nothing: backends listen on 127.0.0.1 only",
    "--port": "nothing: the checkout gets a port of its own",
    "--tls-keyfile": "nothing: it is asked over plain HTTP on 127.0.0.1",
    "--tls-certfile": "nothing: it is asked over plain HTTP on 127.0.0.1",
    "--enable-cors-header": "nothing: web pages have no business with a backend",
    "--auto-launch": "nothing: there is nobody to see it",
    "--disable-auto-launch": "nothing: hal0 gives this word",
    "--disable-metadata": "nothing: hal0 gives this word",
    "--extra-model-paths-config": "`extra_model_paths.yaml` in the checkout",
}


class ComfyuiProvider:
    """Renders the command line of the program in front of ComfyUI and tells how far it is."""

    name = "comfyui"
    engine = ENGINE
    patience_seconds = PATIENCE_SECONDS
    answers_while_busy = False

    def __init__(
        self,
        *,
        cards: "Sequence[Card]" = (),
        environ: Mapping[str, str] = os.environ,
        python: str = sys.executable,
    ) -> None:
        self._cards = cards
        self._environ = environ
        self._python = python

    def model(self, slot: str, config: SlotConfig, find: Callable[[str], ModelFile]) -> ModelFile:
        """One that hal0 has pulled, with its folder; else ComfyUI is to have it, under whatever name."""
        name = config.model or slot
        curated = find_entry(name) if name in CURATED else None
        elsewhere = ModelFile(
            name, Path(), "image", 0, licence=curated.licence if curated else "", owner="comfyui", format="elsewhere"
        )
        if curated is None or config.url is not None:
            return elsewhere
        try:
            return find(name)
        except Hal0Error as error:
            if error.code in ("model.not_found", "model.not_pulled"):
                return elsewhere
            raise

    def apis(self, kind: Kind) -> frozenset[Api]:
        return frozenset({Api.IMAGES}) if kind == "image" else frozenset()

    def launch(self, spec: SlotSpec) -> Launch:
        """Render; raises `slot.engine_missing`, `dispatch.workflow_invalid` or `config.invalid`."""
        _check(spec)
        config, model = spec.config, spec.model
        words: list[Word] = []
        from_slot = f"config slots.{spec.name}."

        def add(origin: str, *texts: str) -> None:
            words.extend(Word(text, origin) for text in texts)

        add("hal0", self._python, "-P", "-m", "hal0.backends.comfyui", "--port", "{port}")
        add(from_slot + "model" if config.model else "hal0", "--model", model.id)
        if config.workflow is not None:
            _check_workflow(spec, Path(config.workflow))
            add(from_slot + "workflow", "--workflow", config.workflow)
        else:
            add("provider comfyui", "--workflow", str(CURATED[model.id].path))
        engine, env = ENGINE, {}
        if config.url is not None:
            add(from_slot + "url", "--url", config.url)
        else:
            python = self._find_checkout(spec)
            add(from_slot + "cwd", "--checkout", config.cwd or "")
            words += [Word("--python", python.origin), python]
            if model.format == "folder":
                add(from_slot + "model", "--checkpoints", str(model.path))
            further = [*(["--cpu"] if config.gpus == () else []), *config.args]
            if further:
                add("hal0", "--")
                add(from_slot + "gpus", *further[: len(further) - len(config.args)])
                add(from_slot + "args", *config.args)
            engine = config.cwd or ""
            env = {} if config.gpus is None else visible_gpus(config.gpus, self._cards, slot=spec.name)
        return Launch(
            command=tuple(words),
            env=tuple(sorted({**env, **config.env}.items())),
            key_env=KEY_ENV,
            speaks_hal0=True,
            engine=engine,
            # What one elsewhere takes of this machine is not the slot's, and is not measured as such.
            device="cpu" if config.url is not None else device_of(config.gpus),
        )

    def _find_checkout(self, spec: SlotSpec) -> Word:
        """The Python that runs the checkout; raises `slot.engine_missing`."""
        checkout, where = Path(spec.config.cwd or ""), f"slots.{spec.name}"
        if not (checkout / MAIN).is_file():
            missing, fix = f"there is no {MAIN} in {checkout}", f"{HOW_TO_GET}, or set `cwd` of {where} to where it is."
            raise Hal0Error("slot.engine_missing", slot=spec.name, missing=missing, fix=fix)
        wanted = spec.config.binary
        if wanted is None:
            for folder in ENVIRONMENTS:
                if (own := checkout / folder / "bin" / "python").exists():
                    return Word(str(own), "machine")
        found = shutil.which(wanted or PYTHON, path=spec.config.env.get("PATH", self._environ.get("PATH")))
        if found is None:
            fix = f"Set `binary` of {where} to the Python that has ComfyUI's requirements."
            missing = f"there is no program {wanted or PYTHON}"
            raise Hal0Error("slot.engine_missing", slot=spec.name, missing=missing, fix=fix)
        return Word(found, f"config {where}.binary" if wanted else "machine")

    # The running backend --------------------------------------------------------------------------------------------

    async def probe(self, spec: SlotSpec, endpoint: Endpoint) -> Probe:
        try:
            answer = await fetch(endpoint, "GET", endpoint.health_path, timeout_seconds=HEALTH_TIMEOUT_SECONDS)
        except TimeoutError:
            return Loading()
        except OSError:
            return NotUp()
        except BrokenAnswer:
            return Loading()
        if answer.status == 200:
            return Ready()
        return Loading() if answer.status == 503 else _unfit(spec.name, answer)

    async def is_alive(self, endpoint: Endpoint) -> bool:
        return await answers(endpoint, endpoint.health_path)

    def failure_reason(self, output: Sequence[str]) -> str | None:
        return last_complaint(output)


def _unfit(slot: str, answer: Answer) -> Unfit:
    try:
        error = Hal0Error.from_envelope(json.loads(answer.body))
    except (ValueError, RecursionError):
        error = None
    if error is None:
        return Unfit(f"its health check answers {answer.status}")
    error.details["slot"] = slot
    return Unfit(error.message, error)


def _check(spec: SlotSpec) -> None:
    """Refuse what could only fail later, or work otherwise than it reads."""
    where, config = f"slots.{spec.name}", spec.config
    if spec.kind != "image":
        reason = f"{spec.model.id} is a model for {spec.kind}, and comfyui slots are for image"
        raise Hal0Error("config.invalid", place=f"{where}.kind", reason=reason)
    if config.workflow is None and spec.model.id not in CURATED:
        reason = f"hal0 has no graph for {spec.model.id}, only for {', '.join(CURATED)}; give it a `workflow`"
        raise Hal0Error("config.invalid", place=f"{where}.model", reason=reason)
    if config.cwd is None and config.url is None:
        raise Hal0Error("config.invalid", place=f"{where}.cwd", reason="it is missing, and so is `url`")
    for word in config.args:
        if (instead := RESERVED.get(word.partition("=")[0])) is not None:
            raise Hal0Error("config.invalid", place=f"{where}.args", reason=f"{word} is hal0's own; use {instead}")


def _check_workflow(spec: SlotSpec, path: Path) -> None:
    try:
        read(path)
    except WorkflowInvalid as error:
        reason = f"{path}: {error}"
        raise Hal0Error("dispatch.workflow_invalid", slot=spec.name, reason=reason, node_errors={}) from error
