"""`python -m hal0.backends.llama`: llama.cpp's own HTTP server, from the engine that is installed with hal0.

Takes llama-server's words (`llama_options`) and, like it, the API key from LLAMA_API_KEY. Ends with status 0 when
asked to, 2 for a wrong command line, 3 if the model cannot be served, 4 if the engine itself is missing or another
than expected. The reason is on stderr: in the last line, or in the engine's own lines with an `E` for status 3.
"""

import os
import signal
import sys
from typing import Any

from hal0.backends.llama_options import EXIT_USAGE, Drift, apply, parse

EXIT_CANNOT_SERVE = 3
EXIT_NO_ENGINE = 4


def main() -> int:
    settings = parse(sys.argv[1:])
    try:
        from xllamacpp import xllamacpp as engine  # type: ignore[import-untyped, unused-ignore]
    except ImportError as error:  # the wheel is missing, or a library it needs
        return _fail(EXIT_NO_ENGINE, f"the engine cannot be loaded: {error}")
    params = engine.CommonParams()
    try:
        apply(settings, params, engine)
        params.api_keys = [key] if (key := os.environ.get("LLAMA_API_KEY")) else []
    except Drift as drift:
        return _fail(EXIT_NO_ENGINE, f"the installed engine (xllamacpp) has no {drift}: hal0 needs another release")
    except (TypeError, ValueError, OverflowError) as error:
        return _fail(EXIT_USAGE, f"a value the engine does not take: {error}")
    if params.n_gpu_layers > 0 and not _has_gpu(engine):
        return _fail(EXIT_CANNOT_SERVE, "layers are wanted on a GPU, but this engine computes on the CPU only")
    # The engine holds the interpreter while it loads, so no handler of ours could run: SIGTERM keeps its own way. From
    # here on the engine's thread prints, and in pieces: a line of ours would fall into the middle of one of its own.
    try:
        server = engine.Server(params)  # noqa: F841 - it serves as long as it is held
    except RuntimeError:  # its sentence says nothing; the engine prints the reason
        return EXIT_CANNOT_SERVE
    _wait_for_the_end()
    # Without taking `server` down in order: it would wait for answers that nobody will read any more.
    os._exit(0)


def _wait_for_the_end() -> None:
    """Sleep until SIGTERM or SIGINT, whichever of the engine's threads the kernel gives it to."""
    heard, told = os.pipe()
    os.set_blocking(told, False)
    signal.set_wakeup_fd(told)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    os.read(heard, 1)


def _has_gpu(engine: Any) -> bool:
    return any("CPU" not in device["type"].name for device in engine.get_device_info())


def _fail(status: int, reason: str) -> int:
    sys.stderr.write(f"error: {reason}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
