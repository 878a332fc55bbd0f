"""What every backend that speaks OpenAI's API is asked to tell how far it is, and whether it works.

Misbehaviour is a result, never a raise.
"""

import json
from dataclasses import replace

from hal0.daemon.http.client import BrokenAnswer, fetch
from hal0.daemon.http.endpoint import Endpoint
from hal0.daemon.providers import transcription_proof
from hal0.daemon.providers.base import Loading, NotUp, Probe, Ready, SlotSpec, Unfit
from hal0.daemon.providers.llama_proof import PROOFS, judge
from hal0.wire import Kind

HEALTH_TIMEOUT_SECONDS = 4.0
PROOF_TIMEOUT_SECONDS = 3600.0  # the slot's start_timeout ends it, whatever the device's speed
OWN_FIELDS = ("cache_prompt",)  # of llama.cpp; others may refuse a field they do not know


async def check(endpoint: Endpoint, path: str) -> Probe | None:
    """How far a backend is by a path that answers 200 when all is well; None: all is well."""
    try:
        answer = await fetch(endpoint, "GET", path, timeout_seconds=HEALTH_TIMEOUT_SECONDS)
    except TimeoutError:
        return Loading()
    except OSError:
        return NotUp()
    except BrokenAnswer:  # a stranger, or ours dying: as something answers, the owner of the port is checked next
        return Loading()
    if answer.status == 200:
        return None
    return Loading() if answer.status >= 500 else Unfit(f"{path} answers {answer.status}")


async def prove(endpoint: Endpoint, *, kind: Kind, model: str) -> Probe:
    """One token, embedding or ranking, or a short sound, asked for by the model's name."""
    if kind == "transcription":
        return await _prove_ear(endpoint, model=model)
    proof = PROOFS[kind]
    asked = {name: value for name, value in json.loads(proof.body).items() if name not in OWN_FIELDS}
    proof = replace(proof, body=json.dumps({"model": model, **asked}).encode())
    path = endpoint.path(proof.path)
    try:
        answer = await fetch(endpoint, "POST", path, proof.body, timeout_seconds=PROOF_TIMEOUT_SECONDS)
    except (OSError, BrokenAnswer) as error:
        return Unfit(f"it broke off {proof.what}: {error}")
    reason = judge(proof, answer)
    return Ready() if reason is None else Unfit(reason)


async def _prove_ear(endpoint: Endpoint, *, model: str) -> Probe:
    what = "transcribing a short sound"
    media, form = transcription_proof.body(model)
    path = endpoint.path(transcription_proof.PATH)
    try:
        answer = await fetch(endpoint, "POST", path, form, content_type=media, timeout_seconds=PROOF_TIMEOUT_SECONDS)
    except (OSError, BrokenAnswer) as error:
        return Unfit(f"it broke off {what}: {error}")
    reason = transcription_proof.judge_text(answer)
    return Ready() if reason is None else Unfit(f"{what} gave {reason}")


async def answers(endpoint: Endpoint, path: str) -> bool:
    """Whether the path answers 200."""
    try:
        return (await fetch(endpoint, "GET", path, timeout_seconds=HEALTH_TIMEOUT_SECONDS)).status == 200
    except (OSError, BrokenAnswer):
        return False


class Proven:
    """The running half of a provider whose backends have a health path, and work under their model's name."""

    async def probe(self, spec: SlotSpec, endpoint: Endpoint) -> Probe:
        if (state := await check(endpoint, endpoint.health_path)) is not None:
            return state
        return await prove(endpoint, kind=spec.kind, model=spec.model.id)

    async def is_alive(self, endpoint: Endpoint) -> bool:
        return await answers(endpoint, endpoint.health_path)
