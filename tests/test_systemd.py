"""What systemd has started itself is told from what a terminal has, and by its unit's name."""

import os
from pathlib import Path

import pytest

from hal0.systemd import is_service, service_of, unit_of

USERS = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/hal0.service\n"


@pytest.mark.parametrize(
    ("env", "service"),
    [
        ({}, False),
        ({"SYSTEMD_EXEC_PID": "own"}, False),
        ({"INVOCATION_ID": "x", "SYSTEMD_EXEC_PID": "own"}, True),
        ({"INVOCATION_ID": "x", "SYSTEMD_EXEC_PID": "1"}, False),  # a terminal that is a service started this shell
        ({"INVOCATION_ID": "x"}, False),  # systemd before 248: it is the parent, and it is not
    ],
)
def test_only_what_systemd_started_itself_is_a_service(env: dict[str, str], service: bool) -> None:
    own = {name: str(os.getpid()) if value == "own" else value for name, value in env.items()}
    assert is_service(own, parent=4242) == service


@pytest.mark.parametrize(
    ("groups", "unit"),
    [
        ("0::/system.slice/hal0.service\n", "hal0.service"),
        (USERS, "--user hal0.service"),
        ("12:cpu:/other.service\n1:name=systemd:/system.slice/my-hal0.service\n0::/\n", "my-hal0.service"),
        ("0::/user.slice/user-1000.slice/session-3.scope\n", None),
        ("0::/user.slice/user-1000.slice/user@1000.service/tmux-spawn-1.scope\n", None),
        ("0::/\n", None),
    ],
)
def test_the_unit_is_the_last_part_of_the_control_group(tmp_path: Path, groups: str, unit: str | None) -> None:
    put(tmp_path, groups=groups)
    assert unit_of(77, proc=str(tmp_path)) == unit


@pytest.mark.parametrize(
    ("environ", "parent", "service"),
    [
        ("INVOCATION_ID=a\0SYSTEMD_EXEC_PID=77\0", 1500, "--user hal0.service"),
        ("INVOCATION_ID=a\0SYSTEMD_EXEC_PID=60\0", 1500, None),  # inherited from a terminal
        ("INVOCATION_ID=a\0", 1, "--user hal0.service"),
        ("HOME=/root\0", 1, None),
    ],
)
def test_a_process_is_judged_by_its_own_environment(
    tmp_path: Path, environ: str, parent: int, service: str | None
) -> None:
    put(tmp_path, groups=USERS, environ=environ, parent=parent)
    assert service_of(77, proc=str(tmp_path)) == service


def test_of_a_process_that_cannot_be_read_the_control_group_decides(tmp_path: Path) -> None:
    put(tmp_path, groups="0::/system.slice/hal0.service\n")
    assert service_of(77, proc=str(tmp_path)) == "hal0.service"
    assert service_of(78, proc=str(tmp_path)) is None


def put(proc: Path, *, groups: str, environ: str | None = None, parent: int = 0) -> None:
    (proc / "77").mkdir()
    (proc / "77" / "cgroup").write_text(groups)
    (proc / "77" / "stat").write_text(f"77 (hal0 (serve) S) S {parent} 77 77 0 -1\n")
    if environ is not None:
        (proc / "77" / "environ").write_text(environ)
