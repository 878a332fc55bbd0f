"""`python -m hal0.backends.sphinx`: English speech to text by PocketSphinx, with the model in its wheel.

It is the engine that is always there. It knows everyday American English and makes many mistakes.
"""

import math
from collections.abc import Callable, Sequence
from importlib.metadata import version

from hal0.backends.serving import EXIT_NO_ENGINE, CannotServe
from hal0.backends.transcription.engine import RATE, SAMPLE_BYTES, Segment, Word
from hal0.backends.transcription.program import Parser, serve

FRAMES_A_SECOND = 100
STEP_BYTES = RATE * SAMPLE_BYTES // 2  # between looks at whether the result is still wanted
LIKELIEST, UNLIKELIEST = 0.0, -20.0


class Sphinx:
    """The engine."""

    language = "en"
    has_words = True
    takes_context = False

    def __init__(self) -> None:
        """Load the model; raises CannotServe."""
        self.name = f"PocketSphinx {version('pocketsphinx')}"
        try:
            import pocketsphinx

            self._decoder = pocketsphinx.Decoder(samprate=RATE, loglevel="ERROR")
            self._mean = self._decoder.get_cmn(False)
        except (ImportError, RuntimeError, OSError, ValueError) as error:
            raise CannotServe(f"PocketSphinx cannot be loaded: {error}", status=EXIT_NO_ENGINE) from error

    def transcribe(self, pcm: bytes, *, context: str, is_wanted: Callable[[], bool]) -> Sequence[Segment]:
        decoder = self._decoder
        decoder.set_cmn(self._mean)  # what it has learned of another's voice and microphone is none of this one's
        decoder.start_utt()
        try:
            for at in range(0, len(pcm), STEP_BYTES):
                if not is_wanted():
                    return ()
                decoder.process_raw(pcm[at : at + STEP_BYTES], False, False)
        finally:
            decoder.end_utt()
        best = decoder.hyp()
        if best is None or not best.hypstr.strip():
            return ()
        words, likelihoods = [], []
        for each in decoder.seg() or ():
            if each.word[:1] in "<[":  # silence and noises
                continue
            start, end = each.start_frame / FRAMES_A_SECOND, (each.end_frame + 1) / FRAMES_A_SECOND
            words.append(Word(each.word.partition("(")[0], start, end))  # "the(2)" is another way to say it
            likelihoods.append(_log(each.prob))
        if not words:
            return ()
        text = " ".join(word.text for word in words)
        mean = sum(likelihoods) / len(likelihoods)
        return (Segment(text, words[0].start, words[-1].end, tuple(words), mean),)


def _log(probability: float) -> float:
    return max(UNLIKELIEST, min(LIKELIEST, math.log(probability))) if probability > 0 else UNLIKELIEST


if __name__ == "__main__":
    serve(Parser("hal0.backends.sphinx").parse_args().port, Sphinx)
