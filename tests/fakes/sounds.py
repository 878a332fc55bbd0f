"""Sound to be encoded, and what became of it, told by FFmpeg."""

import io
import math
import struct
from typing import Any

import av
import numpy as np

RATE = 24_000


def tone(seconds: float, *, pitch: float = 440.0, rate: int = RATE) -> bytes:
    """Samples of a sine, signed 16 bits, one channel."""
    count = round(seconds * rate)
    return struct.pack(f"<{count}h", *(int(12_000 * math.sin(2 * math.pi * pitch * at / rate)) for at in range(count)))


def decoded(data: bytes) -> tuple[str, str, float, float]:
    """FFmpeg's names of the container and the codec, the length in seconds, and the loudest pitch."""
    with av.open(io.BytesIO(data)) as container:
        stream: Any = container.streams.audio[0]
        resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
        parts = [made.to_ndarray()[0] for frame in container.decode(stream) for made in resampler.resample(frame)]
        samples = np.concatenate(parts)
        return container.format.name, stream.codec_context.name, len(samples) / RATE, pitch_of(samples)


def pitch_of(samples: Any, *, rate: int = RATE) -> float:
    """Of the loudest tone, in hertz; exact to one over the length in seconds."""
    return float(np.argmax(np.abs(np.fft.rfft(samples.astype(float))))) * rate / len(samples)


def of_pcm(data: bytes) -> tuple[float, float]:
    """Length and loudest pitch of plain samples."""
    samples = np.frombuffer(data, "<i2")
    return len(samples) / RATE, pitch_of(samples)
