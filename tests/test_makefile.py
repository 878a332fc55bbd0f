"""`make` gets a checkout ready, also after an attempt that failed half-way."""

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# As Debian's python3 without python3-venv: it makes the folder and the interpreter, and then fails for want of pip.
HALF_WAY = """#!/bin/sh
[ "$1" = -c ] && exit 0
mkdir -p .venv/bin && touch .venv/bin/python && exit 1
"""


def test_a_virtual_environment_that_failed_half_way_is_not_kept(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    python = tmp_path / "python"
    python.write_text(HALF_WAY)
    python.chmod(0o755)
    result = subprocess.run(
        ["make", ".venv/bin/python", f"PYTHON={python}"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode != 0
    assert "apt install python3-venv" in result.stdout
    assert not (tmp_path / ".venv").exists()
