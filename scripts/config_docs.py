"""Writes docs/config.md from the schema: `python -m scripts.config_docs`. A test fails when the page is out of date."""

from pathlib import Path

from pydantic.fields import FieldInfo

from hal0.daemon.config.expectation import Shape, as_toml, shape_of_field, words_for
from hal0.daemon.config.placeholders import PLACEHOLDERS
from hal0.daemon.config.schema import EMBEDDED_SLOTS, Model, Price, Remote, Settings, Slot, Table

PAGE = Path(__file__).resolve().parent.parent / "docs" / "config.md"

INTRODUCTION = """\
# Configuration

<!-- Made from hal0/daemon/config/schema.py by `python -m scripts.config_docs`; edit that, not this. -->

hal0 reads one file, `hal0.toml`, from the first of these places: `--config FILE`, `HAL0_CONFIG`,
`$XDG_CONFIG_HOME/hal0/hal0.toml` (usually `~/.config/hal0/hal0.toml`), `/etc/hal0/hal0.toml`. A folder `hal0.d` beside
it may hold more files, `hal0.d/*.toml`, which are merged in name order; a table is given in one of the files only.

**No file is needed.** Without `[slots.NAME]` tables hal0 runs the embedded default: {embedded}.
A file that names slots has exactly those; one that only sets, say, `port` keeps the embedded ones.

```toml
[server]
port = 8080

[models]
folders = ["~/models"]

[slots.primary]
model = "qwen2.5-0.5b-instruct-q4_k_m"
context = 8192
autostart = true
unload_after = "30m"
```

- **Durations** are seconds, or `"30s"`, `"5m"`, `"2h"`, `"1h30m"`, `"7d"`. **Sizes** are bytes, or `"64MiB"`, `"8GiB"`,
  `"10MB"`.
- **Paths** may begin with `~`; relative ones are meant from the folder of `hal0.toml`.
- `${{env:NAME}}` in a text stands for an environment variable of the daemon, filled in when the file is read.
- `HAL0_HOST` and `HAL0_PORT` win over `[server]`, `HAL0_STATE_DIR` over `state_dir` in `[daemon]`.
- A key that hal0 does not know is an error, which names the nearest one that it knows.


**Editors** that know JSON schemas (VS Code with Even Better TOML, all that use taplo) complete keys, tell what they are
for and mark mistakes while you type: `hal0 config schema > ~/.config/hal0/hal0.schema.json` puts the schema beside the
file, whose first line is then `#:schema ./hal0.schema.json`. hal0 itself looks closer, also across keys.

**Editing while hal0 runs** is enough: the file is read once it is saved, judged as a whole, and either taken over
in one step, or refused while the last good one goes on. `hal0 config check FILE` judges a file without a daemon, with
file, line and column of every problem. A file that vanished, became empty, lost all its slots or now ends before a
slot that runs is refused too: it is rather a save cut short than meant; `hal0 config reload --force` insists, and
`hal0 slot delete NAME` takes out a slot without being asked. Slots that an edit does not change do not
notice it.

**Commands that write** (`hal0 config edit`, `hal0 config rollback N`, `hal0 slot create|edit|delete`) keep comments and
all other lines, are judged before the file is touched, and go into a history of 50 revisions (`hal0 config history`).
They ask the daemon; where none runs they do the same by themselves, and it takes effect when one starts.

**What no person waits for** (titles, tags, follow-up questions) should not stand before a person in a slot's queue. A
client that can set headers sends `X-Hal0-Priority: background`; for others a slot has names that mean the same. For
Open WebUI: `background = ["tasks"]` in the slot, and `tasks` chosen as the task model in its settings.

## Backends

Each slot has a `provider`. A key that it cannot honour is an error, not ignored.

| provider | runs | `model` is | needs |
|---|---|---|---|
| `llama` | llama.cpp's `llama-server`, or the engine in the package | a name in the registry | `model` |
| `vllm` | `vllm serve` | a folder (`/…`, `~/…`, `./…`), or `owner/name` of Hugging Face's cache | `model` |
| `flm` | `flm serve` of FastFlowLM, on AMD NPUs | a tag such as `llama3.2:1b`, or `embed-gemma:300m` | `model` |
| `comfyui` | ComfyUI ([images.md](images.md)) | one of three, or any name | `cwd` or `url`; `model` or `workflow` |
| `command` | any program that speaks OpenAI's API | what its command line asks for | `command` |

hal0 downloads no models for vLLM and FastFlowLM, and keeps them from doing it: one that is not there is told, with the
command that fetches it. A `command` is a text, split as a shell would (quotes work, nothing else of a shell does), or
a list of words. In it and in `env` of the slot stand

{placeholders}

```toml
[slots.coder]
provider = "command"
command = [
  "python", "-m", "sglang.launch_server", "--host", "127.0.0.1", "--port", "${{port}}",
  "--model-path", "${{model}}", "--served-model-name", "${{model_id}}", "--context-length", "${{ctx}}",
]
model = "~/models/Qwen2.5-Coder-7B-Instruct"
context = 16384
parallel = 4                       # requests it is given at a time
gpus = [0]
start_timeout = "10m"
```

Without `${{key}}` a program has no key, and `hal0 slot show` says so. With `env = {{ API_KEY = "${{key}}" }}` it has
one that is on no command line. `$NAME` is left for the program. What a shell is to do, a shell does:
`["sh", "-c", "…"]`; what it starts is stopped with it.

In the tables below, a key marked ● is read when the daemon starts: the running daemon keeps its value and lists the key
as waiting for a restart.
"""


def page() -> str:
    """The whole page."""
    embedded = ", ".join(
        f"`{name}` with " + (f"the model `{slot.model}`" if slot.model else f"the provider `{slot.provider}`")
        for name, slot in EMBEDDED_SLOTS.items()
    )
    placeholders = "\n".join(f"- `${{{name}}}`: {what}" for name, what in PLACEHOLDERS.items())
    parts = [INTRODUCTION.format(embedded=embedded, placeholders=placeholders)]
    for name, info in Settings.model_fields.items():
        shape = shape_of_field(info)
        if shape.is_table:
            parts.append(_section(name, shape.type))
        if name == "models":
            parts.append(_section("models.NAME", Model))
        if name == "slots":
            parts.append(_section("slots.NAME", Slot))
        if name == "remotes":
            parts.append(_section("remotes.NAME", Remote))
            parts.append(_section("remotes.NAME.prices.GLOB", Price))
    return "\n".join(parts)


def _section(name: str, table: type[Table]) -> str:
    rows = [_row(key, info) for key, info in table.model_fields.items()]
    head = "| key | takes | default | what it is for |\n|---|---|---|---|\n"
    return f"## [{name}]\n\n{table.__doc__}\n\n{head}" + "\n".join(rows) + "\n"


def _row(key: str, info: FieldInfo) -> str:
    shape = shape_of_field(info)
    default = None if info.is_required() else info.get_default(call_default_factory=True)
    shown = (
        "**needed**" if info.is_required() else "left out" if default is None else f"`{as_toml(default, shape.unit)}`"
    )
    cells = [f"`{key}`" + (" ●" if shape.at_start else ""), _takes(shape), shown, info.description or ""]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _takes(shape: Shape) -> str:
    """Short, for the page explains durations and sizes once."""
    if shape.type is float and shape.unit != "dollars":
        return "duration above 0" if shape.above == 0 else "duration"
    words = words_for(shape)
    if shape.unit == "bytes":
        return "size, " + words.rpartition(", ")[2]
    words = words.removeprefix("a ")
    return f"{words} ({shape.unit})" if shape.unit in ("tokens", "threads", "layers", "requests") else words


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
