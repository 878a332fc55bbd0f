"""What hal0's own backends that transcribe have in common: their program, their proof, the libraries they need."""

import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec

from hal0.daemon.providers.base import Api, SlotSpec, Word
from hal0.daemon.providers.last_words import last_complaint
from hal0.daemon.providers.own_voice import KEY_ENV as KEY_ENV
from hal0.daemon.providers.proving import Proven
from hal0.errors import Hal0Error
from hal0.wire import Kind


class OwnEar(Proven):
    """A provider but for its model and its command line."""

    name: str
    engine: str  # for people
    patience_seconds = 0.0
    answers_while_busy = True
    libraries: tuple[str, ...]  # that its backend imports; here they are looked for, never imported
    how_to_get: str

    def __init__(self, *, has_library: Callable[[str], bool] | None = None, python: str = sys.executable) -> None:
        self._has_library = has_library or (lambda name: find_spec(name) is not None)
        self._python = python

    def apis(self, kind: Kind) -> frozenset[Api]:
        return frozenset({Api.TRANSCRIPTION}) if kind == "transcription" else frozenset()

    def program(self, spec: SlotSpec) -> list[Word]:
        """The command line up to the port; raises `slot.engine_missing`."""
        missing = [library for library in self.libraries if not self._has_library(library)]
        if missing:
            told = f"{self.engine} is not installed: there is no {' and no '.join(missing)}"
            raise Hal0Error("slot.engine_missing", slot=spec.name, missing=told, fix=self.how_to_get)
        # -P: the folder the daemon was started in is no place to import from.
        words = (self._python, "-P", "-m", f"hal0.backends.{self.name}", "--port", "{port}")
        return [Word(text, "hal0") for text in words]

    # The running backend --------------------------------------------------------------------------------------------

    def failure_reason(self, output: Sequence[str]) -> str | None:
        return last_complaint(output)
