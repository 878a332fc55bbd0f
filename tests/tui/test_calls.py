"""Reasoning and calls of tools are told apart from the text, in streams and in the chat."""

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from hal0.tui.store import Store
from hal0.tui.transcript import Transcript, Voice, Wrapping
from hal0.voices import heading, laid_out
from hal0.wire import TokenBatch
from tests.tui.live import live
from tests.tui.samples import default_state, request

CITY = {"city": "Ōsaka", "days": [1, 2]}
ARGUMENTS = json.dumps(CITY)
CALLS: list[tuple[Voice, str]] = [
    ("reasoning", "The weather."),
    ("call", heading("calls weather")),
    ("arguments", ARGUMENTS),
    ("call", heading("calls time")),
    ("arguments", "{}"),
]
ROWS = [
    ("reasoning", "The weather."),
    ("call", "[calls weather]"),
    *(("arguments", row) for row in json.dumps(CITY, indent=2, ensure_ascii=False).splitlines()),
    ("call", "[calls time]"),
    ("arguments", "{}"),
]


@given(st.integers(1, 60))
def test_each_call_is_a_block_of_its_own_however_it_came(pieces_of: int) -> None:
    transcript = Transcript()
    wrapping = Wrapping(transcript, 80)
    for voice, text in CALLS:
        step = len(text) if voice == "call" else pieces_of
        for at in range(0, len(text), step):
            transcript.append(voice, text[at : at + step])
            wrapping.update()
    assert wrapping.lines == ROWS
    assert set(wrapping.joints) == {"\n"}


def test_arguments_grow_as_they_come_and_are_laid_out_when_they_are_whole() -> None:
    transcript = Transcript()
    wrapping = Wrapping(transcript, 12)
    transcript.append("arguments", '{"city":')
    wrapping.update()
    assert wrapping.lines == [("arguments", '{"city":')]
    transcript.append("arguments", ' "Old Town"')
    wrapping.update()
    assert wrapping.lines == [("arguments", '{"city":'), ("arguments", '"Old Town"')]
    transcript.append("arguments", "}")
    wrapping.update()
    assert [text for _, text in wrapping.lines] == ["{", '  "city":', '"Old Town"', "}"]
    transcript.append("text", "Done.")
    wrapping.update()
    assert wrapping.lines[-1] == ("text", "Done.")


def test_what_comes_after_whole_arguments_stands_behind_them_as_they_came() -> None:
    transcript = Transcript()
    wrapping = Wrapping(transcript, 40)
    for text, rows in (('{"a":1}', ["{", '  "a": 1', "}"]), ("}", ['{"a":1}}']), (" x", ['{"a":1}} x'])):
        transcript.append("arguments", text)
        wrapping.update()
        assert [row for _, row in wrapping.lines] == rows


def test_what_is_no_json_stays_as_it_came() -> None:
    for text in ("{", "{]", "city}", "[" * 100_000 + "]", "", " "):
        assert laid_out(text) == text


def test_a_dashboard_that_comes_later_tells_the_voices_apart_too() -> None:
    store = Store()
    voices = [(voice, len(text)) for voice, text in CALLS]
    told = request("8841", text="".join(text for _, text in CALLS) + "So be it.", voices=voices)
    store.load(default_state(requests=[told]))
    transcript = store.streams["8841"].transcript
    assert transcript.said("reasoning") == "The weather."
    assert transcript.said("arguments") == ARGUMENTS + "{}"
    assert transcript.said("text") == "So be it."


def test_folded_reasoning_is_one_line_however_it_comes() -> None:
    transcript = Transcript()
    wrapping = Wrapping(transcript, 40, folds=True)
    for voice, text in (("reasoning", "a\nb\n"), ("reasoning", "c" * 1200), ("text", "So."), ("reasoning", "Hm.")):
        transcript.append(voice, text)  # type: ignore[arg-type]
        wrapping.update()
    rows = [text for _, text in wrapping.lines]
    assert rows == ["(reasoning: 1,204 characters)", "So.", "(reasoning: 3 characters)"]
    assert len(wrapping.joints) == 3


async def test_capital_t_folds_reasoning_and_unfolds_it(tmp_path: Path) -> None:
    voices: list[tuple[Voice, int]] = [("reasoning", 12), ("text", 3)]
    told = request("8841", text="Let me see. So.", voices=voices)
    async with live(tmp_path, default_state(requests=[told])) as both:
        await both.press("3", "T")
        await both.sees("(reasoning: 12 characters)", "So.")
        assert "Let me see" not in both.screen
        await both.press("T")
        await both.sees("Let me see", "So.")


async def test_calls_are_blocks_in_a_stream_as_they_come(tmp_path: Path) -> None:
    async with live(tmp_path, default_state(requests=[request("8841", text="")]), (80, 40)) as both:
        said = [TokenBatch(id="8841", reasoning="The weather.", tokens=3)]
        said += [TokenBatch(id="8841", calls=[piece], tokens=4) for piece in CALLS[1:2]]
        said += [TokenBatch(id="8841", calls=[("arguments", '{"city": "Ō')], tokens=5)]
        for batch in said:
            both.daemon.publish("request.tokens", batch)
        await both.sees("The weather.", "[calls weather]", '{"city": "Ō')
        both.daemon.publish(
            "request.tokens", TokenBatch(id="8841", calls=[("arguments", 'saka"}'), *CALLS[3:]], tokens=9)
        )
        await both.sees('  "city": "Ōsaka"', "[calls time]", "{}")
        assert '{"city"' not in both.screen


async def test_the_chat_shows_the_calls_of_a_real_stream_as_blocks(tmp_path: Path) -> None:
    def call(index: int, arguments: str, **function: str) -> dict[str, object]:
        return {"tool_calls": [{"index": index, "function": {"arguments": arguments, **function}}]}

    async with live(tmp_path, default_state(), (80, 40)) as both:
        both.daemon.answers["primary"] = [
            {"reasoning_content": "The weather."},
            call(0, "", name="weather"),
            call(0, ARGUMENTS[:9]),
            None,
            call(0, ARGUMENTS[9:]),
            call(1, "{}", name="time"),
        ]
        await both.press("c", *"hello", "enter")
        await both.sees("The weather.", "[calls weather]", ARGUMENTS[:9])
        assert "[calls time]" not in both.screen
        both.daemon.go_on.set()
        await both.sees('  "city": "Ōsaka"', "    1", "[calls time]", "{}")
