"""Names of voices: blends, languages by Kokoro's first letter, and the names of OpenAI's own. Pure.

A blend is `af_bella+af_sky`, or with weights `af_bella(2)+af_sky(1)`.
"""

import re
from collections.abc import Collection, Mapping

from hal0.backends.serving import Refusal
from hal0.errors import did_you_mean

# The first letter of a voice of Kokoro's: the language it speaks, as eSpeak NG calls it. The second is f or m.
LANGUAGES: Mapping[str, str] = {
    "a": "en-us",
    "b": "en-gb",
    "e": "es",
    "f": "fr-fr",
    "h": "hi",
    "i": "it",
    "j": "ja",
    "p": "pt-br",
    "z": "cmn",
}
DEFAULT_LANGUAGE = "en-us"
KOKORO = re.compile(rf"(?P<language>[{''.join(LANGUAGES)}])(?P<sex>[fm])_[a-z0-9]+")
MOST_BLENDED = 16

_PART = re.compile(r"\s*(?P<name>[^()+\s]+)\s*(?:\(\s*(?P<weight>\d{1,4}(?:\.\d{1,4})?)\s*\))?\s*")


def blend(text: str) -> dict[str, float]:
    """The voices named and their shares, which sum up to 1; raises Refusal."""
    weights: dict[str, float] = {}
    parts = text.split("+")
    if len(parts) > MOST_BLENDED:
        raise Refusal(f"a blend has {MOST_BLENDED} voices at most", param="voice")
    for part in parts:
        match = _PART.fullmatch(part)
        if match is None:
            raise Refusal(f"{text[:100]!r} is not a voice, nor a blend such as af_bella(2)+af_sky(1)", param="voice")
        weights[match["name"]] = weights.get(match["name"], 0.0) + float(match["weight"] or 1)
    total = sum(weights.values())
    if not total:
        raise Refusal(f"the shares of {text[:100]!r} are all zero", param="voice")
    return {name: weight / total for name, weight in weights.items()}


def known(name: str, names: Collection[str]) -> str:
    """A voice by its name, or by what follows its language and sex (`alloy`: af_alloy); raises Refusal."""
    if name in names:
        return name
    ending = [each for each in names if KOKORO.fullmatch(each) and each.partition("_")[2] == name.lower()]
    if len(ending) == 1:
        return ending[0]
    near = did_you_mean(name, sorted(names))
    raise Refusal(f"there is no voice {name[:100]!r}{near}; GET /v1/audio/voices lists those there are", param="voice")


def language_of(name: str) -> str:
    """What a voice speaks, by its name."""
    match = KOKORO.fullmatch(name)
    return LANGUAGES[match["language"]] if match else DEFAULT_LANGUAGE
