"""OpenAI's Responses API: what is asked there, how it is answered, and its counting of tokens.

Its failures before a stream look like those of chat completions.
"""

from hal0.daemon.dialects.chat import as_json
from hal0.daemon.dialects.counting import Counting
from hal0.daemon.dialects.responses_answer import ResponsesAnswer
from hal0.daemon.dialects.responses_request import ResponsesBody, chat_of
from hal0.daemon.dialects.saying import said_in_chat
from hal0.daemon.providers.base import Api
from hal0.daemon.proxy.body import Call, Native, checked, parse
from hal0.daemon.proxy.seams import Wording

COUNT_PATH = "/v1/responses/input_tokens"


class ResponsesDialect:
    """The dialect of /v1/responses."""

    wording: Wording | None = None

    def call(self, path: str, raw: bytes) -> Call:
        asked = checked(ResponsesBody, raw)
        if path == COUNT_PATH:
            asked = asked.model_copy(update={"stream": None})
        counts = path == COUNT_PATH
        translation = Counting(object="response.input_tokens") if counts else ResponsesAnswer(asked)
        return said_in_chat(asked, lambda: as_json(chat_of(asked)), translation, Native(path, raw))


def as_chat(asked: ResponsesBody) -> Call:
    """The same request to chat completions; raises `dispatch.*` for what cannot be said there."""
    return parse(Api.CHAT, as_json(chat_of(asked)))
