"""What remotes speak that do not speak OpenAI's API, by their `kind`."""

from collections.abc import Mapping

from hal0.daemon.idioms.anthropic import Anthropic
from hal0.daemon.remotes.idiom import Idiom

IDIOMS: Mapping[str, Idiom] = {"anthropic": Anthropic()}
