"""Files of any usual format as 16 kHz mono samples, piece by piece, by FFmpeg's libraries (PyAV). No command is run.

FFmpeg reads formats that name other files and addresses to read (playlists, concatenations). What clients send must
never make it open any: containers and protocols are those of the lists here, and all bytes come from the file given.
"""

from collections.abc import Iterator
from typing import BinaryIO

import av
from av.audio.resampler import AudioResampler
from av.error import ArgumentError, FFmpegError, InvalidDataError
from av.error import EOFError as EndOfFile

from hal0.backends.transcription.engine import RATE, SAMPLE_BYTES
from hal0.errors import Hal0Error

# Names of FFmpeg's demuxers.
CONTAINERS = "wav,w64,aiff,caf,flac,mp3,aac,ogg,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,amr,amrnb,amrwb,asf,mpegts,mpeg"
# What is slower is blown up: at 10 samples a second a small file becomes hours of sound, in one piece.
LEAST_RATE, MOST_RATE = 4_000, 768_000
OPTIONS = {"format_whitelist": CONTAINERS, "protocol_whitelist": "none"}


def samples(file: BinaryIO, *, name: str) -> Iterator[bytes]:
    """The sound of a file as mono 16-bit samples; raises `dispatch.unsupported_audio` or `dispatch.audio_empty`.

    What is damaged in the middle is passed over, as players do.
    """
    try:
        container = av.open(file, "r", options=OPTIONS, metadata_errors="replace")
    except (FFmpegError, ValueError) as error:
        raise Hal0Error("dispatch.unsupported_audio", param="file", file=name, reason=_words(error)) from error
    with container:
        if not container.streams.audio:
            raise Hal0Error("dispatch.unsupported_audio", param="file", file=name, reason="it has no audio track")
        stream = container.streams.audio[0]
        came, problem = 0, ""
        resampled = _Resampled()
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
                frames = packet.decode() if packet is not None else []
            except EndOfFile:
                break
            except FFmpegError as error:
                problem = _words(error)
                if _is_fatal(error):
                    break
                continue
            if packet is None:
                break
            for frame in frames:
                if not LEAST_RATE <= frame.sample_rate <= MOST_RATE:
                    reason = f"it claims {frame.sample_rate} samples a second"
                    raise Hal0Error("dispatch.unsupported_audio", param="file", file=name, reason=reason)
                for piece in resampled.feed(frame):
                    came += len(piece)
                    yield piece
        for piece in resampled.end():
            came += len(piece)
            yield piece
        if not came and problem:
            raise Hal0Error("dispatch.unsupported_audio", param="file", file=name, reason=problem)
        if not came:
            raise Hal0Error("dispatch.audio_empty", param="file", file=name)


class _Resampled:
    """Frames at 16 kHz, mono; a file may change its rate or channels on the way."""

    def __init__(self) -> None:
        self._shape: tuple[str, str, int] | None = None
        self._resampler = AudioResampler(format="s16", layout="mono", rate=RATE)

    def feed(self, frame: av.AudioFrame) -> Iterator[bytes]:
        shape = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._shape not in (None, shape):
            yield from self.end()
            self._resampler = AudioResampler(format="s16", layout="mono", rate=RATE)
        self._shape = shape
        yield from self._made(frame)

    def end(self) -> Iterator[bytes]:
        if self._shape is not None:
            yield from self._made(None)

    def _made(self, frame: av.AudioFrame | None) -> Iterator[bytes]:
        for made in self._resampler.resample(frame):
            yield bytes(memoryview(made.planes[0])[: made.samples * SAMPLE_BYTES])


def _is_fatal(error: FFmpegError) -> bool:
    """Whether reading on is pointless: anything but data that a decoder did not like."""
    return not isinstance(error, InvalidDataError)


def _words(error: Exception) -> str:
    if isinstance(error, InvalidDataError):
        return "it is no audio file, or a damaged one"
    if isinstance(error, ArgumentError):  # a container that is not in the list
        return "it is of a format that hal0 does not take"
    text = error.strerror if isinstance(error, FFmpegError) else str(error)
    return (text or str(error) or type(error).__name__)[:200]
