"""What the panes decide: which request goes where, what a cell of time shows, when the text jumps."""

import pytest

from hal0.tui import problems
from hal0.tui.keymap import Place, keys_at
from hal0.tui.lines import width_of
from hal0.tui.look import ASCII, THEME_NAMES, UNICODE, styles_of
from hal0.tui.request_lines import heading
from hal0.tui.store import Notice, Store
from hal0.tui.view import View, passes
from hal0.tui.widgets import detail
from hal0.tui.widgets.footer import notice_line
from hal0.tui.widgets.slots import note_of
from hal0.tui.widgets.stream import StreamPane, assign, example
from hal0.wire import ErrorRecord, ErrorView, TokenBatch
from tests.tui.pictures import screen_lines
from tests.tui.samples import NOW, busy_state, default_state, rejected_config, request, slot, state
from tests.tui.still import settle, showing


@pytest.mark.parametrize(
    ("shown", "ranked", "count", "placed"),
    [
        ([], ["a"], 2, ["a"]),
        (["a"], ["b", "a"], 1, ["b"]),
        (["a", "b"], ["c", "b", "a"], 2, ["c", "b"]),
        (["a", "b"], ["b", "a"], 2, ["a", "b"]),
        (["a", "b", "c"], ["d", "c", "a", "b"], 3, ["a", "d", "c"]),
        (["a", "b", "c"], ["a"], 1, ["a"]),
        (["a", "a"], ["a", "b"], 2, ["a", "b"]),
        ([], [], 3, []),
        (["a", "b"], ["b"], 2, ["b"]),
        (["a", "b", "c"], ["c"], 3, ["c"]),
    ],
)
def test_a_request_keeps_its_pane_while_it_is_among_the_best(
    shown: list[str], ranked: list[str], count: int, placed: list[str]
) -> None:
    assert assign(shown, ranked, count) == placed


def test_a_request_is_headed_with_the_name_of_its_key() -> None:
    what, _ = heading(request("a", key="laptop"), NOW)
    assert "key laptop" in "".join(text for text, _ in what)
    assert "key" not in "".join(text for text, _ in heading(request("a"), NOW)[0])


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("", ["chat-l", "code-m", "embed", "vision", "long", "draft", "rerank"]),
        ("qwen3", ["chat-l", "code-m", "draft"]),
        ("QWEN3 !offline", ["chat-l", "code-m"]),
        ("~q3cdr", ["code-m"]),
        ("!chat", ["embed", "rerank"]),
        ("~ ! ", ["chat-l", "code-m", "embed", "vision", "long", "draft", "rerank"]),
        ("nothing-like-it", []),
    ],
)
def test_the_filter_takes_words_without_and_letters_in_order(expression: str, names: list[str]) -> None:
    assert [slot.name for slot in busy_state().slots if passes(slot, expression)] == names


def test_the_note_of_a_slot_fits_its_room() -> None:
    failed = slot("a", "error", failures=3, retry_at=NOW + 12)
    assert note_of(failed, NOW, 30) == ("×3 retry 12s", "bad")
    assert note_of(failed, NOW, 9) == ("retry 12s", "bad")
    assert note_of(failed, NOW, 6) == ("12s", "bad")
    parked = slot("a", "error", failures=5, parked=True, retry_at=NOW + 598)
    assert note_of(parked, NOW, 20) == ("×5 parked 9m58", "bad")
    assert note_of(parked, NOW, 6) == ("parked", "bad")
    assert note_of(slot("a", "error"), NOW, 20) == ("no retry", "bad")
    assert note_of(slot("a", "idle", unload_at=NOW + 60), NOW, 6) == ("1m00", "muted")
    assert note_of(slot("a"), NOW, 30) is None


@pytest.mark.parametrize("kind", ["chat", "embedding", "rerank", "image"])
def test_the_example_is_one_shell_command_with_valid_json(kind: str) -> None:
    import json
    import shlex

    rows = example(slot("my slot", kind=kind), ["http://0.0.0.0:8080"])
    words = shlex.split("\n".join(rows))
    assert words[0] == "curl"
    assert words[1].startswith("http://localhost:8080/v1/")
    assert json.loads(words[-1])["model"] == "my slot"


async def test_how_far_a_picture_is_stands_in_its_pane() -> None:
    drawn = request("8841", "img", path="/v1/images/generations", stream=False, prompt="a cat in a hat")
    async with showing(default_state(requests=[drawn]), (80, 24)) as pilot:
        shown = "\n".join(screen_lines(pilot.app))
        assert "the answer comes when it is complete" in shown
        told = drawn.model_copy(update={"doing": "picture 2/4, step 3/20", "progress": 0.29})
        pilot.app.screen.query_one("#stream0", StreamPane).view.store._request_changed(told)
        pilot.app.screen.query_one("#stream0", StreamPane).repaint()
        await settle(pilot)
        assert "picture 2/4, step 3/20  29%" in "\n".join(screen_lines(pilot.app))


async def test_the_only_request_of_the_selected_slot_stands_in_the_first_pane() -> None:
    async with showing(busy_state(), (120, 36)) as pilot:
        await pilot.press("j")
        await settle(pilot)
        shown = screen_lines(pilot.app)
        heading_row = next(row for row in shown if "code-m #8843" in row)
        assert heading_row.index("code-m #8843") < 60, heading_row
        assert "no request to code-m yet" not in "\n".join(shown)
        assert any("def merge" in row[:60] for row in shown)


async def test_wide_combining_and_rtl_text_stands_in_its_own_pane_on_either_side() -> None:
    texts = {"8841": "日本語のテキスト は 二倍 の 幅 " * 6, "8843": "e\u0301a\u0308 שלום עולם مرحبا 👩‍👩‍👧 " * 6}
    requests = [request(id, slot, text=texts[id]) for id, slot in (("8841", "chat-l"), ("8843", "code-m"))]
    async with showing(busy_state(requests=requests), (120, 36)) as pilot:
        strips = pilot.app.screen._compositor.render_strips()
        assert {strip.cell_length for strip in strips} == {120}
        rows = [strip.text for strip in strips]
        top = next(number for number, row in enumerate(rows) if "#8841" in row)
        assert rows[top].index("chat-l #8841") < rows[top].index("code-m #8843")
        for strip in strips[top + 1 : top + 4]:
            left, right = strip.crop(0, 60).text, strip.crop(60).text
            assert "日" in left or "幅" in left
            assert "שלום" not in left
            assert "שלום" in right or "عالم" in right or "مرحبا" in right
            assert left.rstrip()[-1] == right.lstrip()[0] == "│"


async def test_growing_text_jumps_by_half_a_pane_instead_of_scrolling_every_line() -> None:
    async with showing(default_state(requests=[request("8841", text="")]), (80, 24)) as pilot:
        pane = pilot.app.screen.query_one("#stream0", StreamPane)
        tops = []
        for number in range(60):
            pane.view.store._tokens(TokenBatch(id="8841", text=f"row {number}\n", tokens=number))
            pane.repaint()
            tops.append(pane._top)
            assert any(f"row {number}" in "".join(text for text, _ in spans) for spans in pane._lines)
        assert len(set(tops)) < 10
        assert tops == sorted(tops)


async def test_a_pane_that_got_higher_shows_text_from_its_beginning_if_all_of_it_fits() -> None:
    rows = "\n".join(f"row {number}" for number in range(18))
    async with showing(default_state(requests=[request("8841", text=rows)]), (80, 24)) as pilot:
        assert "row 0" not in "\n".join(screen_lines(pilot.app))
        await pilot.press("tab", "z")
        await settle(pilot)
        assert " row 0" in screen_lines(pilot.app)


async def test_a_finished_answer_fills_its_pane_to_the_end() -> None:
    rows = "\n".join(f"row {number}" for number in range(50))
    done = request("8841", phase="finished", outcome="ok", text=rows, finished_at=NOW)
    async with showing(default_state(requests=[done]), (80, 24)) as pilot:
        shown = [line.strip() for line in screen_lines(pilot.app) if line.strip().startswith("row")]
        assert shown[-1] == "row 49"
        assert len(shown) == 15


async def test_a_failed_answer_ends_with_its_code_and_reason() -> None:
    error = {
        "code": "dispatch.stream_broken",
        "message": "primary broke off in the middle of its answer: exit status 9",
    }
    broken = request(
        "1", phase="finished", outcome="failed", text="Once upon", error=error, status=200, finished_at=NOW
    )
    async with showing(default_state(requests=[broken]), (80, 24)) as pilot:
        text = "\n".join(screen_lines(pilot.app))
        assert "Once upon" in text
        assert "✖ dispatch.stream_broken: primary broke off" in text
        assert "failed 200" in text


def test_problems_come_in_the_order_of_their_weight_and_none_twice() -> None:
    store = Store()
    store.load(busy_state(config=rejected_config(), warnings=["open"]))
    found = problems.troubles(store)
    assert [trouble.key for trouble in found] == ["config 0", "config 1", "warning 0", "slot rerank", "error 2"]
    assert problems.has_troubles(store)
    assert found[3].cause.startswith("The backend started but ended")
    assert "rerank" in found[3].remedy
    store.load(default_state())
    assert not problems.has_troubles(store)


def test_a_failure_of_a_slot_names_its_crash_bundle_and_its_history() -> None:
    store = Store()
    store.load(busy_state())
    facts = dict(problems.troubles(store)[0].facts)
    assert facts["crash bundle"] == "20261122-123049-3f9a: `hal0 crash show 20261122-123049-3f9a`"
    assert facts["how it came"] == "`hal0 why rerank`"
    rerank = store.slots["rerank"]
    assert dict(detail.facts_of(rerank, NOW))["crash"] == facts["crash bundle"]


def test_a_failure_of_a_remote_is_not_told_as_that_of_a_slot() -> None:
    error = ErrorView(code="dispatch.remote_key_missing", message="openrouter cannot be reached")
    store = Store()
    store.load(state(errors=[ErrorRecord(id=1, error=error, slot="openrouter", first_at=NOW, last_at=NOW)]))
    (trouble,) = problems.troubles(store)
    assert trouble.subject == "openrouter"
    assert trouble.command == "hal0 explain dispatch.remote_key_missing"
    assert not any(value for _, value in trouble.facts)


def test_a_parked_slot_says_so() -> None:
    store = Store()
    parked = {"failures": 5, "parked": True, "retry_at": NOW + 598}
    store.load(default_state(slots=[slot("a", "error", **parked)]))
    assert problems.troubles(store)[0].did.startswith("failure 5 in a row: parked, next try in 9m58 (")


def test_every_theme_has_a_style_for_every_role() -> None:
    roles = {name: set(styles_of(name)) for name in THEME_NAMES}
    assert len({frozenset(found) for found in roles.values()}) == 1


def test_reverse_video_marks_the_selection_in_every_theme() -> None:
    for name in THEME_NAMES:
        for role in ("selected", "loud", "alarm"):
            assert styles_of(name)[role].reverse


def test_every_state_has_a_glyph_of_one_cell_in_both_sets_and_no_two_share_one() -> None:
    from rich.cells import cell_len

    for glyphs in (UNICODE, ASCII):
        for table in (glyphs.states, glyphs.lanes):
            assert len(table) == 9
            assert len(set(table.values())) == 9
            assert all(cell_len(glyph) == 1 for glyph in table.values())
    drawn = [*ASCII.states.values(), *ASCII.lanes.values(), ASCII.steps, ASCII.sparks, ASCII.marker, ASCII.ellipsis]
    assert "".join(drawn).isascii()


def test_the_selection_stays_on_its_slot_when_others_come_and_go() -> None:
    from hal0.tui.look import Look

    store = Store()
    view = View(store, Look.of("hal0-dark"))
    store.load(busy_state())
    view.select("embed")
    store.load(busy_state(slots=[slot("new"), *busy_state().slots]))
    current = view.slot()
    assert current is not None
    assert current.name == "embed"
    store.load(default_state(slots=[slot("other")]))
    current = view.slot()
    assert current is not None
    assert current.name == "other"


def test_an_answer_leaves_the_weightiest_keys_in_the_footer_unless_something_failed() -> None:
    def told(text: str, role: str, place: Place, width: int) -> str:
        spans = notice_line(Notice(text, role, 0.0), keys_at(place), width, UNICODE)
        assert width_of(spans) <= width
        return "".join(text for text, _ in spans)

    asked = told("load chat-l: asked", "muted", "slots", 80)
    assert asked.startswith(" load chat-l: asked  ")
    assert asked.endswith("? help  q quit ")
    assert "l load" in asked
    long = told("locked: " + "x" * 200, "warn", "slots", 80)
    assert long.startswith(" locked: xx")
    assert long.endswith("? help  q quit ")
    assert "esc leave it" in told("locked: " + "x" * 200, "warn", "confirm", 100)
    assert told("config.clash: " + "x" * 200, "alarm", "slots", 80).strip() == "config.clash: " + "x" * 63 + "…"
    assert "q quit" in told("config.clash: no", "alarm", "slots", 80)
    assert told("深い森" * 40, "warn", "slots", 41)
