"""What is wrong with a field of a client's JSON, in hal0's words instead of pydantic's. No I/O here.

No text of the client is repeated: what is refused ends up in logs and on screens.
"""

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

# What pydantic adds to a place to tell which type of several was tried.
UNION_BRANCHES = {"str", "list[str]", "dict[str,any]", "list[any]"}
MUST = "it must be "
KINDS = {
    "model_type": "an object",
    "dict_type": "an object",
    "string_type": "a string",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
}
BOUNDS = {
    "greater_than_equal": "at least {ge}",
    "greater_than": "more than {gt}",
    "less_than_equal": "at most {le}",
    "less_than": "less than {lt}",
    "string_too_long": "at most {max_length} characters long",
    "too_long": "a list of at most {max_length}",
}
OTHERS = {
    "missing": "the field is missing",
    "string_too_short": "it must not be empty",
    "too_short": "it must not be empty",
    "extra_forbidden": "there is no such field here",
    "json_invalid": "it is not JSON: {error}",
}


def explained(error: ValidationError) -> tuple[str, str]:
    """The first field that is wrong ("" for the whole), and what is wrong with it."""
    found = error.errors(include_url=False)
    field = _field(found[0]["loc"])
    # Of a field that may be of several types there is one error for each of them.
    same = [each for each in found if _field(each["loc"]) == field]
    wanted = list(dict.fromkeys(KINDS[each["type"]] for each in same if each["type"] in KINDS))
    if same[0]["type"] in KINDS:
        return field, f"{MUST}{' or '.join(wanted)}, not {_kind_of(same[0]['input'])}"
    return field, _reason(same[0]["type"], same[0]["msg"], same[0].get("ctx", {}))


def _field(loc: Sequence[int | str]) -> str:
    return ".".join(str(part) for part in loc if part not in UNION_BRANCHES)


def _reason(kind: str, message: str, facts: dict[str, Any]) -> str:
    if kind == "literal_error":
        return MUST + str(facts["expected"]).replace("'", "")
    if (bound := BOUNDS.get(kind)) is not None:
        return MUST + bound.format(**{name: _plain(value) for name, value in facts.items()})
    if (other := OTHERS.get(kind)) is not None:
        return other.format(**facts)
    return message  # of the checks that hal0 has itself


def _plain(bound: Any) -> Any:
    return f"{bound:g}" if isinstance(bound, float) else bound


def _kind_of(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() if value.bit_length() > 64:
            return "a number of very many digits"
        case int() | float():
            return f"{value}"
        case str():
            return "a string"
        case list():
            return "a list"
        case _:
            return "an object"
