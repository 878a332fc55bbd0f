"""The tap counts and remembers what passes, however the network cut it."""

import json

from hypothesis import given
from hypothesis import strategies as st

from hal0.daemon.proxy.tap import Events, Tap


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
    text, reasoning = tap.decode()
    assert (text, reasoning) == ('a "quoted"\n word é\U0001f600{"x"', "hm")
    assert tap.text == "hm" + text
    assert tap.decode() == ("", "")
    assert tap.usage().tokens == 9  # decoding does not lose the figures


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
