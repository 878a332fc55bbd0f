"""How fast slots were of late."""

from hal0.tui.facts import Fact
from hal0.tui.look import ASCII, UNICODE
from hal0.tui.speeds import KEPT, NOTHING, Speeds
from hal0.tui.store import Store
from hal0.tui.widgets.slots import cell_texts, fitting
from tests.tui.samples import NOW, busy_state, default_state, request


def test_the_percentile_and_the_rates_are_of_the_last_requests_that_ended_well() -> None:
    speeds = Speeds()
    for number in range(4):
        speeds.note(request(str(number), ttft_ms=100.0 + number, tokens_per_second=10.0, outcome="ok"))
    assert speeds.of("primary").p95_ttft_ms is None
    assert speeds.of("primary").rates == (10.0,) * 4
    speeds.note(request("5", ttft_ms=900.0, outcome="ok"))
    assert speeds.of("primary").p95_ttft_ms == 900.0
    for failed in (
        request("6", ttft_ms=5000.0, outcome="failed"),
        request("7", ttft_ms=5000.0),
        request("8", outcome="ok"),
    ):
        speeds.note(failed)
    assert speeds.of("primary").p95_ttft_ms == 900.0
    for number in range(100, 100 + KEPT):
        speeds.note(request(str(number), ttft_ms=float(number), tokens_per_second=float(number), outcome="ok"))
        speeds.note(request(str(number), ttft_ms=float(number), tokens_per_second=float(number), outcome="ok"))
    assert speeds.of("primary").p95_ttft_ms == 100 + KEPT * 0.95
    assert speeds.of("primary").rates[-1] == 299.0
    assert len(speeds.of("primary").rates) == 10
    speeds.keep(["other"])
    assert speeds.of("primary") == NOTHING


def test_the_store_takes_them_from_a_state_and_from_events_and_the_table_shows_them() -> None:
    store = Store()
    ended = {"phase": "finished", "outcome": "ok", "finished_at": NOW, "tokens": 9}
    before = [request(str(n), ttft_ms=50.0, tokens_per_second=40.0, **ended) for n in range(3)]
    store.load(default_state(requests=before))
    for number in range(3, 6):
        done = request(str(number), ttft_ms=80.0, tokens_per_second=20.0, **ended)
        store.reduce(Fact(number, NOW, "request.finished", done))
    primary = store.slots["primary"]
    texts = cell_texts(primary, store.load_of(primary), NOW, UNICODE)
    assert texts["p95"][0] == "80ms"
    assert texts["spark"][0] == "███▅▅▅"
    assert cell_texts(primary, store.load_of(primary), NOW, ASCII)["spark"][0].isascii()
    store.load(busy_state(requests=[]))
    assert store.speeds.of("primary") == NOTHING


def test_a_wide_table_has_what_the_narrow_one_leaves_out() -> None:
    wanted = {"slot": 10, "model": 20, "engine": 20, "state": 13, "kind": 9}
    shown = {width: [column.id for column, _ in fitting(width, wanted)] for width in (80, 118, 145)}
    assert not {"p95", "engine", "spark"} & set(shown[80])
    assert {"engine", "device", "context", "p95"} <= set(shown[118])
    assert {"engine", "device", "context", "p95", "spark"} <= set(shown[145])
