"""A backend's error answers, told apart: whose fault is it? No I/O here.

llama.cpp answers 500 to a good many mistakes of the caller; a client must not repeat those, and nobody should search
the slot's log for them.
"""

import json
import re
from contextlib import suppress
from typing import Any

from hal0.daemon.providers.base import Api
from hal0.errors import Hal0Error

# Words of llama.cpp's server (b11549) in errors that it gives a status of 500 or 501.
# Then those of vLLM, OpenAI and OpenRouter, Anthropic, Google, and servers of embeddings.
TOO_LONG = re.compile(
    r"exceeds? the (?:available )?context|exceed_context|too large to process|larger than the max|context size|"
    r"maximum context length|maximum model length|context_length_exceeded|"
    r"prompt is too long|exceed context limit|input token count|too many tokens|"
    r"must have less than \d+ tokens",
    re.I,
)
CONTEXT_CODES = ("context_length_exceeded", "exceed_context_size_error", "model_context_window_exceeded")
CONTEXT_TOKENS = re.compile(
    r"(?:maximum context length|maximum model length)(?: is| of) (\d{1,12})|> (\d{1,12}) maximum|"
    r"maximum number of tokens allowed \((\d{1,12})\)|less than (\d{1,12}) tokens",
    re.I,
)
PROMPT_TOKENS = re.compile(
    r"(?:resulted in|you requested(?: about)?|prompt \(length|request has|input token count \() ?(\d{1,12})|"
    r"too long: (\d{1,12}) tokens|given: (\d{1,12})",
    re.I,
)
WRONG_KIND = re.compile(
    r"does not support (chat|completions?|embeddings?|rerank)|start it with(out)? `?--(embedding|rerank)", re.I
)
CALLERS = re.compile(
    r"image input is not supported|audio input is not supported|mmproj|json\.exception|type must be|must be an? |"
    r"parse error|failed to parse|invalid|unsupported|grammar|template",
    re.I,
)
OF_THE_UPSTREAM = ("dispatch.upstream_limited", "dispatch.workflow_invalid")  # though the status says otherwise
# What hal0's own backends, or another hal0, say of a file or field is said as well as we could.
OWN_WORDS = frozenset(
    {
        "dispatch.audio_empty",
        "dispatch.unsupported_audio",
        "dispatch.invalid_request",
        "system.disk_full",
        "system.state_unwritable",
    }
)
TOO_BUSY = 529  # Anthropic's, for an overload that is not the caller's doing
# The status of a failure that is told in the middle of a stream, where HTTP has had its say: by its `type` or `code`.
STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "timeout_error": 504,
    "overloaded_error": TOO_BUSY,
}
NESTED = 500  # brackets; far from where Python's own JSON gives up
UPSTREAM_CHARACTERS = 4_000  # of a body that is not JSON, kept in `details.upstream`


def fault(
    *, slot: str, kind: str, api: Api, status: int, body: bytes, retry_after_seconds: float | None = None
) -> Hal0Error:
    """Our error for an upstream's answer with a status that is not 200."""
    upstream = _read(body)
    if (own := Hal0Error.from_envelope(upstream)) is not None and own.code in OWN_WORDS:
        return own
    reason = _message(upstream) or f"status {status}"
    facts: dict[str, Any] = {
        "param": _param(upstream),
        "slot": slot,
        "reason": reason,
        "upstream_status": status,
        "upstream": upstream,
    }
    if status < TOO_BUSY and (TOO_LONG.search(reason) or any(word in CONTEXT_CODES for word in _names(upstream))):
        return Hal0Error("dispatch.context_exceeded", **facts, **_lengths(upstream, reason))
    if WRONG_KIND.search(reason):
        return Hal0Error("dispatch.capability_mismatch", kind=kind, path=api.value, **facts)
    if status == 429:
        return Hal0Error("dispatch.upstream_limited", retry_after_seconds=retry_after_seconds, **facts)
    if status == TOO_BUSY:
        return Hal0Error("dispatch.upstream_overloaded", retry_after_seconds=retry_after_seconds, **facts)
    if status in (401, 402, 403):  # the key between hal0 and its backend; the caller has nothing to do with it
        return Hal0Error("dispatch.upstream_failed", **facts)
    if 400 <= status < 500 or (status >= 500 and CALLERS.search(reason)):
        return Hal0Error("dispatch.upstream_rejected", **facts)
    return Hal0Error("dispatch.upstream_failed", **facts)


def own_fault(body: bytes, *, slot: str) -> Hal0Error | None:
    """The error that one of hal0's own programs tells by its code; None if it is none of the catalogue."""
    error = Hal0Error.from_envelope(_read(body))
    if error is not None:
        error.details["slot"] = slot
    return error


def told_fault(*, slot: str, kind: str, api: Api, body: bytes) -> Hal0Error:
    """Our error for what an upstream told of in the middle of its stream."""
    status = next((STATUSES[name] for name in _names(_read(body)) if name in STATUSES), 500)
    return fault(slot=slot, kind=kind, api=api, status=status, body=body)


def is_the_upstreams(error: Hal0Error) -> bool:
    """Whether another upstream may do better: the request is well, but this one cannot answer it now."""
    if error.code.startswith("system."):
        return False
    return error.status >= 500 or error.code in OF_THE_UPSTREAM or error.code.startswith(("slot.", "model."))


def _read(body: bytes) -> Any:
    """The backend's words as JSON if they are fit to be sent on as JSON, else as text."""
    if body.count(b"[") + body.count(b"{") < NESTED:
        with suppress(ValueError):
            return json.loads(body, parse_constant=str)
    return body.decode("utf-8", "replace")[:UPSTREAM_CHARACTERS]


def _message(upstream: Any) -> str:
    error = upstream.get("error", upstream) if isinstance(upstream, dict) else upstream
    if isinstance(error, dict):
        error = error.get("message") or error.get("detail") or ""
    return str(error).strip()[:500]


def _param(upstream: Any) -> str | None:
    """The field of the request that it finds at fault."""
    error = upstream.get("error") if isinstance(upstream, dict) else None
    param = error.get("param") if isinstance(error, dict) else None
    return param[:100] if isinstance(param, str) else None


def _names(upstream: Any) -> list[str]:
    """What the error is called, by its `type` and its `code`."""
    error = upstream.get("error") if isinstance(upstream, dict) else None
    return [str(error.get(name, "")) for name in ("type", "code")] if isinstance(error, dict) else []


def _lengths(upstream: Any, reason: str) -> dict[str, Any]:
    """How long the prompt is and may be, in tokens, as far as it was told: llama.cpp has fields, others sentences."""
    error = upstream.get("error") if isinstance(upstream, dict) else None
    fields = error if isinstance(error, dict) else {}
    found: dict[str, Any] = {}
    for name, field, sentence in (
        ("prompt_tokens", "n_prompt_tokens", PROMPT_TOKENS),
        ("context_tokens", "n_ctx", CONTEXT_TOKENS),
    ):
        value = fields.get(field)
        match = sentence.search(reason)
        if type(value) is int:
            found[name] = value
        elif match is not None:
            found[name] = int(next(filter(None, match.groups())))
    return found
