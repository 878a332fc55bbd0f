"""The chat: talk to a slot or a model, or to two side by side. What is not talk begins with a slash."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal
from textual.events import Key as KeyPressed
from textual.message import Message
from textual.widgets import TextArea
from textual.worker import Worker

from hal0.errors import Hal0Error
from hal0.tui.conversation import HELP, Conversation, attachment, path_of, setting
from hal0.tui.keymap import Need
from hal0.tui.screens.base import ScrollingScreen, bindings
from hal0.tui.view import View
from hal0.tui.widgets.chat import ChatPane
from hal0.tui.widgets.footer import Footer
from hal0.tui.widgets.pane import Pane
from hal0.tui.widgets.truth import Truth
from hal0.tui.widgets.typed import TypedText

PROMPT_ROWS = 6  # the highest the line to type in becomes


OURS = {"ctrl+x", "ctrl+f", "pageup", "pagedown"}  # what the table has for the chat, and a text area for itself


class Prompt(TypedText, inherit_bindings=False):
    """Where the person writes; Enter sends, ^j begins a new line."""

    BINDINGS: ClassVar = [
        each for each in TextArea.BINDINGS if isinstance(each, Binding) and not OURS & set(each.key.split(","))
    ]

    class Sent(Message):
        """The person pressed Enter."""

    async def _on_key(self, event: KeyPressed) -> None:
        if event.key == "enter":
            event.prevent_default().stop()
            self.post_message(self.Sent())
        elif event.key == "ctrl+j":
            event.prevent_default().stop()
            self.insert("\n")
        else:
            await super()._on_key(event)


class ChatScreen(ScrollingScreen, inherit_bindings=False):
    """`c` on a slot."""

    PLACE = "chat"
    BINDINGS: ClassVar = bindings("chat")

    def __init__(self, view: View, model: str) -> None:
        super().__init__(view)
        self._opened_for = model
        self.sides = [ChatPane(view, view.conversations.setdefault(model, Conversation(model)), id="chat0")]
        self.prompt = Prompt(id="prompt", compact=True, highlight_cursor_line=False, tab_behavior="focus")
        self.prompt.cursor_blink = False  # a blinking cursor is a frame that nobody asked for, twice a second
        self._attached: list[dict[str, Any]] = []
        self._names: list[str] = []  # of the files attached
        self._answers: list[Worker[None]] = []
        self._commands: Mapping[str, Callable[[str], None]] = {
            "slot": self._slot,
            "ab": self._second,
            "system": self._system,
            "set": self._set,
            "file": self._file,
            "new": self._new,
            "copy": self._copy,
            "export": self._export,
            "quit": lambda _: self.do_back(),
            "help": lambda _: self.sides[0].tell(*HELP),
        }

    def compose(self) -> ComposeResult:
        yield Truth(self.view, id="truth")
        yield Horizontal(*self.sides, id="sides")
        yield self.prompt
        yield Footer(self.view, self.offered)

    def on_mount(self) -> None:
        self.prompt.text = self.sides[0].conversation.draft
        self.prompt.move_cursor(self.prompt.document.end)
        self.prompt.focus()

    @property
    def is_answering(self) -> bool:
        return any(side.is_answering for side in self.sides)

    def has(self, need: Need) -> bool:
        match need:
            case "answering":
                return self.is_answering
            case "answered":
                return not self.is_answering and any(side.conversation.messages for side in self.sides)
            case _:
                return super().has(need)

    @property
    def scrolled(self) -> Pane:
        focused = self.focused
        return focused if isinstance(focused, ChatPane) else self.sides[0]

    def mark_scrolled(self) -> None:
        self.store.mark("chat")

    # What the person writes ------------------------------------------------------------------------------------
    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        self.prompt.styles.height = min(PROMPT_ROWS, max(1, self.prompt.wrapped_document.height))

    def on_prompt_sent(self, event: Prompt.Sent) -> None:
        text = self.prompt.text.strip()
        if not text:
            return
        if self.is_answering and not text.startswith("/"):
            self.store.tell(f"an answer is coming; {self.view.keymap.of('stop').shown} ends it", "warn")
            self.dashboard.paint_now()
            return
        self.prompt.clear()
        if text.startswith("/"):
            self._command(text[1:])
        else:
            self._send(text)
        self.mark_scrolled()
        self.dashboard.paint_now()

    def _command(self, text: str) -> None:
        word, _, rest = text.partition(" ")
        command = self._commands.get(word)
        if command is None:
            self.store.tell(f"/{word} is no command; /help tells them", "warn")
            return
        try:
            command(rest.strip())
        except Hal0Error as error:
            self.store.tell(f"{error.code}: {error.message}", "alarm")

    def _send(self, text: str) -> None:
        shown = " ".join([text, *(f"[{name}]" for name in self._names)])
        for side in self.sides:
            side.conversation.ask(text, self._attached)
            side.asked(shown)
        self._attached, self._names = [], []
        self._ask(self.sides)

    def _ask(self, sides: Sequence[ChatPane]) -> None:
        self._answers = [self.run_worker(self._answer(side)) for side in sides]

    async def _answer(self, side: ChatPane) -> None:
        """Ask for the next answer of one side, and show it as it comes."""
        conversation, said = side.conversation, ""
        problem: Hal0Error | None = None
        try:
            async for piece in self.dashboard.client.chat(conversation.body()):
                assert side.timing is not None
                side.timing.headers = piece.headers
                side.timing.tokens = piece.tokens or side.timing.tokens
                side.timing.prompt_tokens = piece.prompt_tokens or side.timing.prompt_tokens
                side.heard(piece.said)
                said += "".join(text for voice, text in piece.said if voice != "reasoning")
                self.store.mark("chat")
                self.dashboard.wake()
        except Hal0Error as error:
            problem = error
        finally:
            side.ended(problem)
            if said:
                conversation.answered(said)
            self.store.mark("chat")
            with suppress(RuntimeError):  # the dashboard ends, and there is no clock any more
                self.dashboard.wake()

    # The commands ----------------------------------------------------------------------------------------------
    def _slot(self, name: str) -> None:
        if not name:
            raise Hal0Error("dispatch.invalid_request", field="/slot", reason="write the name of a slot or a model")
        self._require_chat(name)
        self.sides[0].conversation.model = name

    def _require_chat(self, name: str) -> None:
        """Refuse a slot that is known to answer no chat; a name that is none of a slot may be a remote's."""
        slots = self.store.slots.values()
        slot = next((each for each in slots if name in (each.name, *each.aliases, *each.background)), None)
        if slot is not None and slot.kind != "chat":
            path = "/v1/chat/completions"
            raise Hal0Error("dispatch.capability_mismatch", slot=slot.name, kind=slot.kind, path=path)

    def _second(self, name: str) -> None:
        """Open or close the second side; it knows what was said on the first."""
        self._require_chat(name)
        for side in self.sides[1:]:
            side.remove()
        del self.sides[1:]
        if name:
            first = self.sides[0].conversation
            copy = Conversation(name, first.system, dict(first.settings), list(first.messages))
            self.sides.append(ChatPane(self.view, copy, id="chat1"))
            self.query_one("#sides").mount(self.sides[1])

    def _system(self, text: str) -> None:
        for side in self.sides:
            side.conversation.system = text

    def _set(self, text: str) -> None:
        name, value = setting(text)
        for side in self.sides:
            side.conversation.settings.pop(name, None)
            if value is not None:
                side.conversation.settings[name] = value

    def _file(self, text: str) -> None:
        path = path_of(text)
        self._attached.append(attachment(path))
        self._names.append(path.name)
        self.store.tell(f"{path.name} goes with the next question", "good")

    def _new(self, _: str) -> None:
        self.do_stop()
        for side in self.sides:
            old = side.conversation
            side.renew(Conversation(old.model, old.system, old.settings))
        self.view.conversations[self._opened_for] = self.sides[0].conversation

    def _copy(self, _: str) -> None:
        self.dashboard.copy(self.sides[0].conversation.last_answer, "the answer")

    def _export(self, text: str) -> None:
        if not text:
            raise Hal0Error(
                "dispatch.invalid_request", field="/export", reason="write the path of a new file behind it"
            )
        path = path_of(text)
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write("\n".join(side.conversation.markdown() for side in self.sides))
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise Hal0Error("dispatch.invalid_request", field=text or "/export", reason=reason) from error
        self.store.tell(f"written to {path}", "good")

    # The keys --------------------------------------------------------------------------------------------------
    def do_stop(self) -> None:
        """End the answers; what has come stays."""
        for answer in self._answers:
            answer.cancel()

    def do_again(self) -> None:
        sides = [side for side in self.sides if side.conversation.take_back()]
        for side in sides:
            side.once_more()
        self._ask(sides)

    def do_next_pane(self) -> None:
        order: list[Any] = [self.prompt, *self.sides]
        at = order.index(self.focused) if self.focused in order else 0
        self.give_focus(order[(at + 1) % len(order)])

    def do_back(self) -> None:
        """What was said, and what is written, is there again when the chat is opened anew."""
        self.do_stop()
        self.sides[0].conversation.draft = self.prompt.text
        super().do_back()

    def do_copy_command(self) -> None:
        self.dashboard.copy(f"hal0 chat {shlex.quote(self.sides[0].conversation.model)}", "the hal0 command")
