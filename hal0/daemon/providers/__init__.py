"""The providers by the name that `provider` of a slot gives them."""

from collections.abc import Mapping
from types import MappingProxyType

from hal0.daemon.hardware.facts import Facts
from hal0.daemon.providers.base import Provider
from hal0.daemon.providers.llama import LlamaProvider


def make_providers(facts: Facts) -> Mapping[str, Provider]:
    """Every provider, made for this machine."""
    return MappingProxyType({LlamaProvider.name: LlamaProvider(facts)})
