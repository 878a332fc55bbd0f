"""`hal0 chat`: talk to a slot over /v1, as any OpenAI client would.

The answer goes to stdout as it is generated, everything else to stderr, so it can be piped. What a model writes is made
harmless on a terminal: it cannot move the cursor, set the title or colour what is not its own.
"""

import json
import sys
import time
from argparse import Namespace
from dataclasses import dataclass
from typing import Any

from hal0.cli.connection import Daemon, check_stream, event_data, failure_in
from hal0.cli.options import Parser, add_host, add_json
from hal0.cli.output import clean, is_terminal, print_json, report
from hal0.errors import Hal0Error
from hal0.tui import figures

ABOUT = """\
Talk to a slot.

  hal0 chat                          a conversation with the default chat slot
  hal0 chat code -m "What is a GIL?"  one answer from the slot `code`
  git diff | hal0 chat --system "Write a commit message."

In a conversation: /new forgets what was said, Ctrl-C stops an answer or drops the line, Ctrl-D or /quit leaves."""

ANSWER_SECONDS = 600.0  # longest silence; the daemon's own limits are shorter and say more
Message = dict[str, str]


@dataclass(slots=True)
class Timing:
    """What `-v` tells about an answer."""

    asked_at: float
    first_at: float | None = None
    pieces: int = 0
    tokens: int | None = None
    slot: str = ""
    queue_ms: str = ""
    load_ms: str = ""

    def line(self) -> str:
        now = time.monotonic()
        tokens = self.tokens or self.pieces
        parts = [f"{self.slot or 'answer'}: {tokens} tokens in {figures.stopwatch(now - self.asked_at)}"]
        if self.first_at is not None:
            parts.append(f"first token after {figures.milliseconds((self.first_at - self.asked_at) * 1000)}")
            if tokens > 1 and now > self.first_at:
                parts.append(f"{figures.rate((tokens - 1) / (now - self.first_at))} tok/s")
        for label, value in (("queued", self.queue_ms), ("loading", self.load_ms)):
            if value and float(value) >= 1:
                parts.append(f"{label} {figures.milliseconds(float(value))}")
        return ", ".join(parts)


def configure(parser: Parser) -> None:
    parser.add_argument("slot", nargs="?", metavar="SLOT", help="a slot or a model; default: the default chat slot")
    parser.add_argument("-m", "--message", metavar="TEXT", help="ask this, print the answer, end")
    parser.add_argument("--system", metavar="TEXT", help="instructions that stand before the conversation")
    parser.add_argument("--no-stream", action="store_true", help="print the answer when it is complete")
    parser.add_argument("-v", "--verbose", action="store_true", help="tell the timing of each answer on stderr")
    add_json(parser)
    add_host(parser)
    parser.set_defaults(run=run, takes_more=True, parser=parser)


def run(args: Namespace) -> int:
    if any(word.startswith("-") for word in args.more):
        args.parser.unrecognised(args.more)
    if args.more:
        args.parser.error('what you say stands after -m, as in `hal0 chat primary -m "What is hal0?"`')
    api = Daemon.at(args.host)
    opening = [{"role": "system", "content": args.system}] if args.system else []
    if args.message is None and is_terminal(sys.stdin):
        return _converse(api, opening, args)
    text = args.message if args.message is not None else sys.stdin.read()
    if not text.strip():
        args.parser.error(f'there is nothing to ask, as in `hal0 chat {args.slot or "primary"} -m "What is hal0?"`')
    _answer(api, [*opening, {"role": "user", "content": text}], args)
    return 0


def _converse(api: Daemon, opening: list[Message], args: Namespace) -> int:
    import readline  # noqa: F401  # importing it gives input() its line editing and history

    said = list(opening)
    while True:
        try:
            text = input("> ")
        except EOFError:
            print()
            return 0
        except KeyboardInterrupt:  # drops the line, as in a shell
            print()
            continue
        if text.strip() == "/quit":
            return 0
        if text.strip() == "/new":
            said = list(opening)
            continue
        if not text.strip():
            continue
        if text.startswith("/"):
            print("there are /new and /quit; begin with a blank to say something with a slash", file=sys.stderr)
            continue
        question: Message = {"role": "user", "content": text}
        try:
            answer = _answer(api, [*said, question], args)
        except KeyboardInterrupt:
            print("\n(stopped)", file=sys.stderr)
            continue
        except Hal0Error as error:
            report(error, as_json=args.json)
            continue
        said += [question, {"role": "assistant", "content": answer}]


def _answer(api: Daemon, messages: list[Message], args: Namespace) -> str:
    """Print the answer to `messages` and return it."""
    whole = args.no_stream or args.json
    body: dict[str, Any] = {"messages": messages, "stream": not whole}
    if args.slot:
        body["model"] = args.slot
    if not whole:
        body["stream_options"] = {"include_usage": True}
    timing = Timing(time.monotonic())
    with api.open(
        "POST", "/v1/chat/completions", body=json.dumps(body).encode(), timeout_seconds=ANSWER_SECONDS
    ) as answer:
        timing.slot = answer.headers.get("x-hal0-slot", "")
        timing.queue_ms = answer.headers.get("x-hal0-queue-ms", "")
        timing.load_ms = answer.headers.get("x-hal0-load-ms", "")
        text = _whole(answer, timing, api, args) if whole else _streamed(answer, timing, api)
    if args.verbose:
        print(clean(timing.line(), sys.stderr), file=sys.stderr)
    return text


def _whole(answer: Any, timing: Timing, api: Daemon, args: Namespace) -> str:
    with api.translated():
        reply = _object(answer.read(), api)
    try:
        text = str(reply["choices"][0]["message"]["content"] or "")
        timing.tokens = int(reply.get("usage", {}).get("completion_tokens", 0))
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise Hal0Error("system.bad_answer", where=api.where, reason="it is not a chat completion") from error
    if args.json:
        print_json(reply)
    else:
        print(clean(text), flush=True)
    return text


def _streamed(answer: Any, timing: Timing, api: Daemon) -> str:
    check_stream(answer, where=api.where)
    printer = _Printer()
    ended = False
    try:
        with api.translated():
            for data in event_data(answer):
                if data == b"[DONE]":
                    ended = True  # and read on to the end: leaving early would look like giving up
                    continue
                chunk = _object(data, api)
                if "error" in chunk:
                    raise failure_in(chunk, where=api.where, otherwise="an error without a code")
                if isinstance(usage := chunk.get("usage"), dict):
                    timing.tokens = usage.get("completion_tokens")
                if delta := _delta(chunk):
                    timing.first_at = timing.first_at or time.monotonic()
                    timing.pieces += 1
                    printer.put(str(delta.get("reasoning_content") or ""), aside=True)
                    printer.put(str(delta.get("content") or ""))
        if not ended:
            raise Hal0Error(
                "dispatch.stream_broken", slot=timing.slot or api.where, reason="the connection ended before the answer"
            )
    finally:
        printer.end()
    return printer.answer


def _delta(chunk: dict[str, Any]) -> dict[str, Any] | None:
    """The new piece of text in a chunk, if it has one."""
    try:
        delta = chunk["choices"][0]["delta"]
    except (KeyError, IndexError, TypeError):
        return None
    return delta if isinstance(delta, dict) and (delta.get("content") or delta.get("reasoning_content")) else None


def _object(data: bytes, api: Daemon) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except ValueError as error:
        raise Hal0Error("system.bad_answer", where=api.where, reason="it is not JSON") from error
    if not isinstance(value, dict):
        raise Hal0Error("system.bad_answer", where=api.where, reason="it is not a JSON object")
    return value


class _Printer:
    """Text to stdout as it comes. What a model thinks aside is shown dimmed on a terminal, and kept out of a pipe."""

    def __init__(self) -> None:
        self.answer = ""
        self._terminal = is_terminal()
        self._aside = False
        self._last = "\n"

    def put(self, text: str, *, aside: bool = False) -> None:
        if not text or (aside and not self._terminal):
            return
        if aside != self._aside:
            sys.stdout.write("\x1b[2m" if aside else "\x1b[0m\n\n")
            self._aside = aside
        if not aside:
            self.answer += text
        self._last = text
        sys.stdout.write(clean(text))
        sys.stdout.flush()

    def end(self) -> None:
        """Leave the cursor at the start of a line."""
        if self._aside:
            sys.stdout.write("\x1b[0m")
        if not self._last.endswith("\n"):
            sys.stdout.write("\n")
        sys.stdout.flush()
