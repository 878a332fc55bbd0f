"""What a person asks to be pulled, read from one word: `hf:OWNER/REPOSITORY:FILE`, a web address, or a catalogue name.

Pure. What it takes to know what a repository holds is in `hub.py`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from hal0.errors import Hal0Error

HUB_HOSTS = ("huggingface.co", "www.huggingface.co", "hf.co")
MAIN = "main"
LONGEST_SOURCE = 2_000

_PART = r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
HUB = re.compile(rf"hf:(?P<repository>{_PART}/{_PART})(?:@(?P<revision>[A-Za-z0-9._/-]{{1,100}}))?(?::(?P<file>.+))?")
HUB_PAGE = re.compile(
    rf"/(?P<repository>{_PART}/{_PART})(?:/(?:blob|resolve|tree)/(?P<revision>[^/]+)(?:/(?P<file>.+))?)?/?"
)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,119}")
GGUF = ".gguf"


@dataclass(frozen=True, slots=True)
class HubSource:
    """Something of a repository of Hugging Face: a file, the files with a mark such as `Q4_K_M`, or all of it."""

    repository: str
    revision: str = MAIN
    file: str = ""  # path in the repository; empty: see `mark`
    mark: str = ""  # part of a file's name; with neither, the only model file there is, or the whole repository

    def __str__(self) -> str:
        at = "" if self.revision == MAIN else f"@{self.revision}"
        what = self.file or self.mark
        return f"hf:{self.repository}{at}{':' + what if what else ''}"


@dataclass(frozen=True, slots=True)
class UrlSource:
    """A file at an address."""

    url: str

    @property
    def file(self) -> str:
        return PurePosixPath(unquote(urlsplit(self.url).path)).name

    def __str__(self) -> str:
        return self.url


Source = HubSource | UrlSource


def parse_source(text: str) -> Source | None:
    """The source that a text names; None for what can only be a name. Raises `model.bad_source`."""
    text = text.strip()
    if len(text) > LONGEST_SOURCE or not text.isprintable():
        raise _bad(text[:60], "it is too long, or has characters that no source has")
    if text.startswith("hf:"):
        return _hub(text)
    if "://" in text:
        return _address(text)
    return None


def default_name(sources: Sequence[Source]) -> str:
    """The name a model gets when nobody gives it one: that of its file or repository."""
    source = sources[0]
    if isinstance(source, HubSource) and not source.file:
        repository = source.repository.partition("/")[2]
        stem = repository.removesuffix("-GGUF").removesuffix("-gguf")
        return f"{stem}-{source.mark}" if source.mark else stem
    stem = PurePosixPath(source.file).name
    part = re.fullmatch(r"(.+)-\d{5}-of-\d{5}\.gguf", stem, re.IGNORECASE)
    return part[1] if part else stem.rpartition(".")[0] or stem


def _hub(text: str) -> HubSource:
    match = HUB.fullmatch(text)
    if match is None:
        raise _bad(text, "it is not of the form hf:OWNER/REPOSITORY[@REVISION][:FILE]")
    file = match["file"] or ""
    if file and "." not in file and "/" not in file:
        return HubSource(match["repository"], match["revision"] or MAIN, mark=file)
    return HubSource(match["repository"], match["revision"] or MAIN, file=checked_path(file, text))


def _address(text: str) -> Source:
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise _bad(text, "it is not an address") from error
    if parts.scheme not in ("https", "http") or not host:
        raise _bad(text, "only https:// is fetched from, and http:// on this machine or with --sha256")
    if parts.username is not None or parts.password is not None:
        # Neither logged nor kept: the text may hold a password.
        raise _bad(f"{parts.scheme}://…@{host}", "an address with a name or password in it would end up in logs")
    if host in HUB_HOSTS and (page := HUB_PAGE.fullmatch(unquote(parts.path))):
        return HubSource(page["repository"], page["revision"] or MAIN, file=checked_path(page["file"] or "", text))
    source = UrlSource(text.partition("#")[0])
    if FILE_NAME.fullmatch(source.file) is None:
        raise _bad(text, "its path does not end in the name of a file")
    return source


def checked_path(path: str, source: str) -> str:
    """A path inside of a repository, if it stays in there and every part of it can be the name of a file here."""
    parts = path.split("/") if path else []
    if any(FILE_NAME.fullmatch(part) is None and not re.fullmatch(r"\.?[A-Za-z0-9_][\w.+ -]*", part) for part in parts):
        raise _bad(source, f"{path!r} is not the path of a file")
    return path


def checked_name(name: str) -> str:
    """A name that is the name of a file, too; raises `dispatch.invalid_request`."""
    if NAME.fullmatch(name) is None or name.lower().endswith((".part", ".json", ".gguf")):
        reason = (
            f"{name!r} cannot be the name of a model that is pulled: up to 100 letters, digits and `._+-`, without "
            "`.gguf`, `.json` or `.part` at its end"
        )
        raise Hal0Error("dispatch.invalid_request", param="name", field="name", reason=reason)
    return name


def _bad(source: str, reason: str) -> Hal0Error:
    return Hal0Error("model.bad_source", source=source, reason=reason)
