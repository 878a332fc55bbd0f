"""What callers of the admin API send: JSON objects, read strictly; a wrong one is a failure that names the field."""

import re
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from quart import request

from hal0.daemon.proxy.wrong import explained
from hal0.errors import Hal0Error

B = TypeVar("B", bound=BaseModel)


class Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


async def body_of(model: type[B]) -> B:
    """The request's body; nothing at all counts as an empty object. Raises `dispatch.invalid_request`."""
    raw = await request.get_data(cache=False)
    try:
        return model.model_validate_json(raw or b"{}")
    except (ValidationError, ValueError, RecursionError) as error:
        field, reason = "body", str(error)
        if isinstance(error, ValidationError):
            named, reason = explained(error)
            field = named or field
        raise Hal0Error("dispatch.invalid_request", param=field, field=field, reason=reason) from error


def based_on() -> str | None:
    """The tag or revision in If-Match; None: whatever is there now."""
    given = request.headers.get("if-match", "").strip()
    if given in ("", "*"):
        return None
    match = re.fullmatch(r'(?:W/)?"?([0-9]{1,12}(?:-[0-9a-f]{1,64})?)"?', given)
    if match is None:
        reason = f"{given[:60]!r} is neither a revision nor a tag of this configuration"
        raise Hal0Error("dispatch.invalid_request", param="If-Match", field="If-Match", reason=reason)
    return match[1]
