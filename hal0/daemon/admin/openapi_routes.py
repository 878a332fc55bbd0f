"""Every route of hal0's own API, with what it takes and answers: the table that the OpenAPI document is made of.

A test holds it against the routes that there are. No I/O here.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from hal0.daemon.admin.bodies import Body
from hal0.daemon.admin.config import Keys, Proposed, Rollback, Text
from hal0.daemon.admin.keys import Wanted as WantedKey
from hal0.daemon.admin.pulls import Reference, Wanted
from hal0.daemon.admin.slot_tables import Pin, SlotKeys, SwapTo
from hal0.daemon.admin.slots import Stop
from hal0.daemon.dialects.messages_request import MessagesBody
from hal0.daemon.dialects.responses_request import ResponsesBody
from hal0.daemon.proxy.body import ChatBody, CompletionBody, EmbeddingsBody, ImagesBody, RerankBody, SpeechBody
from hal0.wire import (
    Accepted,
    CommandView,
    ConfigTexts,
    ConfigValue,
    ConfigView,
    CrashBundle,
    DeviceView,
    ErrorRecord,
    FitView,
    KeyPlace,
    KeysView,
    LedgerEntry,
    LogLines,
    ModelDetail,
    ModelList,
    NewKey,
    PastView,
    PlanView,
    Problem,
    PullView,
    RemoteView,
    Removed,
    RequestView,
    Revision,
    RevisionTexts,
    SlotPlan,
    SlotView,
    State,
)

JSON, EVENTS, TEXT = "application/json", "text/event-stream", "text/plain"
AUDIO, PICTURE, FORM = "audio/*", "image/png", "multipart/form-data"


class Recording(BaseModel):
    """A form; fields that OpenAI documents beside these pass to the backend."""

    model_config = ConfigDict(extra="allow")

    file: bytes
    model: str
    stream: bool = False


@dataclass(frozen=True, slots=True)
class Listed:
    """An object with one list in it."""

    name: str
    of: type[BaseModel]


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path, its parameters in braces."""

    method: str
    path: str
    summary: str
    answer: type[BaseModel] | Listed | None = None  # None: an object, or whatever `media` is
    body: type[BaseModel] | None = None
    status: int = 200
    query: Mapping[str, str] | None = None  # name → what it is for
    media: tuple[str, ...] = (JSON,)
    takes: str = JSON  # the media type of the body
    writes: bool = False  # it takes If-Match, the ETag or the revision that its writer saw


# What OpenAI and Anthropic document; the fields that hal0 reads are checked, the others pass to the backend.
RELAYS = (
    Route("POST", "/v1/chat/completions", "Chat", body=ChatBody, media=(JSON, EVENTS)),
    Route("POST", "/v1/completions", "Plain completion", body=CompletionBody, media=(JSON, EVENTS)),
    Route("POST", "/v1/embeddings", "Texts as vectors", body=EmbeddingsBody),
    Route("POST", "/v1/rerankings", "Documents by how well they answer a query", body=RerankBody),
    Route("POST", "/v1/rerank", "As /v1/rerankings", body=RerankBody),
    Route("POST", "/v1/reranking", "As /v1/rerankings", body=RerankBody),
    Route("POST", "/rerank", "As /v1/rerankings", body=RerankBody),
    Route("POST", "/v1/audio/speech", "A text spoken", body=SpeechBody, media=(AUDIO, EVENTS)),
    Route(
        "POST",
        "/v1/audio/transcriptions",
        "A recording (the field `file`) as text",
        body=Recording,
        media=(JSON, TEXT, EVENTS),
        takes=FORM,
    ),
    Route("POST", "/v1/images/generations", "Pictures", body=ImagesBody),
    Route("POST", "/v1/responses", "OpenAI's Responses", body=ResponsesBody, media=(JSON, EVENTS)),
    Route("POST", "/v1/responses/input_tokens", "Tokens of a request to Responses", body=ResponsesBody),
    Route("POST", "/v1/messages", "Anthropic's Messages", body=MessagesBody, media=(JSON, EVENTS)),
    Route("POST", "/v1/messages/count_tokens", "Tokens of a request to Messages", body=MessagesBody),
)
FACTS = (
    Route("GET", "/v1/models", "The names that `model` of a request can have"),
    Route("GET", "/v1/models/{name}", "One of them; it may hold slashes"),
    Route("GET", "/v1/audio/voices", "The voices of slots for speech", query={"model": "of one of them alone"}),
    Route("GET", "/v1/images/files/{name}", "A picture that was answered as a URL", media=(PICTURE,)),
    Route("GET", "/health", "Whether the daemon is well, and the state of each slot"),
    Route("GET", "/metrics", "For Prometheus", media=(TEXT,)),
)
SLOTS = (
    Route("GET", "/api/slots", "All slots", Listed("slots", SlotView)),
    Route("GET", "/api/slots/{name}", "One slot", SlotView),
    Route("PUT", "/api/slots/{name}", "Write its table", ConfigView, SlotKeys, writes=True),
    Route("POST", "/api/slots/{name}/plan", "What a table of it would do and take", SlotPlan, SlotKeys),
    Route("PATCH", "/api/slots/{name}", "Change keys of its table", ConfigView, SlotKeys, writes=True),
    Route("DELETE", "/api/slots/{name}", "Take it out of the configuration", ConfigView, writes=True),
    Route("POST", "/api/slots/{name}/load", "Start it", Accepted, Body, 202),
    Route("POST", "/api/slots/{name}/unload", "Stop it", Accepted, Stop, 202),
    Route("POST", "/api/slots/{name}/restart", "Stop and start it", Accepted, Stop, 202),
    Route("POST", "/api/slots/{name}/swap", "Give it another model", Accepted, SwapTo, 202, writes=True),
    Route("POST", "/api/slots/{name}/pin", "Keep it from being unloaded for others", ConfigView, Pin, writes=True),
    Route("GET", "/api/slots/{name}/command", "Its command line, and where each word came from", CommandView),
    Route("GET", "/api/slots/{name}/fit", "Whether it could start now", FitView),
    Route("GET", "/api/slots/{name}/why", "What happened to it, and why", Listed("entries", LedgerEntry)),
    Route(
        "GET",
        "/api/slots/{name}/logs",
        "The last lines of its backend",
        LogLines,
        query={
            "lines": "how many; 200, or all of `seconds`",
            "seconds": "only what came in the last so many",
            "follow": "1: go on, as events",
        },
        media=(JSON, EVENTS),
    ),
)
CONFIG = (
    Route("GET", "/api/config", "The configuration that runs", ConfigView),
    Route("PUT", "/api/config", "Write a whole file", ConfigView, Text, writes=True),
    Route("PATCH", "/api/config", "Write single keys", ConfigView, Keys, writes=True),
    Route("GET", "/api/config/values", "Every key in force, and where it was said", Listed("values", ConfigValue)),
    Route("GET", "/api/config/text", "The files", ConfigTexts),
    Route("GET", "/api/config/place", "Where the files have a key or a table", KeyPlace, query={"key": "dotted"}),
    Route("POST", "/api/config/check", "What is wrong with a text", Listed("problems", Problem), Proposed),
    Route("GET", "/api/config/plan", "What the files on disk would do", PlanView),
    Route("POST", "/api/config/plan", "What a text would do", PlanView, Proposed),
    Route("POST", "/api/config/reload", "Read the files now", ConfigView, query={"force": "1: whatever they lost"}),
    Route("POST", "/api/config/rollback", "Write an earlier revision again", ConfigView, Rollback, writes=True),
    Route("GET", "/api/config/history", "The revisions that are kept", Listed("revisions", Revision)),
    Route("GET", "/api/config/history/{number}", "One of them with its files", RevisionTexts),
    Route(
        "GET",
        "/api/config/diff",
        "What two revisions have different",
        query={"from": "a revision; left out: the one that runs", "to": "a revision; left out: the files on disk"},
    ),
)
MODELS = (
    Route("GET", "/api/models", "The registry", ModelList, query={"found": "1: also what other programs have"}),
    Route(
        "GET",
        "/api/models/{name}",
        "A model, and whether it would fit",
        ModelDetail,
        query={"context": "tokens", "parallel": "requests at a time", "slot": "whose settings are taken"},
    ),
    Route("POST", "/api/models", "Name a file where it lies", ConfigView, Reference, 201),
    Route("DELETE", "/api/models/{name}", "Remove it", Removed, query={"force": "1: although a slot serves it"}),
    Route("POST", "/api/models/pull", "Fetch a model", PullView, Wanted, 202),
    Route("GET", "/api/pulls", "The pulls", Listed("pulls", PullView)),
    Route("GET", "/api/pulls/{name}", "One pull", PullView),
    Route("DELETE", "/api/pulls/{name}", "Stop it; what has come is kept", PullView),
)
OTHERS = (
    Route("GET", "/api/state", "Everything a dashboard needs", State),
    Route(
        "GET",
        "/api/events",
        "What happens from now on",
        query={"since": "the number of an event that is known", "topics": "beginnings of kinds, with commas"},
        media=(EVENTS,),
    ),
    Route("GET", "/api/errors", "Recent failures", Listed("errors", ErrorRecord)),
    Route("GET", "/api/requests", "Requests in flight and the last ones", Listed("requests", RequestView)),
    Route("GET", "/api/requests/{id}", "One of them", RequestView),
    Route("DELETE", "/api/requests/{id}", "Cancel it", RequestView, status=202),
    Route("GET", "/api/remotes", "The providers elsewhere", Listed("remotes", RemoteView)),
    Route("GET", "/api/remotes/{name}", "One of them", RemoteView),
    Route("POST", "/api/remotes/{name}/test", "Ask it for its models now", RemoteView),
    Route("GET", "/api/devices", "What the machine has", Listed("devices", DeviceView)),
    Route("GET", "/api/history", "The last hour of the devices and the slots", PastView),
    Route("GET", "/api/crashes", "What was known when backends failed", Listed("crashes", CrashBundle)),
    Route("GET", "/api/crashes/{id}", "One of them", CrashBundle),
    Route("GET", "/api/openapi.json", "This document"),
)
KEYS = (
    Route("GET", "/api/keys", "The API keys, without their texts", KeysView),
    Route("POST", "/api/keys", "Make one; its text is told here alone", NewKey, WantedKey, 201),
    Route("DELETE", "/api/keys/{name}", "Revoke one", KeysView),
    Route("DELETE", "/api/keys", "Remove all, so that none is wanted", KeysView),
)
# By the tag that a reader finds them under.
ROUTES: Mapping[str, tuple[Route, ...]] = {
    "inference": RELAYS,
    "facts": FACTS,
    "slots": SLOTS,
    "configuration": CONFIG,
    "models": MODELS,
    "keys": KEYS,
    "observation": OTHERS,
}
