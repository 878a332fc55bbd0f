"""Files as samples, by the real FFmpeg: every format, damaged ones, and those that would open other files."""

import io
from pathlib import Path

import pytest

from hal0.backends.transcription.audio import samples
from hal0.errors import Hal0Error
from tests.fakes.recordings import FORMATS, as_format, wav


@pytest.fixture(scope="module")
def tone() -> bytes:
    """Two seconds."""
    from hal0.daemon.providers.transcription_proof import sound

    return wav((sound()[44:] * 2)[:64_000])


def heard(data: bytes) -> bytes:
    return b"".join(samples(io.BytesIO(data), name="a"))


def refusal(data: bytes) -> Hal0Error:
    with pytest.raises(Hal0Error) as caught:
        heard(data)
    return caught.value


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_becomes_mono_samples_of_its_length(tone: bytes, name: str) -> None:
    pcm = heard(as_format(tone, name))
    assert len(pcm) / 32_000 == pytest.approx(2.0, abs=0.06)
    loudest = max(map(abs, memoryview(pcm).cast("h")))
    assert loudest > 6000, "both channels together are as loud as each was"


def test_sound_comes_in_pieces(tone: bytes) -> None:
    pieces = list(samples(io.BytesIO(wav(tone * 20)), name="a"))
    assert max(map(len, pieces)) < 64 * 1024


def test_a_file_that_is_cut_short_is_heard_as_far_as_it_goes(tone: bytes) -> None:
    whole = as_format(tone, "mp3")
    assert 0.8 < len(heard(whole[: len(whole) // 2])) / 32_000 < 1.3


def test_damage_in_the_middle_is_passed_over(tone: bytes) -> None:
    whole = as_format(tone, "mp3")
    middle = len(whole) // 2
    assert len(heard(whole[:middle] + bytes(1500) + whole[middle + 1500 :])) / 32_000 > 1.5


@pytest.mark.parametrize("data", [b"RIFF", b"<html></html>", bytes(100_000), b"\x89PNG\r\n\x1a\n" + bytes(100)])
def test_what_is_no_sound_is_told(data: bytes) -> None:
    assert refusal(data).code == "dispatch.unsupported_audio"


def test_a_head_without_sound_is_empty() -> None:
    assert refusal(wav(b"")).code == "dispatch.audio_empty"


def test_no_other_file_is_opened(tone: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the lists, FFmpeg follows the first of these to the file beside the program."""
    (tmp_path / "secret.wav").write_bytes(tone)
    monkeypatch.chdir(tmp_path)
    for text in (
        "ffconcat version 1.0\nfile secret.wav\n",
        f"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n{tmp_path}/secret.wav\n#EXT-X-ENDLIST\n",
        f"[playlist]\nFile1={tmp_path}/secret.wav\nNumberOfEntries=1\n",
    ):
        assert refusal(text.encode()).code == "dispatch.unsupported_audio"


@pytest.mark.parametrize("rate", [1, 10, 3_999, 2_000_000])
def test_a_rate_that_no_sound_has_is_refused_before_it_is_blown_up(rate: int) -> None:
    data = bytearray(wav(b"\0\0" * 2_000))
    data[24:28] = rate.to_bytes(4, "little")
    assert refusal(bytes(data)).code == "dispatch.unsupported_audio"
