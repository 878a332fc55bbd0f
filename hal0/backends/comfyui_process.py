"""A ComfyUI checkout as a child: started on a port of its own, and gone when this program is.

Models that lie elsewhere are made known to it with `--extra-model-paths-config`; nothing is written into the checkout.
"""

import asyncio
import json
import os
import socket
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

HOST = "127.0.0.1"
BOUND_EXEC = Path(__file__).with_name("bound_exec.py")
END_SECONDS = 8.0  # before it is killed; the slot's own `stop_timeout` may be shorter


class Child:
    """One running checkout."""

    def __init__(
        self, process: asyncio.subprocess.Process, *, port: int, folder: tempfile.TemporaryDirectory[str]
    ) -> None:
        self.url = f"http://{HOST}:{port}"
        self._process = process
        self._folder = folder

    @classmethod
    async def start(cls, checkout: Path, *, python: str, checkpoints: Path | None, words: Sequence[str]) -> "Child":
        """Start `main.py`, which prints where this program prints; raises OSError."""
        port = _free_port()
        folder = tempfile.TemporaryDirectory(prefix="hal0-comfyui-", ignore_cleanup_errors=True)
        # Its pictures would else hold every prompt, in files that nobody of hal0 looks after.
        own = ["--listen", HOST, "--port", str(port), "--disable-auto-launch", "--disable-metadata"]
        if checkpoints is not None:
            extra = Path(folder.name) / "models.yaml"
            extra.write_text(json.dumps({"hal0": {"checkpoints": str(checkpoints)}}))  # JSON is YAML too
            own += ["--extra-model-paths-config", str(extra)]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-S", str(BOUND_EXEC), str(os.getpid()), python, "main.py", *own, *words, cwd=checkout
        )
        return cls(process, port=port, folder=folder)

    async def wait(self) -> int:
        """Until it has ended; its status."""
        return await self._process.wait()

    async def end(self) -> None:
        """End it, and what was made for it; safe to call twice."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.terminate()
            try:
                async with asyncio.timeout(END_SECONDS):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        self._folder.cleanup()


def _free_port() -> int:
    """A port that nobody had a moment ago; slots have theirs from another range."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
