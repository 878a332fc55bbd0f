"""In which voice a piece of an answer is: reasoning, text, or a call of a tool with its arguments. Pure.

Both the daemon, which reads answers as they pass, and the dashboard's chat, which asks for some, make pieces of them.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal

Voice = Literal["reasoning", "text", "call", "arguments"]
Said = tuple[Voice, str]


class Hearing:
    """Tells the pieces of one answer, event after event; it remembers which call is being made."""

    __slots__ = ("_call",)

    def __init__(self) -> None:
        self._call: object = None  # the index of the call whose arguments come

    def said(self, message: Mapping[str, Any]) -> Iterator[Said]:
        """The pieces of a `delta`, or of a whole `message`, of a chat completion.

        Raises AttributeError or TypeError if it is neither.
        """
        if reasoning := message.get("reasoning_content"):
            yield "reasoning", str(reasoning)
        if text := message.get("content"):
            yield "text", str(text)
        for position, call in enumerate(message.get("tool_calls") or ()):
            function = call.get("function") or {}
            index = call.get("index", position)
            if name := function.get("name"):
                yield "call", heading(f"calls {name}")
            elif index != self._call and self._call is not None:
                yield "call", heading(f"call {index} goes on")
            self._call = index
            if arguments := function.get("arguments"):
                yield "arguments", str(arguments)


def heading(words: str) -> str:
    """What stands above the arguments of a call, also where voices are not told apart."""
    return f"\n[{words}]\n"


def laid_out(arguments: str) -> str:
    """Arguments as people read JSON if they are whole, else as they came."""
    text = arguments.strip()
    if not text.endswith(("}", "]")):
        return arguments
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return arguments
