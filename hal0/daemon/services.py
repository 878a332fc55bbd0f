"""What the two edges, `/v1` and `/api`, are given to work with. Put together in `assembly`."""

from collections.abc import Callable
from dataclasses import dataclass

from hal0.daemon.config.schema import Models
from hal0.daemon.config.store import ConfigStore
from hal0.daemon.error_log import ErrorLog
from hal0.daemon.events import EventBus
from hal0.daemon.gate import Gate
from hal0.daemon.image_files import ImageFiles
from hal0.daemon.keys.store import KeyStore
from hal0.daemon.models.foreign import ForeignStores
from hal0.daemon.models.registry import Registry
from hal0.daemon.past import Past
from hal0.daemon.proxy.requests import Requests
from hal0.daemon.pulls.pulls import Pulls
from hal0.daemon.remotes.remotes import Remotes
from hal0.daemon.routing.dispatcher import Dispatcher
from hal0.daemon.routing.listing import Listing
from hal0.daemon.routing.voices import Voices
from hal0.daemon.sampler import Sampler
from hal0.daemon.slots.appraisal import Appraisal
from hal0.daemon.slots.supervisor import Supervisor
from hal0.daemon.slots.swaps import Swaps


@dataclass(frozen=True, slots=True)
class Services:
    """The owners of the daemon's state."""

    bus: EventBus
    config: ConfigStore
    keys: KeyStore
    supervisor: Supervisor
    remotes: Remotes
    swaps: Swaps
    dispatcher: Dispatcher
    listing: Listing
    voices: Voices
    requests: Requests
    sampler: Sampler
    past: Past
    errors: ErrorLog
    appraisal: Appraisal
    pulls: Pulls
    image_files: ImageFiles
    foreign: ForeignStores
    make_registry: Callable[[Models], Registry]
    gate: Gate
    keeps_backends: bool  # when it ends
    started_at: float
    listen: tuple[str, ...]  # addresses of the API
    warnings: Callable[[], tuple[str, ...]]  # what a person should know of this daemon as it is
