"""What a request for a transcription asks for, checked against what the engine can do. No I/O."""

from dataclasses import dataclass
from typing import NoReturn

from hal0.backends.transcription.engine import Engine
from hal0.errors import Hal0Error
from hal0.forms import Form

FORMATS = ("json", "text", "verbose_json", "srt", "vtt")
STREAMED = ("json", "text")
GRANULARITIES = ("segment", "word")
HEEDED = {"model", "language", "response_format", "stream", "timestamp_granularities", "timestamp_granularities[]"}
TRUE, FALSE = ("true", "1"), ("false", "0", "")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that can be answered."""

    format: str
    stream: bool
    segments: bool  # wanted in verbose_json
    words: bool
    context: str  # what the sound is about
    language: str  # of the sound, as far as that is known
    ignored: tuple[str, ...]  # fields that have no effect with this engine


def read_asked(form: Form, engine: Engine) -> Asked:
    """Check the fields; raises `dispatch.invalid_request`."""
    format_ = form.value("response_format") or "json"
    if format_ not in FORMATS:
        _refuse("response_format", f"{format_!r} is none of {', '.join(FORMATS)}")
    stream = _flag(form.value("stream"))
    if stream and format_ not in STREAMED:
        _refuse("stream", f"a stream is of events with text; it cannot be {format_}")
    granularities = form.values("timestamp_granularities")
    for each in granularities:
        if each not in GRANULARITIES:
            _refuse("timestamp_granularities", f"{each!r} is neither of {' and '.join(GRANULARITIES)}")
    if granularities and format_ != "verbose_json":
        _refuse("timestamp_granularities", "times are told in verbose_json only; set `response_format`")
    words = "word" in granularities
    if words and not engine.has_words:
        _refuse("timestamp_granularities", f"{engine.name} does not tell when each word was said, only segments")
    return Asked(
        format=format_,
        stream=stream,
        segments="segment" in granularities or not granularities,
        words=words,
        context=(form.value("prompt") or "") if engine.takes_context else "",
        language=_language(form.value("language") or "", engine),
        ignored=tuple(sorted(_ignored(form, engine))),
    )


def _language(given: str, engine: Engine) -> str:
    """Another language than the engine's would be answered with nonsense."""
    code = given.strip().lower().replace("_", "-").partition("-")[0]
    if code and engine.language and code != engine.language:
        _refuse("language", f"{engine.name} was trained for {engine.language!r} only, not for {given!r}")
    return engine.language or code


def _ignored(form: Form, engine: Engine) -> set[str]:
    names = {name for name, value in form.fields if value and name not in HEEDED}
    if engine.takes_context:
        names.discard("prompt")
    if form.value("temperature") in ("0", "0.0"):  # which is how these engines choose words
        names.discard("temperature")
    return names


def _flag(text: str | None) -> bool:
    word = (text or "").strip().lower()
    if word not in (*TRUE, *FALSE):
        _refuse("stream", f"{text!r} is neither true nor false")
    return word in TRUE


def _refuse(name: str, reason: str) -> NoReturn:
    raise Hal0Error("dispatch.invalid_request", param=name, field=name, reason=reason)
