"""`hal0d`: starts the daemon, hears the signals, and ends it in order.

The end: new requests are refused, those in flight get `drain_timeout`, then an error event; then the backends go.
"""

import argparse
import asyncio
import logging
import os
import resource
import signal
import sys
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from typing import Any

from hal0.daemon.assembly import assembled
from hal0.daemon.config.store import ConfigStore
from hal0.daemon.instance import claim
from hal0.daemon.services import Services
from hal0.errors import Hal0Error
from hal0.paths import Paths, locate

LAST_WORDS_SECONDS = 2.0  # for the error events of those whose patience was over

log = logging.getLogger("hal0")


def main(argv: list[str] | None = None) -> int:
    """Run the daemon in the foreground until SIGTERM or SIGINT. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="hal0d", description="The hal0 daemon: owns the slots and serves the API.")
    parser.add_argument("--config", metavar="FILE", help="the configuration file (default: see docs/config.md)")
    args = parser.parse_args(argv)
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s"
    )
    import uvloop

    try:
        uvloop.run(run(locate(config=args.config)))
    except Hal0Error as error:
        sys.stderr.write(f"error: {error}\n→ {error.remedy}\n")
        return 1
    return 0


async def run(paths: Paths, env: Mapping[str, str] = os.environ) -> None:
    """Serve until told to stop; raises `Hal0Error` if the daemon cannot start."""
    stop, hurry = asyncio.Event(), asyncio.Event()
    _raise_descriptor_limit()
    with claim(paths):
        async with assembled(paths, env) as services:
            _on_signals(stop, hurry, services.config)
            await stop.wait()
            await drain(services, hurry=hurry)
    log.info("stopped")


async def drain(services: Services, *, hurry: asyncio.Event) -> None:
    """Refuse new requests; let those inside end, within `drain_timeout` and until someone hurries us."""
    gate, seconds = services.gate, services.config.current.settings.daemon.drain_timeout
    gate.close()
    services.bus.publish("daemon.stopping", {"drain_seconds": seconds})
    log.info("stopping; %d requests in flight get up to %g s", gate.inside, seconds)
    if await _first_of(gate.wait_empty(), hurry.wait(), seconds=seconds):
        return
    services.requests.interrupt_all()
    await _first_of(gate.wait_empty(), seconds=LAST_WORDS_SECONDS)


async def _first_of(*waits: Coroutine[Any, Any, object], seconds: float) -> bool:
    """Wait for one of them; tells whether the first was it."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return tasks[0] in done
    finally:
        for task in tasks:
            task.cancel()


def _on_signals(stop: asyncio.Event, hurry: asyncio.Event, config: ConfigStore) -> None:
    """SIGTERM and SIGINT stop, the second one without patience; SIGHUP reads the configuration again."""
    loop = asyncio.get_running_loop()
    reloads: set[asyncio.Task[object]] = set()

    def on_stop() -> None:
        (hurry if stop.is_set() else stop).set()

    def on_hangup() -> None:
        task: asyncio.Task[object] = loop.create_task(config.reload())
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    loop.add_signal_handler(signal.SIGTERM, on_stop)
    loop.add_signal_handler(signal.SIGINT, on_stop)
    loop.add_signal_handler(signal.SIGHUP, on_hangup)


def _raise_descriptor_limit() -> None:
    """A stream holds two descriptors; the usual soft limit of 1,024 would end at 500 of them."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    sys.exit(main())
