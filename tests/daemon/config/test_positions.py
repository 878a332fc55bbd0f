"""Line and column of every key and value, in texts as nasty as TOML allows."""

import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hal0.daemon.config.positions import Key, Positions

NASTY = '''\
# comment with [brackets] = "and" = signs
title = "a # no comment, = no key" # [not.a.table]
"quoted key" . 'literal.key' . bare = 1
"\\u00e9clair" = 'ünï # x'

[ servers . "al\\"pha" ] # ] ]
ip = "10.0.0.1"
inline = { a = 1, "b.c" = [ 2, { d = "}" } ], e.f = true }
list = [
  "one", # first ]
  """
two ["
""",
  [ 3,
    4 ],
]
date = 1979-05-27 07:32:00
big = """a "quoted"" text\\""" ["x"] = 1 """"
lit = \'\'\'it's ''two'' [[x]]\'\'\'\'

[[fruit]]
name = "apple"
[fruit.physical]
colour = "red"
[[fruit.variety]]
name = "red delicious"
[[fruit.variety]]
name = "granny smith"
[[fruit]]
name = "banana"
[[fruit.variety]]
name = "plantain"
'''


def paths_of(tree: Any, path: Key = ()) -> set[Key]:
    """Every key path of a parsed document."""
    found: set[Key] = {path} if path else set()
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for part, value in items:
        found |= paths_of(value, (*path, part))
    return found


def test_every_path_of_a_nasty_file_is_found() -> None:
    positions = Positions(NASTY)
    assert set(positions.keys) | set(positions.values) == paths_of(tomllib.loads(NASTY))


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("title",), '"a #'),
        (("quoted key", "literal.key", "bare"), "1\n"),
        (("éclair",), "'ünï"),
        (("servers", 'al"pha', "inline", "b.c", 1, "d"), '"}"'),
        (("servers", 'al"pha', "inline", "e", "f"), "true"),
        (("servers", 'al"pha', "list", 0), '"one"'),
        (("servers", 'al"pha', "list", 1), '"""\ntwo'),
        (("servers", 'al"pha', "list", 2, 1), "4 ]"),
        (("servers", 'al"pha', "date"), "1979"),
        (("servers", 'al"pha', "big"), '"""a'),
        (("servers", 'al"pha', "lit"), "'''it"),
        (("fruit", 0, "variety", 1, "name"), '"granny'),
        (("fruit", 1, "variety", 0, "name"), '"plantain'),
    ],
)
def test_values_are_found_where_they_begin(path: Key, text: str) -> None:
    place = Positions(NASTY).of_value(path)
    line = "\n".join(NASTY.split("\n")[place.line - 1 :])
    assert line[place.column - 1 :].startswith(text)


@pytest.mark.parametrize(
    ("path", "line", "column"),
    [
        (("quoted key",), 3, 1),
        (("quoted key", "literal.key"), 3, 16),
        (("servers",), 6, 3),
        (("servers", 'al"pha'), 6, 13),
        (("servers", 'al"pha', "inline", "b.c"), 8, 19),
        (("fruit",), 21, 3),
        (("fruit", 0, "physical", "colour"), 24, 1),
        (("fruit", 1, "name"), 30, 1),
    ],
)
def test_keys_are_found_where_they_begin(path: Key, line: int, column: int) -> None:
    place = Positions(NASTY).of_key(path)
    assert (place.line, place.column) == (line, column)


def test_a_missing_key_is_shown_at_its_table() -> None:
    positions = Positions("a = 1\n[x]\n[x.y]\nz = {q = 1}\n")
    assert positions.of_table(("x", "y")).line == 3
    assert positions.of_table(("x", "y", "z")).line == 4
    assert positions.of_table(("nowhere",)).line == 1


def test_line_ends_of_windows_do_not_shift_columns() -> None:
    unix = Positions(NASTY)
    windows = Positions(NASTY.replace("\n", "\r\n"))
    for path in unix.values:
        assert windows.of_value(path) == unix.of_value(path), path
        assert windows.of_key(path) == unix.of_key(path), path
    assert windows.lines.source(2) == unix.lines.source(2)


def test_a_text_that_breaks_off_keeps_what_was_found() -> None:
    positions = Positions('a = 1\n[b]\nc = "unfinished\n')
    assert positions.of_key(("b", "c")).line == 3


NAMES = st.sampled_from(["a", "b-c", '"q.r"', "'s t'", '"\\u00fc"', "1"])
LEAVES = st.sampled_from(
    [
        "1",
        "-2.5e3",
        "true",
        '"x # y"',
        "'lit = [1]'",
        '"""m\n# "" l"""',
        "'''n\n'o'''",
        "1979-05-27",
        "07:32:00",
        "inf",
        "0xff",
    ]
)
BLANK = st.sampled_from(["", " ", "\t", " # c = [\n", "\n"])


@st.composite
def values(draw: st.DrawFn, depth: int = 2) -> str:
    shape = draw(st.sampled_from(["leaf", "list", "table"])) if depth else "leaf"
    if shape == "leaf":
        return draw(LEAVES)
    if shape == "list":
        items = [draw(BLANK) + draw(values(depth - 1)) + draw(BLANK) for _ in range(draw(st.integers(0, 3)))]
        return "[" + ",".join(items) + draw(BLANK) + "]"
    names = draw(st.lists(NAMES, unique=True, max_size=3))
    return "{ " + ", ".join(f"{name} = {draw(values(0))}" for name in names) + " }"


@st.composite
def texts(draw: st.DrawFn) -> str:
    lines = []
    for _ in range(draw(st.integers(1, 8))):
        kind = draw(st.sampled_from(["pair", "pair", "header", "list", "blank"]))
        key = " . ".join(draw(st.lists(NAMES, min_size=1, max_size=3)))
        match kind:
            case "pair":
                lines.append(f"{key} = {draw(values())}")
            case "header":
                lines.append(f"[{key}]")
            case "list":
                lines.append(f"[[ {key} ]] # ]")
            case _:
                lines.append(draw(st.sampled_from(["", "# c", "\t"])))
    return draw(st.sampled_from(["\n", "\r\n"])).join(lines)


@given(texts())
@settings(max_examples=400, deadline=None)
def test_whatever_tomllib_reads_has_a_place_for_every_path(text: str) -> None:
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        Positions(text)  # must not raise either
        return
    positions = Positions(text)
    assert set(positions.keys) | set(positions.values) == paths_of(tree)


@given(st.text(max_size=200) | st.text(alphabet="[]{}=.,\"'\\#\n a1", max_size=200))
@settings(max_examples=300, deadline=None)
def test_no_text_makes_it_fail_or_hang(text: str) -> None:
    Positions(text).of_value(("a", 1))
