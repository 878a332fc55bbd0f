"""`make compat`: the real clients, unmodified, each in an environment of its own, against a hal0 of its own.

Each program in clients/ asks the hal0 at $HAL0_URL and ends with status 0 if all was as it should be. Its first line
says what it needs: packages of PyPI or of npm, with the versions that are known to work. Environments are made once, in
.compat/. Not part of `make test`: they fetch hundreds of megabytes.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.fakes.installation import Installation, installed

HERE = Path(__file__).resolve().parent
ENVIRONMENTS = HERE.parents[1] / ".compat"
NEEDS = re.compile(r"(?:#|//) (pip|npm): (.+)")
NOWHERE = "http://127.0.0.1:9"
RUN_SECONDS = 300
INSTALL_SECONDS = 1_200


@dataclass(frozen=True, slots=True)
class Client:
    """One program, and what it needs."""

    path: Path
    source: str  # pip or npm
    packages: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def home(self) -> Path:
        return ENVIRONMENTS / self.name

    def command(self) -> list[str]:
        return ["node", str(self.path)] if self.source == "npm" else [str(self.home / "bin" / "python"), str(self.path)]

    def install(self) -> None:
        """Make its environment, unless it is there already with the same packages."""
        done = self.home / "installed"
        wanted = " ".join(self.packages)
        if done.exists() and done.read_text() == wanted:
            return
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir(parents=True)
        if self.source == "npm":
            _run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(self.home), *self.packages])
        else:
            _run([sys.executable, "-m", "venv", str(self.home)])
            pip = [str(self.home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            _run([*pip, *self.packages])
        done.write_text(wanted)


def clients() -> list[Client]:
    found = []
    for path in sorted((HERE / "clients").iterdir()):
        needs = NEEDS.match(path.read_text().splitlines()[0]) if path.suffix in (".py", ".mjs") else None
        if needs is not None:
            found.append(Client(path, needs[1], tuple(needs[2].split())))
    return found


def _run(command: Sequence[str]) -> None:
    ended = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
    if ended.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{ended.stdout}{ended.stderr}")


def ask(client: Client, hal0: Installation, folder: Path) -> str:
    """Run it; what went wrong, or nothing."""
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith("HAL0_")},
        "HAL0_URL": hal0.url,
        "HOME": str(folder),
        "NODE_PATH": str(client.home / "node_modules"),
        "PATH": f"{client.home / 'bin'}:{os.environ.get('PATH', '')}",
        "NO_COLOR": "1",
        "HTTPS_PROXY": NOWHERE,  # some clients look for prices and versions elsewhere: nothing leaves this machine
        "NO_PROXY": "127.0.0.1,localhost",
    }
    try:
        ended = subprocess.run(
            client.command(), capture_output=True, text=True, timeout=RUN_SECONDS, env=env, cwd=folder, check=False
        )
    except subprocess.TimeoutExpired:
        return f"did not end within {RUN_SECONDS} s"
    return "" if ended.returncode == 0 else f"status {ended.returncode}\n{ended.stdout}{ended.stderr}"


def main() -> int:
    options = argparse.ArgumentParser(prog="make compat", description=__doc__)
    options.add_argument("names", nargs="*", help="which clients; default: all")
    wanted = options.parse_args().names
    failed = 0
    with tempfile.TemporaryDirectory() as folder, installed(Path(folder)) as hal0:
        hal0.wait_for_slot("primary", "ready", "idle")
        hal0.wait_for_slot("embed", "ready", "idle")
        for client in clients():
            if wanted and client.name not in wanted:
                continue
            begin = time.monotonic()
            home = Path(folder) / client.name
            home.mkdir()
            try:
                client.install()
                problem = ask(client, hal0, home)
            except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
                problem = f"cannot be installed: {error}"
            failed += bool(problem)
            took = f"{time.monotonic() - begin:.0f} s"
            print(
                f"{'FAILED' if problem else 'ok':6} {client.name:18} {took:>6}  {' '.join(client.packages)}", flush=True
            )
            if problem:
                print(problem)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
