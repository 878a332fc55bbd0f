"""The tap counts and remembers what passes, however the network cut it."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal0.daemon.proxy.tap import Events, Tap
from hal0.voices import Said
from tests.fakes import chat_chunks


def event(**fields: object) -> bytes:
    return b"data: %b\n\n" % json.dumps({"choices": [{"delta": fields}]}, separators=(",", ":")).encode()


STREAM = [
    event(role="assistant", content=None),
    event(reasoning_content="hm"),
    event(content='a "quoted"\n word'),
    event(content=" é\U0001f600"),
    event(tool_calls=[{"function": {"arguments": '{"x"'}}]),
    event(),
    b'data: {"choices":[],"usage":{"completion_tokens":9,"prompt_tokens":4},'
    b'"timings":{"prompt_ms":3.5,"predicted_per_second":12.5}}\n\n',
    b"data: [DONE]\n\n",
]


def test_it_counts_deltas_and_reads_the_backends_own_figures_at_the_end() -> None:
    tap = Tap(keeps_text=True)
    firsts = [tap.look(piece, now=float(number)) for number, piece in enumerate(STREAM)]
    assert tap.tokens == 4
    assert firsts.index(True) == 1
    assert tap.first_at == 1.0
    usage = tap.usage()
    assert (usage.tokens, usage.prompt_tokens, usage.tokens_per_second, usage.prefill_ms) == (9, 4, 12.5, 3.5)
    assert tap.has_all


def test_text_and_reasoning_are_told_apart_and_kept_together() -> None:
    tap = Tap(keeps_text=True)
    for piece in STREAM:
        tap.look(piece, now=0.0)
    said = joined(tap.decode())
    assert said == [("reasoning", "hm"), ("text", 'a "quoted"\n word é\U0001f600'), ("arguments", '{"x"')]
    assert tap.text == "".join(text for _, text in said)
    assert tap.voices == [("reasoning", 2), ("text", 19), ("arguments", 4)]
    assert tap.decode() == []
    assert tap.usage().tokens == 9  # decoding does not lose the figures


CITY, TIME = '{"city":"Oslo"}', '{"zone":"CET"}'
TWO_CALLS = [
    chat_chunks.chunk(role="assistant", content=None),
    chat_chunks.chunk(reasoning_content="The weather, and the time."),
    chat_chunks.call(0, "", id="a", name="weather"),
    *(chat_chunks.call(0, CITY[at : at + 4]) for at in range(0, len(CITY), 4)),
    chat_chunks.call(1, TIME[:5], id="b", name="time"),
    chat_chunks.call(1, TIME[5:]),
    chat_chunks.chunk("tool_calls"),
    chat_chunks.usage(),
    chat_chunks.DONE,
]
TOLD = [
    ("reasoning", "The weather, and the time."),
    ("call", "\n[calls weather]\n"),
    ("arguments", CITY),
    ("call", "\n[calls time]\n"),
    ("arguments", TIME),
]


def joined(said: list[Said]) -> list[Said]:
    """Neighbours in one voice as one."""
    runs = itertools.groupby(said, key=lambda piece: piece[0])
    return [(voice, "".join(text for _, text in pieces)) for voice, pieces in runs]


@given(st.sets(st.integers(0, len(TWO_CALLS))))
def test_calls_of_tools_are_told_apart_with_their_names_however_they_are_decoded(decoded_at: set[int]) -> None:
    tap, said = Tap(keeps_text=True), []
    for number, piece in enumerate(TWO_CALLS):
        tap.look(piece, now=0.0)
        if number in decoded_at:
            said += tap.decode()
    assert joined([*said, *tap.decode()]) == TOLD
    assert tap.text == "".join(text for _, text in TOLD)
    assert tap.voices == [(voice, len(text)) for voice, text in TOLD]


def test_pieces_of_two_calls_in_turns_say_which_one_goes_on() -> None:
    tap = Tap(keeps_text=True)
    for piece in (chat_chunks.call(0, "{", name="a"), chat_chunks.call(1, "[", name="b"), chat_chunks.call(0, "}")):
        tap.look(piece, now=0.0)
    assert "".join(text for _, text in tap.decode()) == "\n[calls a]\n{\n[calls b]\n[\n[call 0 goes on]\n}"


def test_calls_of_an_answer_that_is_no_stream_are_told_apart_too() -> None:
    calls = [{"type": "function", "function": {"name": "weather", "arguments": CITY}}]
    tap = Tap(keeps_text=True)
    tap.keep(json.dumps({"choices": [{"message": {"content": "Let me see.", "tool_calls": calls}}]}).encode())
    assert tap.decode() == [("text", "Let me see."), *TOLD[1:3]]


@pytest.mark.parametrize(
    "line", [b'data: {"tool_calls', b'data: {"choices":[{"delta":{"tool_calls":7}}]}', b'{"choices":4,"tool_calls":[]}',
             b'data: {"choices":[{"delta":{"tool_calls":[{"function":{"arguments":"\\ud800"}}]}}]}']
)  # fmt: skip
def test_a_call_of_another_shape_breaks_nothing(line: bytes) -> None:
    tap = Tap(keeps_text=True)
    tap.keep(line + b'\n\ndata: {"choices":[{"delta":{"content":"and on"}}]}\n\n')
    assert tap.decode()[-1] == ("text", "and on")
    tap.text.encode()


def test_memory_is_bounded() -> None:
    tap = Tap(keeps_text=True)
    for number in range(5_000):
        tap.look(event(content=f"{number:04} " * 10), now=0.0)
    tap.decode()
    assert tap.text.endswith("4999 ")
    assert len(tap.text) <= 64 * 2**10
    for _ in range(200):
        tap.look(event(content="x" * 1000), now=0.0)
        tap.decode()
    assert len(tap.text) == 64 * 2**10
    assert tap.voices == [("text", 64 * 2**10)]
    tap.look(event(reasoning_content="hm"), now=0.0)
    tap.decode()
    assert tap.voices == [("text", 64 * 2**10 - 2), ("reasoning", 2)]


@given(st.lists(st.integers(1, 40), min_size=1, max_size=60))
def test_events_come_out_whole_wherever_they_were_cut(cuts: list[int]) -> None:
    stream = b"".join(STREAM)
    events, out, position = Events(), [], 0
    for cut in [*cuts, len(stream)]:
        if piece := stream[position : position + cut]:
            out.append(events.whole(piece))
            position += cut
    assert b"".join(out) + events.rest() == stream
    assert all(piece.endswith(b"\n\n") for piece in out if piece)
    assert events.rest() == b""


def test_line_ends_with_carriage_returns_are_event_ends_too() -> None:
    events = Events()
    assert events.whole(b"data: 1\r\n\r\ndata: 2") == b"data: 1\r\n\r\n"
    assert events.whole(b"\r\n\r\n") == b"data: 2\r\n\r\n"


def test_an_event_without_an_end_is_not_held_for_ever() -> None:
    events, sent = Events(), 0
    for _ in range(10):
        sent += len(events.whole(b"x" * 2**14))
    assert sent > 0


def test_without_text_only_what_the_figures_need_is_held_and_that_goes_at_the_end() -> None:
    tap = Tap(keeps_text=False)
    for piece in STREAM * 50:
        tap.look(piece, now=0.0)
    kept = Tap(keeps_text=True)
    kept.keep(b"x" * 2**20)
    assert tap.usage().tokens == 9
    assert not tap._raw
    for each in (tap, kept):
        each.end()
        each.forget()
    everything = [getattr(each, name) for each in (tap, kept) for name in ("_raw", "_start", "_before_last", "_last")]
    assert not any(everything)
