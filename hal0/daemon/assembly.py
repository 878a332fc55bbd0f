"""Where everything meets: builds the daemon's parts, ties them together, and takes them apart in order."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from hal0.daemon.adapters.embeddings import EmbeddingsAdapter
from hal0.daemon.adapters.rerank import RerankAdapter
from hal0.daemon.admin.app import make_admin
from hal0.daemon.admin.guard import is_loopback
from hal0.daemon.admin.views import slot_view
from hal0.daemon.config.history import History
from hal0.daemon.config.schema import Settings
from hal0.daemon.config.snapshot import Diff, Snapshot
from hal0.daemon.config.store import ConfigStore
from hal0.daemon.config.tls import server_context
from hal0.daemon.config.trial import Trial
from hal0.daemon.dialects import DIALECTS
from hal0.daemon.error_log import ErrorLog
from hal0.daemon.events import EventBus
from hal0.daemon.front import Front
from hal0.daemon.gate import Gate
from hal0.daemon.idioms import IDIOMS
from hal0.daemon.image_files import ImageFiles
from hal0.daemon.keys.store import KeyStore
from hal0.daemon.models.foreign import ForeignStores
from hal0.daemon.models.headers import Headers
from hal0.daemon.models.peaks import Peaks
from hal0.daemon.models.registry import Registry
from hal0.daemon.past import Past
from hal0.daemon.providers import make_providers
from hal0.daemon.providers.base import Api, Launch, SlotSpec
from hal0.daemon.providers.llama_devices import ListedDevices
from hal0.daemon.providers.rehearsal import Rehearsal
from hal0.daemon.proxy.app import ProxyApp
from hal0.daemon.proxy.pool import Pool
from hal0.daemon.proxy.request import Request
from hal0.daemon.proxy.requests import Requests
from hal0.daemon.pulls.pulls import Pulls
from hal0.daemon.remotes.remote import Carrier
from hal0.daemon.remotes.remotes import Remotes
from hal0.daemon.routing.dispatcher import Dispatcher
from hal0.daemon.routing.listing import Listing
from hal0.daemon.routing.voices import Voices
from hal0.daemon.sampler import Sampler
from hal0.daemon.services import Services
from hal0.daemon.serving.crowd import most_connections
from hal0.daemon.serving.limits import Limits
from hal0.daemon.serving.server import Server
from hal0.daemon.serving.sockets import listen_tcp, listen_unix
from hal0.daemon.slots.admission import Impossible
from hal0.daemon.slots.announcer import Announcer
from hal0.daemon.slots.appraisal import Appraisal
from hal0.daemon.slots.bonds import RUN, Bonds
from hal0.daemon.slots.lifecycle import ANSWERING, State
from hal0.daemon.slots.machine import LocalMachine
from hal0.daemon.slots.ports import Ports
from hal0.daemon.slots.process import in_thread
from hal0.daemon.slots.run import Tools, base_environment
from hal0.daemon.slots.slot import Slot
from hal0.daemon.slots.supervisor import Supervisor
from hal0.daemon.slots.swaps import Swaps
from hal0.daemon.slots.writer import Writer
from hal0.errors import Hal0Error
from hal0.hardware.cpu import CpuMeter
from hal0.hardware.facts import read_facts
from hal0.hardware.gpus import gpu_meters
from hal0.hardware.processes import ProcessMeter
from hal0.paths import Paths
from hal0.systemd import is_service
from hal0.wire import SlotEffect

log = logging.getLogger("hal0")


@asynccontextmanager
async def assembled(paths: Paths, env: Mapping[str, str]) -> AsyncIterator[Services]:
    """The whole daemon, serving; raises `Hal0Error` if it cannot start. Leaving the block ends all of it."""
    started_at = time.time()
    bus = EventBus()
    facts = read_facts()
    providers = make_providers(facts)
    pulls = Pulls(
        bus,
        models=lambda: config.current.settings.models,
        state=paths.state,
        env=env,
        taken=lambda name: registry.place_of(name),
        refresh=lambda: registry.refresh(),
    )
    foreign, headers = ForeignStores(env), Headers()
    rehearse = Rehearsal(
        providers,
        make_registry=lambda models: Registry(
            models, state=paths.state, foreign=foreign, coming=pulls, headers=headers
        ),
    )
    config = ConfigStore(
        bus,
        paths.config,
        required=paths.config_required,
        env=env,
        history=History(paths.state / "config"),
        appraise=rehearse,
    )
    config.load()
    settings = config.current.settings
    _set_log_level(settings)
    keys = KeyStore(lambda: config.current.settings, paths.state)
    keys.load()
    tls = server_context(settings.server)
    errors = ErrorLog(bus)
    keys.on_failure = errors.record
    config.on_defect = errors.record
    trial = Trial(config, on_failure=lambda error, slot: errors.record(error, slot=slot))

    def current() -> Settings:
        return config.current.settings

    past = Past()

    def tell(slot: Slot) -> None:
        view = slot_view(slot, services)
        bus.publish("slot.transition", view)
        if slot.state in ANSWERING and view.load_ms is not None:
            services.requests.meter.loaded(slot.name, run=view.run, seconds=view.load_ms / 1000)

    announcer = Announcer(tell)

    def on_change(slot: Slot) -> None:
        past.changed(slot.name, slot.state.value, slot.since)
        announcer.changed(slot)
        if slot.state in ANSWERING:
            trial.ready(slot.name)

    def on_failure(slot: Slot, error: Hal0Error) -> None:
        errors.record(error, slot=slot.name)
        trial.failed(slot.name, error)
        services.requests.meter.failed(slot.name, error.code)

    def on_removed(name: str) -> None:
        announcer.forget(name)
        swaps.forget(name)
        past.forget(name)
        bus.publish("slot.removed", {"name": name})
        services.requests.meter.forget(name)

    keep = settings.daemon.keep_backends
    bonds = Bonds(paths.state, keep=is_service(env) if keep is None else keep)
    async with AsyncExitStack() as cleanup:
        looking = asyncio.ensure_future(in_thread(bonds.survivors))
        sockets = [listen_tcp(settings.server.host, settings.server.port), listen_unix(paths.socket)]
        for sock in sockets:
            cleanup.callback(sock.close)

        registry = rehearse.registry(settings.models)
        peaks = Peaks(paths.state / "peaks.json")
        appraisal = Appraisal(
            registry=lambda: registry, providers=providers, peaks=peaks, listed=ListedDevices(base_environment())
        )
        # Logs and state may lie on two disks.
        output_writer, history_writer = Writer("the output of slots"), Writer("the history of slots")
        cleanup.push_async_callback(output_writer.close)
        cleanup.push_async_callback(history_writer.close)
        supervisor = Supervisor(
            tools=Tools(
                providers=providers,
                models=lambda: registry,
                ports=Ports(lambda: current().daemon.ports),
                start_timeout=lambda: current().dispatch.start_timeout,
                environ=base_environment(),
                bonds=bonds,
                defaults=lambda: current().daemon,
            ),
            logs=paths.logs,
            state=paths.state,
            machine=LocalMachine(
                sampler=lambda: services.sampler,
                appraisal=appraisal,
                peaks=peaks,
                settings=lambda: current().daemon,
            ),
            memory_of=lambda name: services.sampler.memory_of(name),
            on_change=on_change,
            on_removed=on_removed,
            on_failure=on_failure,
            write_output=output_writer.write_surely,
            write_history=history_writer.write,
        )

        remotes = Remotes(
            env=env,
            folder=paths.state / "remotes",
            on_failure=lambda remote, error: errors.record(error, slot=remote.name),
            idioms=IDIOMS,
        )

        async def check_room(slot: Slot, spec: SlotSpec, launch: Launch) -> None:
            devices = await services.sampler.known_devices()
            appraised = await asyncio.to_thread(services.appraisal.of, spec, launch, devices)
            preview = await supervisor.room.preview(slot.name, appraised, spec.config)
            if isinstance(preview.decision, Impossible):
                raise preview.decision.error(slot.name)

        swaps = Swaps(
            config,
            models=lambda: registry,
            check_room=check_room,
            on_failure=lambda error, slot: errors.record(error, slot=slot),
        )
        dispatcher = Dispatcher(supervisor, remotes=remotes)
        bound, port = sockets[0].getsockname()[:2]

        def warnings() -> tuple[str, ...]:
            return _warnings(bound, port, keys_required=keys.ring.required)  # not the host: `localhost` is a name

        services = Services(
            bus=bus,
            config=config,
            keys=keys,
            supervisor=supervisor,
            remotes=remotes,
            swaps=swaps,
            dispatcher=dispatcher,
            listing=Listing(supervisor, remotes=remotes, registry=lambda: registry, started_at=started_at),
            voices=Voices(supervisor),
            requests=Requests(
                bus,
                capture=lambda: current().observe.capture,
                on_failure=lambda request, error: _note(errors, request, error),
            ),
            sampler=Sampler(
                bus,
                meters=[CpuMeter(facts), *gpu_meters(cards=facts.gpus)],
                processes=ProcessMeter(RUN),
                process_groups=supervisor.process_groups,
                on_look=past.looked,
            ),
            past=past,
            errors=errors,
            appraisal=appraisal,
            pulls=pulls,
            image_files=ImageFiles(paths.state / "images"),
            foreign=foreign,
            make_registry=rehearse.make_registry,
            gate=Gate(),
            keeps_backends=bonds.keep,
            started_at=started_at,
            listen=(f"{'https' if tls else 'http'}://{_bracketed(settings.server.host)}:{port}",),
            warnings=warnings,
        )

        def apply(snapshot: Snapshot, diff: Diff) -> list[SlotEffect]:
            nonlocal registry
            _set_log_level(snapshot.settings)
            if not snapshot.settings.observe.capture:
                services.requests.forget()
            models_changed = any(key.startswith("models.") for key in diff.keys)
            if models_changed:
                registry = rehearse.registry(snapshot.settings.models)
            slots = snapshot.settings.slots
            effects = supervisor.effects(slots, registry)
            trial.begin(snapshot, diff, effects, is_watched=swaps.watches)
            supervisor.apply(slots, revision=snapshot.revision, models_changed=models_changed)
            remotes.apply(snapshot.settings.remotes)
            if "auth.keys_file" in diff.keys:
                keys.look_now()
            return effects

        config.on_applied = apply
        warned = warnings()

        def warn_anew() -> None:
            nonlocal warned
            before, warned = warned, warnings()
            if warned != before:
                bus.publish("daemon.warnings", {"warnings": warned})

        keys.on_change = warn_anew
        config.running = lambda: [slot.name for slot in supervisor if slot.run is not None]
        pulls.on_begun = lambda name: _wake(supervisor, name)
        pulls.on_failure = errors.record
        pulls.on_changed = lambda name: _reconsider(supervisor, name)
        proxy = ProxyApp(
            dispatcher=dispatcher,
            keys=keys.ring,
            requests=services.requests,
            pool=Pool(),
            remotes=Carrier(),
            settings=current,
            adapters={Api.RERANK: RerankAdapter(), Api.EMBEDDINGS: EmbeddingsAdapter()},
            dialects=DIALECTS,
            pictures=str(services.image_files.folder),
            uploads=paths.state,
        )
        front = Front(services, proxy=proxy, admin=make_admin(services))
        server = Server(front, sockets=sockets, limits=_limits(settings), tls=tls)
        await cleanup.enter_async_context(supervisor)
        cleanup.push_async_callback(server.close)
        supervisor.begin(settings.slots, revision=config.current.revision, survivors=await looking)
        remotes.apply(settings.remotes)
        await server.start()
        background = (
            pulls.run(),
            config.watch(),
            keys.run(),
            trial.run(),
            services.sampler.run(),
            services.requests.run(),
            remotes.run(),
            services.image_files.run(),
        )
        await cleanup.enter_async_context(_running(*background))
        cleanup.push_async_callback(swaps.close)
        for address in (*services.listen, str(paths.socket)):
            log.info("listening on %s", address)
        for warning in services.warnings():
            log.warning("%s", warning)
        yield services


def _wake(supervisor: Supervisor, model: str) -> None:
    """Slots that failed for want of a model wait for it now that it is on its way."""
    for slot in supervisor:
        if slot.config.model == model and slot.state is State.ERROR:
            slot.load(by=f"the pull of {model}")


def _reconsider(supervisor: Supervisor, model: str) -> None:
    """Slots learn what they are for now that the file of their model came, or went; what runs goes on."""
    for slot in supervisor:
        if slot.config.model == model:
            slot.reconfigure(slot.config, revision=slot.revision)


@asynccontextmanager
async def _running(*works: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Endless tasks, for as long as the block lasts. One that ends by itself ends nothing else, but is heard of."""
    tasks = [asyncio.ensure_future(work) for work in works]
    for task in tasks:
        task.add_done_callback(_report)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _report(task: "asyncio.Future[None]") -> None:
    if not task.cancelled() and (error := task.exception()):
        log.error("a task of the daemon failed", exc_info=error)


def _limits(settings: Settings) -> Limits:
    server = settings.server
    return Limits(
        header_bytes=server.header_limit,
        request_seconds=server.request_timeout,
        keep_alive_seconds=server.keep_alive,
        connections=most_connections(),
    )


def _warnings(address: str, port: int, *, keys_required: bool) -> tuple[str, ...]:
    """What a person should know of this daemon as it is now."""
    if keys_required or is_loopback(address):
        return ()
    return (f"anyone who can reach port {port} of this machine can use the models: there are no API keys",)


def _set_log_level(settings: Settings) -> None:
    logging.getLogger("hal0").setLevel(settings.daemon.log_level.upper())


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _note(errors: ErrorLog, request: Request, error: Hal0Error) -> None:
    """A caller's mistake is the caller's to see; the rest belongs on the dashboard. A slot tells of itself."""
    if error.status >= 500 and not error.code.startswith("slot."):
        errors.record(error, slot=request.slot, request=request.id)
