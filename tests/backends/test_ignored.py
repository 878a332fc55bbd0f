"""The header that names what had no effect: whatever a client calls its fields, it is a header."""

import pytest

from hal0.backends.ignored import LONGEST_HEADER, ignored_header, without_effect


def test_only_what_asks_for_something_is_named() -> None:
    body = {"model": "m", "user": "me", "mood": 0, "style": [], "quality": "auto", "tone": None, "hue": ""}
    assert without_effect(body, heeded={"model"}) == ("mood", "style", "user")


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ([], []),
        (["user", "mood"], [b"user, mood"]),
        (["a\r\nset-cookie: x"], []),
        ([" user "], [b"user"]),
        (["  "], []),
        (["größe"], [b"gr\\xf6\\xdfe"]),
        (["x" * (LONGEST_HEADER - 1), "y"], [b"x" * (LONGEST_HEADER - 1) + b","]),
    ],
)
def test_the_header_can_be_sent_whatever_the_names_are(names: list[str], told: list[bytes]) -> None:
    assert [value for _, value in ignored_header(names)] == told
