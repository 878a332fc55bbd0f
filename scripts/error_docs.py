"""Writes docs/errors.md from the catalogue: `python -m scripts.error_docs`. A test fails when it is out of date."""

from pathlib import Path

from hal0.errors import CATALOGUE, ErrorSpec, outline

PAGE = Path(__file__).resolve().parent.parent / "docs" / "errors.md"

INTRODUCTION = """\
# Error codes

<!-- Made from hal0/errors.py by `python -m scripts.error_docs`; edit that, not this. -->

Every failure has one of these codes, wherever it shows: in an answer of the API, in the dashboard, on the command line
and in the log. `hal0 explain CODE` prints the same entries.

```json
{"error": {"code": "slot.not_ready", "message": "primary is still warming",
           "details": {"slot": "primary", "state": "warming"}, "type": "server_error", "param": null}}
```

`code` and `details` are for programs and stay as they are; `message` is for people. `type` and `param` are what OpenAI
clients read. A failure in the middle of a stream is the last event, `data: {"error": {…}}`, and no `[DONE]` follows it.
↻ marks failures after which the same request may succeed by itself a little later; `Retry-After` is sent only where
hal0 knows how long that takes.
"""

NAMESPACES = {
    "slot": "the life of a backend process",
    "model": "files and names",
    "dispatch": "a request on its way",
    "config": "hal0.toml",
    "system": "the daemon and the way to it",
}


def page() -> str:
    """The whole page."""
    return "\n".join([INTRODUCTION, *(_section(name, about) for name, about in NAMESPACES.items())])


def _section(namespace: str, about: str) -> str:
    entries = [_entry(spec) for spec in CATALOGUE.values() if spec.namespace == namespace]
    return f"## {namespace}: {about}\n\n" + "\n".join(entries)


def _entry(spec: ErrorSpec) -> str:
    again = " ↻" if spec.retryable else ""
    return (
        f"### {spec.code}\n\n"
        f"**{spec.status}**{again} `{spec.type}` — {_text(spec.message)}\n\n"
        f"- Cause: {spec.cause}\n"
        f"- Remedy: {_text(spec.remedy)}\n"
    )


def _text(template: str) -> str:
    """A sentence of the catalogue; the names of its facts must not be taken for HTML."""
    parts = outline(template).split("`")
    # Inside backticks Markdown leaves angle brackets alone.
    return "`".join(part if index % 2 else part.replace("<", "\\<") for index, part in enumerate(parts))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
