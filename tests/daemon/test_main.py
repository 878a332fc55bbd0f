"""`hal0d` as a program: whatever is wrong around it, it ends with a code and a remedy, and never with a traceback."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hal0.daemon.main import INTERRUPTED
from tests.fakes.installation import Installation

HAL0D = [sys.executable, "-m", "hal0.daemon.main"]
NO_BYTES = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
os.execv(sys.argv[1], sys.argv[1:])
"""
CLOSED = "import os, sys; os.close(int(sys.argv[1])); os.execv(sys.argv[2], sys.argv[2:])"


def ended(env: dict[str, str], command: list[str] = HAL0D) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("delay", [0.0, 0.03, 0.1, 0.2, 0.4])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_the_start_ends_it_quietly(tmp_path: Path, number: signal.Signals, delay: float) -> None:
    daemon = subprocess.Popen(
        HAL0D, env=Installation(tmp_path).env, stderr=subprocess.PIPE, text=True, preexec_fn=heed_hangup
    )
    try:
        wait_until_begun(daemon.pid)
        time.sleep(delay)  # not for luck: it is to be met at whatever stage of its start
        daemon.send_signal(number)
        _, told = daemon.communicate(timeout=30)
    finally:
        daemon.kill()
        daemon.wait()
    assert "Traceback" not in told
    assert daemon.returncode in (0, INTERRUPTED, -number)


def test_a_hangup_during_the_start_does_not_end_it(tmp_path: Path) -> None:
    hal0 = Installation(tmp_path)
    with hal0.log.open("wb") as log:
        hal0.process = subprocess.Popen(HAL0D, env=hal0.env, stdout=log, stderr=log)
    try:
        wait_for_event_loop(hal0.process.pid)
        while not hal0.socket.exists():
            hal0.process.send_signal(signal.SIGHUP)
            assert hal0.process.poll() is None
            time.sleep(0.01)
        assert hal0.wait_for_state()["config"]["revision"] == 1
    finally:
        status = hal0.stop()
    assert status == 0


def mode_of(path: Path) -> int:
    """Of a file that may be gone by now, as one that was written beside another is."""
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return 0


def heed_hangup() -> None:
    """Under `nohup` it is ignored from the start, and would not tell any more that the daemon has begun."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def wait_until_begun(pid: int) -> None:
    deadline = time.monotonic() + 20
    while not ignores_hangup(pid):
        assert time.monotonic() < deadline
        time.sleep(0.001)


def wait_for_event_loop(pid: int) -> None:
    """Until its library is loaded, which is before the daemon is put together."""
    deadline = time.monotonic() + 20
    while "uvloop" not in Path(f"/proc/{pid}/maps").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def ignores_hangup(pid: int) -> bool:
    """Whether SIGHUP is ignored or handled by now."""
    status = Path(f"/proc/{pid}/status").read_text()
    masks = [int(line.split()[1], 16) for line in status.splitlines() if line.startswith(("SigIgn", "SigCgt"))]
    return any(mask >> (signal.SIGHUP - 1) & 1 for mask in masks)


def test_a_disk_without_room_for_a_byte_is_no_traceback(tmp_path: Path) -> None:
    env = {**Installation(tmp_path).env, "PYTHONDONTWRITEBYTECODE": "1"}
    status, told = served(env, [sys.executable, "-c", NO_BYTES, *HAL0D])
    assert "listening on" in told
    assert "Traceback" not in told
    assert status == 0


@pytest.mark.parametrize(("host", "open_to_others"), [("localhost", False), ("127.0.0.1", False), ("0.0.0.0", True)])
def test_it_warns_where_others_can_reach_it(tmp_path: Path, host: str, open_to_others: bool) -> None:
    status, told = served({**Installation(tmp_path).env, "HAL0_HOST": host}, HAL0D)
    assert status == 0
    assert ("anyone who can reach port" in told) == open_to_others


def served(env: dict[str, str], command: list[str]) -> tuple[int, str]:
    """Let it come up and end it; its status and what it said."""
    daemon = subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True)
    assert daemon.stderr is not None
    told = ""
    while "hal0.sock" not in told and (line := daemon.stderr.readline()):
        told += line
    daemon.terminate()
    with daemon.stderr:
        told += daemon.stderr.read()  # not communicate(), which forgets what readline() had taken ahead
    return daemon.wait(30), told


@pytest.mark.parametrize("stream", [0, 1, 2])
def test_a_closed_stream_is_no_traceback(tmp_path: Path, stream: int) -> None:
    env = {**Installation(tmp_path, "[server]\nprot = 1\n").env}
    result = ended(env, [sys.executable, "-c", CLOSED, str(stream), *HAL0D])
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert stream == 2 or "unknown key" in result.stderr


def test_without_a_home_it_says_what_to_set(tmp_path: Path) -> None:
    env = {name: value for name, value in Installation(tmp_path).env.items() if name != "HAL0_CONFIG"}
    result = ended({**env, "HOME": "/" + "x" * 300})
    assert result.returncode == 1
    assert result.stderr.startswith("error: system.no_place: ")
    assert "→ Set HOME" in result.stderr


def test_its_files_are_its_owners(tmp_path: Path) -> None:
    hal0 = Installation(tmp_path)
    old = os.umask(0o022)
    try:
        hal0.start()
    finally:
        os.umask(old)
    try:
        made = [hal0.folder / "state", *(hal0.folder / "state").rglob("*")]
        assert len(made) > 3
        assert [path for path in made if mode_of(path) & 0o077] == []
        assert (hal0.folder / "run").stat().st_mode & 0o777 == 0o755
    finally:
        hal0.stop()
