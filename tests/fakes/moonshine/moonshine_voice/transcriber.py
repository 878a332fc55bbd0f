"""Lines as the library gives them: two for a sound of more than two seconds, with words if they were asked for."""

import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from moonshine_voice.errors import MoonshineError
from moonshine_voice.moonshine_api import ModelArch

NAMES = {"return_audio_data", "word_timestamps", "vad_threshold", "max_tokens_per_second"}


@dataclass
class WordTiming:
    word: str
    start: float
    end: float
    confidence: float = 1.0


@dataclass
class TranscriptLine:
    text: str
    start_time: float
    duration: float
    words: list[WordTiming] | None = None


@dataclass
class Transcript:
    lines: list[TranscriptLine] = field(default_factory=list)


class Transcriber:
    def __init__(self, model_path: str | Path, model_arch: ModelArch, *, options: dict[str, str]) -> None:
        for name, value in options.items():
            if name not in NAMES:
                self._fail(f"Unknown transcriber option: '{name}', value={value}")
        if (Path(model_path) / "tokenizer.bin").read_bytes() == b"broken":
            self._fail("Failed to load Moonshine models")
        self._arch = model_arch
        self._has_words = options["word_timestamps"] == "true"
        self._context = ""

    def _fail(self, reason: str) -> None:
        told = f"Thread 1:moonshine-c-api.cpp:285:moonshine_load_transcriber_from_files(): {reason}\n"
        os.write(2, told.encode())
        raise MoonshineError("Failed to load transcriber: Unknown error")

    def set_context(self, context: str | None, max_terms: int = 0) -> None:
        if "STREAMING" not in self._arch.name:
            raise MoonshineError("Failed to set context: Invalid argument")
        self._context = context or ""

    def transcribe_without_streaming(self, audio_data: list[float], sample_rate: int = 16000) -> Transcript:
        assert sample_rate == 16000
        assert max(map(abs, audio_data)) <= 1.0
        if delay := os.environ.get("FAKE_MOONSHINE_SECONDS"):
            sys.stderr.write("transcribing\n")
            time.sleep(float(delay))
        if os.environ.get("FAKE_MOONSHINE_CRASH") and len(audio_data) > 2 * sample_rate:
            raise MoonshineError("Unknown error", -1)
        seconds = len(audio_data) / sample_rate
        ends = [seconds] if seconds < 2 else [seconds / 2, seconds]
        lines, begin = [], 0.0
        for end in ends:
            text = f" {self._arch.name.lower()} {end - begin:.1f} seconds {self._context}".rstrip() + " "
            words = text.split()
            step = (end - begin) / len(words)
            timed = [WordTiming(word, begin + i * step, begin + (i + 1) * step) for i, word in enumerate(words)]
            lines.append(TranscriptLine(text, begin, end - begin, timed if self._has_words else None))
            begin = end
        return Transcript(lines)
