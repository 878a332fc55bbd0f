"""The providers by the name that `provider` of a slot gives them."""

from collections.abc import Mapping
from types import MappingProxyType

from hal0.daemon.providers.base import Provider
from hal0.daemon.providers.comfyui import ComfyuiProvider
from hal0.daemon.providers.command import CommandProvider
from hal0.daemon.providers.espeak import EspeakProvider
from hal0.daemon.providers.flm import FlmProvider
from hal0.daemon.providers.kokoro import KokoroProvider
from hal0.daemon.providers.llama import LlamaProvider
from hal0.daemon.providers.moonshine import MoonshineProvider
from hal0.daemon.providers.sphinx import SphinxProvider
from hal0.daemon.providers.vllm import VllmProvider
from hal0.hardware.facts import Facts


def make_providers(facts: Facts) -> Mapping[str, Provider]:
    """Every provider, made for this machine."""
    providers: tuple[Provider, ...] = (
        LlamaProvider(facts),
        VllmProvider(cards=facts.gpus),
        FlmProvider(),
        KokoroProvider(facts),
        EspeakProvider(),
        ComfyuiProvider(cards=facts.gpus),
        MoonshineProvider(),
        SphinxProvider(),
        CommandProvider(cards=facts.gpus),
    )
    return MappingProxyType({provider.name: provider for provider in providers})
