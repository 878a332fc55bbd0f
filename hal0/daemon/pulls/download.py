"""One file from its server to the disk: in pieces over several connections where the server can, else in one stream.

Every answer is held against what the server said before. Ranges that turn out to be lies are not asked for again; a
file that became another is begun anew. What is noted as there is on the disk first.
"""

import asyncio
import os
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path

from hal0.daemon.models import spans
from hal0.daemon.models.record import FileRecord
from hal0.daemon.models.spans import Span
from hal0.daemon.pulls.facts import Liar, ask, check_piece, validator_of
from hal0.daemon.pulls.pace import MIB, Pace
from hal0.daemon.pulls.patience import Patience
from hal0.daemon.pulls.remote import Answer, Interruption, Remote, host_of
from hal0.errors import Hal0Error

WRITE_BYTES = 1 * MIB  # put on the disk at once, or what has come within
WRITE_SECONDS = 0.25
MAGIC = b"GGUF"
WEB_PAGES = ("text/html", "application/xhtml+xml")
MOST_CHANGES = 2  # how often a file may become another while it is fetched in pieces
MOST_LIES = 3  # about ranges, before none is asked for any more: what has come is then worth nothing


class Changed(Exception):  # noqa: N818 - it says what happened
    """The file is not the one that was begun."""


class Download:
    """One file. `save` puts the record on the disk; `check_room` raises if the disk runs full."""

    def __init__(
        self,
        file: FileRecord,
        path: Path,
        *,
        remote: Remote,
        pace: Pace,
        connections: int,
        patience: Patience,
        save: Callable[[], None],
        check_room: Callable[[int], None],
        on_progress: Callable[[], None],
    ) -> None:
        self._file = file
        self._path = path
        self._remote = remote
        self._pace = pace
        self._connections = connections
        self._patience = patience
        self._save = save
        self._check_room = check_room
        self._on_progress = on_progress
        self._descriptor = -1
        self._todo: deque[Span] = deque()
        self._working = 0
        self._lies = 0
        self._saved_at = time.monotonic()
        self._saving = asyncio.Lock()

    async def run(self) -> None:
        """Fetch all of it. Raises `model.*`; what has come by then is kept and noted."""
        self._descriptor = await asyncio.to_thread(_open, self._path)
        try:
            try:
                await self._fetch()
            except BaseException:
                self._save()  # in this step: whoever cancels us waits for it
                raise
            await asyncio.to_thread(self._save)
        finally:
            os.close(self._descriptor)

    async def _fetch(self) -> None:
        changes = 0
        while True:
            try:
                if self._file.size is not None and self._file.ranges:
                    await self._in_pieces(self._file.size)
                else:
                    await self._in_one()
                return
            except Liar:
                self._file.ranges = False
                self._begin_anew()
            except Changed:
                changes += 1
                self._begin_anew()
                self._file.ranges = self._file.ranges and changes < MOST_CHANGES
                if self._file.sha256 is None or changes >= MOST_CHANGES:
                    await self.ask()

    async def ask(self) -> str:
        """Learn from the server what the file is, and return the commit of its repository if it has one.

        What others expect of it stays. Raises `model.*`.
        """
        while True:
            try:
                facts = await ask(self._remote, self._file.url)
                break
            except Interruption as error:
                await self._patience.after(error)
        file = self._file
        self._check_no_page(facts.content_type)
        if file.sha256 and facts.sha256 and file.sha256 != facts.sha256:
            raise self._failed(f"the file there is another one: its SHA-256 is said to be {facts.sha256}")
        if file.size is not None and facts.size is not None and file.size != facts.size:
            raise self._failed(f"it has {facts.size} bytes there, not the expected {file.size}")
        if file.sha256 is None and file.validator and file.validator != facts.validator:
            self._begin_anew()
        file.size = facts.size if file.size is None else file.size
        file.ranges = file.ranges and facts.ranges
        file.validator = facts.validator
        file.sha256 = file.sha256 or facts.sha256
        return facts.commit

    # In pieces ------------------------------------------------------------------------------------------------------

    async def _in_pieces(self, size: int) -> None:
        os.ftruncate(self._descriptor, size)
        gaps = spans.missing(self._file.spans, size)
        self._todo = deque(spans.pieces(gaps, self._pace.piece_bytes))
        count = min(self._connections, len(self._todo))
        self._working = count
        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(count):
                    tasks.create_task(self._work(size))
        except BaseExceptionGroup as group:
            raise _first(group) from None

    async def _work(self, size: int) -> None:
        try:
            while self._todo:
                start, end = self._todo.popleft()
                reached = [start]
                try:
                    await self._piece(start, end, size, reached)
                    continue
                except Interruption as error:
                    interruption = error
                except Liar as error:
                    self._lies += 1
                    if self._lies >= MOST_LIES:
                        raise
                    interruption = Interruption(str(error))
                if reached[0] < end:
                    self._todo.appendleft((reached[0], end))
                if interruption.busy and self._working > 1:
                    return  # fewer connections may be what it wants
                await self._patience.after(interruption)
        finally:
            self._working -= 1

    async def _piece(self, start: int, end: int, size: int, reached: list[int]) -> None:
        """Fetch a piece; `reached` is how far it came, whatever happens."""
        async with self._remote.open(self._file.url, headers={"Range": f"bytes={start}-{end - 1}"}) as answer:
            self._check_no_page(answer.header("content-type"))
            self._check_same(answer)
            check_piece(answer, start, end - 1, size)
            async with aclosing(_buffered(answer, start)) as chunks:
                async for at, chunk in chunks:
                    if at + len(chunk) > end:
                        raise Liar("it sends more than the part that was asked for")
                    await self._put(at, chunk)
                    reached[0] = at + len(chunk)
        if reached[0] < end:
            raise Interruption("it ended its answer too early")

    # In one stream --------------------------------------------------------------------------------------------------

    async def _in_one(self) -> None:
        """From the first byte to the last, as often as it takes; a break means to begin again."""
        furthest = 0
        while True:
            self._begin_anew()
            try:
                async with self._remote.open(self._file.url) as answer:
                    await self._whole(answer)
                return
            except Interruption as error:
                if self._file.done > furthest:
                    furthest = self._file.done
                    self._patience.progressed()
                await self._patience.after(error)

    async def _whole(self, answer: Answer) -> None:
        size = self._file.size
        if answer.status != 200:
            raise self._failed(f"it answers a request for all of it with {answer.status}")
        length = answer.header("content-length")
        if size is not None and length.isdecimal() and int(length) != size:
            raise self._failed(f"it announces {length} bytes, not the expected {size}")
        self._check_no_page(answer.header("content-type"))
        framed = bool(length or answer.header("transfer-encoding"))
        if size is None and not framed and self._file.sha256 is None:
            # It would end by closing the connection, as a break does: nobody could tell whether that was all.
            raise self._failed("it does not tell how long the file is; `--sha256` would prove that all of it came")
        async with aclosing(_buffered(answer, 0)) as chunks:
            async for at, chunk in chunks:
                if size is not None and at + len(chunk) > size:
                    raise self._failed(f"it sends more than the {size} bytes that it announced")
                await self._put(at, chunk, counts=False)
        done = self._file.done
        if size is not None and done < size:
            raise Interruption("it ended its answer too early")
        self._file.size = done

    # The disk -------------------------------------------------------------------------------------------------------

    async def _put(self, at: int, chunk: bytes, *, counts: bool = True) -> None:
        if at == 0:
            self._check_beginning(chunk)
        await asyncio.to_thread(_write, self._descriptor, chunk, at)
        self._file.spans = spans.added(self._file.spans, (at, at + len(chunk)))
        if counts:
            self._patience.progressed()
        self._on_progress()
        if time.monotonic() - self._saved_at >= self._pace.save_seconds and not self._saving.locked():
            async with self._saving:
                await self._note()

    async def _note(self) -> None:
        """Put the bytes on the disk, then the note that they are there; look for room meanwhile."""
        self._saved_at = time.monotonic()
        there = self._file.spans
        await asyncio.to_thread(os.fdatasync, self._descriptor)
        left = (self._file.size or 0) - spans.count(there)
        await asyncio.to_thread(self._check_room, max(0, left))
        await asyncio.to_thread(self._save)

    def _begin_anew(self) -> None:
        self._file.spans = []
        if self._descriptor >= 0:
            os.ftruncate(self._descriptor, 0)

    # Whether it is what it should be --------------------------------------------------------------------------------

    @property
    def _is_gguf(self) -> bool:
        return self._file.path.lower().endswith(".gguf")

    def _check_no_page(self, content_type: str) -> None:
        kind = content_type.partition(";")[0].strip().lower()
        if kind in WEB_PAGES and not self._file.path.endswith((".html", ".htm")):
            raise self._not_a_model(f"it is a web page ({kind})")

    def _check_same(self, answer: Answer) -> None:
        """With a checksum that is known beforehand another file is noticed anyway, and tags may differ by server."""
        told = validator_of(answer)
        if self._file.sha256 is None and told and self._file.validator and told != self._file.validator:
            raise Changed

    def _check_beginning(self, chunk: bytes) -> None:
        if self._is_gguf and not chunk.startswith(MAGIC[: len(chunk)]):
            is_page = chunk.lstrip()[:1] == b"<"
            raise self._not_a_model("it is a web page" if is_page else "it does not begin as a GGUF file does")

    def _failed(self, reason: str) -> Hal0Error:
        return Hal0Error("model.pull_failed", model=self._remote.model, host=host_of(self._file.url), reason=reason)

    def _not_a_model(self, reason: str) -> Hal0Error:
        return Hal0Error("model.not_a_model", model=self._remote.model, host=host_of(self._file.url), reason=reason)


async def _buffered(answer: Answer, start: int) -> AsyncGenerator[tuple[int, bytes], None]:
    """The body in larger chunks, each with its place; what has come before a break is given out, too."""
    held, at, given_at = bytearray(), start, 0.0
    try:
        async for chunk in answer.response.aiter_raw():
            held += chunk
            if len(held) >= WRITE_BYTES or time.monotonic() - given_at >= WRITE_SECONDS:
                yield at, bytes(held)
                at += len(held)
                held, given_at = bytearray(), time.monotonic()
    except Exception:
        if held:
            yield at, bytes(held)
        raise
    if held:
        yield at, bytes(held)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """One of them: a failure that ends the pull before a doubt that has it begun anew."""
    flat: list[BaseException] = []
    todo: list[BaseException] = [group]
    while todo:
        each = todo.pop()
        if isinstance(each, BaseExceptionGroup):
            todo.extend(each.exceptions)
        else:
            flat.append(each)
    return next((each for each in flat if isinstance(each, Hal0Error | OSError)), flat[0])


def _open(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)


def _write(descriptor: int, chunk: bytes, at: int) -> None:
    view = memoryview(chunk)
    while view:
        count = os.pwrite(descriptor, view, at)
        view, at = view[count:], at + count
