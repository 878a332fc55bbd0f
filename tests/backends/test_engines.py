"""The real engines: kokoro-onnx with a model that is shaped like Kokoro, and eSpeak NG."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hal0.backends.espeak import EspeakEngine
from hal0.backends.kokoro import KokoroEngine
from hal0.backends.serving import CannotServe, Refusal
from tests.fakes.kokoro_model import PITCHES, write_kokoro
from tests.fakes.sounds import of_pcm

TEXT = "Hello from hal0, this is a test."


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_kokoro(tmp_path_factory.mktemp("kokoro"))


@pytest.fixture(scope="module")
def kokoro(files: tuple[Path, Path]) -> KokoroEngine:
    return KokoroEngine(*files, threads=1, default_voice=None)


@pytest.fixture(scope="module")
def espeak() -> Iterator[EspeakEngine]:
    return EspeakEngine(default_voice=None)


def said(
    engine: KokoroEngine, voice: str | None, *, speed: float = 1.0, language: str | None = None
) -> tuple[float, float]:
    samples, rate = engine.say(TEXT, engine.voice(voice, language=language), speed=speed)
    assert rate == 24_000
    return of_pcm(samples)


@pytest.mark.parametrize(
    ("voice", "pitch"),
    [
        (None, PITCHES["af_bella"]),
        ("af_sky", PITCHES["af_sky"]),
        ("alloy", PITCHES["af_alloy"]),
        ("af_bella+af_sky", 600),
        ("af_bella(3)+af_sky(1)", 500),
        ("af_bella(2)+af_sky(1)+am_adam", (2 * 400 + 800 + 300) / 4),
    ],
)
def test_kokoro_speaks_with_the_voice_or_the_blend_that_was_asked_for(
    kokoro: KokoroEngine, voice: str | None, pitch: float
) -> None:
    assert said(kokoro, voice)[1] == pytest.approx(pitch, abs=1)


def test_kokoro_speaks_at_the_speed_that_was_asked_for(kokoro: KokoroEngine) -> None:
    assert said(kokoro, None, speed=2.0)[0] == pytest.approx(said(kokoro, None)[0] / 2, rel=0.05)


def test_a_voice_speaks_its_own_language_unless_another_is_asked_for(kokoro: KokoroEngine) -> None:
    languages = [kokoro.voice(name, language=None).language for name in ("af_bella", "bf_emma", "ef_dora+af_sky")]
    assert languages == ["en-us", "en-gb", "es"]
    assert kokoro.voice("af_bella", language="DE").language == "de"
    assert said(kokoro, "af_bella", language="es")[0] != said(kokoro, "af_bella")[0]  # other phonemes


@pytest.mark.parametrize(
    ("voice", "language", "param"), [("af_nobody", None, "voice"), ("af_sky+x", None, "voice"), (None, "xx", "lang")]
)
def test_kokoro_refuses_what_it_does_not_have(
    kokoro: KokoroEngine, voice: str | None, language: str | None, param: str
) -> None:
    with pytest.raises(Refusal) as caught:
        kokoro.voice(voice, language=language)
    assert caught.value.param == param


def test_kokoro_has_nothing_to_say_to_marks_alone(kokoro: KokoroEngine) -> None:
    assert kokoro.say("---", kokoro.voice(None, language=None), speed=1.0) == (b"", 0)


def test_kokoro_says_what_is_wrong_with_its_files(files: tuple[Path, Path], tmp_path: Path) -> None:
    model, voices = files
    junk = tmp_path / "junk"
    junk.write_bytes(b"junk" * 99)
    for wrong, reason in (
        ((junk, voices), "not a model that ONNX Runtime can run"),
        ((model, junk), "not a file of Kokoro's voices"),
        ((model, tmp_path / "none"), "there is no file"),
    ):
        with pytest.raises(CannotServe, match=reason):
            KokoroEngine(*wrong, threads=1, default_voice=None)
    with pytest.raises(CannotServe, match="the default voice: there is no voice 'af_nobody'"):
        KokoroEngine(model, voices, threads=1, default_voice="af_nobody")


@pytest.mark.parametrize(
    ("name", "language", "style"),
    [
        (None, "en-us", "gmw/en-US"),
        ("de", "de", "gmw/de"),
        ("en-gb+f3", "en-gb", "gmw/en+f3"),
        ("af_bella", "en-us", "gmw/en-US+f2"),
        ("bm_lewis(2)+af_sky", "en-gb", "gmw/en+m3"),
        ("ff_siwis", "fr-fr", "roa/fr+f2"),
        ("alloy", "en-us", "gmw/en-US+f2"),
        ("onyx", "en-us", "gmw/en-US+m3"),
    ],
)
def test_espeak_takes_its_own_names_and_those_of_kokoro_and_openai(
    espeak: EspeakEngine, name: str | None, language: str, style: str
) -> None:
    voice = espeak.voice(name, language=None)
    assert (voice.language, voice.style) == (language, style)


@pytest.mark.parametrize(("name", "language"), [("klingon", None), ("en-us+f9", None), ("a(", None), (None, "xx")])
def test_espeak_refuses_what_it_does_not_have(espeak: EspeakEngine, name: str | None, language: str | None) -> None:
    with pytest.raises(Refusal) as caught:
        espeak.voice(name, language=language)
    assert caught.value.param == ("lang" if language else "voice")


def test_espeak_really_speaks_in_each_voice_and_speed(espeak: EspeakEngine) -> None:
    def spoken(name: str, text: str = TEXT, speed: float = 1.0) -> bytes:
        return espeak.say(text, espeak.voice(name, language=None), speed=speed)[0]

    seconds = len(spoken("en-us")) / 2 / 22_050
    assert 1.5 < seconds < 4
    assert len(spoken("en-us", speed=2.0)) < 0.7 * len(spoken("en-us"))
    assert len(spoken("en-us", TEXT * 2)) > 1.8 * len(spoken("en-us"))
    assert len(spoken("de")) != len(spoken("en-us"))


def test_espeak_names_a_default_voice_that_there_is_not() -> None:
    with pytest.raises(CannotServe, match="the default voice: eSpeak NG has no voice 'klingon'"):
        EspeakEngine(default_voice="klingon")
