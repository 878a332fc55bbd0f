"""eSpeak NG: a voice by rules, without a model, so that speech can be tried as hal0 comes. No match for Kokoro.

Its library is GPL-3 and comes with the extra `hal0[espeak]`; the slot's process alone loads it. Whoever hears it is
told what it is: the engine stands in /v1/models and in a header of every answer.
"""

from collections.abc import Callable
from pathlib import Path

from hal0.daemon.config.schema import Slot as SlotConfig
from hal0.daemon.models.file import ModelFile
from hal0.daemon.models.memory import SlotNeeds
from hal0.daemon.providers.base import SlotSpec
from hal0.daemon.providers.own_voice import OwnVoice, needs_of

MODEL = "espeak-ng"
BASE_BYTES = 64 * 2**20  # measured: 44 MiB of private memory, its data of 20 MiB among them


class EspeakProvider(OwnVoice):
    """Renders the command line of `hal0.backends.espeak`."""

    name = "espeak"
    engine = "eSpeak NG"
    extra = "espeak"
    libraries = ("espeakng_loader", "av")

    def model(self, slot: str, config: SlotConfig, find: Callable[[str], ModelFile]) -> ModelFile:
        return ModelFile(MODEL, Path(), "speech", 0, licence="GPL-3.0", format="elsewhere")

    def needs(self, spec: SlotSpec) -> SlotNeeds:
        return needs_of(weights_bytes=0, compute_bytes=0, base_bytes=BASE_BYTES)
