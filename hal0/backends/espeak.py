"""`python -m hal0.backends.espeak`: eSpeak NG behind OpenAI's path for speech: a voice without a model.

The library and its data come from the package espeakng-loader; they are GPL-3, so this process alone loads them, and
only where a person has installed that package. Understood by rules, not by a model: it is no match for Kokoro.
Ends like `hal0.backends.kokoro`.
"""

import ctypes
import os
import re
import sys
import threading
from collections.abc import Mapping
from typing import Any, NoReturn

from hal0.backends.serving import EXIT_NO_ENGINE, KEY_ENV, App, CannotServe, Refusal, end, run
from hal0.backends.speech import Speech, Voice
from hal0.backends.voice_options import Parser
from hal0.backends.voices import KOKORO, LANGUAGES, blend
from hal0.errors import did_you_mean

DEFAULT_VOICE = "en-us"
WORDS_A_MINUTE = 175  # its own normal speed
BODY_LIMIT_BYTES = 16 * 2**20

# speak_lib.h
SYNCHRONOUS = 2
NO_EXIT = 0x8000  # else it ends the process when its data are missing
RATE_PARAMETER = 1
UTF8 = 1

VARIANTS = (*(f"f{number}" for number in range(1, 6)), *(f"m{number}" for number in range(1, 9)))
SEXES = {"f": "f2", "m": "m3"}
NAME = re.compile(r"(?P<language>[a-z][a-z0-9-]*)(?:\+(?P<variant>[fm][1-9]))?")
# OpenAI's own voices, which clients name by default: as a woman's or a man's.
OPENAI: Mapping[str, str] = {
    **dict.fromkeys(("alloy", "coral", "marin", "nova", "sage", "shimmer"), "f"),
    **dict.fromkeys(("ash", "ballad", "cedar", "echo", "fable", "onyx", "verse"), "m"),
}


class _Described(ctypes.Structure):
    """espeak_VOICE"""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_void_p),  # of each: a byte of priority, the code, a zero
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("reserved", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


class EspeakEngine:
    """The library. It has one voice and one text at a time, so a lock goes round each use of it."""

    pause_seconds = 0.0  # it makes its own

    def __init__(self, *, default_voice: str | None) -> None:
        """Load; raises CannotServe."""
        try:
            import espeakng_loader

            library: Any = ctypes.CDLL(espeakng_loader.get_library_path())
            data = espeakng_loader.get_data_path()
        except (ImportError, OSError, RuntimeError) as error:
            raise CannotServe(f"the engine cannot be loaded: {error}", status=EXIT_NO_ENGINE) from error
        self._rate: int = library.espeak_Initialize(SYNCHRONOUS, 0, data.encode(), NO_EXIT)
        if self._rate <= 0:
            raise CannotServe(f"eSpeak NG cannot use its data in {data}")
        self._library = library
        self._lock = threading.Lock()
        self._samples = bytearray()
        self._callback = _Callback(self._heard)  # held: the library calls it
        library.espeak_SetSynthCallback(self._callback)
        self._identifiers = self._listed()
        self._default = default_voice or DEFAULT_VOICE
        try:
            self.voice(None, language=None)
        except Refusal as refusal:
            raise CannotServe(f"the default voice: {refusal}") from refusal

    def voices(self) -> list[str]:
        return sorted(self._identifiers)

    def voice(self, name: str | None, *, language: str | None) -> Voice:
        """One of its own, as `en-us` or `de+f3`; for names of Kokoro's or OpenAI's the language and the sex they tell.

        Of a blend of Kokoro's, the first.
        """
        spoken, variant = self._read(name or self._default)
        spoken = (language or spoken).lower()
        identifier = self._identifiers.get(spoken)
        if identifier is None:
            near = did_you_mean(spoken, sorted(self._identifiers))
            param = "lang" if language else "voice"
            raise Refusal(f"eSpeak NG has no voice {spoken[:40]!r}{near}; GET /v1/audio/voices lists them", param=param)
        return Voice(spoken, f"{identifier}+{variant}" if variant else identifier)

    def _read(self, name: str) -> tuple[str, str]:
        if own := NAME.fullmatch(name.lower()):
            if own["language"] in OPENAI:
                return DEFAULT_VOICE, SEXES[OPENAI[own["language"]]]
            variant = own["variant"] or ""
            if variant and variant not in VARIANTS:
                raise Refusal(f"{variant!r} is none of eSpeak NG's {', '.join(VARIANTS)}", param="voice")
            return own["language"], variant
        first = next(iter(blend(name)))
        if kokoro := KOKORO.fullmatch(first):
            return LANGUAGES[kokoro["language"]], SEXES[kokoro["sex"]]
        return first, ""

    def say(self, text: str, voice: Voice, *, speed: float) -> tuple[bytes, int]:
        library, data = self._library, text.replace("\0", " ").encode("utf-8", "replace")
        with self._lock:
            self._samples.clear()
            library.espeak_SetVoiceByName(voice.style.encode())
            library.espeak_SetParameter(RATE_PARAMETER, round(WORDS_A_MINUTE * speed), 0)
            if status := library.espeak_Synth(data, len(data) + 1, 0, 0, 0, UTF8, None, None):
                raise RuntimeError(f"espeak_Synth gives {status}")
            return bytes(self._samples), self._rate

    def _heard(self, samples: int | None, count: int, _events: int | None) -> int:
        if samples and count > 0:
            self._samples += ctypes.string_at(samples, 2 * count)
        return 0  # go on

    def _listed(self) -> dict[str, str]:
        """Its voices by language; the library's own name for each is a place in its data."""
        list_voices = self._library.espeak_ListVoices
        list_voices.restype = ctypes.POINTER(ctypes.POINTER(_Described))
        found: dict[str, str] = {}
        for each in list_voices(None):
            if not each:
                break
            described = each.contents
            language = ctypes.string_at(described.languages + 1).decode("ascii", "replace").lower()
            found.setdefault(language, described.identifier.decode())
        return found


def main() -> NoReturn:
    options = Parser("hal0.backends.espeak").parse_args()
    speech = Speech(default_format=options.default_format, parallel=options.parallel)

    def load() -> None:
        speech.engine = EspeakEngine(default_voice=options.default_voice)

    key = os.environ.pop(KEY_ENV, "")
    app = App(speech.routes(), key=key, is_ready=lambda: speech.engine is not None, body_limit_bytes=BODY_LIMIT_BYTES)
    run(app, port=options.port, load=load)


if __name__ == "__main__":
    try:
        main()
    except CannotServe as failure:
        end(failure.status, str(failure))
    except OSError as error:  # its port
        sys.exit(f"error: {error}")
