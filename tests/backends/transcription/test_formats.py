"""Transcripts in each shape, and the fields that ask for them."""

import json
from typing import Any

import pytest
from openai.types.audio import Transcription, TranscriptionVerbose

from hal0.backends.transcription.asked import Asked, read_asked
from hal0.backends.transcription.engine import Segment, Word
from hal0.backends.transcription.formats import make_writer
from hal0.errors import Hal0Error
from hal0.forms import Form

SEGMENTS = [
    Segment('say "hi"', 0.5, 1.25, (Word("say", 0.5, 0.8), Word('"hi"', 0.9, 1.25)), -0.5),
    Segment("a <b> & c", 3661.0, 3662.004),
]


class Ear:
    name = "an ear"
    language = "en"
    has_words = True
    takes_context = False


class Other(Ear):
    language = ""
    has_words = False
    takes_context = True


def asked(engine: Any = Ear, **fields: str) -> Asked:
    return read_asked(Form(fields=[(name.replace("_LIST", "[]"), value) for name, value in fields.items()]), engine())


def written(made: Asked, segments: list[Segment] | None = None) -> str:
    writer = make_writer(made)
    body = "".join(map(writer.segment, SEGMENTS if segments is None else segments))
    return writer.begin() + body + writer.end(12.345)


def test_json_and_text() -> None:
    text = 'say "hi" a <b> & c'
    told = json.loads(written(asked()))
    assert told == {"text": text, "usage": {"type": "duration", "seconds": pytest.approx(12.345, abs=0.006)}}
    assert Transcription.model_validate(told).text == text
    assert written(asked(response_format="text")) == text + "\n"
    assert json.loads(written(asked(), []))["text"] == ""


def test_verbose_json_is_what_the_package_expects() -> None:
    told = TranscriptionVerbose.model_validate_json(written(asked(response_format="verbose_json")), strict=True)
    assert told.language == "english"
    assert told.words is None
    assert told.segments is not None
    assert [(each.id, each.start, each.end, each.seek) for each in told.segments] == [
        (0, 0.5, 1.25, 50), (1, 3661.0, 3662.0, 366100),
    ]  # fmt: skip
    assert told.segments[0].avg_logprob == -0.5


def test_words_alone_and_both() -> None:
    only = json.loads(written(asked(response_format="verbose_json", timestamp_granularities_LIST="word")))
    assert [word["word"] for word in only["words"]] == ["say", '"hi"']
    assert "segments" not in only
    both_asked = [("timestamp_granularities[]", each) for each in ("word", "segment")]
    form = Form(fields=[("response_format", "verbose_json"), *both_asked])
    both = json.loads(written(read_asked(form, Ear())))  # type: ignore[arg-type]
    assert len(both["segments"]) == len(both["words"]) == 2


def test_subtitles() -> None:
    assert written(asked(response_format="srt")) == (
        '1\n00:00:00,500 --> 00:00:01,250\nsay "hi"\n\n2\n01:01:01,000 --> 01:01:02,004\na <b> & c\n\n'
    )
    assert written(asked(response_format="vtt")) == (
        'WEBVTT\n\n00:00:00.500 --> 00:00:01.250\nsay "hi"\n\n01:01:01.000 --> 01:01:02.004\na &lt;b&gt; &amp; c\n\n'
    )
    assert "\n\n\n" not in written(asked(response_format="srt"), [Segment("a\n\nb", 0.0, 1.0)])


def test_a_stream_ends_with_the_whole() -> None:
    events = [json.loads(line[6:]) for line in written(asked(stream="true")).split("\n\n") if line]
    assert [event.get("delta") for event in events] == ['say "hi"', " a <b> & c", None]
    assert events[-1]["text"] == 'say "hi" a <b> & c'


def test_languages_without_spaces_get_none() -> None:
    made = asked(Other, language="ja-JP", response_format="text")
    assert written(made, [Segment("一", 0, 1), Segment("二", 1, 2)]) == "一二\n"


@pytest.mark.parametrize(
    ("engine", "fields", "param"),
    [
        (Ear, {"response_format": "pdf"}, "response_format"),
        (Ear, {"stream": "perhaps"}, "stream"),
        (Ear, {"stream": "1", "response_format": "srt"}, "stream"),
        (Ear, {"timestamp_granularities": "letter", "response_format": "verbose_json"}, "timestamp_granularities"),
        (Ear, {"timestamp_granularities": "word"}, "timestamp_granularities"),
        (Other, {"timestamp_granularities": "word", "response_format": "verbose_json"}, "timestamp_granularities"),
        (Ear, {"language": "de"}, "language"),
    ],
)
def test_what_cannot_be_done_is_refused(engine: Any, fields: dict[str, str], param: str) -> None:
    with pytest.raises(Hal0Error) as caught:
        asked(engine, **fields)
    assert (caught.value.code, caught.value.param) == ("dispatch.invalid_request", param)


def test_what_has_no_effect_is_told() -> None:
    assert asked(prompt="x", temperature="0.2", include_LIST="logprobs", model="m").ignored == (
        "include[]", "prompt", "temperature",
    )  # fmt: skip
    assert asked(temperature="0", language="en-GB").ignored == ()
    assert (asked(Other, prompt="x").ignored, asked(Other, prompt="x").context) == ((), "x")
