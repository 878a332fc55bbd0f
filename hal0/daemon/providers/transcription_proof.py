"""The proof that a backend transcribes: it is given a short sound made here, and must answer with a text. Pure.

The sound is a hum in four syllables, near enough to speech that engines which pass over silence and noise have to work
on it. What they take it for does not matter, so an empty text will do.
"""

import json
import math
from functools import cache

from hal0.daemon.http.client import Answer
from hal0.forms import frame

PATH = "/v1/audio/transcriptions"
RATE = 16_000
SECONDS = 1.2
SYLLABLES = 4
PERIOD = 128  # samples: a voice of 125 Hz
FORMANTS = ((700, 130, 1.0), (1200, 110, 0.6), (2600, 160, 0.3))  # Hz, width, weight: an open "ah"
LOUDNESS = 9000.0


def body(model: str) -> tuple[str, bytes]:
    """The content type and the form."""
    media, head, tail = frame([("model", model), ("response_format", "json")], name="ready.wav", type="audio/wav")
    return media, head + sound() + tail


@cache
def sound() -> bytes:
    """A WAV file, mono, 16 bits."""
    cycle = [sum(_harmonic(number, at) for number in range(1, 33)) for at in range(PERIOD)]
    scale = LOUDNESS / max(map(abs, cycle))
    count = int(RATE * SECONDS)
    data = bytearray()
    for at in range(count):
        envelope = abs(math.sin(math.pi * SYLLABLES * at / count))
        data += int(scale * envelope * cycle[at % PERIOD]).to_bytes(2, "little", signed=True)
    size = len(data)
    head = b"RIFF" + (36 + size).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little")
    head += (1).to_bytes(2, "little") * 2 + RATE.to_bytes(4, "little") + (2 * RATE).to_bytes(4, "little")
    head += (2).to_bytes(2, "little") + (16).to_bytes(2, "little") + b"data" + size.to_bytes(4, "little")
    return head + bytes(data)


def judge_text(answer: Answer) -> str | None:
    """What is wrong with the answer; None if it is a transcript."""
    try:
        told = json.loads(answer.body)
    except (ValueError, RecursionError):
        return f"{answer.status} and no JSON"
    if not isinstance(told, dict):
        return f"{answer.status} and no JSON object"
    error = told.get("error")
    if answer.status != 200 or error:
        words = error.get("message") if isinstance(error, dict) else error
        return f"{answer.status}: {words}"
    return None if isinstance(told.get("text"), str) else "an answer without a `text`"


def _harmonic(number: int, at: int) -> float:
    hertz = number * RATE / PERIOD
    weight = sum(gain * math.exp(-(((hertz - middle) / width) ** 2)) for middle, width, gain in FORMANTS) + 0.02
    return weight * math.sin(2 * math.pi * number * at / PERIOD)
