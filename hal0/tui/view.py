"""What the person at the keyboard has chosen: the selected slot, the filter, what to follow. Shared by the panes."""

from dataclasses import dataclass, field

from hal0.tui.clock import Pace
from hal0.tui.conversation import Conversation
from hal0.tui.look import Look
from hal0.tui.rebinding import DEFAULT, Keymap
from hal0.tui.sorting import Sort, in_order
from hal0.tui.store import Store
from hal0.wire import SlotView


@dataclass(slots=True)
class View:
    """The dashboard's own state, beside the daemon's (the store)."""

    store: Store
    look: Look
    selected: str = ""
    filter: str = ""
    marked: set[str] = field(default_factory=set)  # slots that verbs act on together
    sort: Sort | None = None  # None: the configuration's order
    is_reversed: bool = False
    follows_newest: bool = True
    wraps: bool = True  # long lines go on in the next row; else they are cut
    log_step: int = 0  # which of the steps in time `{` and `}` take in a log
    shift: int = 0  # cells that are out of sight on the left, where lines are cut
    folds: bool = False  # reasoning is one line
    shows_timing: bool = False  # the phases of a request, above its text
    is_locked: bool = False  # nothing is changed at the daemon
    is_replay: bool = False  # there is no daemon, only what one said
    where: str = ""  # what the host is called that is asked, until it has told its name
    tape: str = ""  # REC, or which recording is shown
    frozen_at: int | None = None  # how many facts had been seen when painting was frozen
    conversations: dict[str, Conversation] = field(default_factory=dict)  # by the slot that was chosen for them
    keymap: Keymap = DEFAULT
    pace: Pace | None = None  # of the frames; None: what is painted is printed

    @property
    def is_read_only(self) -> bool:
        return self.is_locked or self.is_replay

    def reset(self, *, is_replay: bool) -> None:
        """Forget what was chosen among the things of one daemon, for another."""
        self.is_replay = is_replay
        self.selected, self.filter, self.follows_newest, self.frozen_at = "", "", True, None
        self.marked.clear()
        self.conversations.clear()

    def slots(self) -> list[SlotView]:
        """The slots that pass the filter, in the order that was chosen."""
        known = self.store.slots.values()
        shown = [slot for slot in known if passes(slot, self.filter)]
        return in_order(shown, self.store, self.sort, reverse=self.is_reversed)

    def slot(self) -> SlotView | None:
        """The selected slot; the first one while nothing was selected or the selected one is not shown."""
        selected = self.store.slots.get(self.selected)
        if selected is not None and passes(selected, self.filter):
            return selected
        return next(iter(self.slots()), None)

    def chosen(self) -> list[SlotView]:
        """What verbs act on: the marked slots that are shown, else the selected one."""
        marked = [slot for slot in self.slots() if slot.name in self.marked]
        selected = self.slot()
        return marked or ([selected] if selected else [])

    def unmark(self) -> None:
        if self.marked:
            self.marked.clear()
            self.store.mark("slots")

    @property
    def order(self) -> str:
        """What the slots are sorted by, in words; empty for the configuration's order."""
        column = self.sort.title if self.sort else ""
        return f"{column} reversed".strip() if self.is_reversed else column

    def move(self, by: int) -> None:
        """Select another slot; the stream then stays with it."""
        shown = self.slots()
        current = self.slot()
        if current is None:
            return
        index = min(max(shown.index(current) + by, 0), len(shown) - 1)
        self.select(shown[index].name)

    def select(self, name: str) -> None:
        self.selected = name
        self.follows_newest = False
        self.store.mark("slots", "requests")


def passes(slot: SlotView, expression: str) -> bool:
    """Whether a slot fits every word of a filter: `word` is in it, `!word` is not, `~word` has its letters in order."""
    if not expression:
        return True
    words = (slot.name, slot.state, slot.model, slot.kind, slot.use, slot.provider, slot.device, *slot.aliases)
    text = " ".join(words).casefold()
    for term in expression.casefold().split():
        sign, word = (term[0], term[1:]) if term[0] in "!~" else ("", term)
        if not word:
            continue
        fuzzy = sign == "~" and any(_in_order(word, candidate.casefold()) for candidate in words)
        if not (fuzzy or (word in text) != (sign == "!")):
            return False
    return True


def _in_order(letters: str, text: str) -> bool:
    rest = iter(text)
    return all(letter in rest for letter in letters)
