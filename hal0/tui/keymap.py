"""The keys: one table that drives the bindings, the footer, `?` and docs/keys.md.

A key is offered only where it does something. `python -m hal0.tui.keymap` prints docs/keys.md.
"""

import sys
from dataclasses import dataclass
from typing import Literal

# Where a person is: the focused pane of the home screen, another view, or what covers them.
Place = Literal[
    "slots",
    "stream",
    "devices",
    "device view",
    "stream view",
    "event view",
    "log view",
    "config",
    "rollback",
    "down",
    "frozen",
    "filter",
    "problem",
    "slot page",
    "chat",
    "help",
    "confirm",
    "swap",
    "palette",
]
# The whole screens that the number keys open, in that order; `home` is under all of them.
ViewName = Literal["home", "devices", "streams", "events", "logs", "config"]
# What must be there for the key to have something to act on.
Need = Literal[
    "",
    "slot",
    "request",
    "running",
    "problem",
    "many",
    "slot problem",
    "way back",
    "model",
    "event",
    "openable",
    "unseen",
    "answering",
    "chat slot",
    "answered",
    "editable",
    "earlier",
    "looked at",
]

PANES: tuple[Place, ...] = ("slots", "stream", "devices")
HOME: tuple[Place, ...] = (*PANES, "down")
VIEWS: tuple[Place, ...] = ("device view", "stream view", "event view", "log view", "config")
READERS: tuple[Place, ...] = ("problem", "slot page", "config", "help")
COVERS: tuple[Place, ...] = ("device view", "stream view", "event view", "log view", *READERS)
SCROLLING: tuple[Place, ...] = (
    "slots",
    "stream",
    "stream view",
    "event view",
    "log view",
    *READERS,
    "rollback",
    "swap",
)
COPYING: tuple[Place, ...] = (
    "slots",
    "stream",
    "stream view",
    "event view",
    "log view",
    "problem",
    "slot page",
    "config",
)
SLOTS: tuple[Place, ...] = ("slots",)
FILTERED: tuple[Place, ...] = ("slots", "event view", "log view")
STREAMS: tuple[Place, ...] = ("stream", "stream view")
REQUESTS: tuple[Place, ...] = ("slots", *STREAMS)
ANYWHERE: tuple[Place, ...] = (*PANES, *COVERS)


@dataclass(frozen=True, slots=True)
class Key:
    """One thing a key does."""

    id: str
    keys: tuple[str, ...]  # as Textual names them
    shown: str  # as people read them
    label: str  # in the footer
    does: str  # in help and docs
    group: str
    places: tuple[Place, ...]
    need: Need = ""
    footer: int = 0  # 1 stays longest in a narrow footer; 0 is never there
    writes: bool = False  # it changes something at the daemon: not offered while the dashboard is locked


KEYS: tuple[Key, ...] = (
    Key("down", ("j", "down"), "j ↓", "down", "one line down", "Move", SCROLLING),
    Key("up", ("k", "up"), "k ↑", "up", "one line up", "Move", SCROLLING),
    Key("next_command", ("down",), "↓", "down", "the next command", "Move", ("palette",)),
    Key("previous_command", ("up",), "↑", "up", "the command before", "Move", ("palette",)),
    Key("first", ("g", "home"), "g", "top", "to the first line", "Move", SCROLLING),
    Key("last", ("G", "end"), "G", "end", "to the last line; in a stream: on with the text", "Move", SCROLLING),
    Key("page_down", ("ctrl+f", "pagedown"), "^f PgDn", "page", "a page down", "Move", (*SCROLLING, "chat")),
    Key("page_up", ("ctrl+b", "pageup"), "^b PgUp", "page", "a page up", "Move", (*SCROLLING, "chat")),
    Key("next_pane", ("tab",), "Tab", "pane", "to the next pane", "Move", (*PANES, "stream view"), footer=3),
    Key("previous_pane", ("shift+tab",), "S-Tab", "pane", "to the previous pane", "Move", (*PANES, "stream view")),
    Key("view_home", ("1",), "1", "home", "the slots, devices and newest requests on one screen", "Views", ANYWHERE),
    Key("view_devices", ("2",), "2", "devices", "the devices with their history, and what each slot did meanwhile",
        "Views", ANYWHERE),
    Key("view_streams", ("3",), "3", "streams", "all requests of late, and the text of one", "Views", ANYWHERE),
    Key("view_events", ("4",), "4", "events", "what happened: slots, requests, models, the configuration, errors",
        "Views", ANYWHERE),
    Key("view_logs", ("5",), "5", "logs", "what the backend of the selected slot prints", "Views", ANYWHERE),
    Key("view_config", ("6",), "6", "config", "the configuration: its revision, by whom and why, and what the last "
        "edit did to each slot", "Views", ANYWHERE),
    Key("views", (), "1-6", "views", "one of the views above", "Views", ANYWHERE, footer=6),
    Key("zoom", ("z",), "z", "zoom", "give the whole screen to the focused pane, and back", "Move", PANES, footer=9),
    Key("open", ("enter",), "⏎", "open", "a slot in error: what is wrong, what to do; else its stream",
        "Move", ("slots", "stream"), "slot", 2),
    Key("back", ("escape",), "esc", "back", "one step back: leave the zoom, go to the slots, take marks back, "
        "clear the filter", "Move", (*ANYWHERE, "chat"), "way back", 2),
    Key("load", ("l",), "l", "load", "start the slot now", "Slots", SLOTS, "slot", 3, writes=True),
    Key("unload", ("u",), "u", "unload", "stop the slot; its requests may finish first", "Slots", SLOTS, "slot", 4,
        writes=True),
    Key("restart", ("r",), "r", "restart", "stop and start it; a parked slot counts its failures anew", "Slots", SLOTS,
        "slot", 4, writes=True),
    Key("swap", ("s",), "s", "swap", "give the slot another model, from a list; the old one comes back if that fails",
        "Slots", SLOTS, "slot", 7, writes=True),
    Key("pin", ("P",), "P", "pin", "never unload the slot to make room for others; again: take that back", "Slots",
        SLOTS, "slot", 13, writes=True),
    Key("mark", ("space",), "Space", "mark", "mark the slot, or take that back, and go to the next", "Slots", SLOTS,
        "slot", 14),
    Key("sort", ("o",), "o", "sort", "sort by the next column: slot, state, model, memory, tok/s, TTFT, requests, "
        "since; then as configured", "Slots", SLOTS, "slot"),
    Key("sort_reverse", ("O",), "O", "reverse", "the same order from its other end", "Slots", SLOTS, "slot"),
    Key("filter", ("slash",), "/", "filter", "show only some rows: `word`, `!without`, for slots `~fuzzy` too; all "
        "must fit", "Move", FILTERED, footer=6),
    Key("filter_keep", (), "⏎", "keep", "keep the filter", "Slots", ("filter",), footer=1),
    Key("filter_clear", ("escape",), "esc", "clear", "drop the filter", "Slots", ("filter",), footer=1),
    Key("cancel", ("ctrl+x",), "^x", "cancel", "cancel the request shown; press twice within 2 s", "Requests", REQUESTS,
        "running", 5, writes=True),
    Key("follow", ("f",), "f", "follow", "show the newest request, or stay with the selected slot", "Requests",
        (*REQUESTS, "event view", "log view"), footer=8),
    Key("open_event", ("enter",), "⏎", "open", "the problem or the request that the event is about", "Events",
        ("event view",), "openable", 2),
    Key("acknowledge", ("a",), "a", "acknowledge", "the errors so far are seen: they no longer stand out", "Events",
        ("event view",), "unseen", 3),
    Key("problems", ("e",), "e", "err", "everything that is wrong: rejected configuration, warnings, errors",
        "Problems", (*PANES, *VIEWS), "problem", 5),
    Key("next_problem", ("right_square_bracket",), "]", "next", "the next problem", "Problems", ("problem",), "many",
        3),
    Key("previous_problem", ("left_square_bracket",), "[", "previous", "the previous problem", "Problems", ("problem",),
        "many", 4),
    Key("next_log", ("right_square_bracket",), "]", "next slot", "the log of the next slot", "Logs", ("log view",),
        "many", 3),
    Key("previous_log", ("left_square_bracket",), "[", "previous", "the log of the slot before", "Logs", ("log view",),
        "many", 4),
    Key("older", ("right_square_bracket",), "]", "older", "select the revision before, with what it changed",
        "Configuration", ("config",), "many", 3),
    Key("newer", ("left_square_bracket",), "[", "newer", "select the revision after", "Configuration", ("config",),
        "many", 4),
    Key("roll_back", ("R",), "R", "go back to it", "write the selected revision again, after a question that tells "
        "what this changes", "Configuration", ("config",), "earlier", 2, writes=True),
    Key("roll_back_now", ("y",), "y", "go back to it", "write it again; that makes a new revision", "Configuration",
        ("rollback",), "looked at", 1, writes=True),
    Key("detail", ("d",), "d", "detail", "the slot in full: what happened to it and why, its command line", "Slots",
        SLOTS, "slot", 8),
    Key("edit", ("E",), "E", "edit", "open hal0.toml in $EDITOR at the slot's table, or at the mistake; what is saved "
        "is taken over", "Slots", ("slots", "slot page", "problem"), "editable", 6, writes=True),
    Key("chat", ("c",), "c", "chat", "talk to the slot", "Slots", SLOTS, "chat slot", 5),
    Key("send", (), "⏎", "send", "send what is written; /help tells what begins with a slash", "Chat", ("chat",),
        footer=1),
    Key("newline", (), "^j", "newline", "a new line in what is written", "Chat", ("chat",), footer=5),
    Key("stop", ("ctrl+x",), "^x", "stop", "end the answer; what has come stays", "Chat", ("chat",), "answering", 2),
    Key("again", ("ctrl+r",), "^r", "again", "ask for the last answer once more", "Chat", ("chat",), "answered", 3),
    Key("open_log", ("L",), "L", "log", "what the slot's backend prints", "Slots", SLOTS, "slot", 8),
    Key("retry_slot", ("r",), "r", "restart slot", "start the slot in error again now", "Problems", ("problem",),
        "slot problem", 2, writes=True),
    Key("drain_wait", ("w",), "w", "let them finish", "let the requests finish, however long they take", "Confirm",
        ("confirm",), footer=1),
    Key("drain_grace", ("g",), "g", "grace", "let them go on for the slot's drain_timeout, then end them", "Confirm",
        ("confirm",), footer=2),
    Key("drain_now", ("exclamation_mark",), "!", "now", "end them now; their clients are told", "Confirm",
        ("confirm",), footer=3),
    Key("keep", ("escape", "n"), "esc", "leave it", "do nothing", "Confirm", ("confirm",), footer=1),
    Key("choose", ("enter",), "⏎", "swap to it", "swap the slot to the selected model", "Swap", ("swap",), "model", 1),
    Key("leave", ("escape",), "esc", "leave it", "do nothing", "Swap", ("swap", "rollback", "palette"), footer=1),
    Key("copy", ("y",), "y", "copy", "copy what the cursor is on: the slot's name, the text, the problem", "Everywhere",
        COPYING, footer=10),
    Key("copy_command", ("Y",), "Y", "copy as CLI", "copy the command that tells the same", "Everywhere", COPYING,
        footer=11),
    Key("freeze", ("p",), "p", "freeze", "stop painting; what happens meanwhile is counted and kept", "Everywhere",
        PANES, footer=12),
    Key("thaw", ("p", "escape"), "p", "go on", "paint again", "Everywhere", ("frozen",), footer=1),
    Key("repaint", ("ctrl+l",), "^l", "repaint", "draw the whole screen anew", "Everywhere", (*HOME, *COVERS)),
    Key("retry", ("r",), "r", "retry now", "try to reach the daemon now", "Everywhere", ("down",), footer=1),
    Key("help", ("question_mark",), "?", "help", "these keys, and how to read the screen", "Everywhere",
        (*HOME, *VIEWS, "frozen", "problem", "slot page"), footer=1),
    Key("close_help", ("question_mark",), "?", "close", "close this page", "Everywhere", ("help",)),
    Key("palette", ("colon", "ctrl+p"), ": ^p", "commands", "all that can be done here, by its words; also other "
        "slots and themes", "Everywhere", (*PANES, *COVERS[:-1]), footer=8),
    Key("complete", ("tab",), "Tab", "complete", "write out the selected command", "Everywhere", ("palette",),
        footer=3),
    Key("do_it", (), "⏎", "do it", "do what is selected", "Everywhere", ("palette",), footer=1),
    Key("lock", ("ctrl+g",), "^g", "lock", "read only: keys that change something are not offered; again: take that "
        "back", "Everywhere", ANYWHERE),
    Key("quit", ("q", "ctrl+c"), "q", "quit", "quit; the daemon goes on", "Everywhere",
        (*HOME, "frozen", *COVERS, "rollback", "confirm", "swap"), footer=1),
)  # fmt: skip
BY_ID = {key.id: key for key in KEYS}

PROSE: dict[Place, tuple[str, ...]] = {
    "slots": (
        "Each slot is one model on one backend process. State is a glyph, a word and a colour.",
        "TOK/S and TTFT (time to the first token) are of now while the slot decodes, else of its last request. "
        "REQ is requests in flight, +n those that wait until it is ready.",
        "A pinned slot has a tack (⊤, or * in ASCII) behind its name: it never makes room for others.",
        "Load, unload, restart and pin act on the selected slot; if some that are shown are marked, on all of these.",
    ),
    "stream": (
        "The text of a request as it is generated. It stays with its outcome until a newer request comes.",
        "Scroll up with k and the text stands still; G goes on with it.",
    ),
    "devices": (
        "Utilisation as a history and in percent, memory used of all there is, temperature and power where known.",
    ),
    "device view": (
        "The upper part is the last half hour of each device; the lower part is what each slot did, from what this "
        "dashboard has seen.",
    ),
    "stream view": (
        "Above are the requests, the newest first: in flight, and those that ended lately. Below is the text of the "
        "selected one. Tab goes from the list to the text, where j and k scroll.",
    ),
    "event view": (
        "What happened since this dashboard looks, the newest first, and the failures that were there before. A slot "
        "that turns from ready to serving and back tells nothing here. Y copies an event as JSON.",
    ),
    "log view": (
        "What a backend prints on its standard output and error, with all its runs of late: `---` marks where one "
        "begins. Scroll up with k and it stands still; G or f goes on with its end.",
    ),
    "down": (
        "The dashboard asks the daemon over its Unix socket (or the address of --host) and tries again by itself: "
        "after 0.5 s, then ever longer, at most every 5 s.",
    ),
    "frozen": (
        "Nothing is painted, so that the text stands still; what arrives is counted in the first line and kept.",
    ),
    "slot page": (
        "One slot in full. The ledger tells each start, stop and failure with who or what caused it, also from before "
        "the daemon was started; each word of the command line tells where it comes from.",
    ),
    "chat": (
        "What is written goes to the slot with all that was said before. /ab NAME asks a second slot the same, side by "
        "side; /system, /set, /file, /export and others are told by /help. Below an answer is how long it took: in the "
        "queue, loading, to the first token, and tokens per second.",
    ),
    "problem": ("One problem a page: what happened, why, what hal0 did about it, and what you can do.",),
    "config": (
        "What runs: a revision is a number, and each has its author and reason. A slot keeps running, changes at once, "
        "or restarts when its requests are done; it restarts only if its command line, environment or program differ.",
    ),
    "rollback": (
        "The files are written as they were, only if nobody has changed them meanwhile, and judged as any edit is.",
    ),
    "help": (),
    "filter": (),
    "confirm": (),
    "palette": (
        "Type some letters of what you want to do. Besides the keys of the place it has every slot by name, and the "
        "themes.",
    ),
    "swap": (
        "A swap is an edit of hal0.toml: it shows in the history and can be rolled back. Requests in flight are asked "
        "about first.",
    ),
}
TITLES: dict[Place, str] = {
    "slots": "slots",
    "stream": "live stream",
    "devices": "devices",
    "device view": "devices view",
    "stream view": "streams view",
    "event view": "events view",
    "log view": "logs view",
    "down": "no connection",
    "frozen": "frozen screen",
    "filter": "filter line",
    "problem": "problem page",
    "slot page": "slot page",
    "chat": "chat",
    "config": "configuration page",
    "rollback": "question before a rollback",
    "help": "help",
    "confirm": "confirmation",
    "swap": "list of models for a swap",
    "palette": "palette",
}
FIRST_LINE = (
    "The first line is the truth: host, configuration revision and verdict, requests in flight, tokens per second, "
    "errors, how long the daemon takes to answer, frames per second as the terminal keeps up with them, and the time "
    "of the newest message. It never scrolls."
)

OWN_KEYS = """\
## Keys and defaults of your own

`~/.config/hal0/tui.toml` (or `$XDG_CONFIG_HOME/hal0/tui.toml`) has what the options of `hal0-tui` would say, and other
keys by their id. Options come before it. A key is written as above, or by its name: `"x"`, `"?"`, `"^x"`, `"f5"`,
`"shift+tab"`, `"alt+j"`, `"pagedown"`; a list gives several. What cannot be is refused with the nearest id
(`config.dashboard`), and so are two ids on one key where both work.

```toml
theme = "hal0-light"
ascii = false
read_only = true
fps = 4

[keys]
unload = "U"
down = ["n", "down"]
```
"""


def keys_at(place: Place) -> list[Key]:
    return [key for key in KEYS if place in key.places]


def groups() -> list[str]:
    return list(dict.fromkeys(key.group for key in KEYS))


def markdown() -> str:
    """docs/keys.md."""
    rows = ["# Keys of the dashboard", "", "<!-- Made by `python -m hal0.tui.keymap`; change the table there. -->", ""]
    rows += [FIRST_LINE, ""]
    for group in groups():
        rows += [f"## {group}", "", "| key | does | where | id |", "|---|---|---|---|"]
        for key in KEYS:
            if key.group == group:
                where = ", ".join(TITLES[place] for place in key.places)
                names = " ".join(f"`{name}`" for name in key.shown.split())
                id = f"`{key.id}`" if key.keys else ""
                rows.append(f"| {names} | {key.does} | {where} | {id} |")
        rows.append("")
    rows += [OWN_KEYS, "## How to read the panes", ""]
    for place, prose in PROSE.items():
        if prose:
            rows += [f"**{TITLES[place].capitalize()}.** {' '.join(prose)}", ""]
    return "\n".join(rows)


if __name__ == "__main__":
    sys.stdout.write(markdown())
