"""What people name as a file may be none; whoever opens it must not wait for it."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from hal0.daemon.config.schema import Remote
from hal0.daemon.models.gguf import read_header
from hal0.daemon.remotes.keys import key_of
from hal0.errors import Hal0Error
from hal0.regular import open_regular
from hal0.workflows import WorkflowInvalid, read

LIMIT_SECONDS = 30.0


def outcome(deed: Callable[[], object]) -> str:
    """What it raised, in words; fails if it waits."""
    told: list[str] = []

    def run() -> None:
        try:
            told.append(f"{deed()}")
        except (OSError, Hal0Error, WorkflowInvalid) as error:
            told.append(f"{error}")

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(LIMIT_SECONDS)
    assert told, "it waits"
    return told[0]


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "fifo", 0o600)
    return tmp_path / "fifo"


def test_a_file_is_read_and_nothing_else_is(pipe: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"words")
    with open_regular(file) as opened:
        assert opened.read() == b"words"
    before = os.listdir("/proc/self/fd")
    for other in (pipe, Path("/dev/zero")):
        assert "it is not a regular file" in outcome(lambda other=other: open_regular(other))  # type: ignore[misc]
    with pytest.raises(IsADirectoryError):
        open_regular(tmp_path)
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "nothing")
    assert os.listdir("/proc/self/fd") == before


@pytest.mark.parametrize(
    "reads",
    [
        lambda path: read_header(path),
        lambda path: read(path),
        lambda path: key_of("r", Remote(url="http://127.0.0.1:9/v1", key_file=str(path)), {}),
    ],
    ids=["model", "workflow", "key"],
)
def test_a_pipe_in_the_place_of_a_file_is_refused_at_once(pipe: Path, reads: Callable[[Path], object]) -> None:
    assert "it is not a regular file" in outcome(lambda: reads(pipe))
