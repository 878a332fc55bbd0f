"""Encoding piece by piece: what comes out can be decoded, and some of it comes at once."""

import io
import wave

import pytest

from hal0.backends.sound import FORMATS, RATE, UNKNOWN_BYTES, encoder, stretched
from tests.fakes.sounds import decoded, of_pcm, tone

# How FFmpeg, which knows nothing of what was asked for, calls what it finds.
FOUND = {
    "mp3": ("mp3", "mp3float"),
    "opus": ("ogg", "opus"),
    "aac": ("aac", "aac"),
    "flac": ("flac", "flac"),
    "wav": ("wav", "pcm_s16le"),
}


@pytest.mark.parametrize("name", FOUND)
def test_pieces_in_each_format_are_one_sound_of_their_whole_length(name: str) -> None:
    made = encoder(name)
    data = b"".join(made.feed(tone(0.5)) for _ in range(4)) + made.end()
    container, codec, seconds, pitch = decoded(data)
    assert (container, codec) == FOUND[name]
    assert seconds == pytest.approx(2.0, abs=0.1)
    assert pitch == pytest.approx(440, abs=3)


@pytest.mark.parametrize("name", FORMATS)
def test_a_piece_comes_out_before_the_next_is_there(name: str) -> None:
    made = encoder(name)
    assert len(made.feed(tone(2.0))) > 1000
    made.end()


@pytest.mark.parametrize("samples", [1, 2, 575, 1237])
@pytest.mark.parametrize("name", FORMATS)
def test_pieces_of_any_size_are_taken(name: str, samples: int) -> None:
    made = encoder(name)
    assert made.feed(b"\1\0" * samples) + made.feed(b"") + made.feed(b"\1\0" * samples) + made.end()


def test_pcm_is_the_samples_alone() -> None:
    made = encoder("pcm")
    assert made.feed(b"ab") + made.feed(b"cd") + made.end() == b"abcd"


def test_a_wav_whose_length_is_known_says_so() -> None:
    samples = tone(1.0)
    made = encoder("wav", length_bytes=len(samples))
    with wave.open(io.BytesIO(made.feed(samples) + made.end())) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate(), file.getnframes()) == (1, 2, RATE, RATE)


def test_a_wav_whose_length_is_not_known_plays_to_its_end() -> None:
    made = encoder("wav")
    data = made.feed(tone(1.0)) + made.feed(tone(1.0)) + made.end()
    assert int.from_bytes(data[40:44], "little") == UNKNOWN_BYTES
    with wave.open(io.BytesIO(data)) as file:
        assert len(file.readframes(file.getnframes())) == 2 * 2 * RATE
    assert decoded(data)[2] == 2.0


@pytest.mark.parametrize(("factor", "rate"), [(0.5, RATE), (2.0, RATE), (1.0, 22_050), (1.6, 22_050)])
def test_stretching_changes_the_length_and_not_the_pitch(factor: float, rate: int) -> None:
    seconds, pitch = of_pcm(stretched(tone(2.0, rate=rate), factor, rate=rate))
    assert seconds == pytest.approx(2.0 / factor, rel=0.03)
    assert pitch == pytest.approx(440, abs=3)
