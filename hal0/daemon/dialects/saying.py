"""A request in the words of another API: said in those of chat completions, or kept for a remote that has that API.

What chat completions cannot say is refused, but only once it is known who answers. No I/O here.
"""

from collections.abc import Callable
from dataclasses import replace

from hal0.daemon.providers.base import Api
from hal0.daemon.proxy.body import Body, Call, Native, parse
from hal0.daemon.proxy.translation import Translation
from hal0.errors import Hal0Error

BEYOND_CHAT = ("dispatch.unsupported", "dispatch.not_stored")


def said_in_chat(asked: Body, chat: Callable[[], bytes], translation: Translation, native: Native) -> Call:
    """The call; raises `dispatch.*` for what is wrong in any words."""
    try:
        call = parse(Api.CHAT, chat())
    except Hal0Error as error:
        if error.code not in BEYOND_CHAT:
            raise
        return Call(Api.CHAT, asked, b"", translation, native=native, refusal=error)
    return replace(call, translation=translation, native=native)
