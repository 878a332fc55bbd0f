"""What a backend that is not llama.cpp will take before any run of it was measured, as far as its command line tells.

Pure. FastFlowLM tells nothing: its models are tags, whose files are its own.
"""

from collections.abc import Callable, Mapping, Sequence

from hal0.daemon.models.memory import UNKNOWN, Needs, SlotNeeds
from hal0.daemon.providers.base import Launch, SlotSpec
from hal0.daemon.providers.words import last_value
from hal0.wire import DeviceView

GIB = 2**30
VLLM_SHARE = ("--gpu-memory-utilization",)
VLLM_CACHE = ("--kv-cache-memory-bytes",)  # says what the cache gets instead of a share of the whole
VLLM_HOST_BYTES = 3 * GIB  # RAM: two processes with PyTorch, and a driver's context; an order of magnitude
VLLM_CPU_CACHE = "VLLM_CPU_KVCACHE_SPACE"  # GiB
VLLM_CPU_CACHE_GIB = 4

RoughNeeds = Callable[[SlotSpec, Launch, Sequence[DeviceView]], SlotNeeds | None]


def rough_needs(spec: SlotSpec, launch: Launch, gpus: Sequence[DeviceView]) -> SlotNeeds | None:
    """`gpus`: those it will be on. None: not known."""
    rough = ROUGH.get(spec.config.provider)
    return None if rough is None else rough(spec, launch, gpus)


def _vllm(spec: SlotSpec, launch: Launch, gpus: Sequence[DeviceView]) -> SlotNeeds | None:
    """On each of its GPUs it takes a share of the whole memory, whatever the model; it does not start if less is free.

    On the processor: the weights, and a cache of a fixed size.
    """
    words = [word.text for word in launch.command]
    host = Needs(base_bytes=VLLM_HOST_BYTES, uncertainty=UNKNOWN)
    if not gpus:
        told = dict(launch.env).get(VLLM_CPU_CACHE, "")
        cache = int(told) if told.isdecimal() and int(told) else VLLM_CPU_CACHE_GIB
        return SlotNeeds(Needs(spec.model.size_bytes, cache * GIB, base_bytes=VLLM_HOST_BYTES, uncertainty=UNKNOWN))
    share = _number(last_value(words, VLLM_SHARE))
    totals = [gpu.memory_total_bytes for gpu in gpus]
    if share is None or None in totals or last_value(words, VLLM_CACHE) is not None:
        return None
    # The share is exact: with a margin on top a card that suits would count as too small.
    return SlotNeeds(host, Needs(base_bytes=int(share * sum(total or 0 for total in totals))))


def _command(spec: SlotSpec, launch: Launch, gpus: Sequence[DeviceView]) -> SlotNeeds | None:
    """The file it is given is the least that it will hold: on the GPUs it was given, in RAM if there are none for it.

    Where GPUs are and the slot says nothing of them, nobody knows which of both it is.
    """
    if not spec.model.size_bytes or (gpus and not spec.config.gpus):  # no bytes: its model is a name, or none
        return None
    weights = Needs(weights_bytes=spec.model.size_bytes, uncertainty=UNKNOWN)
    return SlotNeeds(Needs(uncertainty=UNKNOWN), weights) if gpus else SlotNeeds(weights)


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if 0 < number <= 1 else None


ROUGH: Mapping[str, RoughNeeds] = {"vllm": _vllm, "command": _command}
