"""The form for a new slot: what is written in it as keys of its table, as a command, and what is wrong where. Pure."""

import json
import re
import shlex
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hal0.tui import figures
from hal0.tui.store import Store
from hal0.wire import ModelView, Problem, SlotPlan

FIELDS = ("name", "provider", "model", "gpus", "context", "more")
LABELS: Mapping[str, str] = {"more": "more keys"}
HINTS: Mapping[str, str] = {
    "name": "small letters, digits, . _ -",
    "provider": "nothing: llama",
    "model": "a name from below, or a path",
    "gpus": "0,1; none: CPU; nothing: any",
    "context": "tokens; nothing: 8192 or fewer",
    "more": "pinned=true parallel=2",
}
CONTEXTS = (2048, 4096, 8192, 16384, 32768, 65536, 131072, 262144)
CPU_ONLY = "none"
_WORD = re.compile(r"""(?:"[^"]*"|'[^']*'|\[[^\]]*\]|\{[^}]*\}|\S)+""")  # KEY=VALUE, with blanks in quotes and lists


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Something that could stand in a field."""

    value: str
    about: str = ""


@dataclass(slots=True)
class SlotForm:
    """What is written, and what the daemon says of it."""

    values: dict[str, str] = field(default_factory=lambda: dict.fromkeys(FIELDS, ""))
    plan: SlotPlan | None = None  # of what is written, or was a moment ago
    asked_name: str = ""  # under which the plan was asked for
    touched: set[str] = field(default_factory=set)  # fields that were written in or left
    tried: bool = False  # the person wanted to create it as it was

    @property
    def name(self) -> str:
        return self.values["name"].strip()

    @property
    def fields(self) -> list[str]:
        """Those that have an effect with the provider."""
        known = self.plan.keys if self.plan else []
        return [each for each in FIELDS if each in ("name", "provider", "more") or not known or each in known]

    def keys(self) -> dict[str, Any]:
        """The slot's table; what cannot be read is passed on as text, for the daemon to say what it must be."""
        keys: dict[str, Any] = {}
        written = {name: self.values[name].strip() for name in self.fields}
        for name in ("provider", "model"):
            if written.get(name):
                keys[name] = written[name]
        if gpus := written.get("gpus"):
            keys["gpus"] = _gpus(gpus)
        if context := written.get("context"):
            keys["context"] = int(context) if context.isdecimal() else context
        for word in _WORD.findall(written["more"]):
            key, _, value = word.partition("=")
            keys[key] = _value(value)
        return keys

    def command(self) -> str:
        """What does the same in a shell."""
        keys = self.keys()
        model = keys.pop("model", "")
        words = ["hal0", "slot", "create", self.name or "NAME", model, *(f"{key}={_toml(keys[key])}" for key in keys)]
        return shlex.join(word for word in words if word)

    def problems(self) -> dict[str, list[Problem]]:
        """What is wrong, by field; under "" what is not of this slot."""
        found: dict[str, list[Problem]] = {}
        for problem in self.plan.plan.problems if self.plan else ():
            found.setdefault(self._field_of(problem), []).append(problem)
        return found

    def told_problems(self) -> dict[str, list[Problem]]:
        """Those to be told by now: a field is not called wrong before anybody came by it."""
        known = {"", *(FIELDS if self.tried else self.touched)}
        return {name: problems for name, problems in self.problems().items() if name in known}

    def _field_of(self, problem: Problem) -> str:
        if not problem.key.startswith("slots."):
            return ""
        slot, _, key = problem.key.removeprefix("slots.").rpartition(".")
        if slot.strip('"') != self.asked_name:
            whole = problem.key.removeprefix("slots.").strip('"') == self.asked_name
            return "name" if whole else ""
        return key if key in self.fields else "more"

    def name_to_ask(self, store: Store) -> str:
        """The name to plan with: while none is written, one that nobody has."""
        free = ("new", *(f"new-{number}" for number in range(2, len(store.slots) + 3)))
        return self.name or next(name for name in free if name not in store.slots)


def suggestions(name: str, form: SlotForm, store: Store, models: Sequence[ModelView]) -> list[Suggestion]:
    """What fits what is written in a field, the likeliest first."""
    typed = form.values[name].strip().casefold()
    match name:
        case "provider":
            found = [Suggestion(each) for each in (form.plan.providers if form.plan else ())]
        case "model":
            found = [Suggestion(each.id, _about(each)) for each in models]
        case "gpus":
            found = [
                Suggestion(
                    device.id.removeprefix("gpu"),
                    f"{device.name}  {figures.pair(device.memory_used_bytes, device.memory_total_bytes)}",
                )
                for device in store.devices.values()
                if device.kind == "gpu"
            ]
            found.append(Suggestion(CPU_ONLY, "CPU only"))
        case "context":
            model = next((each for each in models if each.id == form.values["model"].strip()), None)
            limit = model.context_limit if model else None
            sizes = [size for size in CONTEXTS if limit is None or size < limit] + ([limit] if limit else [])
            found = [Suggestion(str(size), "all it was trained for" if size == limit else "") for size in sizes]
        case _:
            return []
    fitting = [each for each in found if all(word in each.value.casefold() for word in typed.split())]
    return sorted(
        fitting, key=lambda each: (each.value.casefold() != typed, not each.value.casefold().startswith(typed))
    )


def _about(model: ModelView) -> str:
    users = f"in {', '.join(model.slots)}" if model.slots else model.licence
    return f"{figures.size(model.size_bytes):>5}  {model.kind}  {users}".rstrip()


def in_words(problem: Problem) -> str:
    return f"{problem.code}: {problem.message}" + (f"; {problem.hint}" if problem.hint else "")


def in_short(problem: Problem) -> str:
    """Beside the field that it is about, whose name needs no telling."""
    return problem.message.removeprefix(f"`{problem.key}` ")


def _gpus(text: str) -> object:
    if text.casefold() in (CPU_ONLY, "cpu"):
        return []
    parts = [part.strip().removeprefix("gpu") for part in text.strip("[]").split(",")]
    return [int(part) for part in parts] if all(part.isdecimal() for part in parts) else text


def _value(text: str) -> Any:
    try:
        value = tomllib.loads(f"it = {text}")["it"]
        json.dumps(value)  # a date, say, is no value of any key
    except (ValueError, TypeError):
        return text  # needs no quotes
    return value


def _toml(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def of_slot(plan: SlotPlan, name: str) -> Iterable[str]:
    """What the slot would do to others, and what is not there yet."""
    for effect in plan.plan.slots:
        if effect.name == name and effect.problem:
            yield effect.problem
        elif effect.name != name and effect.effect in ("restart", "remove"):
            yield f"{effect.name} would {effect.effect}"
