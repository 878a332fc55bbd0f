"""Speech to transcribe: a recording that comes with Moonshine's library, cut, and put into any format."""

import io
import wave
from importlib.util import find_spec
from pathlib import Path

import av

# "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness …"
BEST_OF_TIMES = "it was the best of times it was the worst of times"
BEST_SECONDS = (1.0, 4.9)
WISDOM_SECONDS = (4.9, 8.6)

# Name of a format, FFmpeg's container and codec, and the rate that the codec knows.
FORMATS = {
    "wav": ("wav", "pcm_s16le", 48_000),
    "mp3": ("mp3", "libmp3lame", 44_100),
    "flac": ("flac", "flac", 44_100),
    "ogg": ("ogg", "libopus", 48_000),
    "m4a": ("ipod", "aac", 44_100),
    "mp4": ("mp4", "aac", 44_100),
    "webm": ("webm", "libopus", 48_000),
    "aac": ("adts", "aac", 44_100),
}


def recording() -> Path:
    """A WAV file of 44 s, one voice."""
    found = find_spec("moonshine_voice")
    assert found is not None
    assert found.submodule_search_locations is not None
    return Path(next(iter(found.submodule_search_locations))) / "assets" / "two_cities.wav"


def speech(begin: float, end: float) -> bytes:
    """Seconds `begin` to `end` of it, as WAV."""
    with wave.open(str(recording())) as source:
        rate = source.getframerate()
        source.setpos(int(begin * rate))
        return wav(source.readframes(int((end - begin) * rate)), rate=rate, channels=source.getnchannels())


def wav(samples: bytes, *, rate: int = 16_000, channels: int = 1) -> bytes:
    """16-bit samples as a WAV file."""
    made = io.BytesIO()
    with wave.open(made, "wb") as target:
        target.setnchannels(channels)
        target.setsampwidth(2)
        target.setframerate(rate)
        target.writeframes(samples)
    return made.getvalue()


def as_format(sound: bytes, name: str) -> bytes:
    """A WAV file in another format, stereo."""
    container_name, codec, rate = FORMATS[name]
    made = io.BytesIO()
    with av.open(io.BytesIO(sound)) as source, av.open(made, "w", format=container_name) as target:
        stream = target.add_stream(codec, rate=rate, layout="stereo")
        resampler = av.AudioResampler(format=stream.codec_context.format, layout="stereo", rate=rate)
        fifo = av.AudioFifo()
        size = stream.codec_context.frame_size or 1024
        for frame in source.decode(audio=0):
            for piece in resampler.resample(frame):
                piece.pts = None
                fifo.write(piece)
            while (piece := fifo.read(size)) is not None:
                target.mux(stream.encode(piece))
        if (rest := fifo.read(0, partial=True)) is not None:
            target.mux(stream.encode(rest))
        target.mux(stream.encode(None))
    return made.getvalue()
