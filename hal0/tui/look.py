"""How the dashboard looks: the glyphs, and for each theme the style of every role a span can play.

A state is always a glyph, a word and a colour; the selected row is reverse video. So it reads without colour, and
with `--ascii` without Unicode.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from rich.style import Style
from textual.theme import Theme

from hal0.tui.lines import Frame
from hal0.tui.owners import Kind
from hal0.wire import Outcome, Phase, SlotState


@dataclass(frozen=True, slots=True)
class Glyphs:
    """The symbols of one character set."""

    ascii: bool
    states: Mapping[SlotState, str]
    lanes: Mapping[SlotState, str]  # one cell of a slot's history
    outcomes: Mapping[Outcome, str]
    plain: Frame
    focused: Frame
    marker: str  # in front of the selected row
    cursor: str  # where text is being generated
    steps: str  # a bar, from least to full
    empty: str
    sparks: str
    ellipsis: str
    dot: str
    into: str  # between the levels of a breadcrumb
    prompt: str
    warning: str
    degree: str
    enter: str
    holders: Mapping[Kind, str]  # one cell of a device's memory
    foot: str  # of the cursor on an axis of time
    minus: str
    phases: Mapping[str, str]  # one cell of a request's time
    pinned: str  # behind the name of a slot that never makes room


UNICODE = Glyphs(
    ascii=False,
    states={
        "offline": "○",
        "pulling": "⇣",
        "starting": "◌",
        "warming": "◔",
        "ready": "●",
        "serving": "▶",
        "idle": "◐",
        "unloading": "⇡",
        "error": "✖",
    },
    lanes={
        "offline": "·",
        "pulling": "⇣",
        "starting": "░",
        "warming": "▒",
        "ready": "▂",
        "serving": "█",
        "idle": "▁",
        "unloading": "⇡",
        "error": "✖",
    },
    outcomes={"ok": "✔", "failed": "✖", "cancelled": "⊘"},
    plain=Frame("─", "│", "╭╮╰╯"),
    focused=Frame("━", "┃", "┏┓┗┛"),
    marker="▌",
    cursor="▌",
    steps="▏▎▍▌▋▊▉█",
    empty="░",
    sparks="▁▂▃▄▅▆▇█",
    ellipsis="…",
    dot="·",
    into="›",
    prompt="❯",
    warning="▲",
    degree="°C",
    enter="⏎",
    holders={"slot": "█", "stranger": "▓", "rest": "▒", "promised": "╱", "free": "░"},
    foot="▲",
    minus="−",
    phases={"queue": "·", "load": "░", "prefill": "▒", "first": "▓", "decode": "█", "answer": "█"},
    pinned="⊤",
)

ASCII = Glyphs(
    ascii=True,
    states={
        "offline": ".",
        "pulling": "v",
        "starting": "s",
        "warming": "w",
        "ready": "R",
        "serving": ">",
        "idle": "i",
        "unloading": "^",
        "error": "X",
    },
    lanes={
        "offline": ".",
        "pulling": "v",
        "starting": "s",
        "warming": "w",
        "ready": "=",
        "serving": "#",
        "idle": "-",
        "unloading": "^",
        "error": "X",
    },
    outcomes={"ok": "ok", "failed": "X", "cancelled": "x"},
    plain=Frame("-", "|", "++++"),
    focused=Frame("=", "#", "####"),
    marker="*",
    cursor="_",
    steps="#",
    empty=".",
    sparks="_.-=+*#@",
    ellipsis="~",
    dot="-",
    into=">",
    prompt=">",
    warning="!",
    degree="C",
    enter="Ret",
    holders={"slot": "#", "stranger": "%", "rest": "+", "promised": "/", "free": "."},
    foot="^",
    minus="-",
    phases={"queue": ".", "load": ":", "prefill": "-", "first": "+", "decode": "#", "answer": "#"},
    pinned="*",
)

STATE_ROLE: Mapping[SlotState, str] = {
    "offline": "muted",
    "pulling": "info",
    "starting": "warn",
    "warming": "warn",
    "ready": "good",
    "serving": "busy",
    "idle": "calm",
    "unloading": "info",
    "error": "bad",
}
PHASE_ROLE: Mapping[Phase, str] = {
    "queued": "warn",
    "loading": "warn",
    "prefill": "info",
    "decoding": "busy",
    "finished": "good",
}
HOLDER_ROLE: Mapping[Kind, str] = {
    "slot": "memory", "stranger": "warn", "rest": "muted", "promised": "info", "free": "empty",
}  # fmt: skip
SLOT_ROLES = ("memory", "busy", "good", "focus")  # of slots that hold memory of one device, in turn
# Of a transcript.
VOICE_ROLE: Mapping[str, str] = {
    "prompt": "prompt",
    "reasoning": "reasoning",
    "text": "text",
    "call": "call",
    "arguments": "info",
}
OUTCOME_ROLE: Mapping[Outcome, str] = {"ok": "good", "failed": "bad", "cancelled": "warn"}


@dataclass(frozen=True, slots=True)
class Colours:
    """The colours of one theme; every role is made of them."""

    background: str
    text: str
    muted: str
    rule: str
    accent: str
    good: str
    busy: str
    warn: str
    bad: str
    info: str
    selected: str  # behind the selected row
    on_loud: str  # text on a loud background
    dark: bool = True


COLOURS: Mapping[str, Colours] = {
    "hal0-dark": Colours(
        background="#11151c",
        text="#d3dae3",
        muted="#8b97a8",
        rule="#3b4657",
        accent="#5eead4",
        good="#86d993",
        busy="#63c5f2",
        warn="#f5c76a",
        bad="#ff7b72",
        info="#b9a4f5",
        selected="#2c4a6b",
        on_loud="#11151c",
    ),
    "hal0-light": Colours(
        background="#fbfaf6",
        text="#2a2f37",
        muted="#667080",
        rule="#c3c8cf",
        accent="#0f6f66",
        good="#2b7a30",
        busy="#0b62a3",
        warn="#8f5f00",
        bad="#b3261e",
        info="#6a4cbf",
        selected="#cfe0f3",
        on_loud="#ffffff",
        dark=False,
    ),
    "hal0-contrast": Colours(
        background="#000000",
        text="#ffffff",
        muted="#d0d0d0",
        rule="#a0a0a0",
        accent="#00ffff",
        good="#5fff5f",
        busy="#5fd7ff",
        warn="#ffff00",
        bad="#ff8787",
        info="#d7afff",
        selected="#0000c0",
        on_loud="#000000",
    ),
}
ANSI = "ansi"
THEME_NAMES = (*COLOURS, ANSI)


def own_themes() -> list[Theme]:
    """Textual's view of our themes: what its own widgets (the filter line) are drawn with."""
    return [
        Theme(
            name=name,
            primary=colours.accent,
            warning=colours.warn,
            error=colours.bad,
            success=colours.good,
            accent=colours.accent,
            foreground=colours.text,
            background=colours.background,
            surface=colours.background,
            panel=colours.background,
            boost=colours.background,
            dark=colours.dark,
        )
        for name, colours in COLOURS.items()
    ]


def textual_theme(name: str) -> str:
    """The name of Textual's theme for one of ours: its own ANSI theme leaves all colours to the terminal."""
    return "ansi-dark" if name == ANSI else name


def styles_of(name: str) -> dict[str, Style]:
    """The style of every role. `selected` and the loud roles are reverse video, which no terminal takes away."""
    if name == ANSI:
        return _ansi_styles()
    c = COLOURS[name]
    plain = {
        role: Style(color=colour)
        for role, colour in {
            "text": c.text,
            "muted": c.muted,
            "rule": c.rule,
            "focus": c.accent,
            "good": c.good,
            "busy": c.busy,
            "warn": c.warn,
            "bad": c.bad,
            "info": c.info,
            "calm": c.muted,
            "graph": c.busy,
            "memory": c.info,
            "empty": c.rule,
            "cursor": c.accent,
            "head": c.muted,
        }.items()
    }
    return plain | {
        "brand": Style(color=c.accent, bold=True),
        "title": Style(color=c.text, bold=True),
        "key": Style(color=c.accent, bold=True),
        "strong": Style(color=c.text, bold=True),
        "prompt": Style(color=c.accent),
        "call": Style(color=c.info, bold=True),
        "reasoning": Style(color=c.muted, italic=True),
        "selected": Style(color=c.selected, bgcolor=c.text, reverse=True, bold=True),
        "match": Style(color=c.muted, bgcolor=c.on_loud, reverse=True),
        "loud": Style(color=c.warn, bgcolor=c.on_loud, reverse=True, bold=True),
        "alarm": Style(color=c.bad, bgcolor=c.on_loud, reverse=True, bold=True),
    }


def _ansi_styles() -> dict[str, Style]:
    plain = {
        role: Style(color=colour)
        for role, colour in {
            "focus": "cyan",
            "good": "green",
            "busy": "cyan",
            "warn": "yellow",
            "bad": "red",
            "info": "magenta",
            "graph": "cyan",
            "memory": "magenta",
            "cursor": "cyan",
            "prompt": "cyan",
        }.items()
    }
    dim = Style(dim=True)
    return plain | {
        "text": Style(),
        "muted": dim,
        "rule": dim,
        "empty": dim,
        "head": dim,
        "calm": dim,
        "brand": Style(color="cyan", bold=True),
        "title": Style(bold=True),
        "key": Style(color="cyan", bold=True),
        "strong": Style(bold=True),
        "call": Style(color="magenta", bold=True),
        "reasoning": Style(dim=True, italic=True),
        "selected": Style(reverse=True, bold=True),
        "match": Style(reverse=True),
        "loud": Style(color="yellow", reverse=True, bold=True),
        "alarm": Style(color="red", reverse=True, bold=True),
    }


@dataclass(frozen=True, slots=True)
class Look:
    """Glyphs and styles together; one value for the whole run."""

    theme: str
    glyphs: Glyphs
    styles: Mapping[str, Style]
    faded: Style  # everything, while the daemon is away

    @classmethod
    def of(cls, theme: str, *, ascii_only: bool = False) -> "Look":
        styles = styles_of(theme)
        return cls(theme, ASCII if ascii_only else UNICODE, styles, styles["muted"])
