"""Where the time of a request went, and what of its context it has used."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal0.tui.lines import width_of
from hal0.tui.look import ASCII, UNICODE
from hal0.tui.phases import Part, parts_of, shares
from hal0.tui.request_lines import breakdown, timing
from tests.tui.live import live
from tests.tui.samples import NOW, default_state, request, slot

LEASED = {"queue_ms": 100.0, "load_ms": 400.0}
DONE = {"phase": "finished", "outcome": "ok", "started_at": NOW - 10, "finished_at": NOW}


@pytest.mark.parametrize(
    ("facts", "parts"),
    [
        ({"phase": "queued", "started_at": NOW - 2}, [("queue", 2000)]),
        ({"phase": "loading", "started_at": NOW - 2}, [("load", 2000)]),
        ({"phase": "prefill", "started_at": NOW - 2, **LEASED}, [("queue", 100), ("load", 400), ("prefill", 1500)]),
        (
            {"started_at": NOW - 2, **LEASED, "ttft_ms": 800.0},
            [("queue", 100), ("load", 400), ("prefill", 300), ("decode", 1200)],
        ),
        (
            {**DONE, **LEASED, "ttft_ms": 800.0, "prefill_ms": 250.0},
            [("queue", 100), ("load", 400), ("prefill", 250), ("first", 50), ("decode", 9200)],
        ),
        # A prompt cannot have been read for longer than until the first token, whatever a backend says.
        ({**DONE, "queue_ms": 0.0, "load_ms": 0.0, "ttft_ms": 800.0, "prefill_ms": 9e9},
         [("prefill", 800), ("decode", 9200)]),
        # Not streamed: no first token is seen.
        ({**DONE, "queue_ms": 0.0, "load_ms": 0.0, "stream": False}, [("answer", 10_000)]),
        ({**DONE, "queue_ms": 0.0, "load_ms": 0.0, "prefill_ms": 500.0}, [("prefill", 500), ("answer", 9500)]),
        # It failed in the queue.
        ({**DONE, "outcome": "failed"}, [("queue", 10_000)]),
        ({**DONE, "started_at": NOW, "queue_ms": 0.0, "load_ms": 0.0, "ttft_ms": 0.0}, [("decode", 0)]),
    ],
)  # fmt: skip
def test_the_time_of_a_request_is_divided_among_its_phases(facts: dict[str, Any], parts: list[tuple[str, int]]) -> None:
    assert [(part.phase, round(part.milliseconds)) for part in parts_of(request("a", **facts), NOW)] == parts


@given(
    st.lists(st.tuples(st.sampled_from(["queue", "load", "prefill", "decode"]), st.floats(0, 1e7)), max_size=5),
    st.integers(0, 60),
)
def test_a_bar_has_exactly_its_width_and_each_phase_its_share(times: list[Any], width: int) -> None:
    parts = [Part(phase, milliseconds) for phase, milliseconds in times]
    cells = shares(parts, width)
    if not parts:
        assert cells == []
        return
    assert sum(count for _, count in cells) == width
    total = sum(part.milliseconds for part in parts)
    for index, part in enumerate(parts):
        mine = sum(count for phase, count in cells if phase == part.phase)
        others = sum(
            each.milliseconds for number, each in enumerate(parts) if each.phase == part.phase and number != index
        )
        if total > 0 and not others:
            assert abs(mine - part.milliseconds / total * width) < 1.001


def test_every_phase_has_a_glyph_of_its_own_in_both_sets() -> None:
    for glyphs in (UNICODE, ASCII):
        shown = [glyphs.phases[phase] for phase in ("queue", "load", "prefill", "first", "decode")]
        assert len(set(shown)) == 5
        assert all(len(glyph) == 1 for glyph in shown)
    assert "".join(ASCII.phases.values()).isascii()


@pytest.mark.parametrize("room", range(0, 90, 7))
def test_figures_that_do_not_fit_are_left_out_whole(room: int) -> None:
    facts = {**DONE, **LEASED, "ttft_ms": 800.0, "tokens": 400, "tokens_per_second": 43.4, "prompt_tokens": 3800}
    told = timing(request("a", context=32768, **facts), NOW, room, UNICODE)
    text = "".join(part for part, _ in told)
    assert text.startswith("done")
    assert width_of(told) <= max(room, 4)
    assert text.count("ctx") == text.count("ctx 4.2k/32k")
    assert text.count("tok/s") == text.count("43.4 tok/s")
    if room >= 84:
        assert all(word in text for word in ("ttft 800ms", "load 400ms", "queue 100ms", "█"))


@pytest.mark.parametrize("width", [20, 40, 80, 160])
def test_the_breakdown_has_each_phase_with_its_time(width: int) -> None:
    facts = {**DONE, **LEASED, "ttft_ms": 800.0, "prefill_ms": 250.0, "tokens": 400, "tokens_per_second": 43.4}
    rows = breakdown(request("a", context=32768, prompt_tokens=500, **facts), NOW, width, UNICODE)
    words = ["".join(text for text, _ in row).split() for row in rows]
    assert [row[:2] for row in words] == [
        ["queue", "100ms"],
        ["load", "400ms"],
        ["prefill", "250ms"],
        ["first", "50ms"],
        ["decode", "9.20s"],
        ["total", "10.0s"],
    ]
    assert words[2][-4:] == ["500", "tok", "2000", "tok/s"]
    assert words[5][2:] == ["ctx", "900/32k"]


async def test_t_shows_where_the_time_went_in_home_and_in_the_streams_view(tmp_path: Path) -> None:
    facts = {**DONE, **LEASED, "ttft_ms": 800.0, "prefill_ms": 250.0, "text": "Hello", "tokens": 400}
    state = default_state(requests=[request("8841", prompt_tokens=500, context=32768, **facts)])
    async with live(tmp_path, state) as both:
        await both.press("3", "t")
        await both.sees("prefill", "250ms", "first", "50ms", "decode", "9.20s", "ctx 900/32k", "Hello")
        await both.press("t")
        await both.no_longer_sees("9.20s")
        await both.press("1", "tab", "t")
        await both.sees("9.20s", "Hello")


async def test_an_old_answer_keeps_the_context_that_it_had(tmp_path: Path) -> None:
    done = request("8841", **DONE, text="Hello", tokens=400, prompt_tokens=500, context=8192)
    async with live(tmp_path, default_state(slots=[slot("primary")], requests=[done]), (120, 36)) as both:
        await both.sees("ctx 900/8k")
        both.daemon.change_slot("primary", context=131072)
        await both.sees("128k")
        assert "ctx 900/8k" in both.screen
