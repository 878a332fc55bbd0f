"""What the engine of the package needs of the machine, looked at before anything is started.

Without this, a missing library shows as an import error of a child, and a missing instruction as SIGILL.
"""

import ctypes
from collections.abc import Callable

from hal0.daemon.providers.base import SlotSpec
from hal0.errors import Hal0Error
from hal0.hardware.facts import Facts

# Shared library: the Debian package that has it.
LIBRARIES = {"libgomp.so.1": "libgomp1", "libstdc++.so.6": "libstdc++6"}
CPU_FLAGS = ("avx2", "fma", "f16c", "bmi2")  # what the wheel was compiled for, on x86-64


def library_is_there(name: str) -> bool:
    """Whether the loader finds it, by asking the loader."""
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def check_builtin(spec: SlotSpec, facts: Facts, has_library: Callable[[str], bool]) -> None:
    """Raise `slot.engine_missing` with what is missing and what to do."""
    config = spec.config
    own_binary = f"set `binary` of slots.{spec.name} to it"
    if config.gpus or config.gpu_layers:
        raise Hal0Error(
            "slot.engine_missing",
            slot=spec.name,
            missing="a GPU is asked for, and the engine in the package computes on the CPU only",
            fix=f"Install a llama-server built for your GPU (CUDA, ROCm or Vulkan) and {own_binary}, "
            "or remove `gpus` and `gpu_layers`.",
        )
    for library, package in LIBRARIES.items():
        if not has_library(library):
            raise Hal0Error(
                "slot.engine_missing",
                slot=spec.name,
                missing=f"the shared library {library} is not installed",
                fix=f"apt install {package}",
            )
    lacking = [flag for flag in CPU_FLAGS if flag not in facts.cpu_flags]
    is_x86 = "sse2" in facts.cpu_flags  # every x86-64 has it; flags of other machines have other names
    if is_x86 and lacking:
        raise Hal0Error(
            "slot.engine_missing",
            slot=spec.name,
            missing=f"the processor lacks {', '.join(flag.upper() for flag in lacking)}",
            fix=f"Install a llama-server built for this CPU and {own_binary}.",
        )
