"""An edit changes what it says and nothing else of a person's text."""

import tomllib
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hal0.daemon.config.edits import Edit, edited
from hal0.errors import Hal0Error

FILE = Path("hal0.toml")

TEXT = """\
# The box in the cellar.

[server]
port=8080   # as the firewall has it

# Primary: for everybody.
[slots.primary]   # <- the big one
model   = 'big'
args = [
  "--flash-attn",  # faster
]

# Only for the search.
[slots.embed]
model = "small"

[dispatch]
chat = "primary"
"""


def lines_kept(old: str, new: str) -> int:
    """How many of the old lines stand before and after the one place that an edit touches."""
    before, after = old.splitlines(keepends=True), new.splitlines(keepends=True)
    head = _same(before, after)
    return head + _same(before[head:][::-1], after[head:][::-1])


def _same(these: list[str], those: list[str]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(these, those, strict=False)))


def test_a_changed_value_leaves_every_other_byte() -> None:
    assert edited(TEXT, [Edit(("server", "port"), 9000)], path=FILE) == TEXT.replace("port=8080", "port=9000")


def test_a_new_key_stands_below_the_last_of_its_table_and_not_below_the_next_comment() -> None:
    new = edited(TEXT, [Edit(("slots", "primary", "context"), 512)], path=FILE)
    assert new == TEXT.replace("# faster\n]\n", "# faster\n]\ncontext = 512\n")


def test_a_new_slot_stands_after_the_other_slots() -> None:
    new = edited(TEXT, [Edit(("slots", "code"), {"model": "m", "gpus": [0, 1]})], path=FILE)
    assert new == TEXT.replace('model = "small"\n', 'model = "small"\n\n[slots.code]\nmodel = "m"\ngpus = [0, 1]\n')


def test_a_slot_goes_with_its_comment_and_its_tables() -> None:
    text = TEXT.replace("[dispatch]", "[slots.embed.env]\nA = 'b'\n\n[dispatch]")
    new = edited(text, [Edit(("slots", "embed"))], path=FILE)
    assert new == TEXT.replace('# Only for the search.\n[slots.embed]\nmodel = "small"\n\n', "")


COMMENTED = """\
# About the file.

# For everybody.
[slots.a]
# The big one.
model = "x"

# Not yet: context = 4096
parallel = 2
# gpus = [1]
{rest}"""
FOLLOWING = {
    "a blank line": ("\n# The next.\n[slots.b]\nmodel = 'y'\n", "# The next.\n[slots.b]\nmodel = 'y'\n"),
    "the end": ("", ""),
    "a header that they may be about": ("[slots.b]\nmodel = 'y'\n", "# gpus = [1]\n[slots.b]\nmodel = 'y'\n"),
    "a table of its own": ("\n# Of the shell.\n[slots.a.env]\n# No colours.\nA = '1'\n# B = '2'\n", ""),
}  # fmt: skip


@pytest.mark.parametrize("name", FOLLOWING)
def test_a_slot_goes_with_the_comments_inside_of_it(name: str) -> None:
    rest, left = FOLLOWING[name]
    new = edited(COMMENTED.format(rest=rest), [Edit(("slots", "a"))], path=FILE)
    assert new == "# About the file.\n" + ("\n" + left if left else "")


def test_comments_between_keys_without_a_table_of_their_own_stay() -> None:
    text = "[slots]\na.model = 'x'\n# of both\na.context = 64\nb.model = 'y'\n"
    assert edited(text, [Edit(("slots", "a"))], path=FILE) == "[slots]\n# of both\nb.model = 'y'\n"


def test_a_key_goes_with_its_line() -> None:
    new = edited(TEXT, [Edit(("slots", "primary", "args"))], path=FILE)
    assert new == TEXT.replace('args = [\n  "--flash-attn",  # faster\n]\n', "")


WRITTEN: dict[str, tuple[str, Edit, str]] = {
    "an empty file": ("", Edit(("server", "port"), 1), "[server]\nport = 1\n"),
    "a file without an end of line": ("[server]\nhost = 'a'", Edit(("server", "port"), 1),
        "[server]\nhost = 'a'\nport = 1\n"),
    "an empty table": ("[server]\n\n[daemon]\n", Edit(("server", "port"), 1), "[server]\nport = 1\n\n[daemon]\n"),
    "windows": ("[server]\r\nhost = 'a'\r\n", Edit(("server", "port"), 1), "[server]\r\nhost = 'a'\r\nport = 1\r\n"),
    "a byte order mark": ("\ufeff[server]\nport = 2\n", Edit(("server", "port"), 1), "\ufeff[server]\nport = 1\n"),
    "indented": ("[a]\n  [a.b]\n  x = 1 # c\n", Edit(("a", "b", "y"), True), "[a]\n  [a.b]\n  x = 1 # c\n  y = true\n"),
    "dotted keys": ("a.b.x = 1\n\n[c]\n", Edit(("a", "b", "y"), 2), "a.b.x = 1\na.b.y = 2\n\n[c]\n"),
    "dotted in a table": ("[a]\nb.x = 1\n", Edit(("a", "b", "y"), 2), "[a]\nb.x = 1\nb.y = 2\n"),
    "an inline table": ("a = { x = 1 } # c\n", Edit(("a", "x"), 2), "a = { x = 2 } # c\n"),
    "quoted names": ('[a."b c"]\nx = 1\n', Edit(("a", "b c", "x"), "t"), '[a."b c"]\nx = "t"\n'),
    "a table that is only in its parts": ("[a.b]\nx = 1\n", Edit(("a", "y"), 2), "[a.b]\nx = 1\n\n[a]\ny = 2\n"),
    "text with quotes": ("[a]\n", Edit(("a", "x"), 'say "hi"\\\n\x01'), '[a]\nx = "say \\"hi\\"\\\\\\n\\u0001"\n'),
}  # fmt: skip


@pytest.mark.parametrize("name", WRITTEN)
def test_whatever_way_it_is_written(name: str) -> None:
    text, edit, wanted = WRITTEN[name]
    assert edited(text, [edit], path=FILE) == wanted


REFUSED: dict[str, tuple[str, Edit]] = {
    "a key below a value": ("a = 1\n", Edit(("a", "b"), 2)),
    "a key below a value of an inline table": ("a = { x = 1 }\n", Edit(("a", "x", "y"), 2)),
    "a value for a table": ("[a]\nx = 1\n", Edit(("a",), "text")),
    "a value that TOML does not have": ("[a]\n", Edit(("a", "x"), [None])),
    "an endless number": ("[a]\n", Edit(("a", "x"), 10**5000)),
    "no number": ("[a]\n", Edit(("a", "x"), float("nan"))),
    "a table given by dotted keys": ("a.b = 1\n", Edit(("a", "c"), {"d": object()})),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_done_is_refused(name: str) -> None:
    text, edit = REFUSED[name]
    with pytest.raises(Hal0Error) as caught:
        edited(text, [edit], path=FILE)
    assert caught.value.code == "config.not_editable"


# Any table of any text ------------------------------------------------------------------------------------------

NAMES = st.text("abcxyz _-.é\"'#", min_size=1, max_size=6)
SCALARS = st.one_of(
    st.booleans(),
    st.integers(-(2**40), 2**40),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
)
VALUES = st.one_of(SCALARS, st.lists(SCALARS, max_size=3), st.dictionaries(NAMES, SCALARS, min_size=1, max_size=2))
COMMENTS = st.text("ab #=[]\"'", max_size=8)


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """A text of tables with comments everywhere, and what it means."""
    import tomlkit

    newline = draw(st.sampled_from(["\n", "\r\n"]))
    text = ""
    for name in draw(st.lists(NAMES, unique=True, max_size=3)):
        text += f"# {draw(COMMENTS)}{newline}[slots.{tomlkit.key([name]).as_string()}] # {draw(COMMENTS)}{newline}"
        for key, value in draw(st.dictionaries(NAMES, SCALARS, max_size=3)).items():
            item = tomlkit.item(value).as_string()
            text += f"{draw(st.sampled_from(['', '  ']))}{tomlkit.key([key]).as_string()}={item} # {draw(COMMENTS)}"
            text += newline + draw(st.sampled_from(["", newline, f"# between{newline}"]))
    return text, tomllib.loads(text)


@settings(max_examples=150, deadline=None)
@given(document=documents(), slot=NAMES, key=NAMES, value=VALUES)
def test_any_edit_of_any_text_reads_back_equal_and_keeps_the_other_lines(
    document: tuple[str, dict[str, Any]], slot: str, key: str, value: Any
) -> None:
    text, tree = document
    new = edited(text, [Edit(("slots", slot, key), value)], path=FILE)
    tree.setdefault("slots", {}).setdefault(slot, {})[key] = value
    assert tomllib.loads(new) == tree
    assert lines_kept(text, new) >= len(text.splitlines()) - 1  # the line with the key, if it was there
    assert edited(new, [Edit(("slots", slot, key), value)], path=FILE) == new
