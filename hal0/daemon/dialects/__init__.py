"""Other APIs than chat completions, answered by chat completions of any backend: which paths speak which."""

from collections.abc import Mapping

from hal0.daemon.dialects.cursor import CursorDialect
from hal0.daemon.dialects.messages import MessagesDialect
from hal0.daemon.dialects.responses import ResponsesDialect
from hal0.daemon.proxy.seams import Dialect

DIALECTS: Mapping[str, Dialect] = {
    "/v1/chat/completions": CursorDialect(),
    "/v1/responses": ResponsesDialect(),
    "/v1/responses/input_tokens": ResponsesDialect(),
    "/v1/messages": MessagesDialect(),
    "/v1/messages/count_tokens": MessagesDialect(),
}
