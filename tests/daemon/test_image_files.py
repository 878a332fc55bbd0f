import os
from pathlib import Path

import pytest

from hal0.daemon.image_files import KEPT_SECONDS, UNFINISHED_SECONDS, ImageFiles
from hal0.errors import Hal0Error

NAME = "a" * 32 + ".png"


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def put(folder: Path, name: str, clock: Clock, *, size: int = 3, age: float = 0.0) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_bytes(b"x" * size)
    os.utime(file, (clock.now - age, clock.now - age))
    return file


async def refused(files: ImageFiles, name: str) -> bool:
    with pytest.raises(Hal0Error) as caught:
        await files.read(name)
    return caught.value.code == "dispatch.image_not_found"


async def test_a_picture_is_there_for_a_day_and_then_gone(tmp_path: Path) -> None:
    clock = Clock()
    files = ImageFiles(tmp_path / "images", now=clock)
    assert await refused(files, NAME)
    file = put(files.folder, NAME, clock)
    assert await files.read(NAME) == (b"xxx", KEPT_SECONDS)
    clock.now += KEPT_SECONDS - 1
    files.sweep()
    assert await files.read(NAME) == (b"xxx", 1)
    clock.now += 2
    assert await refused(files, NAME)  # also before anyone swept
    files.sweep()
    assert not file.exists()


async def test_the_oldest_go_when_all_together_are_too_much(tmp_path: Path) -> None:
    clock = Clock()
    files = ImageFiles(tmp_path, now=clock, most_bytes=250)
    made = [
        put(tmp_path, letter * 32 + ".png", clock, size=100, age=age) for letter, age in (("a", 9), ("b", 1), ("c", 5))
    ]
    files.sweep()
    assert [file.exists() for file in made] == [False, True, True]


async def test_what_a_broken_write_left_goes_later_and_counts_for_nothing(tmp_path: Path) -> None:
    clock = Clock()
    files = ImageFiles(tmp_path, now=clock, most_bytes=250)
    fresh, left = put(tmp_path, f".{NAME}", clock, size=900), put(tmp_path, ".old", clock, age=UNFINISHED_SECONDS + 1)
    picture = put(tmp_path, NAME, clock, size=200)
    files.sweep()
    assert (fresh.exists(), left.exists(), picture.exists()) == (True, False, True)


OTHERS = [
    *("", ".", "..", "../" + NAME, "a/" + NAME, NAME + "/", f".{NAME}", NAME.upper()),
    *("a" * 19 + ".png", "a" * 300 + ".png", "é" * 30 + ".png", NAME + "\0"),
]


@pytest.mark.parametrize("name", OTHERS)
async def test_other_names_are_no_pictures(tmp_path: Path, name: str) -> None:
    clock = Clock()
    files = ImageFiles(tmp_path / "images", now=clock)
    put(files.folder, NAME, clock)
    put(tmp_path, NAME, clock)
    put(files.folder, f".{NAME}", clock)
    assert await refused(files, name)


async def test_a_link_or_a_folder_is_no_picture(tmp_path: Path) -> None:
    clock = Clock()
    files = ImageFiles(tmp_path / "images", now=clock)
    secret = put(tmp_path, "secret", clock)
    files.folder.mkdir()
    (files.folder / NAME).symlink_to(secret)
    assert await refused(files, NAME)
    (files.folder / ("b" * 32 + ".png")).mkdir()
    assert await refused(files, "b" * 32 + ".png")
    os.mkfifo(files.folder / ("c" * 32 + ".png"))
    assert await refused(files, "c" * 32 + ".png")
    files.sweep()
