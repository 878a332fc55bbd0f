"""The answer of one of hal0's own programs that takes long: lines that tell how far it is, and then the answer.

Each line is a JSON object: `{"doing": "step 3/20", "done": 0.18}`; or `{"error": …}`, an envelope, which is the end; or
`{"answer_bytes": N}`, upon which the N bytes of the answer follow, JSON for the client as it is.
"""

import json
from collections.abc import Callable

from hal0.daemon.http.client import BrokenAnswer
from hal0.daemon.proxy.replies import Header, Reply
from hal0.daemon.proxy.seams import Answer
from hal0.errors import Hal0Error

PROGRESS_TYPE = b"application/vnd.hal0.progress"
LINE_BYTES = 2**20  # an error has its details in it
DOING_CHARACTERS = 200

Progressed = Callable[[str, float | None], None]


async def relay_answer(
    connection: Answer, reply: Reply, headers: list[Header], *, whole_bytes: int, on_progress: Progressed
) -> None:
    """Hear the lines, pass the answer on; one of up to `whole_bytes` is taken whole before its head is sent.

    Raises BrokenAnswer, or the error that was told.
    """
    length, begun = await _answer_begins(connection, on_progress)
    if length <= whole_bytes:
        body = begun + await connection.read_all(whole_bytes)
        if len(body) != length:
            raise BrokenAnswer("the connection ended in the middle of its answer")
        await reply.whole(200, body, headers)
        return
    await reply.head(200, [*headers, (b"content-length", b"%d" % length)], is_stream=False)
    passed = len(begun)
    if begun:
        await reply.part(begun)
    while data := await connection.read():
        passed += len(data)
        await reply.part(data)
    if passed != length:
        raise BrokenAnswer("the connection ended in the middle of its answer")
    await reply.end()


async def _answer_begins(connection: Answer, on_progress: Progressed) -> tuple[int, bytes]:
    """How long the answer will be, and what of it has come with the last line."""
    held = b""
    while data := await connection.read():
        held += data
        while (end := held.find(b"\n")) >= 0:
            told, held = _read(held[:end]), held[end + 1 :]
            if isinstance(length := told.get("answer_bytes"), int):
                return length, held
            if (error := Hal0Error.from_envelope(told)) is not None:
                raise error
            doing, done = told.get("doing"), told.get("done")
            if isinstance(doing, str):
                on_progress(doing[:DOING_CHARACTERS], float(done) if isinstance(done, int | float) else None)
        if len(held) > LINE_BYTES:
            break
    raise BrokenAnswer("it ended before its answer")


def _read(line: bytes) -> dict[str, object]:
    try:
        told = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BrokenAnswer("a line that is not JSON") from error
    if not isinstance(told, dict):
        raise BrokenAnswer("a line that is no object")
    return told
