"""Models on their way, as the dashboard knows and shows them."""

from typing import Any

import pytest

from hal0.tui.look import Look
from hal0.tui.store import Store
from hal0.tui.view import View
from hal0.tui.widgets.truth import truth_line
from hal0.wire import ErrorView, PullView
from tests.tui.samples import NOW, default_state
from tests.tui.test_store import loaded, tell


def pull(name: str = "m", **more: Any) -> PullView:
    values = {"source": "hf:a/b:m.gguf", "state": "fetching", "done_bytes": 250, "total_bytes": 1000, "started_at": NOW}
    return PullView(name=name, **{**values, **more})


def line_of(store: Store, width: int = 120) -> str:
    return "".join(text for text, _ in truth_line(View(store, Look.of("hal0-dark")), width))


def test_a_pull_is_shown_until_the_model_is_here_which_is_told() -> None:
    store = loaded()
    assert "pull" not in line_of(store)
    tell(store, "model.progress", pull())
    assert "pull  25%" in line_of(store)
    assert "host" in store.take_dirty()
    tell(store, "model.progress", pull(state="verifying", done_bytes=1))
    assert "pull 100%" in line_of(store)
    tell(store, "model.progress", pull(state="done"))
    assert "pull" not in line_of(store)
    assert store.notice is not None
    assert store.notice.text == "m is here"


def test_several_pulls_are_one_figure() -> None:
    store = Store()
    store.load(default_state(pulls=[pull(), pull("n", done_bytes=1000, total_bytes=1000)]))
    assert "pull  62%" in line_of(store)
    tell(store, "model.progress", pull("o", done_bytes=2**20, total_bytes=None))
    assert "pull   1M" in line_of(store)


@pytest.mark.parametrize("state", ["queued", "failed", "cancelled"])
def test_what_does_not_move_takes_no_room(state: str) -> None:
    store = loaded()
    tell(store, "model.progress", pull(state=state, error=ErrorView(code="model.offline", message="…")))
    assert "pull" not in line_of(store)
    tell(store, "model.changed", {"name": "m"})
    assert store.pulls == {}


def test_a_narrow_line_gives_it_up_before_what_matters_more() -> None:
    store = Store()
    store.load(default_state(pulls=[pull()]))
    store.connected(1.0)
    assert "pull  25%" in line_of(store, 80)
    narrow = line_of(store, 50)
    assert "pull" not in narrow
    assert "req" in narrow
