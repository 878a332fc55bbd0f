"""Names of voices, and blends of them."""

import pytest

from hal0.backends.serving import Refusal
from hal0.backends.voices import MOST_BLENDED, blend, known, language_of

NAMES = ("af_alloy", "af_bella", "am_echo", "bm_echo", "custom")


@pytest.mark.parametrize(
    ("text", "shares"),
    [
        ("af_bella", {"af_bella": 1.0}),
        ("af_bella+af_sky", {"af_bella": 0.5, "af_sky": 0.5}),
        ("af_bella(3)+af_sky(1)", {"af_bella": 0.75, "af_sky": 0.25}),
        (" af_bella ( 0.5 ) + af_sky(1.5)", {"af_bella": 0.25, "af_sky": 0.75}),
        ("a+b+a", {"a": 2 / 3, "b": 1 / 3}),
        ("a(0)+b", {"a": 0.0, "b": 1.0}),
    ],
)
def test_a_blend_gives_each_voice_its_share(text: str, shares: dict[str, float]) -> None:
    assert blend(text) == pytest.approx(shares)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "+",
        "a+",
        "a(",
        "a()",
        "a(x)",
        "a(-1)",
        "a(0)",
        f"a({'9' * 400})",
        "a b",
        "a(1)b",
        "+".join("a" * (MOST_BLENDED + 1)),
    ],
)
def test_what_is_no_blend_is_refused_by_its_field(text: str) -> None:
    with pytest.raises(Refusal) as caught:
        blend(text)
    assert (caught.value.status, caught.value.param) == (400, "voice")


@pytest.mark.parametrize(("name", "found"), [("af_bella", "af_bella"), ("alloy", "af_alloy"), ("custom", "custom")])
def test_a_voice_is_known_by_its_name_or_by_the_end_of_it(name: str, found: str) -> None:
    assert known(name, NAMES) == found


@pytest.mark.parametrize(("name", "near"), [("af_bela", "did you mean 'af_bella'"), ("echo", "/v1/audio/voices")])
def test_an_unknown_or_ambiguous_voice_is_refused_and_the_nearest_is_named(name: str, near: str) -> None:
    with pytest.raises(Refusal, match=near):
        known(name, NAMES)


@pytest.mark.parametrize(
    ("name", "language"),
    [("af_bella", "en-us"), ("bm_lewis", "en-gb"), ("zf_xiaoni", "cmn"), ("pm_alex", "pt-br"), ("custom", "en-us")],
)
def test_a_voices_language_is_told_by_its_name(name: str, language: str) -> None:
    assert language_of(name) == language
