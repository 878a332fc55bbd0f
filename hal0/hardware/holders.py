"""Who a process is, for people: its user by name."""

import os
import pwd
from pathlib import Path


class Users:
    """Remembers the names of users; one is looked up once."""

    def __init__(self, *, root: Path = Path("/")) -> None:
        self._proc = root / "proc"
        self._names: dict[int, str] = {}

    def of(self, pid: int) -> str:
        """The user that a process runs as, or the number of one without a name; empty if it has ended."""
        try:
            uid = os.stat(self._proc / str(pid)).st_uid
        except OSError:
            return ""
        if uid not in self._names:
            try:
                self._names[uid] = pwd.getpwuid(uid).pw_name
            except KeyError:
                self._names[uid] = str(uid)
        return self._names[uid]
