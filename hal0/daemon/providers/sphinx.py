"""PocketSphinx: English speech to text with the model in its wheel, so that there is an ear without any download.

It is the embedded default, and says who it is: it makes many more mistakes than Moonshine.
"""

from collections.abc import Callable
from pathlib import Path

from hal0.daemon.config.schema import Slot as SlotConfig
from hal0.daemon.providers.base import Launch, ModelFile, SlotSpec
from hal0.daemon.providers.own_ear import KEY_ENV, OwnEar

MODEL = "pocketsphinx-en-us"


class SphinxProvider(OwnEar):
    """Renders command lines for hal0's own server around PocketSphinx."""

    name = "sphinx"
    engine = "PocketSphinx (built in)"
    answers_while_busy = False  # it holds the interpreter while it computes half a second of sound
    libraries = ("av", "pocketsphinx")
    how_to_get = "Install hal0 anew: `pip install hal0` brings them."

    def model(self, slot: str, config: SlotConfig, find: Callable[[str], ModelFile]) -> ModelFile:
        """The one in its wheel."""
        return ModelFile(MODEL, Path(), "transcription", 0, owner="hal0", licence="BSD-2-Clause", format="elsewhere")

    def launch(self, spec: SlotSpec) -> Launch:
        """Render; raises `slot.engine_missing`."""
        env = tuple(sorted(spec.config.env.items()))
        return Launch(command=tuple(self.program(spec)), env=env, key_env=KEY_ENV, engine=self.engine)
