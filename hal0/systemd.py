"""Whether a process is a service of systemd, and which one. Told by what systemd gives it and by its control group."""

import os
from collections.abc import Mapping
from pathlib import Path


def is_service(env: Mapping[str, str], *, pid: int | None = None, parent: int | None = None) -> bool:
    """Whether systemd has started this process itself: its variables are inherited by whatever a service starts.

    `env` is the process's own environment; left out, `pid` and `parent` are this process's.
    """
    if "INVOCATION_ID" not in env:
        return False
    told = env.get("SYSTEMD_EXEC_PID")  # since systemd 248
    if told is None:
        return (os.getppid() if parent is None else parent) == 1
    return told == str(os.getpid() if pid is None else pid)


def service_of(pid: int, *, proc: str = "/proc") -> str | None:
    """The words after `systemctl` `stop` that end the service whose main process this is; None if it is none.

    Of another user's process only the control group can be read, and that it is in a service's is enough.
    """
    try:
        raw = Path(proc, str(pid), "environ").read_bytes()
    except OSError:
        return unit_of(pid, proc=proc)
    env = dict(os.fsdecode(entry).split("=", 1) for entry in raw.split(b"\0") if b"=" in entry)
    if not is_service(env, pid=pid, parent=_parent_of(pid, proc)):
        return None
    return unit_of(pid, proc=proc) or "hal0"


def unit_of(pid: int, *, proc: str = "/proc") -> str | None:
    """The unit of the service in whose control group the process is, with `--user` before one of a user's own systemd.

    Any process in it counts, and so does a terminal that is a service: whether it is its main one is for others to say.
    """
    try:
        groups = Path(proc, str(pid), "cgroup").read_text()
    except OSError:
        return None
    for line in groups.splitlines():
        number, controllers, path = line.split(":", 2)
        parts = path.split("/")
        if (number != "0" and controllers != "name=systemd") or not parts[-1].endswith(".service"):
            continue
        is_users = any(part.startswith("user@") for part in parts[:-1])
        return f"--user {parts[-1]}" if is_users else parts[-1]
    return None


def _parent_of(pid: int, proc: str) -> int:
    """0 if it has ended."""
    try:
        stat = Path(proc, str(pid), "stat").read_text()
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[1])
