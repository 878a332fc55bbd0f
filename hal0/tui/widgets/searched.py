"""The base of panes in whose text something can be found: each place of it is marked, and the text stands still."""

from collections.abc import Sequence

from hal0.tui.finding import Search
from hal0.tui.lines import EMPTY, Line, Span, line, span
from hal0.tui.text import cells, cut
from hal0.tui.view import View
from hal0.tui.widgets.pane import Pane

Spot = tuple[int, bool]  # the first row shown, and whether the pane follows its end


class Searched(Pane):
    """A subclass paints rows through `marked`, after `reveal`, and tells the search of rows that come."""

    def __init__(self, view: View, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(view, id=id, classes=classes)
        self.search = Search()
        self._before_search: Spot = (0, True)
        self._reveals = False  # the match one is at is to be brought into sight

    @property
    def has_text(self) -> bool:
        """Whether there is something to look through."""
        raise NotImplementedError

    def spot(self) -> Spot:
        """Where it stands."""
        raise NotImplementedError

    def stand(self, top: int, follows: bool = False) -> None:
        """Show the rows from there on."""
        raise NotImplementedError

    def searched_rows(self) -> tuple[Sequence[str], Sequence[str]]:
        """All rows, and what stands between each and the one before."""
        raise NotImplementedError

    @property
    def is_searched(self) -> bool:
        return bool(self.search.word)

    def begin_search(self) -> None:
        """A word is typed from here on; until it is kept, `take_search_back` leads to what is shown now."""
        self._before_search = self.spot()

    def take_search_back(self) -> None:
        self.search = Search()
        self.stand(*self._before_search)

    def look_for(self, word: str) -> None:
        """Mark every place of a word and show the next one from where the search began; no word takes the marks out."""
        if word == self.search.word:
            return
        if not word:
            self.search = Search()
            return
        self.search.begin(word, *self.searched_rows(), from_row=self._before_search[0])
        self._stand_at_match()

    def step_search(self, by: int) -> None:
        self.search.step(by)
        self._stand_at_match()

    def _stand_at_match(self) -> None:
        """The text stands still, with the match one is at in sight when it is painted next."""
        if self.search.current is not None:
            self.stand(self.spot()[0])
            self._reveals = True

    def reveal(self, width: int, height: int) -> None:
        """Bring the match one has gone to into sight, in rows of so many cells of which so many are shown."""
        match = self.search.current if self._reveals else None
        self._reveals = False
        if match is None:
            return
        rows, _ = self.searched_rows()
        row, begin, end = match.parts[0]
        if not 0 <= row - self.spot()[0] < height:
            self.stand(max(0, min(row - height // 3, len(rows) - height)))
        if not self.view.wraps:
            first, last = cells(rows[row][:begin]), cells(rows[row][:end])
            if first < self.view.shift or last >= self.view.shift + width:
                self.view.shift = max(0, first - width // 3)

    def marked(self, number: int, text: str, role: str) -> list[Span]:
        """A row with its matches."""
        if not self.is_searched:
            return [(text, role)]
        roles = {None: role, True: "loud", False: "match"}
        return [(piece, roles[kind]) for piece, kind in self.search.pieces(number, text)]

    def found(self) -> Line:
        """For the frame: what is looked for, and which of its places one is at."""
        if not self.is_searched:
            return EMPTY
        return line(span(f"/{cut(self.search.word, 16)} "), span(self.search.count, "warn"))
