"""The proof that a backend speaks: a short sentence is asked for, and what comes must be sound. Pure."""

import json

from hal0.daemon.http.client import Answer

BODY = json.dumps({"input": "Ready.", "response_format": "wav"}).encode()
WAVE_HEADER_BYTES = 44


def judge_sound(answer: Answer) -> str | None:
    """What is wrong with the answer; None if it is sound. Formats other than WAV are not looked into."""
    if answer.status != 200:
        return f"{answer.status}: {_words(answer.body)}"
    kind = next((value for name, value in answer.headers if name == b"content-type"), b"")
    if kind.startswith((b"application/json", b"text/")) or not answer.body:
        return f"no sound but {kind.decode('latin-1') or 'nothing'}"
    if answer.body.startswith(b"RIFF") and not any(answer.body[WAVE_HEADER_BYTES:]):
        return "silence"
    return None


def _words(body: bytes) -> str:
    try:
        error = json.loads(body)["error"]
        return str(error["message"] if isinstance(error, dict) else error)
    except (ValueError, KeyError, TypeError, RecursionError):
        return body[:200].decode("utf-8", "replace")
