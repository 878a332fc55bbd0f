"""How a backend is told which GPUs it may use, and how that is shown. Pure."""

from collections.abc import Sequence


def visible_gpus(gpus: Sequence[int]) -> dict[str, str]:
    """The environment in which programs of CUDA and ROCm see these GPUs and no others."""
    listed = ",".join(map(str, gpus)) or "-1"
    return {
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",  # the numbers that nvidia-smi shows
        "CUDA_VISIBLE_DEVICES": listed,
        "ROCR_VISIBLE_DEVICES": listed,
        # HIP counts among the devices that ROCR left it.
        "HIP_VISIBLE_DEVICES": ",".join(map(str, range(len(gpus)))) or "-1",
    }


def device_of(gpus: Sequence[int] | None) -> str:
    """For people: indices, "cpu", or "auto" where the program decides by itself."""
    return "auto" if gpus is None else ",".join(map(str, gpus)) or "cpu"
