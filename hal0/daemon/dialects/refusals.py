"""What cannot be said in chat completions is refused by name, never left out. No I/O here."""

from typing import Any

from hal0.errors import Hal0Error

SHOWN_CHARACTERS = 80  # of a client's own words, in a sentence about them


def unsupported(field: str, what: str) -> Hal0Error:
    """Something of the API that hal0 does not have."""
    return Hal0Error("dispatch.unsupported", param=field, field=field, what=what)


def invalid(field: str, reason: str) -> Hal0Error:
    return Hal0Error("dispatch.invalid_request", param=field, field=field, reason=reason)


def kind_of(value: Any, field: str) -> str:
    """The `type` of an object in a list that holds several kinds."""
    if not isinstance(value, dict):
        raise invalid(field, "it must be an object")
    kind = value.get("type")
    if not isinstance(kind, str):
        raise invalid(f"{field}.type", "it must be a string" if "type" in value else "the field is missing")
    return kind


def text_of(value: Any, field: str) -> str:
    """A string that must be there."""
    if value is None:
        raise invalid(field, "the field is missing")
    if not isinstance(value, str):
        raise invalid(field, "it must be a string")
    return value


def list_of(value: Any, field: str) -> list[Any]:
    if not isinstance(value, list):
        raise invalid(field, "it must be a list")
    return value


def quoted(kind: str) -> str:
    """A type as the client wrote it, fit for a sentence."""
    return repr(kind[:SHOWN_CHARACTERS])
