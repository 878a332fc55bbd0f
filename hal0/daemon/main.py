"""`hal0d`: the program around the daemon. Imports little, so that from its first moment no failure is a traceback.

Ends with 0 after SIGTERM or SIGINT, 1 with a code on stderr if it cannot start, 130 if interrupted before it began.
"""

import os
import signal
import sys
from collections.abc import Sequence

from hal0.errors import Hal0Error
from hal0.streams import provide_streams

INTERRUPTED = 130
PRIVATE_UMASK = 0o077  # state and logs are their owner's; the socket has a mode of its own


def main(argv: Sequence[str] | None = None) -> int:
    """Run the daemon in the foreground until SIGTERM or SIGINT. Returns the exit status."""
    try:
        provide_streams()
        _serve(argv)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Hal0Error as error:
        return _report(error)
    except Exception as error:  # a defect of ours: the person gets a code instead of a traceback
        return _report(Hal0Error("system.internal", reason=f"{type(error).__name__}: {error}"), error)
    return 0


def _serve(argv: Sequence[str] | None) -> None:
    import argparse

    parser = argparse.ArgumentParser(prog="hal0d", description="The hal0 daemon: owns the slots and serves the API.")
    parser.add_argument("--config", metavar="FILE", help="the configuration file (default: see docs/config.md)")
    args = parser.parse_args(argv)
    # Until the event loop hears signals nothing has begun that would need an end; raised as an exception in the middle
    # of an import, an interrupt may come out as anything.
    signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # nothing is read yet, so there is nothing to read again
    os.umask(PRIVATE_UMASK)

    import logging

    logging.raiseExceptions = False  # a log that cannot be written ends nothing and says nothing
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s"
    )
    import uvloop

    from hal0.daemon.config.place import placed
    from hal0.daemon.life import run
    from hal0.paths import locate

    uvloop.run(run(placed(locate(config=args.config))))


def _report(error: Hal0Error, cause: Exception | None = None) -> int:
    if cause is not None:
        import logging

        logging.getLogger("hal0").debug("hal0d failed", exc_info=cause)
    sys.stderr.write(f"error: {error}\n→ {error.remedy}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
