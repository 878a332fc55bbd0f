"""The daemon's life: it starts, hears the signals from its first moment on, and ends in order.

The end: new requests are refused, those in flight get `drain_timeout`, then an error event; then the backends go, each
within its `stop_timeout`. A second signal ends every patience.
"""

import asyncio
import gc
import logging
import os
import resource
import signal
from collections.abc import Coroutine, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any

from hal0.daemon.assembly import assembled
from hal0.daemon.config.store import ConfigStore
from hal0.daemon.instance import claim
from hal0.daemon.services import Services
from hal0.paths import Paths

YOUNG_OBJECTS = 5_000  # made since the last time, before garbage is looked for among them; Python has 700
LAST_WORDS_SECONDS = 2.0  # for the error events of those whose patience was over

log = logging.getLogger("hal0")


@dataclass(frozen=True, slots=True)
class Wishes:
    """What signals have asked for."""

    stop: asyncio.Event = field(default_factory=asyncio.Event)
    hurry: asyncio.Event = field(default_factory=asyncio.Event)
    reload: asyncio.Event = field(default_factory=asyncio.Event)


async def run(paths: Paths, env: Mapping[str, str] = os.environ) -> None:
    """Serve until told to stop; raises `Hal0Error` if the daemon cannot start."""
    wishes = Wishes()
    _on_signals(wishes)
    _raise_descriptor_limit()
    with claim(paths), ExitStack() as last:
        async with assembled(paths, env) as services:
            _spare_the_collector()
            hurrying = asyncio.create_task(_hurry(services, when=wishes.hurry))
            last.callback(hurrying.cancel)
            reloading = asyncio.create_task(_reload_when_asked(wishes.reload, services.config))
            try:
                await wishes.stop.wait()
                await drain(services, hurry=wishes.hurry)
            finally:
                reloading.cancel()
    log.info("stopped")


async def _hurry(services: Services, *, when: asyncio.Event) -> None:
    await when.wait()
    services.supervisor.hurry()


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


def _on_signals(wishes: Wishes) -> None:
    """SIGTERM and SIGINT stop, the second one without patience; SIGHUP reads the configuration again."""
    loop = asyncio.get_running_loop()

    def on_stop() -> None:
        (wishes.hurry if wishes.stop.is_set() else wishes.stop).set()

    loop.add_signal_handler(signal.SIGTERM, on_stop)
    loop.add_signal_handler(signal.SIGINT, on_stop)
    loop.add_signal_handler(signal.SIGHUP, wishes.reload.set)


async def _reload_when_asked(asked: asyncio.Event, config: ConfigStore) -> None:
    while True:
        await asked.wait()
        asked.clear()
        try:
            await config.reload()
        except Exception:  # the next SIGHUP must still be heard
            log.exception("the configuration could not be read again")


def _spare_the_collector() -> None:
    """Keep garbage collection off what the start has made, which stays: going through it holds everybody up for 30 ms.

    What requests leave behind has no cycles, the connections see to that, so among it too there is little to look for.
    """
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)


def _raise_descriptor_limit() -> None:
    """A stream holds two descriptors; the usual soft limit of 1,024 would end at 500 of them."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
