"""What clients send to /v1: checked, and put into the words that backends understand. No I/O here.

Only what hal0 itself reads is checked; fields it does not know pass. The bytes go to the backend as they came, but for
two things: `model` becomes the slot's own model id (and is added for backends that insist on it), and a named
`tool_choice`, which llama.cpp ignores, becomes `required` with that one tool.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Literal, NoReturn, TypeVar

from pydantic import BaseModel, ConfigDict, FailFast, Field, ValidationError, field_validator
from pydantic_core import PydanticCustomError, from_json

from hal0.daemon.providers.base import Api
from hal0.daemon.proxy.bounds import refuse_swarm
from hal0.daemon.proxy.translation import Translation
from hal0.daemon.proxy.wrong import explained
from hal0.errors import Hal0Error
from hal0.forms import Form

SHOWN_CHARACTERS = 40  # of a value that is refused
SMALLEST_SIDE, LARGEST_SIDE, SIDE_STEP = 64, 2048, 8  # pixels of a picture
OWN_CODES = {"prompt_required": "dispatch.prompt_required", "size_invalid": "dispatch.size_invalid"}
PROMPT_CHARACTERS = 2_000  # of the last message, kept for the dashboard


class Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    model: str | None = Field(None, max_length=512)  # it is kept and shown

    @property
    def is_stream(self) -> bool:
        return False

    def prompt(self) -> str:
        """The last of what was asked, for people."""
        return ""


class Generation(Body):
    """What chat and completion have in common. llama.cpp ignores some of these if they are of a wrong type."""

    stream: bool | None = None
    stream_options: dict[str, Any] | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: dict[str, Any] | list[Any] | None = None  # llama.cpp also takes pairs
    n: int | None = None
    seed: int | None = None
    stop: str | list[str] | None = None

    @field_validator("stop", mode="before")
    @classmethod
    def _stop(cls, value: Any) -> Any:
        return _list_of(str, value, "it must be a string, or a list of strings")

    @property
    def is_stream(self) -> bool:
        return bool(self.stream)


class Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    role: str = Field(min_length=1)
    content: Any = None

    @field_validator("content")
    @classmethod
    def _content(cls, value: Any) -> Any:
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, list) and all(isinstance(p, dict) and isinstance(p.get("type"), str) for p in value):
            return value
        raise PydanticCustomError("content", "it must be a string, null, or a list of objects with a `type`")

    def text(self) -> str:
        if isinstance(self.content, str):
            return self.content
        parts = self.content if isinstance(self.content, list) else []
        return "\n".join(p["text"] for p in parts if isinstance(p.get("text"), str))


class ChatBody(Generation):
    messages: Annotated[list[Message], FailFast()] = Field(min_length=1)
    max_completion_tokens: int | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: Any = None

    @field_validator("tools", mode="before")
    @classmethod
    def _tools(cls, value: Any) -> Any:
        return _list_of(dict, value, "it must be a list of objects")

    @field_validator("tool_choice")
    @classmethod
    def _tool_choice(cls, value: Any) -> Any:
        if value is None or isinstance(value, str) or (isinstance(value, dict) and _tool_name(value)):
            return value
        raise PydanticCustomError("tool_choice", "it must be a string, or an object that names a function")

    def prompt(self) -> str:
        users = (message for message in reversed(self.messages) if message.role == "user")
        return next(users, self.messages[-1]).text()


class CompletionBody(Generation):
    prompt_: Any = Field(alias="prompt")

    @field_validator("prompt_")
    @classmethod
    def _prompt(cls, value: Any) -> Any:
        return _text_or_tokens(value)

    def prompt(self) -> str:
        return _first_text(self.prompt_)


class EmbeddingsBody(Body):
    input: Any
    encoding_format: str | None = None
    dimensions: int | None = Field(None, ge=1)

    @field_validator("input")
    @classmethod
    def _input(cls, value: Any) -> Any:
        return _text_or_tokens(value)

    @field_validator("encoding_format")
    @classmethod
    def _encoding_format(cls, value: str | None) -> str | None:
        if value not in (None, "float", "base64"):
            raise PydanticCustomError("encoding_format", "it must be float or base64")
        return value

    def prompt(self) -> str:
        return _first_text(self.input)


class RerankBody(Body):
    query: str = Field(min_length=1)
    documents: list[Any] = Field(min_length=1)
    top_n: int | None = Field(None, ge=1)
    return_documents: bool | None = None

    @field_validator("documents")
    @classmethod
    def _documents(cls, value: list[Any]) -> list[Any]:
        for document in value:
            text = document.get("text") if isinstance(document, dict) else document
            if not isinstance(text, str):
                raise PydanticCustomError("documents", "each must be a string, or an object with a `text`")
        return value

    @property
    def texts(self) -> list[str]:
        return [document["text"] if isinstance(document, dict) else document for document in self.documents]

    def prompt(self) -> str:
        return self.query


class SpeechBody(Body):
    input: str
    voice: str | dict[str, Any] | None = None
    speed: float | None = Field(None, ge=0.25, le=4)
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] | None = None
    stream_format: Literal["audio", "sse"] | None = None
    instructions: str | None = None
    lang: str | None = None  # not of OpenAI's: another language than the voice's own

    @field_validator("input")
    @classmethod
    def _input(cls, value: str) -> str:
        if value.strip():
            return value
        raise PydanticCustomError("empty", "it must not be empty")

    @field_validator("voice")
    @classmethod
    def _voice(cls, value: Any) -> Any:
        if isinstance(value, dict) and not isinstance(value.get("id"), str):
            raise PydanticCustomError("voice", "it must be a name, or an object with an `id`")
        return value

    @property
    def is_stream(self) -> bool:
        return True  # sound is sent as it is made, whether as plain bytes or as events

    def prompt(self) -> str:
        return self.input


class ImagesBody(Body):
    prompt_: str | None = Field(None, alias="prompt", max_length=32_000, validate_default=True)
    n: int | None = Field(None, ge=1, le=8)
    size: str | None = None
    response_format: Literal["url", "b64_json"] | None = None
    stream: bool | None = None
    seed: int | None = Field(None, ge=0, lt=2**64)
    steps: int | None = Field(None, ge=1, le=200)
    cfg: float | None = Field(None, ge=0, le=100)
    negative_prompt: str | None = Field(None, max_length=32_000)

    @field_validator("prompt_", mode="before")
    @classmethod
    def _prompt(cls, value: Any) -> Any:
        if isinstance(value, str) and value.strip():
            return value
        raise PydanticCustomError("prompt_required", "there is nothing to draw")

    @field_validator("size", mode="before")
    @classmethod
    def _size(cls, value: Any) -> Any:
        if value is None or value == "auto" or (isinstance(value, str) and _is_size(value)):
            return value
        given = value[:SHOWN_CHARACTERS] if isinstance(value, str) else json.dumps(value)[:SHOWN_CHARACTERS]
        raise PydanticCustomError("size_invalid", "not a size", {"given": given})

    @property
    def is_stream(self) -> bool:
        return bool(self.stream)

    def prompt(self) -> str:
        return self.prompt_ or ""


BODIES: dict[Api, type[Body]] = {
    Api.CHAT: ChatBody,
    Api.COMPLETION: CompletionBody,
    Api.EMBEDDINGS: EmbeddingsBody,
    Api.RERANK: RerankBody,
    Api.SPEECH: SpeechBody,
    Api.IMAGES: ImagesBody,
}


Kind = TypeVar("Kind", bound=Body)


@dataclass(frozen=True, slots=True)
class Native:
    """A request in the words of another API, as it came."""

    path: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class Call:
    """One request of a client, read and checked."""

    api: Api
    body: Body
    raw: bytes  # what a backend gets, but for `model`
    translation: Translation | None = None  # of a request that came in the words of another API
    form: Form | None = None  # of a request that is one, and has no `raw`
    native: Native | None = None  # the same as it came, for who has that API itself
    refusal: Hal0Error | None = None  # why it is for those alone: chat completions have no words for it

    @property
    def model(self) -> str | None:
        return self.body.model

    @property
    def is_event_stream(self) -> bool:
        """Whether the answer will be text as it comes."""
        return self.api in (Api.CHAT, Api.COMPLETION) and self.body.is_stream

    def prompt(self) -> str:
        return self.body.prompt()[:PROMPT_CHARACTERS]

    def for_model(self, model: str, *, named: bool = False) -> bytes:
        """The bytes for a backend that knows its model as `model`; `named`: it wants to hear of it in any case."""
        if self.model is None:
            return _and_model(self.raw, model) if named else self.raw
        return self.raw if self.model == model else _with_model(self.raw, self.model, model)

    def natively(self, model: str) -> bytes:
        """The same as it came, for a remote that has its API."""
        assert self.native is not None
        raw = self.native.raw
        if self.model is None:
            return _and_model(raw, model)
        return raw if self.model == model else _with_model(raw, self.model, model)


def check_content_type(value: bytes | None) -> None:
    """JSON, or what clients send that forget to say so. Raises `dispatch.unsupported_media`."""
    if value is None or value == b"application/json":
        return
    media = value.decode("latin-1").partition(";")[0].strip().lower()
    # curl -d says "form" by default, and a good many examples on the web leave it at that.
    if media not in ("", "application/json", "text/plain", "text/json", "application/x-www-form-urlencoded"):
        raise Hal0Error("dispatch.unsupported_media", wanted="application/json", given=media)


def parse(api: Api, raw: bytes) -> Call:
    """Check a body. Raises `dispatch.invalid_json` or `dispatch.invalid_request`."""
    body = checked(BODIES[api], raw)
    if isinstance(body, ChatBody) and isinstance(body.tool_choice, dict):
        raw = _require_one_tool(body, raw)
    return Call(api, body, raw)


def checked(kind: type[Kind], raw: bytes) -> Kind:
    """A body of this kind. Raises `dispatch.invalid_json` or `dispatch.invalid_request`."""
    refuse_swarm(raw)
    try:
        return kind.model_validate(from_json(raw, allow_inf_nan=False))
    except ValidationError as error:
        _explain(error)
    except ValueError as error:
        raise Hal0Error("dispatch.invalid_json", reason=str(error)) from error


def checked_fields(kind: type[Kind], fields: Mapping[str, Any]) -> Kind:
    """A body of this kind, of fields that did not come as JSON. Raises `dispatch.invalid_request`."""
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        _explain(error)


def _explain(error: ValidationError) -> NoReturn:
    first = error.errors(include_url=False, include_input=False)[0]
    if (code := OWN_CODES.get(first["type"])) is not None:
        field = str(first["loc"][0]).rstrip("_")  # one that is missing goes by our own name for it
        raise Hal0Error(code, param=field, **first.get("ctx", {})) from error
    field, reason = explained(error)
    raise Hal0Error(
        "dispatch.invalid_request", param=field or None, field=field or "the body", reason=reason
    ) from error


_SIZE = re.compile(r"([0-9]{2,4})x([0-9]{2,4})")


def _is_size(text: str) -> bool:
    found = _SIZE.fullmatch(text)
    return found is not None and all(
        SMALLEST_SIDE <= int(side) <= LARGEST_SIDE and int(side) % SIDE_STEP == 0 for side in found.groups()
    )


def _list_of(kind: type, value: Any, reason: str) -> Any:
    """Refuse a list of other things at once: pydantic makes an error of each of a hundred thousand."""
    if isinstance(value, list) and not all(isinstance(item, kind) for item in value):
        raise PydanticCustomError("items", reason)
    return value


def _text_or_tokens(value: Any) -> Any:
    if isinstance(value, str):
        if value:
            return value
        raise PydanticCustomError("empty", "it must not be empty")
    if isinstance(value, list) and value:
        if all(type(item) is int for item in value) or all(isinstance(item, str) for item in value):
            return value
        if all(isinstance(item, list) and item and all(type(token) is int for token in item) for item in value):
            return value
    raise PydanticCustomError(
        "text_or_tokens", "it must be a string, or a non-empty list of strings, token ids or lists of token ids"
    )


def _first_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return value[0] if isinstance(value[0], str) else f"[{len(value)} token ids]"


def _tool_name(choice: dict[str, Any]) -> str:
    function = choice.get("function")
    name = function.get("name") if isinstance(function, dict) else None
    return name if isinstance(name, str) else ""


def _require_one_tool(body: ChatBody, raw: bytes) -> bytes:
    name = _tool_name(body.tool_choice)
    tools: Sequence[dict[str, Any]] = body.tools or ()
    chosen = [tool for tool in tools if _tool_name(tool) == name]
    if not chosen:
        raise Hal0Error(
            "dispatch.invalid_request", param="tool_choice", field="tool_choice", reason=f"`tools` has no {name!r}"
        )
    whole = json.loads(raw)
    return json.dumps({**whole, "tools": chosen[:1], "tool_choice": "required"}).encode()


# Inside of a JSON string every quote is escaped, so this finds keys only, at any depth.
_MODEL = re.compile(rb'"model"\s*:\s*("(?:[^"\\]|\\.)*")')


def _with_model(raw: bytes, old: str, new: str) -> bytes:
    found = _MODEL.search(raw)
    if found is not None and found[1] == _quoted(old) and raw.find(b'"model"', found.end()) < 0:
        start, end = found.span(1)
        return b"%b%b%b" % (raw[:start], _quoted(new), raw[end:])
    return json.dumps({**json.loads(raw), "model": new}).encode()


def _and_model(raw: bytes, model: str) -> bytes:
    if b'"model"' in raw:  # it may be there as null, or deeper
        return json.dumps({**json.loads(raw), "model": model}).encode()
    return b'{"model":%b,%b' % (_quoted(model), raw.lstrip().removeprefix(b"{"))


@lru_cache(maxsize=256)
def _quoted(name: str) -> bytes:
    return json.dumps(name, ensure_ascii=False).encode("utf-8", "replace")
