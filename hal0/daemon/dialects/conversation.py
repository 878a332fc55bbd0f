"""The messages of a chat, made of finer pieces: what belongs to one turn of the assistant becomes one message.

Templates of models want one system message, at the start, so the texts that lead are put together. No I/O here.
"""

from typing import Any

Part = dict[str, Any]


class Conversation:
    """Takes pieces in order; `messages` is what chat completions take."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []

    def system(self, text: str) -> None:
        if len(self.messages) == 1 and self.messages[0]["role"] == "system":
            self.messages[0]["content"] += "\n\n" + text
        else:
            self.messages.append({"role": "system", "content": text})

    def user(self, parts: list[Part]) -> None:
        self.messages.append({"role": "user", "content": _plain(parts)})

    def says(self, text: str) -> None:
        """Words of the assistant."""
        turn = self._turn("content", "tool_calls")
        turn["content"] = text

    def thinks(self, text: str) -> None:
        self._turn("reasoning_content", "content", "tool_calls")["reasoning_content"] = text

    def calls(self, *, id: str, name: str, arguments: str) -> None:
        call = {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}
        self._turn().setdefault("tool_calls", []).append(call)

    def result(self, *, id: str, parts: list[Part]) -> None:
        """What a tool gave."""
        self.messages.append({"role": "tool", "tool_call_id": id, "content": _plain(parts)})

    def _turn(self, *later: str) -> dict[str, Any]:
        """The assistant's turn; a new one if the last has what comes `later` than, or instead of, the next piece."""
        if self.messages:
            last = self.messages[-1]
            if last["role"] == "assistant" and not any(last.get(key) for key in later):
                return last
        turn: dict[str, Any] = {"role": "assistant", "content": None}
        self.messages.append(turn)
        return turn

    def ended(self) -> list[dict[str, Any]]:
        """The messages; one that holds thoughts alone gets empty words, as templates do not take null there."""
        for message in self.messages:
            if message["content"] is None and "tool_calls" not in message:
                message["content"] = ""
        return self.messages


def last_text(messages: list[Any]) -> str:
    """The last of what a user wrote, for people; whatever else is among the messages."""
    for message in reversed(messages):
        content = message.get("content") if isinstance(message, dict) and message.get("role") == "user" else None
        if isinstance(content, str):
            return content
        parts = content if isinstance(content, list) else []
        texts = [part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str)]
        if texts:
            return "\n".join(texts)
    return ""


def text_part(text: str) -> Part:
    return {"type": "text", "text": text}


def image_part(url: str, *, detail: str | None = None) -> Part:
    return {"type": "image_url", "image_url": {"url": url} if detail is None else {"url": url, "detail": detail}}


def _plain(parts: list[Part]) -> str | list[Part]:
    """A single text as a string, which every template takes."""
    if all(part["type"] == "text" for part in parts) and len(parts) <= 1:
        return "".join(part["text"] for part in parts)
    return parts
