"""`python -m hal0.backends.moonshine`: speech to text by Moonshine's library (PyPI: moonshine-voice).

The library tells the reason of a failure on stderr only, by itself; what it raises says that there was one.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NoReturn

from hal0.backends.moonshine_files import ARCHITECTURES, MoonshineModel, read_model
from hal0.backends.serving import EXIT_NO_ENGINE, CannotServe
from hal0.backends.transcription.engine import RATE, Segment, Word
from hal0.backends.transcription.program import Parser, serve

FULL_SCALE = 32768.0


class Moonshine:
    """The engine, with one model."""

    def __init__(self, model: MoonshineModel, options: dict[str, str]) -> None:
        """Load it; raises CannotServe."""
        try:
            from moonshine_voice.errors import MoonshineError
            from moonshine_voice.moonshine_api import string_to_model_arch
            from moonshine_voice.transcriber import Transcriber
        except (ImportError, OSError) as error:
            raise CannotServe(f"moonshine-voice cannot be loaded: {error}", status=EXIT_NO_ENGINE) from error
        self._model = model
        self._context = ""
        self.name = f"Moonshine {model.architecture} ({_release()})"
        self.language = model.language
        self.has_words = model.has_word_times
        self.takes_context = model.is_streaming
        # Without the first it copies all sound back, sample by sample.
        own = {"return_audio_data": "false", "word_timestamps": str(model.has_word_times).lower()}
        try:
            architecture = string_to_model_arch(model.architecture)
            self._transcriber: Any = Transcriber(model.folder, architecture, options={**own, **options})
        except (MoonshineError, ValueError) as error:
            raise CannotServe(f"{model.folder} as {model.architecture}: {error}") from error

    def transcribe(self, pcm: bytes, *, context: str, is_wanted: Callable[[], bool]) -> Sequence[Segment]:
        if not is_wanted():
            return ()
        if context != self._context:
            self._transcriber.set_context(context)
            self._context = context
        sound = [sample / FULL_SCALE for sample in memoryview(pcm).cast("h")]
        lines = self._transcriber.transcribe_without_streaming(sound, RATE).lines
        return [_segment(line) for line in lines if line.text.strip()]


def _segment(line: Any) -> Segment:
    words = tuple(Word(word.word.strip(), word.start, word.end) for word in line.words or ())
    return Segment(line.text.strip(), line.start_time, line.start_time + line.duration, words)


def _release() -> str:
    try:
        return f"moonshine-voice {version('moonshine-voice')}"
    except PackageNotFoundError:
        return "moonshine-voice"


def _option(text: str) -> tuple[str, str]:
    name, mark, value = text.partition("=")
    if not name or not mark:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def main() -> NoReturn:
    parser = Parser("hal0.backends.moonshine")
    parser.add_argument("--model", type=Path, required=True, help="folder of the model")
    parser.add_argument("--arch", choices=ARCHITECTURES, default="", help="its architecture, if its files do not tell")
    parser.add_argument("--language", default="", help="its language, if the name of its folder does not tell")
    parser.add_argument("--option", type=_option, action="append", default=[], help="NAME=VALUE for the library")
    words = parser.parse_args()

    def load() -> Moonshine:
        model = read_model(words.model, architecture=words.arch, language=words.language)
        engine = Moonshine(model, dict(words.option))
        sys.stderr.write(f"{engine.name}, {engine.language or 'of a language that its folder does not tell'}\n")
        return engine

    serve(words.port, load)


if __name__ == "__main__":
    main()
