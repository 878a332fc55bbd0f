"""The keys: one table that drives the bindings, the footer, `?` and docs/keys.md.

A key is offered only where it does something.
"""

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
    "daemon log",
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
    "new slot",
    "delete",
    "fix",
    "jump",
    "hosts",
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
    "device",
    "scrubbed",
    "complete",
    "named",
    "placed",
    "fixable",
    "text",
    "found",
    "cut lines",
    "visited",
    "near",
    "recording",
    "timed",
]

PANES: tuple[Place, ...] = ("slots", "stream", "devices")
HOME: tuple[Place, ...] = (*PANES, "down")
VIEWS: tuple[Place, ...] = ("device view", "stream view", "event view", "log view", "config")
READERS: tuple[Place, ...] = ("problem", "slot page", "config", "help")
COVERS: tuple[Place, ...] = ("device view", "stream view", "event view", "log view", "daemon log", *READERS)
SCROLLING: tuple[Place, ...] = (
    "slots",
    "stream",
    "device view",
    "stream view",
    "event view",
    "log view",
    "daemon log",
    *READERS,
    "rollback",
    "fix",
    "swap",
)
COPYING: tuple[Place, ...] = (
    *PANES,
    "device view",
    "stream view",
    "event view",
    "log view",
    "daemon log",
    "problem",
    "slot page",
    "config",
)
QUESTIONS: tuple[Place, ...] = ("rollback", "fix", "swap", "confirm")
SLOTS: tuple[Place, ...] = ("slots",)
FILTERED: tuple[Place, ...] = ("slots", "event view")
LOGS: tuple[Place, ...] = ("log view", "daemon log")
STREAMS: tuple[Place, ...] = ("stream", "stream view")
TEXTS: tuple[Place, ...] = (*STREAMS, *LOGS)
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
    asks: bool = False  # it asks the daemon for something: not offered in a recording


KEYS: tuple[Key, ...] = (
    Key("down", ("j", "down"), "j ↓", "down", "one line down", "Move", SCROLLING),
    Key("up", ("k", "up"), "k ↑", "up", "one line up", "Move", SCROLLING),
    Key("next_command", ("down",), "↓", "down", "the next one", "Move", ("palette", "hosts")),
    Key("previous_command", ("up",), "↑", "up", "the one before", "Move", ("palette", "hosts")),
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
    Key("view_logs", ("5",), "5", "logs", "what the backend of the selected slot prints", "Views", ANYWHERE,
        asks=True),
    Key("view_config", ("6",), "6", "config", "the configuration: its revision, by whom and why, and what the last "
        "edit did to each slot", "Views", ANYWHERE),
    Key("views", (), "1-6", "views", "one of the views above", "Views", ANYWHERE, footer=6),
    Key("jump", ("grave_accent", "ctrl+o"), "` ^o", "jump", "show a letter at each pane and row; typing it goes there",
        "Move", (*PANES, *VIEWS)),
    Key("jump_to", (), "a-z", "go there", "go to what the letter stands at", "Move", ("jump",), footer=1),
    Key("zoom", ("z",), "z", "zoom", "give the whole screen to the focused pane or device, and back", "Move",
        (*PANES, "device view"), footer=9),
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
    Key("new", ("n",), "n", "new", "write a new slot into the configuration, from a form that tells what it takes",
        "Slots", SLOTS, footer=9, writes=True),
    Key("delete", ("D",), "D", "delete", "take the slot out of the configuration, after a page that tells what is lost "
        "and by its name alone", "Slots", SLOTS, "slot", 15, writes=True),
    Key("pin", ("P",), "P", "pin", "never unload the slot to make room for others; again: take that back", "Slots",
        SLOTS, "slot", 13, writes=True),
    Key("mark", ("space",), "Space", "mark", "mark the slot, or take that back, and go to the next", "Slots", SLOTS,
        "slot", 14),
    Key("sort", ("o",), "o", "sort", "sort by the next column: slot, state, model, memory, tok/s, TTFT, requests, "
        "since; then as configured", "Slots", SLOTS, "slot"),
    Key("sort_reverse", ("O",), "O", "reverse", "the same order from its other end", "Slots", SLOTS, "slot"),
    Key("filter", ("slash",), "/", "filter", "show only some rows: `word`, `!without`, for slots `~fuzzy` too; all "
        "must fit", "Move", FILTERED, footer=6),
    Key("search", ("slash",), "/", "find", "find a text in the stream or log shown: each place is marked, the text "
        "stands still", "Move", TEXTS, "text", 6),
    Key("next_match", ("n",), "n", "next", "to the next place of what was found; after the last comes the first",
        "Move", TEXTS, "found", 2),
    Key("previous_match", ("N",), "N", "previous", "to the place before", "Move", TEXTS, "found", 3),
    Key("filter_lines", ("ampersand",), "&", "filter", "show only some lines: `word`, `!without`; all must fit; what "
        "is found is found in those", "Logs", LOGS, footer=7),
    Key("wrap", ("w",), "w", "wrap", "break long lines to fit, or cut them off", "Move", (*STREAMS, "log view"),
        footer=13),
    Key("shift_right", ("right",), "→", "right", "half a screen to the right, where lines are cut off", "Move",
        (*STREAMS, "log view"), "cut lines"),
    Key("shift_left", ("left",), "←", "left", "half a screen to the left", "Move", (*STREAMS, "log view"), "cut lines"),
    Key("fold", ("T",), "T", "fold", "show only one line of reasoning, or all of it", "Requests", STREAMS, "text"),
    Key("timing", ("t",), "t", "timing", "how long each phase of the request took, and how much of its context it has "
        "used; again: without", "Requests", STREAMS, "text", 9),
    Key("filter_keep", (), "⏎", "keep", "keep the filter, or what was found", "Slots", ("filter",), footer=1),
    Key("filter_clear", ("escape",), "esc", "clear", "drop the filter, or go back to before the search", "Slots",
        ("filter",), footer=1),
    Key("cancel", ("ctrl+x",), "^x", "cancel", "cancel the request shown; press twice within 2 s", "Requests", REQUESTS,
        "running", 5, writes=True),
    Key("follow", ("f",), "f", "follow", "show the newest request, or stay with the selected slot", "Requests",
        (*REQUESTS, "log view"), footer=8),
    Key("open_devices", ("enter",), "⏎", "open", "the devices with their history, and who holds their memory",
        "Devices", ("devices",), footer=2),
    Key("open_device", ("enter",), "⏎", "open", "give the selected device all the room, with larger graphs and who "
        "holds its memory; again: all devices", "Devices", ("device view",), "device", 2),
    Key("scrub_back", ("left_square_bracket", "left"), "[ ←", "back", "back in time: the figures are those of the "
        "moment under the cursor", "Devices", ("device view",), "device", 3),
    Key("scrub_on", ("right_square_bracket", "right"), "] →", "on", "on in time, at last to now", "Devices",
        ("device view",), "scrubbed", 4),
    Key("scrub_far_back", ("left_curly_bracket",), "{", "far back", "ten cells back in time", "Devices",
        ("device view",), "device"),
    Key("scrub_far_on", ("right_curly_bracket",), "}", "far on", "ten cells on in time", "Devices", ("device view",),
        "scrubbed"),
    Key("scrub_live", ("0",), "0", "live", "leave the past: the newest figures again", "Devices", ("device view",),
        "scrubbed", 3),
    Key("time_scale", ("t",), "t", "time scale", "see 5 minutes, half an hour or an hour", "Devices",
        ("device view",), "device", 5),
    Key("open_event", ("enter",), "⏎", "open", "the problem or the request that the event is about", "Events",
        ("event view",), "openable", 2),
    Key("edit_event", ("e", "E"), "e", "edit", "open the configuration in $EDITOR at the line that the event is about, "
        "or at the table of the slot in error", "Events", ("event view",), "placed", 4, writes=True),
    Key("fix", ("f",), "f", "fix", "correct the slips of the refused file that are certain, after a page with the "
        "difference", "Events", ("event view", "problem"), "fixable", 2, writes=True),
    Key("fix_now", ("y",), "y", "correct it", "write the file with the right words", "Configuration", ("fix",),
        "looked at", 1, writes=True),
    Key("acknowledge", ("a",), "a", "acknowledge", "the errors so far are seen: they no longer stand out", "Events",
        ("event view",), "unseen", 3),
    Key("problems", ("e",), "e", "err", "everything that is wrong: rejected configuration, warnings, errors",
        "Problems", (*PANES, "device view", "stream view", "log view", "config"), "problem", 5),
    Key("next_problem", ("right_square_bracket",), "]", "next", "the next problem", "Problems", ("problem",), "many",
        3),
    Key("previous_problem", ("left_square_bracket",), "[", "previous", "the previous problem", "Problems", ("problem",),
        "many", 4),
    Key("next_log", ("right_square_bracket",), "]", "next slot", "the log of the next slot", "Logs", ("log view",),
        "many", 3),
    Key("previous_log", ("left_square_bracket",), "[", "previous", "the log of the slot before", "Logs", ("log view",),
        "many", 4),
    Key("log_back", ("left_curly_bracket",), "{", "back", "a minute back in time, by when the lines came, or what t "
        "has chosen", "Logs", ("log view",), "timed", 8),
    Key("log_on", ("right_curly_bracket",), "}", "on", "a minute on in time, or what t has chosen; at last to the end",
        "Logs", ("log view",), "timed", 9),
    Key("log_scale", ("t",), "t", "step", "{ and } go ten minutes, an hour, a minute again", "Logs", ("log view",),
        "timed", 14),
    Key("run_before", ("b",), "b", "run", "up to where a run of the backend begins", "Logs", ("log view",), footer=12),
    Key("run_after", ("B",), "B", "next run", "down to where the next run begins", "Logs", ("log view",)),
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
    Key("chat", ("c",), "c", "chat", "talk to the slot", "Slots", SLOTS, "chat slot", 5, asks=True),
    Key("send", (), "⏎", "send", "send what is written; /help tells what begins with a slash", "Chat", ("chat",),
        footer=1),
    Key("newline", (), "^j", "newline", "a new line in what is written", "Chat", ("chat",), footer=5),
    Key("stop", ("ctrl+x",), "^x", "stop", "end the answer; what has come stays", "Chat", ("chat",), "answering", 2),
    Key("again", ("ctrl+r",), "^r", "again", "ask for the last answer once more", "Chat", ("chat",), "answered", 3),
    Key("open_log", ("L",), "L", "log", "what the slot's backend prints", "Slots", SLOTS, "slot", 8, asks=True),
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
    Key("take", (), "⏎", "take it", "take what is selected below, and go to the next field; after the last one: create",
        "New slot", ("new slot",), footer=1),
    Key("next_choice", ("down",), "↓", "choose", "select what could stand in the field", "New slot", ("new slot",),
        footer=4),
    Key("previous_choice", ("up",), "↑", "choose", "select the one before", "New slot", ("new slot",)),
    Key("next_field", ("tab",), "Tab", "next field", "go on, with what is written", "New slot", ("new slot",),
        footer=3),
    Key("previous_field", ("shift+tab",), "S-Tab", "field before", "go to the field before", "New slot",
        ("new slot",)),
    Key("create", ("ctrl+n",), "^n", "create it", "write the slot into the configuration; it starts when it is asked",
        "New slot", ("new slot",), "complete", 1, writes=True),
    Key("copy_form", ("ctrl+y",), "^y", "copy as CLI", "copy the command that creates the same", "New slot",
        ("new slot",), footer=5),
    Key("delete_it", (), "⏎", "delete it", "take the slot out; only once its name is written", "Delete", ("delete",),
        "named", 1, writes=True),
    Key("leave", ("escape",), "esc", "leave it", "do nothing", "Swap", ("swap", "rollback", "palette", "new slot",
        "delete", "fix", "jump", "hosts"), footer=1),
    Key("copy", ("y",), "y", "copy", "copy what the cursor is on: the slot's name, the text, the problem", "Everywhere",
        COPYING, footer=10),
    Key("copy_command", ("Y",), "Y", "copy as CLI", "copy the command that tells or does the same",
        "Everywhere", (*COPYING, *QUESTIONS), footer=11),
    Key("freeze", ("p",), "p", "freeze", "stop painting; what happens meanwhile is counted and kept", "Everywhere",
        PANES, footer=12),
    Key("thaw", ("p", "escape"), "p", "go on", "paint again", "Everywhere", ("frozen",), footer=1),
    Key("repaint", ("ctrl+l",), "^l", "repaint", "draw the whole screen anew", "Everywhere", (*HOME, *COVERS)),
    Key("faster", ("plus", "equals_sign"), "+ =", "faster", "more frames a second, up to 10", "Everywhere",
        (*HOME, *COVERS)),
    Key("slower", ("minus",), "-", "slower", "fewer frames a second, down to 2", "Everywhere", (*HOME, *COVERS)),
    Key("mouse", ("v",), "v", "mouse", "leave the mouse to the terminal, to select text with it; again: take it back",
        "Everywhere", (*HOME, *COVERS)),
    Key("retry", ("r",), "r", "retry now", "try to reach the daemon now", "Everywhere", ("down",), footer=1),
    Key("hosts", ("h",), "h", "hosts", "go to another host: this machine, those of tui.toml, those gone to before, or "
        "one that is typed", "Hosts", HOME, footer=9),
    Key("go_there", (), "⏎", "go there", "show that host as soon as it answers; again, if it does not: leave the "
        "present one all the same", "Hosts", ("hosts",), footer=1),
    Key("complete_host", ("tab",), "Tab", "complete", "write out the selected address, to change it", "Hosts",
        ("hosts",), footer=3),
    Key("forget_host", ("ctrl+r",), "^r", "forget", "take the selected one out of those gone to before", "Hosts",
        ("hosts",), "visited", 4),
    Key("daemon_log", ("L",), "L", "hal0d's log", "the last 200 lines of hal0d's own log: of the journal, or of a file",
        "Everywhere", ("down",), "near", 3),
    Key("last_recording", ("o",), "o", "recording", "the last recording that was made with --record, read only",
        "Everywhere", ("down",), "recording", 4),
    Key("read_again", ("r",), "r", "read again", "read the log again", "Everywhere", ("daemon log",), footer=1),
    Key("help", ("question_mark",), "?", "help", "these keys, and how to read the screen", "Everywhere",
        (*HOME, *VIEWS, "frozen", "daemon log", "problem", "slot page"), footer=1),
    Key("close_help", ("question_mark",), "?", "close", "close this page", "Everywhere", ("help",)),
    Key("palette", ("colon", "ctrl+p"), ": ^p", "commands", "all that can be done here, by its words; also other "
        "slots and themes", "Everywhere", (*PANES, *COVERS[:-1]), footer=8),
    Key("complete", ("tab",), "Tab", "complete", "write out the selected command", "Everywhere", ("palette",),
        footer=3),
    Key("do_it", (), "⏎", "do it", "do what is selected", "Everywhere", ("palette",), footer=1),
    Key("lock", ("ctrl+g",), "^g", "lock", "read only: keys that change something are not offered; again: take that "
        "back", "Everywhere", ANYWHERE, asks=True),
    Key("quit", ("q", "ctrl+c"), "q", "quit", "quit; the daemon goes on", "Everywhere",
        (*HOME, "frozen", *COVERS, "rollback", "fix", "confirm", "swap"), footer=1),
)  # fmt: skip
BY_ID = {key.id: key for key in KEYS}


def keys_at(place: Place) -> list[Key]:
    return [key for key in KEYS if place in key.places]
