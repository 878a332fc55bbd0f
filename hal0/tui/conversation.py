"""A conversation with one slot or model: what was said, with which settings, and the request for the next answer.

No Textual here, and no I/O but reading a file that a person attaches.
"""

import base64
import json
import mimetypes
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hal0.errors import Hal0Error
from hal0.tui.transcript import Transcript

LONGEST_FILE_BYTES = 20 * 2**20
PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")
HELP = (
    "/slot NAME      go on with another slot or model",
    "/ab NAME        ask a second one the same, side by side; /ab alone ends that",
    "/system TEXT    instructions that stand before the conversation; alone: none",
    "/set KEY=VALUE  a parameter of the requests: temperature=0.2 max_tokens=500; /set KEY takes it back",
    "/file PATH      attach a text file or a picture to the next question",
    "/new            forget what was said",
    "/copy           copy the last answer",
    "/export PATH    write the conversation into a new file, as Markdown",
    "/quit           back to the dashboard",
)


@dataclass(slots=True)
class Conversation:
    """What was said with one slot or model."""

    model: str
    system: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    messages: list[dict[str, Any]] = field(default_factory=list)
    transcript: Transcript = field(default_factory=Transcript)  # as it is shown
    draft: str = ""  # what was written and not sent

    def ask(self, text: str, attachments: list[dict[str, Any]]) -> None:
        """Add a question, in place of one that got no answer: who speaks takes turns, or a model's template refuses."""
        if self.messages and self.messages[-1]["role"] == "user":
            self.messages.pop()
        content: Any = [*attachments, {"type": "text", "text": text}] if attachments else text
        self.messages.append({"role": "user", "content": content})

    def answered(self, text: str) -> None:
        self.messages.append({"role": "assistant", "content": text})

    def take_back(self) -> bool:
        """Drop the last answer, so that its question can be asked again; tells whether there is one to ask."""
        if self.messages and self.messages[-1]["role"] == "assistant":
            self.messages.pop()
        return bool(self.messages)

    @property
    def last_answer(self) -> str:
        return next((each["content"] for each in reversed(self.messages) if each["role"] == "assistant"), "")

    def body(self) -> dict[str, Any]:
        """The request for the next answer, in the words of chat completions."""
        opening = [{"role": "system", "content": self.system}] if self.system else []
        return {
            **self.settings,
            "model": self.model,
            "messages": [*opening, *self.messages],
            "stream": True,
            "stream_options": {"include_usage": True},
        }

    def markdown(self) -> str:
        parts = [f"# Chat with {self.model}", ""]
        if self.system:
            parts += ["## System", "", self.system, ""]
        for message in self.messages:
            parts += [f"## {'You' if message['role'] == 'user' else self.model}", "", _text_of(message), ""]
        return "\n".join(parts)


def _text_of(message: Mapping[str, Any]) -> str:
    content = message["content"]
    if isinstance(content, str):
        return content
    return "\n\n".join(part.get("text", "*(a picture)*") for part in content)


def setting(text: str) -> tuple[str, Any]:
    """`KEY=VALUE` as a parameter, its value as JSON has it or else as a text; `KEY` alone gives None.

    Raises `dispatch.invalid_request`.
    """
    name, sign, value = (part.strip() for part in text.partition("="))
    if not name.isidentifier() or name in ("model", "messages", "stream", "stream_options"):
        reason = "write KEY=VALUE, such as temperature=0.2; model, messages and stream are the conversation's own"
        raise Hal0Error("dispatch.invalid_request", field=name or "/set", reason=reason)
    if not sign:
        return name, None
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def path_of(text: str) -> Path:
    """A path as it is typed, with `~` and `~name`. Raises `dispatch.invalid_request`."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise _unfit(text, "there is no such user, or it has no home") from error


def attachment(path: Path) -> dict[str, Any]:
    """A file as a part of a message. Raises `dispatch.invalid_request`."""
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise _unfit(path, "it is a directory")
        if not stat.S_ISREG(found.st_mode):  # reading it could wait for ever, or never end
            raise _unfit(path, "it is not a file but a pipe or a device")
        if found.st_size > LONGEST_FILE_BYTES:
            raise _unfit(path, f"it is longer than {LONGEST_FILE_BYTES // 2**20} MiB")
        data = path.read_bytes()
    except OSError as error:
        raise _unfit(path, error.strerror or str(error)) from error
    kind = mimetypes.guess_type(path.name)[0] or ""
    if kind in PICTURES:
        url = f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
        return {"type": "image_url", "image_url": {"url": url}}
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise _unfit(path, "it is neither a picture (PNG, JPEG, GIF, WebP) nor text in UTF-8") from error
    return {"type": "text", "text": f"{path.name}:\n\n{text}"}


def _unfit(path: Path | str, reason: str) -> Hal0Error:
    return Hal0Error("dispatch.invalid_request", field=str(path), reason=reason)
