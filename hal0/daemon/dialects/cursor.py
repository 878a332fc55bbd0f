"""Chat completions, with a Responses-shaped body where a chat was due, as Cursor's agent sends it.

The answer is that of chat completions: clients that do this read nothing else. A body with messages is never looked at
twice.
"""

from hal0.daemon.dialects.responses import as_chat
from hal0.daemon.dialects.responses_request import ResponsesBody
from hal0.daemon.providers.base import Api
from hal0.daemon.proxy.body import Call, checked, parse
from hal0.daemon.proxy.seams import Wording
from hal0.errors import Hal0Error


class CursorDialect:
    """The dialect of those who send `input` to /v1/chat/completions."""

    wording: Wording | None = None

    def call(self, path: str, raw: bytes) -> Call:
        try:
            return parse(Api.CHAT, raw)
        except Hal0Error as error:
            if error.code != "dispatch.invalid_request" or error.param != "messages" or b'"input"' not in raw:
                raise
            asked = checked(ResponsesBody, raw)
            if asked.input is None:
                raise
        return as_chat(asked)
