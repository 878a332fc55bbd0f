"""Sound cut at pauses: nothing of speech is lost, nothing of silence is kept, times are right."""

from hal0.backends.transcription.chunks import FRAME_BYTES, FRAME_SECONDS, LONGEST_SECONDS, Chunk, Chunks

LOUD, QUIET = b"\x10\x10" * (FRAME_BYTES // 2), bytes(FRAME_BYTES)


def is_loud(frame: bytes) -> bool:
    return any(frame)


def cut(*parts: tuple[bytes, float], step: int = 4000) -> tuple[list[Chunk], float]:
    """Parts as frames and seconds."""
    pcm = b"".join(frame * round(seconds / FRAME_SECONDS) for frame, seconds in parts)
    chunks = Chunks(is_loud)
    found = [chunk for at in range(0, len(pcm), step) for chunk in chunks.feed(pcm[at : at + step])]
    return [*found, *chunks.end()], chunks.seconds


def loud_frames(chunk: Chunk) -> int:
    frames = [chunk.pcm[at : at + FRAME_BYTES] for at in range(0, len(chunk.pcm), FRAME_BYTES)]
    return sum(map(is_loud, frames))


def test_speech_between_pauses_is_one_chunk_with_a_little_around_it() -> None:
    [chunk], seconds = cut((QUIET, 3.0), (LOUD, 1.5), (QUIET, 3.0))
    assert seconds == 7.5
    assert loud_frames(chunk) == 50
    assert 2.7 <= chunk.start < 3.0
    assert len(chunk.pcm) < 70 * FRAME_BYTES


def test_a_pause_parts_chunks_and_a_breath_does_not() -> None:
    chunks, _ = cut((LOUD, 0.9), (QUIET, 0.3), (LOUD, 0.9), (QUIET, 1.2), (LOUD, 0.9))
    assert [loud_frames(chunk) for chunk in chunks] == [60, 30]
    assert 3.0 <= chunks[1].start < 3.3


def test_no_frame_of_speech_is_lost_or_heard_twice_wherever_it_is_cut() -> None:
    for step in (1, 959, 960, 961, 50_000):
        chunks, _ = cut((QUIET, 0.3), (LOUD, 0.6), (QUIET, 0.9), (LOUD, 3.0), (QUIET, 0.6), (LOUD, 0.3), step=step)
        assert sum(map(loud_frames, chunks)) == 20 + 100 + 10


def test_silence_is_no_chunk() -> None:
    assert cut((QUIET, 5.0)) == ([], 5.01)


def test_a_click_is_no_speech_but_a_word_at_the_end_is() -> None:
    assert cut((QUIET, 2.0), (LOUD, 0.06), (QUIET, 2.0))[0] == []
    assert len(cut((QUIET, 2.0), (LOUD, 0.09))[0]) == 1


def test_who_never_pauses_is_cut_at_the_quietest_moment() -> None:
    soft = b"\x01\x00" * (FRAME_BYTES // 2)
    chunks, _ = cut((LOUD, 28.2), (soft, 0.03), (LOUD, 20.0))
    assert len(chunks) == 2
    assert len(chunks[0].pcm) == round(28.2 / FRAME_SECONDS) * FRAME_BYTES
    assert chunks[1].start == len(chunks[0].pcm) / FRAME_BYTES * FRAME_SECONDS
    assert sum(map(loud_frames, chunks)) == round(48.23 / FRAME_SECONDS)
    assert all(len(chunk.pcm) <= LONGEST_SECONDS * 32_000 for chunk in chunks)
