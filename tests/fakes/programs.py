"""Starts programs for a test and leaves none behind."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

FAKE_LLAMA_SERVER = Path(__file__).with_name("llama_server.py")


def free_port() -> int:
    """A port that nobody had a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def install_fake_llama_server(folder: Path) -> Path:
    """Put the stand-in into a folder as an executable named llama-server."""
    program = folder / "llama-server"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {FAKE_LLAMA_SERVER} "$@"\n')
    program.chmod(0o755)
    return program


def install_stand_in(folder: Path, name: str, program: str) -> Path:
    """Put a stand-in of this folder, which imports its neighbours, into `folder` as an executable of this name."""
    file = folder / name
    file.write_text(f'#!/bin/sh\nexec {sys.executable} -S {Path(__file__).with_name(program)} "$@"\n')
    file.chmod(0o755)
    return file


def write_model_folder(folder: Path, *, architecture: str = "Qwen2ForCausalLM", limit: int = 32768) -> Path:
    """A model as Hugging Face lays it out, without weights that mean anything."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {"architectures": [architecture], "max_position_embeddings": limit}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").write_bytes(bytes(1000))
    return folder


@contextmanager
def running(
    argv: Sequence[str], env: Mapping[str, str], *, cwd: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """The program, its output in `stdout`; killed at the end."""
    program = subprocess.Popen(
        argv,
        env={**os.environ, **env},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert program.stdout is not None
    try:
        yield program
    finally:
        program.kill()
        program.wait()
        program.stdout.close()


def last_words(program: subprocess.Popen[bytes], *, seconds: float = 20.0) -> tuple[int, list[str]]:
    """How it ended, and the lines it printed."""
    output, _ = program.communicate(timeout=seconds)
    return program.returncode, output.decode().splitlines()
