"""What the backends of hal0's own with a voice have in common: their command line, their proof, their needs.

Each comes with an extra of the package, `hal0[NAME]`, whose libraries are looked for and never imported here.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec

from hal0.daemon.models.memory import Needs, SlotNeeds
from hal0.daemon.providers.base import Api, Launch, SlotSpec, Word
from hal0.daemon.providers.last_words import last_complaint
from hal0.daemon.providers.proving import Proven
from hal0.errors import Hal0Error
from hal0.wire import Kind

KEY_ENV = "HAL0_BACKEND_KEY"
APIS: Mapping[Kind, frozenset[Api]] = {"speech": frozenset({Api.SPEECH})}
LIBRARY_BYTES = 48 * 2**20  # mapped: the interpreter, FFmpeg's libraries, ONNX Runtime where it is used
UNCERTAINTY = 0.3


class OwnVoice(Proven):
    """A provider but for its model, its own words and its needs."""

    name: str
    patience_seconds = 0.0
    answers_while_busy = True
    engine: str  # for people
    extra: str  # of the package
    libraries: tuple[str, ...]  # that the extra brings

    def __init__(self, *, has_library: Callable[[str], bool] | None = None, python: str = sys.executable) -> None:
        self._has_library = has_library or _is_installed
        self._python = python

    def apis(self, kind: Kind) -> frozenset[Api]:
        return APIS.get(kind, frozenset())

    def launch(self, spec: SlotSpec) -> Launch:
        """Render; raises `slot.engine_missing` if the extra is not installed."""
        self._check(spec)
        config, from_slot = spec.config, f"config slots.{spec.name}."
        # -P: the folder the daemon was started in is no place to import from.
        program = (self._python, "-P", "-m", f"hal0.backends.{self.name}")
        words = [Word(text, "hal0") for text in (*program, "--port", "{port}")]
        for option, key, value in (
            ("--default-voice", "default_voice", config.default_voice),
            ("--default-format", "default_format", config.default_format),
            ("--parallel", "parallel", str(config.parallel) if config.parallel > 1 else None),
        ):
            if value is not None:
                words += [Word(text, from_slot + key) for text in (option, value)]
        return Launch(
            command=(*words, *self._own_words(spec)),
            env=tuple(sorted(config.env.items())),
            key_env=KEY_ENV,
            engine=self.engine,
            device="cpu",
            parallel=config.parallel,
        )

    def needs(self, spec: SlotSpec) -> SlotNeeds:
        """What it will take, estimated; raises `model.*`."""
        raise NotImplementedError

    def voices(self, spec: SlotSpec) -> list[str] | None:
        """The names of its voices as files tell them, without asking it; None: they do not. Raises `model.*`."""
        return None

    def _own_words(self, spec: SlotSpec) -> Sequence[Word]:
        return ()

    def _check(self, spec: SlotSpec) -> None:
        missing = [library for library in self.libraries if not self._has_library(library)]
        if missing:
            raise Hal0Error(
                "slot.engine_missing",
                slot=spec.name,
                missing=f"{self.engine} is not installed: there is no {' and no '.join(missing)}",
                fix=f"`pip install 'hal0[{self.extra}]'` into the environment of hal0 (with pipx: `pipx inject hal0 "
                f"'hal0[{self.extra}]'`); it is asked for again with the next request.",
            )

    # The running backend --------------------------------------------------------------------------------------------

    def failure_reason(self, output: Sequence[str]) -> str | None:
        return last_complaint(output)


def _is_installed(library: str) -> bool:
    return find_spec(library) is not None


def needs_of(*, weights_bytes: int, compute_bytes: int, base_bytes: int) -> SlotNeeds:
    """Nothing is on a GPU; all but the libraries is private memory."""
    ram = Needs(
        weights_bytes=weights_bytes, compute_bytes=compute_bytes, base_bytes=base_bytes, uncertainty=UNCERTAINTY
    )
    return SlotNeeds(ram, repacked_bytes=weights_bytes, library_bytes=LIBRARY_BYTES)
