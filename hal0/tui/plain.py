"""What happens as lines of text, one after the other, for screen readers and pipes: nothing is ever drawn over.

A line is a time, who it is about, and a sentence. The text of a request comes as whole lines, with its number.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import Iterator
from typing import TextIO

from hal0.tui import figures
from hal0.tui.client import Client
from hal0.tui.facts import Fact
from hal0.tui.feed import Feed
from hal0.tui.happenings import Happening, happening
from hal0.tui.look import Look
from hal0.tui.store import Store
from hal0.tui.streams import Stream
from hal0.tui.text import harmless, to_ascii
from hal0.tui.transcript import Transcript, Voice
from hal0.wire import SlotState

LINE_LIMIT = 2_000  # characters without a line feed after which a line is told all the same
MARKS: dict[Voice, str] = {"prompt": "", "reasoning": "(thinks) ", "text": "", "call": "", "arguments": ""}


class Listener:
    """The text of one request, cut into whole lines."""

    def __init__(self) -> None:
        self._transcript: Transcript | None = None
        self._read_to = 0
        self._taken: Counter[Voice] = Counter()  # characters, also of the line that is not whole yet
        self._known: Counter[Voice] = Counter()  # of these, what is still to come again
        self._voice: Voice = "text"
        self._rest = ""

    def lines(self, stream: Stream) -> Iterator[str]:
        """The lines that are whole by now; at the end of the request also the last one."""
        transcript = stream.transcript
        if transcript is not self._transcript:  # a whole state came: it has the text from its beginning
            self._transcript, self._read_to, self._known = transcript, 0, self._taken.copy()
        for voice, text in transcript.since(self._read_to):
            new = text[self._known[voice] :]
            self._known[voice] -= len(text) - len(new)
            self._taken[voice] += len(new)
            if not new:
                continue
            if voice != self._voice:
                yield from self._flush()
                self._voice = voice
            *whole, self._rest = (self._rest + new).split("\n")
            yield from self._marked(whole)
            if len(self._rest) > LINE_LIMIT:
                yield from self._flush()
        self._read_to = transcript.end
        if self._voice == "prompt" or not stream.in_flight:
            yield from self._flush()

    def _flush(self) -> Iterator[str]:
        rest, self._rest = self._rest, ""
        return self._marked([rest])

    def _marked(self, lines: list[str]) -> Iterator[str]:
        mark = MARKS[self._voice]
        return (mark + line for line in lines if line.strip())


class Teller:
    """Reads the store after each change, and says what it has not said yet."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._phase = "connecting"
        self._told_to: Happening | None = None
        self._slots: dict[str, SlotState] = {}
        self._listeners: dict[str, Listener | None] = {}  # None: its text is told, or is from before

    def lines(self) -> Iterator[str]:
        yield from self._link()
        yield from self._texts()
        fresh = self._fresh()
        for told in fresh:
            yield self._line(told.at, told.subject, told.text)
        yield from self._states({told.slot for told in fresh if told.state is not None})

    def _line(self, at: float, subject: str, text: str) -> str:
        return f"{figures.clock(at)} {subject}: {text}"

    def _link(self) -> Iterator[str]:
        store, link = self._store, self._store.link
        if link.phase == self._phase:
            return
        is_first = self._phase == "connecting"
        self._phase = link.phase
        if link.phase == "live":
            listening = ", ".join(store.listen)
            yield self._line(store.now, "hal0", f"connected to {store.host}, hal0 {store.version}, {listening}")
            if config := store.config:
                is_ok = config.rejected_at is None and not config.problems
                yield self._line(store.now, "config", f"r{config.revision} {'ok' if is_ok else 'REJECTED'}")
            for warning in store.warnings:
                yield self._line(store.now, "hal0", f"warning, {warning}")
            if is_first:
                self._listeners.update((id, None) for id, stream in store.streams.items() if not stream.in_flight)
        elif link.problem is not None:
            problem = link.problem
            yield self._line(store.now, "hal0", f"not connected, {problem.code}: {problem.message}; trying again")

    def _fresh(self) -> list[Happening]:
        """What happened since the last time, the oldest first."""
        fresh: list[Happening] = []
        for told in reversed(self._store.happenings):
            if told is self._told_to:
                break
            fresh.append(told)
        if fresh:
            self._told_to = fresh[0]
        return fresh[::-1]

    def _states(self, told: set[str]) -> Iterator[str]:
        """Slots that came with a whole state, at the beginning or after a break, and are not as they were."""
        store = self._store
        for slot in store.slots.values():
            before = self._slots.get(slot.name)
            self._slots[slot.name] = slot.state
            if slot.name in told:
                continue
            if what := happening(Fact(0, store.now, "slot.transition", slot), before):
                about = f" ({slot.kind}, {slot.model})" if before is None else ""
                yield self._line(store.now, slot.name, what.text + about)
        for name in self._slots.keys() - store.slots.keys():
            del self._slots[name]

    def _texts(self) -> Iterator[str]:
        store = self._store
        for id, stream in store.streams.items():
            listener = self._listeners.setdefault(id, Listener())
            if listener is not None:
                about = f"{stream.view.slot or stream.view.asked} #{id}"
                yield from (self._line(store.now, about, line) for line in listener.lines(stream))
            if not stream.in_flight:
                self._listeners[id] = None
        for id in self._listeners.keys() - store.streams.keys():
            del self._listeners[id]


async def print_events(client: Client, look: Look, out: TextIO) -> None:
    """Tell what happens until the reader goes away, which raises `BrokenPipeError`, or a recording ends."""
    store = Store()
    teller = Teller(store)
    failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def tell() -> None:
        if failed.done():
            return
        try:
            for line in teller.lines():
                text = harmless(line)
                out.write((to_ascii(text) if look.glyphs.ascii else text) + "\n")
            out.flush()
        except OSError as error:
            failed.set_exception(error)

    feeding = asyncio.create_task(Feed(client, store, tell).run())
    ending = asyncio.create_task(client.ended())
    try:
        for done in (await asyncio.wait((feeding, failed, ending), return_when=asyncio.FIRST_COMPLETED))[0]:
            done.result()
    finally:
        feeding.cancel()
        ending.cancel()
        await asyncio.gather(feeding, ending, return_exceptions=True)
        await client.aclose()


def run_plain(client: Client, look: Look) -> None:
    asyncio.run(print_events(client, look, sys.stdout))
