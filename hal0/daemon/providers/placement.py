"""On which GPUs of the machine a backend will be, as far as its slot and its program tell. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from hal0.daemon.providers.base import Launch
from hal0.daemon.providers.llama_devices import Listed
from hal0.daemon.providers.words import last_count, last_value
from hal0.wire import DeviceView

# Vendor: the interface of ggml that only its GPUs have.
OF_ONE_VENDOR: Mapping[str, str] = {"CUDA": "nvidia", "ROCm": "amd", "SYCL": "intel"}
# What stands in the names by which interfaces of several vendors' list GPUs.
IN_NAMES: Mapping[str, str] = {"NVIDIA": "nvidia", "AMD": "amd", "Radeon": "amd", "Intel": "intel"}
DEVICE = ("-dev", "--device")
PARALLEL = (("-tp", "--tensor-parallel-size"), ("-pp", "--pipeline-parallel-size"))


def gpus_of(launch: Launch, devices: Sequence[DeviceView]) -> tuple[str, ...]:
    """The GPUs that a slot names; where it leaves the choice to its program, those of the first vendor that has any.

    What computes with CUDA does not use an AMD card beside it, and hal0 does not know more of a program.
    """
    there = _gpus(devices)
    if launch.device != "auto":
        return tuple(gpu.id for gpu in _named(launch, there))
    return tuple(gpu.id for gpu in _without_shared([gpu for gpu in there if gpu.vendor == there[0].vendor]))


def gpus_of_vllm(launch: Launch, devices: Sequence[DeviceView]) -> tuple[str, ...]:
    """vLLM takes as many as it is told to split a model over, one if nothing is said."""
    count = 1
    words = [word.text for word in launch.command]
    for names in PARALLEL:
        count *= last_count(words, names) or 1
    return gpus_of(launch, devices)[:count]


def gpus_of_llama(launch: Launch, devices: Sequence[DeviceView], listed: Sequence[Listed] | None) -> tuple[str, ...]:
    """What a llama-server lists is what it uses; None: it does not tell."""
    if listed is None:
        return gpus_of(launch, devices)
    chosen = last_value([word.text for word in launch.command], DEVICE)
    if chosen is not None:
        listed = [each for each in listed if each.name in chosen.split(",")]
    there = _gpus(devices)
    named = _named(launch, there)
    used = set(_matched(listed, [*named, *(gpu for gpu in there if gpu not in named)]))
    found = [gpu for gpu in there if gpu.id in used]
    # Of its own accord it leaves graphics inside the processor alone if there is a card as well.
    return tuple(gpu.id for gpu in (found if chosen is not None else _without_shared(found)))


def _gpus(devices: Iterable[DeviceView]) -> list[DeviceView]:
    return [device for device in devices if device.kind == "gpu"]


def _named(launch: Launch, there: Sequence[DeviceView]) -> list[DeviceView]:
    """In the order in which the slot names them."""
    by_id = {gpu.id: gpu for gpu in there}
    return [by_id[f"gpu{index}"] for index in launch.device.split(",") if f"gpu{index}" in by_id]


def _without_shared(gpus: Sequence[DeviceView]) -> Sequence[DeviceView]:
    return [gpu for gpu in gpus if not gpu.unified] or gpus


def _matched(listed: Iterable[Listed], gpus: Sequence[DeviceView]) -> Iterable[str]:
    """Which GPU each listed device is: the one with its name, else the next of its vendor."""
    by_api: dict[str, list[Listed]] = {}
    for each in listed:
        by_api.setdefault(each.api, []).append(each)
    for of_api in by_api.values():
        left = list(gpus)
        for is_same in (_has_name, _has_vendor):
            for each in list(of_api):
                if (gpu := next((gpu for gpu in left if is_same(each, gpu)), None)) is not None:
                    left.remove(gpu)
                    of_api.remove(each)
                    yield gpu.id


def _has_name(listed: Listed, gpu: DeviceView) -> bool:
    return _has_vendor(listed, gpu) and bool(gpu.name) and listed.what.casefold().startswith(gpu.name.casefold())


def _has_vendor(listed: Listed, gpu: DeviceView) -> bool:
    vendor = OF_ONE_VENDOR.get(listed.api)
    if vendor is None:
        vendor = next((vendor for word, vendor in IN_NAMES.items() if word in listed.what), None)
    return vendor == gpu.vendor
