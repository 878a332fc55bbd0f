"""What a llama-server says that it can compute on."""

import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from hal0.daemon.providers.llama_devices import Listed, ListedDevices, ask, read_list
from tests.fakes.clock import Clock
from tests.fakes.programs import install_fake_llama_server

RTX = "NVIDIA GeForce RTX 4090"
LIST = f"""\
ggml_cuda_init: found 1 CUDA devices:
  Device 0: {RTX}, compute capability 8.9, VMM: yes
Available devices:
  CUDA0: {RTX} (24080 MiB, 23000 MiB free)
  Vulkan1: AMD Radeon 8060S Graphics (RADV STRIX_HALO) (86016 MiB, 83660 MiB free)
  BLAS: OpenBLAS (0 MiB, 0 MiB free)
"""


@pytest.mark.parametrize(
    ("text", "listed"),
    [
        (LIST, (Listed("CUDA0", RTX), Listed("Vulkan1", "AMD Radeon 8060S Graphics (RADV STRIX_HALO)"))),
        ("Available devices:\n  CUDA0: NVIDIA Test GPU\n", (Listed("CUDA0", "NVIDIA Test GPU"),)),
        ("Available devices:\n  (none)\n", ()),
        ("Available devices:\n", ()),
        ("error: invalid argument: --list-devices\n", None),
        ("", None),
    ],
)
def test_a_list_is_read_past_what_else_is_printed(text: str, listed: tuple[Listed, ...] | None) -> None:
    assert read_list(text) == listed


def test_a_program_is_asked_in_the_environment_of_its_slot(tmp_path: Path) -> None:
    program = install_fake_llama_server(tmp_path)
    devices = ListedDevices({"PATH": "/usr/bin:/bin", "FAKE_LLAMA_DEVICES": "CUDA0: one\nCUDA1: two"})
    assert devices.of(str(program), {}) == (Listed("CUDA0", "one"), Listed("CUDA1", "two"))
    assert devices.of(str(program), {"FAKE_LLAMA_DEVICES": "(none)"}) == ()


def test_a_program_that_fails_or_is_not_there_tells_nothing(tmp_path: Path) -> None:
    failing = tmp_path / "failing"
    failing.write_text(f"#!/bin/sh\nexec {sys.executable} -c 'raise SystemExit(1)'\n")
    failing.chmod(0o755)
    assert ask(str(failing), {}) is None
    assert ListedDevices({}).of(str(tmp_path / "none"), {}) is None


class Program:
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.text: str | None = LIST

    def run(self, program: str, env: Mapping[str, str]) -> str | None:
        self.asked += 1
        return self.text


def test_it_is_asked_once_until_the_file_is_another(tmp_path: Path) -> None:
    file, program = tmp_path / "llama-server", Program()
    file.write_text("old")
    devices = ListedDevices(run=program.run)
    for _ in range(3):
        assert devices.of(str(file), {"A": "b"})
    assert program.asked == 1
    file.write_text("newer")
    devices.of(str(file), {"A": "b"})
    devices.of(str(file), {"A": "c"})
    assert program.asked == 3


def test_one_that_named_nothing_is_asked_again_after_a_while(tmp_path: Path) -> None:
    file, program, clock = tmp_path / "llama-server", Program(), Clock()
    file.touch()
    program.text = None
    devices = ListedDevices(run=program.run, clock=clock)
    assert devices.of(str(file), {}) is devices.of(str(file), {}) is None
    program.text = LIST
    clock.advance(61)
    assert devices.of(str(file), {})
    assert program.asked == 2
