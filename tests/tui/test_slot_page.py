"""The slot page: facts, the ledger, the command line; it follows what the slot does."""

from pathlib import Path

from hal0.errors import Hal0Error
from hal0.tui.screens.home import Home
from hal0.wire import CommandView, LedgerEntry
from tests.tui.live import live
from tests.tui.samples import NOW, busy_state

COMMAND = CommandView(
    argv=["/usr/bin/llama-server", "--ctx-size", "32768", "--port", "8081"],
    env={"CUDA_VISIBLE_DEVICES": "0"},
    key="LLAMA_API_KEY",
    origins=["machine", "config slots.chat-l.context", "config slots.chat-l.context", "hal0", "hal0"],
)
LEDGER = [
    LedgerEntry(at=NOW - 90, state="starting", cause="a request asked for it", run=3, revision=40, request="8801"),
    LedgerEntry(at=NOW - 60, state="error", cause="it died", run=3, revision=40, error="slot.crashed", crash="c-17"),
]


async def test_d_tells_what_happened_to_a_slot_and_where_its_command_line_comes_from(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state(), (120, 50)) as both:
        both.daemon.ledgers["chat-l"] = list(LEDGER)
        both.daemon.commands["chat-l"] = COMMAND
        await both.press("d")
        await both.sees("serving", "qwen3-30b-a3b-q4_k_m", "32768 tokens, 2 at a time", "pid 4121, port 8081")
        await both.sees("slot.crashed: it died  crash c-17", "a request asked for it  request 8801")
        await both.sees("--ctx-size 32768", "config slots.chat-l.context", "CUDA_VISIBLE_DEVICES=0")
        assert both.screen.index("it died") < both.screen.index("asked for it"), "the newest comes first"
        both.daemon.ledgers["chat-l"].append(LedgerEntry(at=NOW, state="unloading", cause="unloaded by a person"))
        both.daemon.change_slot("chat-l", state="unloading", since=NOW)
        await both.sees("unloaded by a person")
        await both.press("y")
        assert both.dashboard.clipboard.startswith("CUDA_VISIBLE_DEVICES=0 /usr/bin/llama-server --ctx-size")
        await both.press("Y")
        assert both.dashboard.clipboard == "hal0 slot show chat-l"
        await both.press("escape")
        assert isinstance(both.dashboard.screen, Home)


async def test_a_command_line_that_cannot_be_rendered_says_why_and_the_ledger_is_there(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state(), (120, 50)) as both:
        both.daemon.ledgers["chat-l"] = list(LEDGER)
        refusal = Hal0Error("model.not_found", model="qwen3", nearest="")
        both.daemon.refusals[("GET", "/api/slots/chat-l/command")] = refusal
        await both.press("d")
        await both.sees("it died", "model.not_found: ")


async def test_a_slot_that_is_removed_while_one_looks_at_it_is_told(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state()) as both:
        await both.press("d")
        both.daemon.publish("slot.removed", {"name": "chat-l"})
        await both.sees("chat-l is gone")
