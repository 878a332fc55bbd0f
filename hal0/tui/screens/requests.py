"""What screens that show requests share: cancelling by two presses, and the text of answers that came whole."""

from hal0.tui.screens.base import ScrollingScreen
from hal0.tui.streams import Stream
from hal0.tui.view import View
from hal0.tui.widgets.pane import Pane
from hal0.tui.widgets.stream import StreamPane

CANCEL_TWICE_SECONDS = 2.0


class RequestScreen(ScrollingScreen, inherit_bindings=False):
    """A screen one of whose panes shows the request that the keys act on."""

    def __init__(self, view: View) -> None:
        super().__init__(view)
        self._fetched: set[str] = set()  # requests whose text need not be asked for (again)
        self._cancel: tuple[str, float] | None = None  # the request that a second ^x cancels, and until when

    @property
    def request_pane(self) -> StreamPane:
        """The pane with that request."""
        raise NotImplementedError

    @property
    def sideways(self) -> Pane:
        return self.request_pane

    @property
    def request_runs(self) -> bool:
        """Whether that request is in flight."""
        stream = self.request_pane.stream
        return stream is not None and stream.in_flight

    def fetch_text(self, stream: Stream | None) -> None:
        """An answer that was not streamed comes without text: ask for it when it is shown."""
        if stream is None or stream.in_flight or not stream.view.tokens or stream.view.id in self._fetched:
            return
        self._fetched = {id for id in self._fetched if id in self.store.streams} | {stream.view.id}
        if not stream.has_text:
            self.dashboard.fetch_text(stream.view.id)

    def do_fold(self) -> None:
        self.view.folds = not self.view.folds
        self.store.mark("requests")

    def do_timing(self) -> None:
        self.view.shows_timing = not self.view.shows_timing
        self.store.mark("requests")

    def do_cancel(self) -> None:
        """The first press names the request, the second one cancels that very one, whatever is shown by then."""
        now = self.store.now
        if self._cancel is not None and now <= self._cancel[1]:
            self.dashboard.cancel(self._cancel[0])
            self._cancel = None
            return
        pane = self.request_pane
        if pane.stream is None:
            return
        self._cancel = (pane.stream.view.id, now + CANCEL_TWICE_SECONDS)
        self.store.tell(f"^x again cancels {pane.name_of_request()}", "loud", seconds=CANCEL_TWICE_SECONDS)
