"""How a backend is told which GPUs it may use, and how that is shown. Pure.

People count the GPUs of the machine. CUDA, ROCm and Level Zero each count those of one vendor, in PCI order.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hal0.errors import Hal0Error

if TYPE_CHECKING:
    from hal0.hardware.card import Card

NOBODY = "-1"  # in CUDA's and ROCm's variables: none
LEVEL_ZERO = {"ZE_ENABLE_PCI_ID_DEVICE_ORDER": "1"}  # it counts in an order of its own otherwise


def visible_gpus(gpus: Sequence[int], cards: "Sequence[Card]", *, slot: str) -> dict[str, str]:
    """The environment in which a program sees these GPUs and no others.

    `cards`: those of the machine. Where none was found (WSL, a board whose driver is not known here), numbers are
    taken for the program's own. Raises `config.invalid` for GPUs of several vendors, which no one program of theirs
    can use together, and `slot.engine_missing` for one that is not there.
    """
    if not gpus or not cards:
        listed = _listed(gpus)
        return _environment(cuda=listed, rocr=listed, hip=_listed(range(len(gpus))), vulkan=listed if gpus else None)
    chosen = [_card(index, cards, slot) for index in gpus]
    vendor = chosen[0].vendor
    if others := [card for card in chosen if card.vendor != vendor]:
        reason = f"{chosen[0].id} is of {vendor} and {others[0].id} of {others[0].vendor}: no program uses both at once"
        raise Hal0Error("config.invalid", place=f"slots.{slot}.gpus", reason=reason)
    own = _listed([card.vendor_index for card in chosen])
    order = sorted(cards, key=lambda card: (card.unified, card.pci))  # as Vulkan's loader sorts them
    vulkan = _listed([order.index(card) for card in chosen])
    if vendor == "nvidia":
        return _environment(cuda=own, vulkan=vulkan)
    if vendor == "intel":
        return {**_environment(vulkan=vulkan), **LEVEL_ZERO, "ZE_AFFINITY_MASK": own}
    hip = _listed(range(len(chosen)))  # HIP counts among the devices that ROCR left it
    # HIP minds CUDA's variable as well, and vLLM insists that both say the same. With a card of NVIDIA beside it, that
    # would show it to a program of CUDA.
    has_nvidia = any(card.vendor == "nvidia" for card in cards)
    return _environment(cuda=NOBODY if has_nvidia else hip, rocr=own, hip=hip, vulkan=vulkan)


def device_of(gpus: Sequence[int] | None) -> str:
    """For people: indices, "cpu", or "auto" where the program decides by itself."""
    return "auto" if gpus is None else ",".join(map(str, gpus)) or "cpu"


def _card(index: int, cards: "Sequence[Card]", slot: str) -> "Card":
    for card in cards:
        if card.index == index:
            return card
    raise Hal0Error(
        "slot.engine_missing",
        slot=slot,
        missing=f"it is to use gpu{index}, and there is only {', '.join(card.id for card in cards)}",
        fix=f"Correct `gpus` of slots.{slot}; `hal0 status` shows what is there. A GPU whose driver came after hal0 "
        "was started is found when hal0 is started again.",
    )


def _environment(
    *, cuda: str = NOBODY, rocr: str = NOBODY, hip: str = NOBODY, vulkan: str | None = None
) -> dict[str, str]:
    env = {
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",  # the numbers that nvidia-smi shows
        "CUDA_VISIBLE_DEVICES": cuda,
        "ROCR_VISIBLE_DEVICES": rocr,
        "HIP_VISIBLE_DEVICES": hip,
    }
    return env if vulkan is None else {**env, "GGML_VK_VISIBLE_DEVICES": vulkan}


def _listed(numbers: Sequence[int]) -> str:
    return ",".join(map(str, numbers)) or NOBODY
