"""Slots in another order, and several of them at once."""

from pathlib import Path

import pytest

from hal0.tui.look import Look
from hal0.tui.sorting import SORTS, following
from hal0.tui.store import Store
from hal0.tui.view import View
from tests.tui.live import live
from tests.tui.samples import busy_state, default_state, request


def view_of() -> View:
    store = Store()
    store.load(busy_state())
    return View(store, Look.of("hal0-dark"))


def names(view: View) -> list[str]:
    return [slot.name for slot in view.slots()]


CONFIGURED = ["chat-l", "code-m", "embed", "vision", "long", "draft", "rerank"]


@pytest.mark.parametrize(
    ("title", "order"),
    [
        ("slot", ["chat-l", "code-m", "draft", "embed", "long", "rerank", "vision"]),
        ("state", ["rerank", "vision", "chat-l", "code-m", "embed", "long", "draft"]),
        ("model", ["embed", "rerank", "long", "vision", "draft", "chat-l", "code-m"]),
        ("mem", ["long", "chat-l", "code-m", "vision", "embed", "draft", "rerank"]),
        ("tok/s", ["chat-l", "code-m", "long", "embed", "vision", "draft", "rerank"]),
        ("ttft", ["long", "code-m", "chat-l", "embed", "vision", "draft", "rerank"]),
        ("req", ["chat-l", "code-m", "embed", "vision", "long", "draft", "rerank"]),
        ("since", ["code-m", "rerank", "vision", "chat-l", "long", "embed", "draft"]),
    ],
)
def test_each_column_has_its_order_and_what_has_no_value_stands_last(title: str, order: list[str]) -> None:
    view = view_of()
    view.sort = next(sort for sort in SORTS if sort.title == title)
    assert names(view) == order
    values = [view.sort.value(slot, view.store.load_of(slot)) for slot in view.slots()]
    view.is_reversed = True
    known = [value for value in values if value is not None]
    again = [view.sort.value(slot, view.store.load_of(slot)) for slot in view.slots()]
    assert again == [*reversed(known), *[None] * (len(values) - len(known))]


def test_o_goes_through_all_columns_and_back_to_the_configuration() -> None:
    seen = []
    sort = following(None)
    while sort is not None:
        seen.append(sort)
        sort = following(sort)
    assert seen == list(SORTS)
    view = view_of()
    assert names(view) == CONFIGURED
    view.is_reversed = True
    assert names(view) == CONFIGURED[::-1]


async def test_o_and_capital_o_sort_the_table_and_the_selection_stays(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state()) as both:
        await both.press("j", "j")
        await both.press("o")
        await both.sees("sort:slot")
        assert both.dashboard.view.slot().name == "embed"  # type: ignore[union-attr]
        await both.press("O")
        await both.sees("sort:slot reversed")
        rows = [line for line in both.screen.splitlines() if "vision" in line or "chat-l" in line]
        assert "vision" in rows[0] or "vision" in rows[1]
        assert names(both.dashboard.view)[0] == "vision"


async def test_verbs_act_on_all_marked_slots_and_then_the_marks_are_gone(tmp_path: Path) -> None:
    async with live(tmp_path, default_state()) as both:
        await both.press("space", "space")
        await both.sees("2 marked")
        await both.press("l")
        for name in ("primary", "embed"):
            await both.daemon.wait_for_call("POST", f"/api/slots/{name}/load")
        await both.no_longer_sees("marked")
        await both.press("space")
        await both.sees("1 marked")
        await both.press("space", "escape")
        await both.no_longer_sees("marked")
        await both.press("g", "space", "g", "space")
        await both.no_longer_sees("marked")


async def test_a_marked_slot_that_the_filter_hides_is_left_alone(tmp_path: Path) -> None:
    async with live(tmp_path, default_state()) as both:
        await both.press("space", "space", "slash", *"prim", "enter")
        await both.sees("1 marked")
        await both.press("l")
        await both.daemon.wait_for_call("POST", "/api/slots/primary/load")
        assert ("POST", "/api/slots/embed/load") not in both.daemon.calls


async def test_one_question_for_all_marked_slots_with_requests(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state()) as both:
        await both.press("space", "space", "space", "u")
        await both.sees(
            "unload chat-l, code-m, embed", "3 requests", "#8841", "#8843", "Each slot takes no new request"
        )
        await both.press("w")
        for name in ("chat-l", "code-m", "embed"):
            await both.daemon.wait_for_call("POST", f"/api/slots/{name}/unload")
            assert both.daemon.bodies[("POST", f"/api/slots/{name}/unload")] == {"drain": "wait"}


async def test_the_question_lists_every_request_of_the_marked_slots_for_which_there_is_room(tmp_path: Path) -> None:
    many = [request(str(9000 + number), ("chat-l", "code-m")[number % 2]) for number in range(12)]
    async with live(tmp_path, busy_state(requests=many), (80, 36)) as both:
        await both.press("space", "space", "r")
        await both.sees("12 requests", *(f"#{9000 + number}" for number in range(12)), "let the requests finish")
        await both.pilot.resize_terminal(80, 20)
        await both.sees("more", "let the requests finish", "#9002")
        assert "#9011" not in both.screen


async def test_leaving_it_keeps_the_marks(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state()) as both:
        await both.press("space", "space", "r")
        await both.sees("restart chat-l, code-m")
        await both.press("escape")
        await both.sees("2 marked")
        assert not [call for call in both.daemon.calls if call[0] == "POST"]


async def test_pin_makes_marked_slots_alike(tmp_path: Path) -> None:
    async with live(tmp_path, default_state()) as both:
        both.daemon.change_slot("primary", pinned=True)
        await both.sees("⊤")
        await both.press("space", "space", "P")
        for name in ("primary", "embed"):
            await both.daemon.wait_for_call("POST", f"/api/slots/{name}/pin")
            assert both.daemon.bodies[("POST", f"/api/slots/{name}/pin")] == {"pinned": True}
