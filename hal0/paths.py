"""Where configuration, state, logs and the admin socket live. Decides only; creates nothing.

Two homes: a person's (XDG directories) and the system service's (`/etc/hal0`, `/var/lib/hal0`, `/run/hal0`).
systemd hands the service its directories in STATE_DIRECTORY and RUNTIME_DIRECTORY, and those win. Before them comes
`state_dir` of the configuration, which is not read here.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hal0.errors import Hal0Error

SYSTEM_CONFIG = Path("/etc/hal0/hal0.toml")
SYSTEM_STATE = Path("/var/lib/hal0")
SYSTEM_SOCKET = Path("/run/hal0/hal0.sock")


@dataclass(frozen=True, slots=True)
class Paths:
    """The directories of one hal0 installation."""

    config: Path  # hal0.toml; need not exist
    config_required: bool  # True when a person named the file: then its absence is an error
    state: Path
    runtime: Path

    @property
    def socket(self) -> Path:
        """The admin API's Unix socket."""
        return self.runtime / "hal0.sock"

    @property
    def logs(self) -> Path:
        return self.state / "logs"


def locate(env: Mapping[str, str] | None = None, *, config: str | None = None) -> Paths:
    """Choose the directories from the command line's `--config`, then the environment, then the defaults."""
    env = os.environ if env is None else env
    try:
        config_path, named = _config(env, config)
        return Paths(config=config_path.absolute(), config_required=named, state=_state(env), runtime=_runtime(env))
    except (OSError, RuntimeError) as error:  # pathlib has a RuntimeError for a user without a home
        raise _nowhere(error) from error


def dashboard_settings(env: Mapping[str, str] | None = None) -> Path:
    """A person's own settings of the dashboard; the file need not exist."""
    env = os.environ if env is None else env
    try:
        return Path(env.get("XDG_CONFIG_HOME") or _home(env) / ".config") / "hal0" / "tui.toml"
    except (OSError, RuntimeError) as error:
        raise _nowhere(error) from error


def find_socket(env: Mapping[str, str] | None = None) -> Path:
    """The socket to ask: this user's daemon's, or the system service's when only that one is there."""
    env = os.environ if env is None else env
    try:
        own = _runtime(env) / "hal0.sock"
        if "HAL0_RUNTIME_DIR" not in env and not own.exists() and SYSTEM_SOCKET.exists():
            return SYSTEM_SOCKET
    except (OSError, RuntimeError) as error:
        raise _nowhere(error) from error
    return own


def _nowhere(error: Exception) -> Hal0Error:
    return Hal0Error("system.no_place", reason=str(error))


def _home(env: Mapping[str, str]) -> Path:
    return Path(env.get("HOME") or Path.home())


def _config(env: Mapping[str, str], given: str | None) -> tuple[Path, bool]:
    """The file, and whether a person named it."""
    if named := given or env.get("HAL0_CONFIG"):
        return Path(named).expanduser(), True
    own = Path(env.get("XDG_CONFIG_HOME") or _home(env) / ".config") / "hal0" / "hal0.toml"
    return (own if own.exists() or not SYSTEM_CONFIG.exists() else SYSTEM_CONFIG), False


def named_state(env: Mapping[str, str]) -> Path | None:
    """The state folder that HAL0_STATE_DIR names; it wins over all else."""
    given = env.get("HAL0_STATE_DIR")
    return Path(given).expanduser().absolute() if given else None


def _state(env: Mapping[str, str]) -> Path:
    if (named := named_state(env)) is not None:
        return named
    if service := env.get("STATE_DIRECTORY"):
        return Path(service.split(":")[0])
    return Path(env.get("XDG_STATE_HOME") or _home(env) / ".local" / "state") / "hal0"


def _runtime(env: Mapping[str, str]) -> Path:
    if given := env.get("HAL0_RUNTIME_DIR"):
        return Path(given).expanduser().absolute()
    if service := env.get("RUNTIME_DIRECTORY"):
        return Path(service.split(":")[0])
    if session := env.get("XDG_RUNTIME_DIR"):
        return Path(session) / "hal0"
    # No session directory (a bare container, cron): a private folder of this user, never a shared name in /tmp.
    return Path("/run/hal0") if os.geteuid() == 0 else Path(f"/tmp/hal0-{os.geteuid()}")
