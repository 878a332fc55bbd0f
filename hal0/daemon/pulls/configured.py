"""Models that the configuration gives an address: `[models.NAME]` with `url`. Judged with it, pulled when needed.

Pure. The address stays the configuration's: what is written down of such a pull is made anew from it each time.
"""

import time

from hal0.daemon.config.schema import Model
from hal0.daemon.models.record import Record, Wanted
from hal0.daemon.pulls.remote import is_local
from hal0.daemon.pulls.sources import Source, UrlSource, checked_name, parse_source
from hal0.errors import Hal0Error


def configured_pull(name: str, model: Model) -> Record:
    """The pull that the table asks for; raises `model.bad_source` or `dispatch.invalid_request` if it asks in vain."""
    assert model.url is not None, "it is to be pulled"
    source = parse_source(model.url)
    if source is None:
        raise Hal0Error("model.bad_source", source=model.url, reason="it is neither an address nor hf:OWNER/REPOSITORY")
    check_way(source, sha256=model.sha256)
    return Record(
        name=checked_name(name),
        wanted=[Wanted(source=str(source), sha256=model.sha256)],
        licence=model.licence,
        pinned="asked" if model.sha256 else "",
        started_at=time.time(),
    )


def check_way(source: Source, *, sha256: str | None) -> None:
    """Raises `model.bad_source` for a way on which the file could be changed unnoticed."""
    if isinstance(source, UrlSource) and source.url.startswith("http:") and not (sha256 or is_local(source.url)):
        reason = "over http:// anyone on the way could change it; use https:// or give its SHA-256"
        raise Hal0Error("model.bad_source", source=str(source), reason=reason)
