"""What a model would need here: the estimate from its files and its command line, corrected by what runs really took.

Headers are read once for each state of the files. Reading blocks for some milliseconds, and for seconds where a
llama-server that is new here says on which GPUs it computes. Voices are judged by the sizes of their files. Of other
backends earlier runs are known, and until then what their command lines tell.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hal0.daemon.config.schema import Slot as SlotConfig
from hal0.daemon.models.layout import Layout, read_layout
from hal0.daemon.models.memory import SlotNeeds, estimate
from hal0.daemon.models.parts import parts
from hal0.daemon.models.peaks import PeakKey, Peaks, identity, measured
from hal0.daemon.models.registry import Registry
from hal0.daemon.providers.base import Launch, Provider, SlotSpec, spec_of
from hal0.daemon.providers.llama import BUILTIN_ENGINE
from hal0.daemon.providers.llama_devices import ListedDevices
from hal0.daemon.providers.llama_load import load_of
from hal0.daemon.providers.own_voice import OwnVoice
from hal0.daemon.providers.placement import gpus_of, gpus_of_llama, gpus_of_vllm
from hal0.daemon.providers.rough_needs import rough_needs
from hal0.errors import Hal0Error
from hal0.wire import DeviceView

MOST_LAYOUTS = 64


@dataclass(frozen=True, slots=True)
class Appraised:
    """A model under certain circumstances."""

    needs: SlotNeeds | None  # None: not known
    key: PeakKey  # under which its peak is to be learned
    gpus: tuple[str, ...]  # devices it would use

    @property
    def context(self) -> int:
        return self.key.context

    @property
    def parallel(self) -> int:
        return self.key.parallel


class Appraisal:
    """Tells needs. `providers` are asked for command lines, so that the figures are those of a real start."""

    def __init__(
        self,
        *,
        registry: Callable[[], Registry],
        providers: Mapping[str, Provider],
        peaks: Peaks,
        listed: ListedDevices,
    ) -> None:
        self._registry = registry
        self._providers = providers
        self._peaks = peaks
        self._listed = listed
        self._layouts: dict[str, Layout] = {}

    def of_model(
        self, name: str, devices: Sequence[DeviceView], *, like: SlotConfig | None = None, **changes: int | None
    ) -> Appraised:
        """A model by name, run as the slot `like` or by default, with `context` and `parallel` changed where given."""
        find = self._registry().find
        usual: Any = "kokoro" if find(name).kind == "speech" else "llama"
        base = SlotConfig(provider=usual, model=name) if like is None else like
        given = {key: value for key, value in changes.items() if value is not None}
        config = base.model_copy(update={"model": name, **given})
        provider = self._providers[config.provider]
        spec = spec_of(name, config, provider=provider, find=find)
        return self.of(spec, provider.launch(spec), devices)

    def of(self, spec: SlotSpec, launch: Launch, devices: Sequence[DeviceView]) -> Appraised:
        """A slot with its command line; raises `model.file_missing` or `model.file_invalid`."""
        gpus = self._gpus(spec, launch, devices)
        provider = self._providers[spec.config.provider]
        if spec.config.provider != "llama":
            estimated = provider.needs(spec) if isinstance(provider, OwnVoice) else None
            return self._of_stranger(spec, launch, [device for device in devices if device.id in gpus], estimated)
        words = [word.text for word in launch.command]
        load = load_of(words, device=launch.device if gpus else "cpu", is_builtin=launch.engine == BUILTIN_ENGINE)
        identity_, layout = self._layout(spec.model.path)
        if (eyes := spec.model.projector) is not None:
            with _translated(eyes):
                identity_ += "|" + identity({eyes: os.stat(eyes)})
        key = PeakKey(
            model=identity_,
            context=load.context // load.parallel,
            parallel=load.parallel,
            engine=launch.engine,
            device=launch.device,
        )
        return Appraised(self._peaks.refined(estimate(layout, load), key), key, gpus)

    def _of_stranger(
        self, spec: SlotSpec, launch: Launch, gpus: Sequence[DeviceView], estimated: SlotNeeds | None
    ) -> Appraised:
        """What the same command line took before, else what its provider estimates, or the command line tells.

        Weights that a program of others maps from files are not in what was measured.
        """
        words = "\0".join(launch.argv(0)) + "\0" + repr(launch.env)
        key = PeakKey(
            model="command:" + hashlib.sha256(words.encode()).hexdigest(),
            context=launch.context or 0,
            parallel=launch.parallel,
            engine=launch.engine,
            device=launch.device,
        )
        if estimated is not None:
            needs: SlotNeeds | None = self._peaks.refined(estimated, key)
        else:
            peak = self._peaks.find(key)
            needs = measured(peak) if peak else rough_needs(spec, launch, gpus)
        return Appraised(needs, key, tuple(gpu.id for gpu in gpus))

    def _gpus(self, spec: SlotSpec, launch: Launch, devices: Sequence[DeviceView]) -> tuple[str, ...]:
        if launch.device == "cpu" or all(device.kind != "gpu" for device in devices):
            return ()
        match spec.config.provider:
            case "llama":
                return gpus_of_llama(launch, devices, self._listed.of(launch.engine, dict(launch.env)))
            case "vllm":
                return gpus_of_vllm(launch, devices)
        return gpus_of(launch, devices)

    def _layout(self, path: Path) -> tuple[str, Layout]:
        with _translated(path):
            identity_ = identity({part: os.stat(part) for part in parts(path)})
        if identity_ not in self._layouts:
            while len(self._layouts) >= MOST_LAYOUTS:
                del self._layouts[next(iter(self._layouts))]
            self._layouts[identity_] = read_layout(path)
        return identity_, self._layouts[identity_]


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Hal0Error("model.file_missing", model=path.stem, path=str(path)) from error
