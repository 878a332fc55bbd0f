"""What really reaches the terminal, byte for byte."""

import re
from pathlib import Path
from typing import Any

import pytest

from hal0.wire import ErrorRecord, ErrorView, SlotView, TokenBatch
from tests.fakes.daemon import FakeDaemon
from tests.tui.samples import (
    CPU,
    GPU0,
    MEMORY,
    busy_state,
    default_state,
    rejected_config,
    request,
    slot,
    state,
)
from tests.tui.terminal import terminal

EVIL = {
    "title": "\x1b]0;OWNED\x07",
    "clipboard": "\x1b]52;c;T1dORUQ=\x1b\\",
    "clear": "\x1b[2;77J",
    "c1": "\x9b5;42z",
    "device control": "\x1bP+q544e\x1b\\",
    "application": "\x1b_G1\x1b\\",
    "bell and back": "\x07\x08\x08\x7f",
    "direction": "\u202egnorw\u202c",
    "shift out": "\x0e\x1b(0",
}
POISON = "".join(EVIL.values())


def poisoned_state() -> Any:
    error = ErrorView(
        code="slot.load_failed", message=f"bad {POISON}", details={"slot": f"s{POISON}", "reason": POISON}
    )
    slots: list[SlotView] = [
        slot(f"chat{POISON}", model=f"model{POISON}", engine=f"engine{POISON}", aliases=[POISON]),
        slot("broken", "error", error=error, log_tail=[f"log {POISON}"], failures=2, model=POISON),
    ]
    return state(
        host=f"host{POISON}",
        slots=slots,
        warnings=[f"warning {POISON}"],
        devices=[CPU.model_copy(update={"name": POISON}), MEMORY, GPU0.model_copy(update={"name": f"GPU 1{POISON}"})],
        requests=[request(f"id{POISON}", f"chat{POISON}", prompt=f"prompt {POISON}", text=f"text {POISON}", tokens=3)],
        config=rejected_config().model_copy(
            update={
                "path": POISON,
                "problems": [
                    problem.model_copy(update={"message": POISON, "source": POISON, "file": POISON, "hint": POISON})
                    for problem in rejected_config().problems
                ],
            }
        ),
        errors=[ErrorRecord(id=1, error=error, slot=POISON, request=POISON, first_at=1, last_at=2)],
    )


@pytest.mark.parametrize("size", [(80, 24), (200, 60)])
async def test_no_escape_sequence_from_data_reaches_the_terminal(tmp_path: Path, size: tuple[int, int]) -> None:
    evil_state = poisoned_state()
    name = evil_state.slots[0].name
    async with (
        FakeDaemon(evil_state, tmp_path / "s") as daemon,
        terminal("--socket", str(tmp_path / "s"), size=size) as screen,
    ):
        daemon.logs["broken"] = [f"line {POISON}"]
        await daemon.wait_for_dashboard()
        request_id = evil_state.requests[0].id
        for _ in range(3):
            daemon.publish(
                "request.tokens", TokenBatch(id=request_id, text=f"more {POISON}", reasoning=POISON, tokens=9)
            )
        daemon.publish("slot.transition", slot(name, "warming", model=POISON))
        await screen.shows("␛]0;OWNED␇")
        for keys, text in (("e", "problem 1 of"), ("]", "problem 2 of"), ("]", "problem 3 of"), ("?", "keys in")):
            before = len(screen.output)
            screen.type(keys)
            await screen.until(lambda output, text=text, before=before: text.encode() in output[before:])  # type: ignore[misc]
        output = re.sub(rb"\x1b\]22;[a-z-]*\x07", b"", screen.output)  # Textual's own: the shape of the mouse pointer
    for kind, sequence in EVIL.items():
        assert sequence.encode() not in output, kind
    for forbidden in (b"\x1b]0;", b"\x1b]52;", b"\x1bP", b"\x1b_", b"\x07", b"\x08", b"\x7f", b"\x0e", b"\x1b(0"):
        assert forbidden not in output, forbidden
    assert not re.search("[\x80-\x9f\u202a-\u202e\u2066-\u2069]", output.decode())


async def test_with_no_color_no_colour_is_sent_and_the_selection_is_still_seen(tmp_path: Path) -> None:
    async with (
        FakeDaemon(busy_state(), tmp_path / "s"),
        terminal("--socket", str(tmp_path / "s"), NO_COLOR="1") as screen,
    ):
        await screen.shows("rerank")
        screen.type("j")
        await screen.shows("code-m")
        colours = [
            parameters
            for parameters in re.findall(rb"\x1b\[([\d;]*)m", screen.output)
            if any(30 <= int(code or 0) <= 48 and int(code or 0) not in (39,) for code in parameters.split(b";"))
            or any(90 <= int(code or 0) <= 107 for code in parameters.split(b";"))
        ]
        assert colours == []
        assert any(b"7" in parameters.split(b";") for parameters in re.findall(rb"\x1b\[([\d;]*)m", screen.output))


async def test_in_ascii_mode_nothing_but_ascii_is_sent(tmp_path: Path) -> None:
    talking = default_state(requests=[request("8841", text="Grüße, 深い森, “quoted” — done…", tokens=5)])
    async with FakeDaemon(talking, tmp_path / "s"), terminal("--socket", str(tmp_path / "s"), "--ascii") as screen:
        await screen.shows('Gru?e, ??????, "quoted" - done~')
        screen.type("?")
        await screen.shows("keys in slots")
        assert screen.output.isascii()


async def test_a_terminal_of_another_encoding_gets_ascii_by_itself(tmp_path: Path) -> None:
    async with (
        FakeDaemon(busy_state(), tmp_path / "s"),
        terminal("--socket", str(tmp_path / "s"), LC_ALL="C") as screen,
    ):
        await screen.shows("rerank")
        assert screen.output.isascii()


async def test_q_leaves_the_terminal_as_it_was(tmp_path: Path) -> None:
    async with FakeDaemon(default_state(), tmp_path / "s"), terminal("--socket", str(tmp_path / "s")) as screen:
        await screen.shows("primary")
        screen.type("q")
        assert await screen.process.wait() == 0
        await screen.until(lambda output: b"\x1b[?1049l" in output and b"\x1b[?25h" in output)
        assert b"Traceback" not in screen.output


async def test_ctrl_l_sends_the_whole_screen_again(tmp_path: Path) -> None:
    async with FakeDaemon(default_state(), tmp_path / "s"), terminal("--socket", str(tmp_path / "s")) as screen:
        await screen.shows("all-minilm")
        await screen.shows("no request to primary")
        before = len(screen.output)
        screen.type("\x0c")
        await screen.until(lambda output: b"all-minilm" in output[before:] and b"restart" in output[before:])


async def test_a_daemon_that_is_killed_and_started_again_is_survived(tmp_path: Path) -> None:
    async with terminal("--socket", str(tmp_path / "s")) as screen:
        await screen.shows("daemon not reachable")
        async with FakeDaemon(default_state(), tmp_path / "s"):
            await screen.shows("hal0-starter")
        before = len(screen.output)
        await screen.until(lambda output: b"daemon not reachable" in output[before:])
        async with FakeDaemon(busy_state(), tmp_path / "s"):
            await screen.shows("qwen3-coder")


BROKEN = """
import sys
from pathlib import Path
from hal0.tui.app import Dashboard
from hal0.tui.client import Address, Client
from hal0.tui.look import Look

class Broken(Dashboard):
    def begin(self):
        self.set_timer(0.05, lambda: 1 / 0)

dashboard = Broken(Client(Address(Path("nowhere"))), Look.of("hal0-dark"), crash_file=Path(sys.argv[1]))
dashboard.run()
print(dashboard.failure)
"""


async def test_a_defect_of_the_dashboard_is_told_with_its_code_and_kept_in_a_file(tmp_path: Path) -> None:
    program = tmp_path / "broken.py"
    program.write_text(BROKEN)
    crash_file = tmp_path / "state" / "crash.txt"
    async with terminal(str(crash_file), program=[str(program)]) as screen:
        await screen.process.wait()
        await screen.shows("system.internal: hal0 itself failed: the dashboard broke")
        assert b"Traceback" not in screen.output
    assert "ZeroDivisionError" in crash_file.read_text()


async def test_a_wish_to_end_leaves_the_terminal_as_it_was(tmp_path: Path) -> None:
    async with FakeDaemon(default_state(), tmp_path / "s"), terminal("--socket", str(tmp_path / "s")) as screen:
        await screen.shows("primary")
        screen.process.terminate()
        assert await screen.process.wait() == 0
        await screen.until(lambda output: b"\x1b[?1049l" in output)
