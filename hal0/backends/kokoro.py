"""`python -m hal0.backends.kokoro`: Kokoro's voices behind OpenAI's path for speech, by the library kokoro-onnx.

Takes the key from HAL0_BACKEND_KEY. Ends with status 2 for a wrong command line, 3 if the model cannot be served, 4 if
the library is missing; the reason is the last line on stderr. Whatever the library would fetch or guess is given to it.
"""

import os
import sys
from pathlib import Path
from typing import Any, NoReturn

from hal0.backends.serving import EXIT_NO_ENGINE, KEY_ENV, App, CannotServe, Refusal, end, run
from hal0.backends.speech import Speech, Voice
from hal0.backends.voice_options import Parser
from hal0.backends.voices import blend, known, language_of

DEFAULT_VOICE = "af_bella"
PAUSE_SECONDS = 0.25  # the library trims the silence around what it speaks
BODY_LIMIT_BYTES = 16 * 2**20
FULL_SCALE = 32_767


class KokoroEngine:
    """The model, its voices, and the phonemes of eSpeak NG."""

    pause_seconds = PAUSE_SECONDS

    def __init__(self, model: Path, voices: Path, *, threads: int, default_voice: str | None) -> None:
        """Load; raises CannotServe."""
        try:
            import numpy
            import onnxruntime
            from kokoro_onnx import Kokoro
            from phonemizer.backend import EspeakBackend
        except ImportError as error:
            raise CannotServe(f"the engine cannot be loaded: {error}", status=EXIT_NO_ENGINE) from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        # Threads that wait for work spin by default; other backends on the machine would then starve.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the runtime has an exception for each kind of bad file
            raise CannotServe(f"{model} is not a model that ONNX Runtime can run: {error}") from error
        given = {each.name for each in session.get_inputs()}
        if not ({"style", "speed"} <= given and given & {"tokens", "input_ids"}):
            raise CannotServe(f"{model} is not a Kokoro model: its inputs are {', '.join(sorted(given))}")
        if not voices.is_file():  # the library would say where on the web to look for it
            raise CannotServe(f"there is no file {voices}")
        try:
            self._kokoro: Any = Kokoro.from_session(session, str(voices))
            styles = {name: self._kokoro.voices[name] for name in self._kokoro.voices}
        except Exception as error:  # numpy's, zipfile's and the library's own
            raise CannotServe(f"{voices} is not a file of Kokoro's voices: {error}") from error
        if not styles:
            raise CannotServe(f"{voices} has no voice in it")
        self._styles: dict[str, Any] = styles
        self._numpy = numpy
        self._languages = frozenset(EspeakBackend.supported_languages())
        self._default = default_voice or (DEFAULT_VOICE if DEFAULT_VOICE in styles else min(styles))
        try:
            self.voice(self._default, language=None)
        except Refusal as refusal:
            raise CannotServe(f"the default voice: {refusal}") from refusal

    def voices(self) -> list[str]:
        return sorted(self._styles)

    def voice(self, name: str | None, *, language: str | None) -> Voice:
        shares = {known(each, self._styles): share for each, share in blend(name or self._default).items()}
        language = (language or language_of(next(iter(shares)))).lower()
        if language not in self._languages:
            raise Refusal(f"eSpeak NG, which reads the text, has no language {language[:40]!r}", param="lang")
        style = sum(self._styles[each] * self._numpy.float32(share) for each, share in shares.items())
        return Voice(language, style)

    def say(self, text: str, voice: Voice, *, speed: float) -> tuple[bytes, int]:
        kokoro, numpy = self._kokoro, self._numpy
        phonemes = kokoro.tokenizer.phonemize(text, voice.language)
        if not phonemes:
            return b"", 0
        sound, rate = kokoro.create(phonemes, voice.style, speed=speed, is_phonemes=True)
        whole = numpy.clip(sound, -1.0, 1.0) * FULL_SCALE
        return whole.astype("<i2").tobytes(), rate


def main() -> NoReturn:
    parser = Parser("hal0.backends.kokoro")
    parser.add_argument("--model", type=Path, required=True, help="the .onnx file")
    parser.add_argument("--voices", type=Path, required=True, help="the file of the voices")
    parser.add_argument("--threads", type=int, default=1, help="threads that compute")
    options = parser.parse_args()
    speech = Speech(default_format=options.default_format, parallel=options.parallel)

    def load() -> None:
        speech.engine = KokoroEngine(
            options.model, options.voices, threads=options.threads, default_voice=options.default_voice
        )

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
