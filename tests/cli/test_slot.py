"""`hal0 slot`: lists, details, verbs that wait for their outcome, logs."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from hal0.cli.output import Cell
from hal0.cli.slot import STATES
from hal0.errors import Hal0Error
from hal0.tui.look import UNICODE
from hal0.wire import (
    Accepted,
    CommandView,
    ErrorView,
    FitView,
    LogLines,
    SlotEffect,
    SlotState,
    SlotView,
    SwapStep,
    SwapView,
)
from tests.cli import pictures
from tests.cli.conftest import OpenTerminal, Run
from tests.fakes.admin import Body, FakeAdmin


def slots_of(*views: SlotView) -> bytes:
    return json.dumps({"slots": [view.model_dump(mode="json") for view in views]}).encode()


def test_glyphs_are_the_dashboards() -> None:
    assert {state: glyph for state, (glyph, _) in STATES.items()} == UNICODE.states


def test_a_list_in_a_pipe_is_aligned_text_of_any_width(hal0: Run, admin: FakeAdmin) -> None:
    long = "a-model-with-a-name-that-is-much-longer-than-any-column-of-a-terminal-would-be-if-there-were-one"
    admin.answers["GET /api/slots"] = slots_of(pictures.slot(model=long), pictures.failed_slot())
    header, first, second = hal0("slot", "list").out.splitlines()
    assert long in first
    assert "✖  coder" in second
    assert "slot.load_failed ×5, parked" in second
    assert header.index("STATE") == first.index("ready") == second.index("error")


def test_a_list_on_a_terminal_has_colours_and_fits(admin: FakeAdmin, terminal: OpenTerminal) -> None:
    admin.answers["GET /api/slots"] = slots_of(pictures.slot())
    screen = terminal("slot", "list")
    assert screen.wait() == 0
    assert "\x1b[32m" in screen.screen
    assert "primary" in screen.screen


def test_an_escape_sequence_in_a_name_is_shown_not_obeyed(admin: FakeAdmin, terminal: OpenTerminal) -> None:
    admin.answers["GET /api/slots"] = slots_of(pictures.slot(model="x\x1b]0;owned\x07y\x9b2J"))
    screen = terminal("slot", "list", NO_COLOR="1")
    assert screen.wait() == 0
    assert "\x1b]0" not in screen.screen
    assert "\x9b" not in screen.screen


def test_json_keeps_fields_that_this_version_does_not_know(hal0: Run, admin: FakeAdmin) -> None:
    view = {**pictures.slot().model_dump(mode="json"), "of_the_future": 1}
    admin.answers["GET /api/slots"] = json.dumps({"slots": [view]})
    assert json.loads(hal0("slot", "list", "--json").out)["slots"][0]["of_the_future"] == 1


COMMAND = CommandView(
    argv=["llama-server", "--ctx-size", "1024"],
    env={"OMP_WAIT_POLICY": "passive"},
    origins=["machine", "hal0", "config slots.coder.context"],
)


def test_show_tells_the_failure_its_output_and_where_the_command_line_comes_from(hal0: Run, admin: FakeAdmin) -> None:
    admin.answers["GET /api/slots/coder"] = pictures.failed_slot()
    admin.answers["GET /api/slots/coder/command"] = COMMAND
    ended = hal0("slot", "show", "coder")
    assert ended.status == 0
    assert "slot.load_failed  coder could not load its model: out of memory" in ended.out
    assert "  ggml: failed to allocate" in ended.out
    assert "OMP_WAIT_POLICY=passive llama-server --ctx-size 1024" in ended.out
    assert "--ctx-size    hal0" in ended.out
    both = json.loads(hal0("slot", "show", "coder", "--json").out)
    assert both["error"]["code"] == "slot.load_failed"
    assert both["command"]["origins"] == COMMAND.origins


@pytest.mark.parametrize(
    ("state", "up", "told"),
    [("serving", 7500, "serving  up for 2h05"), ("warming", 130, "for 2m10"), ("offline", None, "for 1m05")],
)
def test_show_tells_for_how_long_it_is_up_whatever_it_has_served_since(
    hal0: Run, admin: FakeAdmin, state: str, up: float | None, told: str
) -> None:
    now = time.time()
    up_since = None if up is None else now - up
    admin.answers["GET /api/slots/primary"] = pictures.slot(state=state, since=now - 65, up_since=up_since)
    assert told in hal0("slot", "show", "primary").out.splitlines()[0]


def test_show_says_where_a_backend_runs_and_that_it_takes_no_key(hal0: Run, admin: FakeAdmin) -> None:
    admin.answers["GET /api/slots/primary"] = pictures.slot()
    no_key = "it takes no key: any program of this machine can ask it"
    for command, is_open in ((COMMAND, False), (COMMAND.model_copy(update={"key": "", "cwd": "/srv/tts"}), True)):
        admin.answers["GET /api/slots/primary/command"] = command
        shown = hal0("slot", "show", "primary").out
        assert (no_key in shown, "in the folder /srv/tts" in shown) == (is_open, is_open)


def test_show_tells_what_a_slot_takes_of_each_memory(hal0: Run, admin: FakeAdmin) -> None:
    taken = {"memory_bytes": 900 * 2**20, "private_bytes": 200 * 2**20, "gpu_bytes": {"gpu1": 3 * 2**30, "gpu0": 2**30}}
    admin.answers["GET /api/slots/primary"] = pictures.slot(**taken)
    admin.answers["GET /api/slots/primary/command"] = COMMAND
    assert (
        "900M resident, 200M without mapped files; 1.0G of gpu0; 3.0G of gpu1\n" in hal0("slot", "show", "primary").out
    )


def test_show_works_for_a_slot_whose_engine_is_missing(hal0: Run, admin: FakeAdmin) -> None:
    admin.answers["GET /api/slots/primary"] = pictures.slot(state="offline", pid=None)
    admin.answers["GET /api/slots/primary/command"] = Hal0Error(
        "slot.engine_missing", slot="primary", missing="libgomp.so.1 is not there", fix="apt install libgomp1"
    )
    ended = hal0("slot", "show", "primary")
    assert ended.status == 0
    assert "slot.engine_missing" in ended.out
    assert "apt install libgomp1" in ended.out


def test_an_unknown_slot_is_refused_with_the_daemons_code(hal0: Run, admin: FakeAdmin) -> None:
    admin.answers["GET /api/slots/primry"] = Hal0Error(
        "slot.not_found", slot="primry", nearest="; did you mean 'primary'?"
    )
    ended = hal0("slot", "load", "primry")
    assert ended.status == 1
    assert ended.err.startswith("error: slot.not_found: there is no slot named 'primry'; did you mean 'primary'?\n→ ")
    assert [route for route, _ in admin.asked] == ["GET /api/slots/primry"]


def test_a_name_with_odd_characters_stays_one_part_of_the_path(hal0: Run, admin: FakeAdmin) -> None:
    hal0("slot", "show", "../state?x=1#y")
    assert admin.asked[0][0] == "GET /api/slots/..%2Fstate%3Fx%3D1%23y"


def prepare(admin: FakeAdmin, verb: str, *views: SlotView) -> None:
    admin.answers["GET /api/slots/primary"] = list[Body](views)
    admin.answers[f"POST /api/slots/primary/{verb}"] = Accepted(operation=f"{verb}-7", slot="primary", since=7)


def test_load_waits_until_the_slot_is_ready(hal0: Run, admin: FakeAdmin) -> None:
    states = [
        pictures.slot(state="offline", since=1),
        pictures.slot(state="starting", since=2),
        pictures.slot(state="warming", since=3, progress=0.5),
        pictures.slot(state="ready", since=4),
    ]
    prepare(admin, "load", *states)
    ended = hal0("slot", "load", "primary")
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.startswith("primary: ready after 0.")
    assert ("POST /api/slots/primary/load", b"") in admin.asked


def test_what_is_so_already_is_told_as_that(hal0: Run, admin: FakeAdmin) -> None:
    prepare(admin, "load", pictures.slot(state="idle"))
    assert hal0("slot", "load", "primary").out == "primary: idle already\n"
    prepare(admin, "unload", pictures.slot(state="offline", pid=None))
    assert hal0("slot", "unload", "primary").out == "primary: offline already\n"


def test_a_slot_whose_model_is_missing_is_made_and_that_is_told_loudly(hal0: Run, admin: FakeAdmin) -> None:
    missing = Hal0Error("model.not_found", model="qwen3-4bb", nearest="; did you mean 'qwen3-4b'?")
    others = SlotEffect(name="old", effect="keep", problem="there is no model named 'm' (model.not_found)")
    admin.answers["PUT /api/slots/new"] = pictures.config(effects=[SlotEffect(name="new", effect="add"), others])
    admin.answers["GET /api/slots/new/command"] = missing
    ended = hal0("slot", "create", "new", "qwen3-4bb")
    assert ended.status == 0
    assert "is new" in ended.out
    assert "old" not in ended.out, "what others lack is another matter"
    assert ended.err == f"warning: model.not_found: {missing.message}\n→ {missing.remedy}\n"
    assert hal0("slot", "create", "new", "qwen3-4bb", "--json").err == ""
    admin.answers["GET /api/slots/new/command"] = COMMAND
    assert hal0("slot", "create", "new", "qwen3-4b").err == ""


def test_a_dry_run_names_the_slot_and_says_when_nothing_would_be_started(hal0: Run, admin: FakeAdmin) -> None:
    admin.answers["GET /api/slots/primary/fit"] = FitView(verdict="evict", would_go=["embed"])
    admin.answers["GET /api/slots/primary"] = pictures.slot(state="offline", pid=None)
    out = hal0("slot", "load", "primary", "--dry-run").out
    assert out.startswith("primary\n")
    assert "unloaded, in this order: embed" in out
    admin.answers["GET /api/slots/primary"] = pictures.slot()
    ended = hal0("slot", "load", "primary", "--dry-run")
    assert (ended.status, ended.out) == (0, "primary: ready already, nothing would be started\n")


def of_slots(admin: FakeAdmin, verb: str, **views: list[SlotView]) -> None:
    admin.answers["GET /api/slots"] = slots_of(*(each[0] for each in views.values()))
    for name, each in views.items():
        admin.answers[f"GET /api/slots/{name}"] = list[Body](each)
        admin.answers[f"POST /api/slots/{name}/{verb}"] = Accepted(operation=f"{verb}-7", slot=name, since=7)


def test_several_slots_are_asked_first_and_awaited_then(hal0: Run, admin: FakeAdmin) -> None:
    coming = [pictures.slot("a", state="offline", since=1), pictures.slot("a", state="ready", since=2)]
    of_slots(admin, "load", a=coming, b=[pictures.slot("b")])
    ended = hal0("slot", "load", "a", "b")
    assert (ended.status, [line.split(" after")[0] for line in ended.out.splitlines()]) == (
        0,
        ["a: ready", "b: ready already"],
    )
    asked = [route for route, _ in admin.asked]
    assert asked[2:4] == ["POST /api/slots/a/load", "POST /api/slots/b/load"]


def test_one_slot_that_fails_ends_nothing_for_the_others(hal0: Run, admin: FakeAdmin) -> None:
    failing = [pictures.slot("coder", state="offline", since=1), pictures.failed_slot(since=2)]
    of_slots(admin, "load", coder=failing, b=[pictures.slot("b")])
    ended = hal0("slot", "load", "coder", "b")
    assert ended.status == 1
    assert ended.err.startswith("error: slot.load_failed: coder could not load its model: out of memory")
    assert ended.out == "b: ready already\n"
    assert [each["name"] for each in json.loads(hal0("slot", "load", "b", "b", "--json").out)["slots"]] == ["b", "b"]


def test_all_slots_that_run_are_unloaded(hal0: Run, admin: FakeAdmin) -> None:
    going = [pictures.slot("a", since=1), pictures.slot("a", state="offline", since=2)]
    of_slots(admin, "unload", a=going, b=[pictures.slot("b", state="offline", pid=None)])
    assert hal0("slot", "unload", "--all").out.startswith("a: offline after ")
    assert [route for route, _ in admin.asked if route.startswith("POST")] == ["POST /api/slots/a/unload"]


@pytest.mark.parametrize("words", [[], ["--all", "primary"]])
def test_a_verb_wants_names_or_all_of_them(hal0: Run, words: list[str]) -> None:
    ended = hal0("slot", "unload", *words)
    assert (ended.status, "name " in ended.err) == (2, True)


@pytest.mark.parametrize(("words", "drain"), [((), "grace"), (("--drain", "now"), "now"), (("--drain=wait",), "wait")])
def test_how_long_requests_may_go_on_is_told(hal0: Run, admin: FakeAdmin, words: tuple[str, ...], drain: str) -> None:
    prepare(admin, "unload", pictures.slot(state="offline", pid=None))
    assert hal0("slot", "unload", "primary", *words).status == 0
    assert ("POST /api/slots/primary/unload", json.dumps({"drain": drain}).encode()) in admin.asked


def test_the_command_line_alone_is_one_line_for_a_shell(hal0: Run, admin: FakeAdmin) -> None:
    admin.answers["GET /api/slots/primary/command"] = COMMAND
    ended = hal0("slot", "command", "primary")
    assert (ended.status, ended.out) == (0, "OMP_WAIT_POLICY=passive llama-server --ctx-size 1024\n")
    assert json.loads(hal0("slot", "command", "primary", "--json").out)["origins"] == COMMAND.origins


def test_load_shows_how_far_it_is_on_a_terminal(admin: FakeAdmin, terminal: OpenTerminal) -> None:
    prepare(
        admin,
        "load",
        pictures.slot(state="offline"),
        *[pictures.slot(state="warming", progress=0.5)] * 3,
        pictures.slot(),
    )
    screen = terminal("slot", "load", "primary")
    assert screen.wait() == 0
    assert "primary  warming 50%" in screen.screen


def test_a_load_that_fails_ends_with_1_and_the_slots_code(hal0: Run, admin: FakeAdmin) -> None:
    failed = pictures.failed_slot(name="primary", since=9, retry_at=None)
    prepare(admin, "load", pictures.slot(state="offline", since=1), pictures.slot(state="starting", since=2), failed)
    ended = hal0("slot", "load", "primary")
    assert (ended.status, ended.out) == (1, "")
    assert ended.err.startswith("error: slot.load_failed: coder could not load its model: out of memory\n→ ")


def test_an_earlier_failure_is_not_taken_for_the_outcome(hal0: Run, admin: FakeAdmin) -> None:
    old = pictures.failed_slot(name="primary", since=9)
    prepare(admin, "load", old, old, pictures.slot(state="starting", since=10), pictures.slot(state="ready", since=11))
    assert hal0("slot", "load", "primary").status == 0


def test_a_restart_is_done_when_the_next_run_is_ready(hal0: Run, admin: FakeAdmin) -> None:
    prepare(
        admin, "restart",
        pictures.slot(state="serving", run=3), pictures.slot(state="serving", run=3),
        pictures.slot(state="unloading", run=3), pictures.slot(state="offline", run=3),
        pictures.slot(state="ready", run=4),
    )  # fmt: skip
    ended = hal0("slot", "restart", "primary", "--json")
    assert json.loads(ended.out)["run"] == 4


def test_a_restart_of_a_failed_slot_is_done_when_it_is_up(hal0: Run, admin: FakeAdmin) -> None:
    before = pictures.failed_slot(name="primary", since=1, run=4)
    prepare(admin, "restart", before, before, pictures.slot(state="starting", run=4), pictures.slot(run=4))
    assert hal0("slot", "restart", "primary").out.startswith("primary: ready after ")


def test_unload_is_done_when_nothing_runs(hal0: Run, admin: FakeAdmin) -> None:
    prepare(
        admin, "unload", pictures.slot(), pictures.slot(state="unloading"), pictures.slot(state="offline", pid=None)
    )
    assert hal0("slot", "unload", "primary").out.startswith("primary: offline after ")


def test_a_load_that_someone_else_undid_does_not_wait_for_ever(hal0: Run, admin: FakeAdmin) -> None:
    prepare(
        admin, "load", pictures.slot(state="offline"), pictures.slot(state="starting"), pictures.slot(state="offline")
    )
    ended = hal0("slot", "load", "primary")
    assert ended.status == 1
    assert ended.err.startswith("error: slot.not_ready: primary is still offline")


def test_no_wait_ends_as_soon_as_the_daemon_has_accepted(hal0: Run, admin: FakeAdmin) -> None:
    prepare(admin, "load", pictures.slot(state="offline"))
    assert hal0("slot", "load", "--no-wait", "primary").out == "primary: load accepted\n"
    assert json.loads(hal0("slot", "load", "--no-wait", "--json", "primary").out)["operation"] == "load-7"


def test_logs_are_printed_as_they_are_into_a_pipe(hal0: Run, admin: FakeAdmin) -> None:
    admin.answers["GET /api/slots/primary/logs"] = LogLines(name="primary", lines=["one", "\x1b[31mtwo\x1b[0m"])
    assert hal0("slot", "logs", "primary", "-n", "2").out == "one\n\x1b[31mtwo\x1b[0m\n"
    assert admin.asked[0][0] == "GET /api/slots/primary/logs?lines=2"


def test_logs_on_a_terminal_cannot_act_on_it(admin: FakeAdmin, terminal: OpenTerminal) -> None:
    admin.answers["GET /api/slots/primary/logs"] = LogLines(name="primary", lines=["\x1b[2Jtwo\x07"])
    screen = terminal("slot", "logs", "primary")
    assert screen.wait() == 0
    assert "\x1b" not in screen.screen
    assert "two" in screen.screen


def test_followed_logs_are_printed_as_they_come_until_the_daemon_ends(hal0: Run, admin: FakeAdmin) -> None:
    def pieces() -> Iterator[bytes]:
        first = LogLines(name="primary", lines=["one", "two"]).model_dump_json().encode()
        yield b": keep-alive\n\ndata: " + first[:9]
        yield first[9:] + b"\n\n"
        yield b"data: " + LogLines(name="primary", lines=["three"]).model_dump_json().encode() + b"\n\n"
        yield b""

    admin.answers["GET /api/slots/primary/logs"] = pieces
    ended = hal0("slot", "logs", "-f", "primary")
    assert ended.out == "one\ntwo\nthree\n"
    assert ended.err.startswith("error: system.daemon_down: ")
    assert ended.status == 1
    assert admin.asked[0][0] == "GET /api/slots/primary/logs?follow=1"


@pytest.mark.parametrize(("words", "asked"), [(["1h30m"], "seconds=5400"), (["500ms", "-n", "7"], "lines=7&seconds=1")])
def test_logs_of_the_last_while_are_asked_for_by_a_time(
    hal0: Run, admin: FakeAdmin, words: list[str], asked: str
) -> None:
    admin.answers["GET /api/slots/primary/logs"] = LogLines(name="primary", lines=["one"])
    assert hal0("slot", "logs", "primary", "--since", *words).out == "one\n"
    assert admin.asked[0][0] == f"GET /api/slots/primary/logs?{asked}"
    wrong = hal0("slot", "logs", "primary", "--since", "soon")
    assert wrong.status == 2
    assert "'soon' is no time such as 90s, 10m or 1h30m" in wrong.err


@pytest.mark.parametrize("state", STATES)
def test_every_state_has_a_colour(state: SlotState) -> None:
    assert Cell(*STATES[state]).style


def swapped(step: SwapStep, **more: Any) -> SlotView:
    fields = {"operation": "swap-7", "model": "second", "before": "starter", "step": step, **more}
    swap = SwapView.model_validate(fields)
    return pictures.slot(model="second", swap=swap)


def prepare_swap(admin: FakeAdmin, *views: SlotView) -> None:
    admin.answers["GET /api/slots/primary"] = list[Body](views)
    admin.answers["POST /api/slots/primary/swap"] = Accepted(operation="swap-7", slot="primary", since=7)


def test_a_swap_is_waited_for_until_the_new_model_is_ready(hal0: Run, admin: FakeAdmin) -> None:
    prepare_swap(admin, swapped("under way"), swapped("done"))
    ended = hal0("slot", "swap", "primary", "second", "--drain", "wait")
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.startswith("primary: second is ready after ")
    assert admin.asked[0] == ("POST /api/slots/primary/swap", b'{"model": "second", "drain": "wait"}')
    prepare_swap(admin, swapped("done"))
    assert json.loads(hal0("slot", "swap", "primary", "second", "--json").out)["swap"]["step"] == "done"
    assert hal0("slot", "swap", "primary", "second", "--no-wait").out == "primary: swap to second accepted\n"


def test_a_swap_that_failed_ends_with_1_and_says_what_became_of_both(hal0: Run, admin: FakeAdmin) -> None:
    facts = {"slot": "primary", "model": "second", "reason": "out of memory", "then": "starter runs again"}
    error = Hal0Error("slot.swap_failed", **facts)
    told = ErrorView(code=error.code, message=error.message, details=error.details)
    prepare_swap(admin, swapped("under way"), swapped("going back"), swapped("failed", error=told))
    ended = hal0("slot", "swap", "primary", "second")
    assert (ended.status, ended.out) == (1, "")
    sentence = "primary could not be swapped to second: out of memory; starter runs again"
    assert ended.err.startswith(f"error: slot.swap_failed: {sentence}")


@pytest.mark.parametrize("view", [swapped("called off"), pictures.slot(), swapped("done", operation="swap-8")])
def test_a_swap_that_was_called_off_or_overtaken_is_no_success(hal0: Run, admin: FakeAdmin, view: SlotView) -> None:
    prepare_swap(admin, view)
    ended = hal0("slot", "swap", "primary", "second")
    assert (ended.status, ended.err.split(":")[1]) == (1, " slot.swap_called_off")


@pytest.mark.parametrize(("verb", "pinned"), [("pin", "true"), ("unpin", "false")])
def test_a_slot_is_pinned_by_an_edit(hal0: Run, admin: FakeAdmin, verb: str, pinned: str) -> None:
    change = f"slots.primary.pinned: false → {pinned}"
    admin.answers["PATCH /api/slots/primary"] = pictures.config(revision=5, changes=[change])
    assert change in hal0("slot", verb, "primary").out
    assert admin.asked[-1:] == [("PATCH /api/slots/primary", f'{{"pinned": {pinned}}}'.encode())]
