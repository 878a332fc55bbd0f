"""What is said about the places of the dashboard: in `?`, and with the table of keys as docs/keys.md.

`python -m hal0.tui.prose` prints that page.
"""

import sys

from hal0.tui.keymap import KEYS, Place

PROSE: dict[Place, tuple[str, ...]] = {
    "slots": (
        "Each slot is one model on one backend process. State is a glyph, a word and a colour.",
        "TOK/S and TTFT (time to the first token) are of now while the slot decodes, else of its last request; P95 is "
        "the TTFT of 95 in 100, SPARK the TOK/S of the last ten. REQ is requests in flight, +n those that wait.",
        "A pinned slot has a tack (⊤, or * in ASCII) behind its name: it never makes room for others.",
        "Load, unload, restart and pin act on the selected slot; if some that are shown are marked, on all of these.",
    ),
    "stream": (
        "The text of a request as it is generated. It stays with its outcome until a newer request comes.",
        "Scroll up with k and the text stands still; G goes on with it. What is looked for with / is marked in all its "
        "places, also over the end of a line; esc takes the marks out, then leads back.",
        "Reasoning is faint; a call of a tool has its name in brackets and its arguments below, laid out once they are "
        "whole.",
        "The bar below it is the time of the request: · queue, ░ load, ▒ prefill (the prompt is read), ▓ until the "
        "first token where the backend tells that apart, █ decode. In ASCII: . : - + #",
    ),
    "devices": (
        "Utilisation as a history and in percent, memory used of all there is, temperature and power where known.",
    ),
    "device view": (
        "The upper part is each device over time, the lower part what each slot did meanwhile: one column is one "
        "moment in both, and the times of day are below. Behind a graph is its value and the end of its scale.",
        "Below, where there is room, is who holds the memory of the selected device: slots, programs of others with "
        "pid and user, what was promised to slots that have not taken it yet, and what is free. Of RAM it is what is "
        "not mapped from files. Enter gives the device more room.",
        "The daemon remembers an hour in steps of five seconds, this dashboard in seconds for as long as it looks. "
        "While the cursor is in the past nothing is lost: what is new comes in as before.",
        "What a cell of a lane means: see states below. Where several fall into one cell, the one that tells most is "
        "drawn, an error before all others.",
    ),
    "stream view": (
        "Above are the requests, the newest first: in flight, and those that ended lately. Below is the text of the "
        "selected one. Tab goes from the list to the text, where j and k scroll.",
    ),
    "event view": (
        "What happened since this dashboard looks, the newest first, and the failures that were there before. A slot "
        "that turns from ready to serving and back tells nothing here. Failures of one code and slot are one row, with "
        "how often, first and last; the selected event is told in full below. Y copies an event as JSON.",
    ),
    "log view": (
        "What a backend prints on its standard output and error, with all its runs of late: `---` marks where one "
        "begins. Scroll up with k and it stands still; G or f goes on with its end. / finds a text and marks each "
        "place of it, n and N go from one to the next; & leaves only the lines that have a word. The time of the first "
        "line shown is at the top right; { and } go by it, b and B from run to run. What an earlier daemon took has "
        "no time.",
    ),
    "down": (
        "The dashboard asks the daemon over its Unix socket (or the address of --host) and tries again by itself: "
        "after 0.5 s, then ever longer, at most every 5 s. The devices are those that the dashboard reads itself "
        "meanwhile, if the daemon is one of this machine.",
    ),
    "daemon log": (
        "What hal0d itself has logged last: in systemd's journal (unit hal0, of the system or of the user), or in the "
        "file that `hal0 up` has it write, whichever is newer. Y copies the command that shows it.",
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
    "fix": (
        "Only words that are certain: what stands at the place that the check names, and what was meant. The file "
        "is written only if nobody has changed it meanwhile, and judged as any edit is.",
    ),
    "jump": (),
    "help": (),
    "filter": (),
    "confirm": (),
    "palette": (
        "Type some letters of what you want to do. Besides the keys of the place it has every slot by name, and the "
        "themes; and what keys do to a slot, said of any: `load NAME`, `unload NAME`, `swap NAME MODEL`, `chat NAME`.",
    ),
    "new slot": (
        "The daemon judges what is written as it is typed, by the same rules as the file: what is wrong stands at its "
        "field, and below what the slot would take of the memory. Fields that its provider has no use for go. Nothing "
        "is written before ^n, or Enter in the last field.",
    ),
    "delete": (
        "Write the slot's name; until then Enter does nothing. Its requests in flight may finish, its backend ends. "
        "Model files stay where they are, and the history has the slot: it comes back with a rollback.",
    ),
    "hosts": (
        "This machine, the hosts of tui.toml, and those gone to before. Type to narrow the list, or an address that is "
        "not in it: a URL, or the path of a socket. The present host stays until the other one has answered.",
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
    "daemon log": "log of hal0d",
    "down": "no connection",
    "frozen": "frozen screen",
    "filter": "filter line",
    "problem": "problem page",
    "slot page": "slot page",
    "chat": "chat",
    "config": "configuration page",
    "rollback": "question before a rollback",
    "fix": "question before a correction",
    "jump": "jump letters",
    "help": "help",
    "confirm": "confirmation",
    "swap": "list of models for a swap",
    "palette": "palette",
    "new slot": "form for a new slot",
    "delete": "question before a slot is deleted",
    "hosts": "list of hosts",
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
mouse = false

[hosts]
farm = "https://farm:8080"
lab = { url = "https://lab01:8080", key_file = "lab.key", ca_file = "lab.crt" }

[keys]
unload = "U"
down = ["J", "down"]
```

`[hosts]` has what `h` lists and `--host NAME` takes: an address, and where its admin key is: in a file of mode 600
(`key_file`) or in a variable of the environment (`key_env`). The key itself is never in it. A host without one is shown
`HAL0_KEY`. `ca_file` is a certificate to trust. Files are looked for beside `tui.toml`.

The theme chosen in the palette, the order of the slots, the last view and the hosts gone to are remembered, in
`tui.json` in the state folder (`~/.local/state/hal0`), without any key. Options and `tui.toml` come before it.
"""


def groups() -> list[str]:
    return list(dict.fromkeys(key.group for key in KEYS))


def markdown() -> str:
    """docs/keys.md."""
    rows = [
        "# Keys of the dashboard",
        "",
        "<!-- Made by `python -m hal0.tui.prose`; change hal0/tui/keymap.py and prose.py. -->",
        "",
    ]
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
