"""Where a slot's program is on this machine, for providers that run what a person has installed."""

import shutil
from collections.abc import Mapping

from hal0.daemon.providers.base import SlotSpec, Word
from hal0.errors import Hal0Error


def find_program(spec: SlotSpec, name: str, *, environ: Mapping[str, str], how_to_get: str) -> Word:
    """The slot's `binary`, else `name` in the PATH its process will have; raises `slot.engine_missing`."""
    wanted = spec.config.binary or name
    found = shutil.which(wanted, path=spec.config.env.get("PATH", environ.get("PATH")))
    if found is None:
        fix = f"{how_to_get}, or set `binary` of slots.{spec.name} to where its `{name}` is."
        raise Hal0Error("slot.engine_missing", slot=spec.name, missing=f"there is no program {wanted}", fix=fix)
    return Word(found, f"config slots.{spec.name}.binary" if spec.config.binary else "machine")
