"""Sound in the formats of the API, made piece by piece: what has been encoded can leave before the rest is there.

Takes signed 16-bit samples of one channel at RATE. WAV and PCM are plain; the others are made by FFmpeg's encoders.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import av

RATE = 24_000  # samples a second; what OpenAI's `pcm` has
SAMPLE_BYTES = 2
UNKNOWN_BYTES = 2**32 - 1  # in a WAV header: as much as comes


@dataclass(frozen=True, slots=True)
class Format:
    """How a format is called on the wire, and how FFmpeg calls its container and its codec."""

    content_type: str
    container: str = ""
    codec: str = ""
    bits_a_second: int = 0
    options: tuple[tuple[str, str], ...] = ()


FORMATS: Mapping[str, Format] = {
    # Without the frame that tells the length, which is not known while it is made.
    "mp3": Format("audio/mpeg", "mp3", "libmp3lame", 64_000, (("write_xing", "0"), ("id3v2_version", "0"))),
    "opus": Format("audio/ogg; codecs=opus", "ogg", "libopus", 32_000, (("page_duration", "200000"),)),
    "aac": Format("audio/aac", "adts", "aac", 64_000),
    "flac": Format("audio/flac", "flac", "flac"),
    "wav": Format("audio/wav"),
    "pcm": Format(f"audio/pcm; rate={RATE}; channels=1"),
}


class Plain:
    """Samples as they are, in WAV with a header before them."""

    def __init__(self, header: bytes = b"") -> None:
        self._header = header

    def feed(self, samples: bytes) -> bytes:
        header, self._header = self._header, b""
        return header + samples

    def end(self) -> bytes:
        return self.feed(b"")


class Encoded:
    """Samples through an encoder of FFmpeg. Not to be used by two threads at a time."""

    def __init__(self, format: Format) -> None:
        self._out = bytearray()
        options = {"flush_packets": "1", **dict(format.options)}
        self._container = av.open(self, "w", format=format.container, options=options)
        stream: Any = self._container.add_stream(format.codec, rate=RATE, layout="mono")
        if format.bits_a_second:
            stream.bit_rate = format.bits_a_second
        self._stream = stream

    def write(self, data: bytes) -> int:
        """What FFmpeg has ready comes here."""
        self._out += data
        return len(data)

    def feed(self, samples: bytes) -> bytes:
        """Take samples; gives what is encoded by now."""
        if samples:
            frame = av.AudioFrame(format="s16", layout="mono", samples=len(samples) // SAMPLE_BYTES)
            frame.sample_rate = RATE
            frame.planes[0].update(samples)
            self._container.mux(self._stream.encode(frame))
        return self._taken()

    def end(self) -> bytes:
        """The last of it."""
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._taken()

    def _taken(self) -> bytes:
        data = bytes(self._out)
        self._out.clear()
        return data


Encoder = Plain | Encoded


def encoder(name: str, *, length_bytes: int | None = None) -> Encoder:
    """For one of FORMATS. `length_bytes`: of all samples that will come, if that is known."""
    if name == "pcm":
        return Plain()
    if name == "wav":
        return Plain(wave_header(length_bytes))
    return Encoded(FORMATS[name])


def wave_header(length_bytes: int | None) -> bytes:
    """Of a WAV file with so many bytes of samples; None: they are not known, as in any stream that is being made."""
    size = UNKNOWN_BYTES if length_bytes is None else length_bytes
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE, RATE * SAMPLE_BYTES, SAMPLE_BYTES, 8 * SAMPLE_BYTES)
    whole = UNKNOWN_BYTES if length_bytes is None else 4 + len(form) + 8 + length_bytes
    return b"RIFF" + struct.pack("<I", whole) + b"WAVE" + form + b"data" + struct.pack("<I", size)


def stretched(samples: bytes, factor: float, *, rate: int = RATE) -> bytes:
    """The same sound `factor` times as fast and at RATE, its pitch kept."""
    graph = av.filter.Graph()
    source = graph.add_abuffer(format="s16", sample_rate=rate, layout="mono")
    steps = [source]
    if factor != 1.0:
        steps.append(graph.add("atempo", f"{factor:g}"))
    steps.append(graph.add("aformat", f"sample_fmts=s16:sample_rates={RATE}:channel_layouts=mono"))
    steps.append(graph.add("abuffersink"))
    graph.link_nodes(*steps).configure()
    frame = av.AudioFrame(format="s16", layout="mono", samples=len(samples) // SAMPLE_BYTES)
    frame.sample_rate = rate
    frame.planes[0].update(samples)
    graph.push(frame)
    graph.push(None)
    out = bytearray()
    while True:
        try:
            made: Any = graph.pull()
        except (av.error.EOFError, av.error.BlockingIOError):
            return bytes(out)
        out += bytes(made.planes[0])[: made.samples * SAMPLE_BYTES]
