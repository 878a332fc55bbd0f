"""The keys as one person wants them: the table of `keymap`, some of its ids on other keys. Pure.

A key is written as in docs/keys.md or as terminals name it: `x`, `?`, `^x` or `ctrl+x`, `f5`, `shift+tab`, `pagedown`.
"""

import string
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from hal0.errors import did_you_mean
from hal0.tui.keymap import BY_ID, KEYS, Key, Place
from hal0.tui.prose import TITLES

# Named keys, and how they are shown.
NAMED = {
    "enter": "⏎", "escape": "esc", "tab": "Tab", "space": "Space", "backspace": "Bksp", "delete": "Del",
    "insert": "Ins", "up": "↑", "down": "↓", "left": "←", "right": "→", "home": "Home", "end": "End", "pageup": "PgUp",
    "pagedown": "PgDn",
} | {f"f{number}": f"F{number}" for number in range(1, 25)}  # fmt: skip
MODIFIERS = {"ctrl": "C-", "alt": "A-", "shift": "S-"}
SAME_BYTE = {"ctrl+i": "Tab", "ctrl+m": "Enter", "ctrl+h": "Backspace"}
TYPED_IN: frozenset[Place] = frozenset(
    ("filter", "chat", "palette", "new slot", "delete", "jump", "hosts")
)  # letters are text there
BY_INPUT = {
    "filter_keep": "enter",
    "send": "enter",
    "newline": "ctrl+j",
    "do_it": "enter",
    "take": "enter",
    "delete_it": "enter",
    "go_there": "enter",
}
SHORT_NAMES = {
    "solidus": "slash",
    "reverse_solidus": "backslash",
    "commercial_at": "at",
    "hyphen_minus": "minus",
    "plus_sign": "plus",
    "low_line": "underscore",
}


class BadKeyError(ValueError):
    """A line of `[keys]` that cannot be; its sentence names the id."""


@dataclass(frozen=True, slots=True)
class Keymap:
    """All keys of the dashboard."""

    keys: tuple[Key, ...] = KEYS

    def at(self, place: Place) -> list[Key]:
        return [key for key in self.keys if place in key.places]

    def of(self, id: str) -> Key:
        return next(key for key in self.keys if key.id == id)


DEFAULT = Keymap()


def rebound(wanted: Mapping[str, Sequence[str]]) -> Keymap:
    """The table with the ids of `wanted` on the keys given there; raises `BadKeyError`."""
    changed: dict[str, Key] = {}
    for id, names in wanted.items():
        known = BY_ID.get(id)
        if known is None:
            raise BadKeyError(
                f"there is no key with the id {id!r}{did_you_mean(id, (key.id for key in KEYS if key.keys))}"
            )
        if not known.keys:
            raise BadKeyError(
                f"{id!r} is always {known.shown}: it belongs to the line that is typed in, or names other keys"
            )
        if not names:
            raise BadKeyError(f"{id!r} needs a key")
        keys = [_read(id, name) for name in names]
        if TYPED_IN & set(known.places) and (letter := next((key for key in keys if _is_letter(key)), None)):
            raise BadKeyError(f"{id!r} cannot be {shown(letter)}: it works where text is typed; use a key with ctrl")
        changed[id] = replace(known, keys=tuple(dict.fromkeys(keys)), shown=" ".join(map(shown, keys)))
    keymap = Keymap(tuple(changed.get(key.id, key) for key in KEYS))
    for place, first, second, key_name in _clashes(keymap):
        raise BadKeyError(
            f"{shown(key_name)} is both {first!r} and {second!r} in {TITLES[place]}; give one of them another key"
        )
    return keymap


def _clashes(keymap: Keymap) -> Iterator[tuple[Place, str, str, str]]:
    for place in TITLES:
        taken: dict[str, str] = {}
        for key in keymap.at(place):
            for name in key.keys or filter(None, [BY_INPUT.get(key.id)]):
                if name in taken:
                    yield place, taken[name], key.id, name
                taken[name] = key.id


def _read(id: str, name: str) -> str:
    """A key as Textual names it."""
    written = f"ctrl+{name[1:]}" if len(name) == 2 and name[0] == "^" else name
    *modifiers, base = [written] if len(written) == 1 else written.split("+")
    modifiers = [modifier.lower() for modifier in modifiers]
    if len(base) == 1 and base.isprintable() and modifiers in ([], ["ctrl"], ["alt"]):
        key = "+".join([*modifiers, character_name(base.lower() if modifiers == ["ctrl"] else base)])
    elif base.lower() in NAMED and set(modifiers) <= set(MODIFIERS) and len(modifiers) == len(set(modifiers)):
        key = "+".join([*sorted(modifiers), base.lower()])
    else:
        near = did_you_mean(base.lower(), NAMED)
        raise BadKeyError(f"{id!r} is set to {name!r}, which is no key{near}")
    if key in SAME_BYTE:
        raise BadKeyError(f"{id!r} is set to {name!r}, which terminals cannot tell from {SAME_BYTE[key]}")
    return key


def character_name(character: str) -> str:
    """`?` is "question_mark": what Textual calls a key that types something."""
    if character.isalnum():
        return character
    name = unicodedata.name(character, character).lower().replace("-", "_").replace(" ", "_")
    return SHORT_NAMES.get(name, name)


_CHARACTERS = {character_name(each): each for each in string.punctuation}


def shown(key: str) -> str:
    """A key of Textual's as people read it."""
    *modifiers, base = key.split("+")
    text = NAMED.get(base) or _CHARACTERS.get(base, base)
    if modifiers == ["ctrl"] and len(text) == 1:
        return f"^{text}"
    return "".join(MODIFIERS[modifier] for modifier in modifiers) + text


def _is_letter(key: str) -> bool:
    return key == "space" or (key not in NAMED and "+" not in key)
