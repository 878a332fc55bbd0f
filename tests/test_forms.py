"""Forms with a file: read whole however they are cut, framed anew, and refused where they are ambiguous."""

import asyncio
import os
import resource
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from hal0.errors import Hal0Error
from hal0.forms import FIELD_BYTES, Form, frame, read_form
from hal0.spool import MEMORY_BYTES, Spool

MEDIA = 'multipart/form-data; boundary="a b"'
NASTY = 'a "quoted"\r\n\\name;=%é.wav'


def field(name: str, value: bytes, *more: bytes) -> bytes:
    lines = [b"--a b", b'content-disposition: form-data; name="%b"' % name.encode(), *more, b"", value, b""]
    return b"\r\n".join(lines)


def file(content: bytes, *, name: bytes = b"f.wav", media: bytes = b"audio/wav") -> bytes:
    disposition = b'content-disposition: form-data; name="file"; filename="%b"' % name
    return b"\r\n".join([b"--a b", disposition, b"Content-Type: " + media, b"", content, b""])


END = b"--a b--\r\n"
MODEL = field("model", b"stt")


async def cut(data: bytes, size: int) -> AsyncIterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


async def read(data: bytes, folder: Path, *, size: int = 1000, media: str = MEDIA) -> Form:
    return await read_form(media, cut(data, size), folder=folder)


async def content(form: Form) -> bytes:
    assert form.upload is not None
    return b"".join([piece async for piece in form.upload.content.pieces()])


@pytest.mark.parametrize("size", [1, 2, 7, 64, 10**6])
async def test_a_form_is_the_same_however_the_network_cuts_it(tmp_path: Path, size: int) -> None:
    sound = b"\r\n--a \r\n--a" + bytes(range(256)) * 3 + b"\r"
    data = b"preamble\r\n" + file(sound) + MODEL + field("prompt", "né".encode()) + END + b"\r\n"
    form = await read(data, tmp_path, size=size)
    assert form.fields == [("model", "stt"), ("prompt", "né")]
    assert form.upload is not None
    assert (form.upload.name, form.upload.type) == ("f.wav", "audio/wav")
    assert await content(form) == sound
    await form.release()


async def test_what_is_framed_is_read_as_it_was(tmp_path: Path) -> None:
    fields = [("model", "a/b"), ('x"[]', "1"), ('x"[]', "2"), ("empty", "")]
    media, head, tail = frame(fields, name=NASTY, type="audio/ogg")
    form = await read(head + b"sound" + tail, tmp_path, media=media)
    assert form.fields == fields
    assert form.values('x"') == ["1", "2"]
    assert form.upload is not None
    assert (form.upload.name, form.upload.type) == (NASTY, "audio/ogg")
    assert await content(form) == b"sound"


@pytest.mark.parametrize(
    ("data", "param"),
    [
        (MODEL + END, "file"),
        (MODEL + MODEL + file(b"x") + END, "model"),
        (file(b"x") + file(b"y") + END, "file"),
        (field("file", b"hello.wav") + END, "file"),
        (file(b"x").replace(b'name="file"', b'name="other"') + END, "other"),
        (field("", b"x") + file(b"x") + END, None),
        (field("prompt", b"\xff") + file(b"x") + END, "prompt"),
        (field("prompt", b"x" * (FIELD_BYTES + 1)) + file(b"x") + END, "prompt"),
        (b"".join(field(f"f{number}", b"x") for number in range(100)) + file(b"x") + END, None),
        (file(b"x"), None),
        (file(b"x")[:40], None),
        (b"", None),
        (b"no form at all", None),
        (MODEL + file(b"x", name=b"n" * 9000) + END, None),
        (field("model", b"stt", b"content-length: 99") + file(b"x") + END, None),
    ],
)
async def test_what_is_broken_or_ambiguous_is_refused(tmp_path: Path, data: bytes, param: str | None) -> None:
    with pytest.raises(Hal0Error) as caught:
        await read(data, tmp_path)
    assert (caught.value.code, caught.value.param) == ("dispatch.invalid_request", param)


MULTIPART = "multipart/form-data"


@pytest.mark.parametrize(
    "media", ["", "application/json", MULTIPART, MULTIPART + "; boundary=", "multipart/mixed; boundary=x"]
)
async def test_another_type_or_no_boundary_is_told_as_such(tmp_path: Path, media: str) -> None:
    with pytest.raises(Hal0Error, match="must be multipart/form-data") as caught:
        await read(MODEL + END, tmp_path, media=media)
    assert caught.value.code == "dispatch.unsupported_media"


async def test_a_files_type_cannot_write_lines_into_the_next_request(tmp_path: Path) -> None:
    form = await read(file(b"x", media=b"audio/wav\nx-evil: 1") + END, tmp_path)
    assert form.upload is not None
    assert form.upload.type == "application/octet-stream"


# The file itself


def open_files() -> list[str]:
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            found.append(os.readlink(descriptor))
        except OSError:
            continue
    return [target for target in found if target.endswith("(deleted)")]


@pytest.mark.parametrize("size", [MEMORY_BYTES // 2, 3 * MEMORY_BYTES + 17])
async def test_a_file_is_read_as_often_as_wanted_and_leaves_no_trace(tmp_path: Path, size: int) -> None:
    sound = os.urandom(size)
    before = open_files()
    form = await read(file(sound) + MODEL + END, tmp_path, size=64 * 1024)
    assert len(open_files()) == len(before) + (size > MEMORY_BYTES)
    assert list(tmp_path.iterdir()) == [], "on disk it has no name"
    assert await content(form) == await content(form) == sound
    assert form.upload is not None
    assert form.upload.content.file().read() == sound
    await form.release()
    await form.release()
    assert open_files() == before


async def test_a_form_that_breaks_off_leaves_no_file(tmp_path: Path) -> None:
    before = open_files()
    with pytest.raises(Hal0Error, match="the form"):
        await read(file(bytes(2 * MEMORY_BYTES)), tmp_path)
    assert open_files() == before


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file may be longer than 2 MiB, which to a program looks like a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 * 2**20, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("small_files")
async def test_a_full_disk_is_told_with_its_place(tmp_path: Path) -> None:
    before = open_files()
    with pytest.raises(Hal0Error) as caught:
        await read(file(bytes(4 * MEMORY_BYTES)) + END, tmp_path, size=64 * 1024)
    assert caught.value.code == "system.disk_full"
    assert str(tmp_path) in caught.value.message
    assert open_files() == before


async def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(Hal0Error) as caught:
        await read(file(bytes(2 * MEMORY_BYTES)) + END, tmp_path / "gone")
    assert caught.value.code == "system.state_unwritable"


async def test_closing_while_the_disk_is_at_work_harms_nothing(tmp_path: Path) -> None:
    before = open_files()
    for _ in range(50):
        spool = Spool(tmp_path)
        writing = asyncio.ensure_future(spool.write(bytes(MEMORY_BYTES + 1)))
        await asyncio.sleep(0)
        writing.cancel()
        await spool.release()
        await asyncio.gather(writing, return_exceptions=True)
    assert open_files() == before


@pytest.mark.parametrize("size", [10, MEMORY_BYTES + 1])
async def test_a_disk_that_hangs_keeps_nobody_waiting_but_who_closes(tmp_path: Path, size: int) -> None:
    spool = Spool(tmp_path)
    await spool.write(bytes(size))
    hangs, goes_on = threading.Event(), threading.Event()

    def hang() -> bool:
        with spool._lock:
            hangs.set()
            return goes_on.wait(20)

    hanging = asyncio.ensure_future(asyncio.to_thread(hang))
    await asyncio.to_thread(hangs.wait)
    releasing = asyncio.ensure_future(spool.release())
    await asyncio.sleep(0)
    assert not releasing.done()
    goes_on.set()
    assert await hanging, "the loop stood still meanwhile"
    await releasing
