"""Whatever models, backends, files and clients say: the terminal gets the dashboard's own sequences and no others."""

import random
import re
import unicodedata
from pathlib import Path

import pytest

from hal0.tui.client import Address
from hal0.tui.memory import Memory
from hal0.wire import (
    CommandView,
    ConfigFile,
    ConfigTexts,
    ConfigValue,
    ErrorRecord,
    ErrorView,
    GpuProcess,
    LedgerEntry,
    ModelView,
    PlanView,
    Problem,
    RequestView,
    Revision,
    SlotEffect,
    SlotPlan,
    SlotView,
    State,
    TokenBatch,
)
from tests.fakes.daemon import FakeDaemon
from tests.tui.samples import CPU, GPU0, MEMORY, NOW, config, request, slot, state
from tests.tui.terminal import Terminal, terminal

MARK = "4242"  # no sequence of the dashboard has such a parameter, and every hostile one has
BEGINNINGS = (
    "\x1b[", "\x1b]", "\x1bP", "\x1b_", "\x1b^", "\x1bX", "\x1b(", "\x1b#", "\x1bc", "\x1b%", "\x9b", "\x9d", "\x90",
    "\x1b[?", "\x1b[>", "\x1bO", "\x0e", "\x0f", "\x1b",
)  # fmt: skip
ENDS = ("m", "J", "H", "h", "l", "t", "q", "n", "c", "\x07", "\x1b\\", "\x9c", "A", "~", "")
NOISE = (
    "\x00", "\x07", "\x08", "\x0b", "\x0c", "\r", "\x7f", "\x85", "\u202e", "\u2066", "\u200f", "\u2028", "\ufeff",
    "e\u0301", "深", "👩\u200d🚀", "שלום", "\ud7ff", "[red]", "[/]", "[@click=app.quit]", "\U000e0001",
)  # fmt: skip
# A character set, a mode, a colour, a place, a question for the cursor or for what the terminal can, the mouse
# pointer's shape: what Textual and the dashboard send.
OWN = re.compile(
    rb"\x1b\[\?\d+(?:;\d+)*[hl]|\x1b\[[\d;]*[mHJK]|\x1b\[6n|\x1b\[[<>=]\d*u|\x1b\[\?\d+\$p|\x1b\]22;[a-z-]*\x07"
    rb"|\x1b\[[\d;]*t|\x1b\[>4;\d+m|\x1b\[\?u|\x1b\[c|\x1b\[>\d*q"
)


def hostile(rng: random.Random, tag: str, *, lines: bool = False) -> str:
    """`tag`, and behind it what should not come out as it is."""
    pieces = []
    for _ in range(12):
        pieces.append(f"{rng.choice(BEGINNINGS)}{MARK}{rng.choice(('', ';', ';1'))}{rng.choice(ENDS)}")
        pieces.append(rng.choice(NOISE))
        pieces.append("\n" if lines and rng.random() < 0.3 else rng.choice("ab cd"))
    return tag + "".join(pieces)


class Hostile:
    """A state and answers in which every text is hostile. The tags tell a test what it waits for."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.slots: list[SlotView] = [
            slot("one", model=self.text("MODEL"), engine=self.text("engine"), remark=self.text("remark")),
            slot("broken", "error", error=self.error(), log_tail=[self.text("TAIL")], failures=2, model=self.text("m")),
            slot(self.text("three"), aliases=[self.text("alias")]),
        ]
        self.name = self.slots[0].name

    def text(self, tag: str, *, lines: bool = False) -> str:
        return hostile(self.rng, tag, lines=lines)

    def error(self) -> ErrorView:
        return ErrorView(code="slot.load_failed", message=self.text("ERROR"), details={"reason": self.text("reason")})

    def request(self) -> RequestView:
        prompt, text = self.text("PROMPT", lines=True), self.text("ANSWER", lines=True)
        return request("r1", self.name, model=self.text("m"), client=self.text("c"), prompt=prompt, text=text, tokens=3)

    def state(self) -> State:
        record = ErrorRecord(id=1, error=self.error(), slot="broken", request=self.text("r"), first_at=1, last_at=2)
        devices = [CPU.model_copy(update={"name": self.text("CPU")}), MEMORY, GPU0.model_copy(update={"name": "\x9b"})]
        shown = config(
            revision=2, path=self.text("/"), by=self.text("BY"), why=self.text("w"), changes=[self.text("+")]
        )
        return state(
            host=self.text("host"), slots=self.slots, devices=devices, requests=[self.request()], errors=[record],
            config=shown, warnings=[self.text("WARNING")],
        )  # fmt: skip

    def daemon(self, socket: Path) -> FakeDaemon:
        daemon = FakeDaemon(self.state(), socket, clock=lambda: NOW)
        daemon.models = [
            ModelView(id=self.text("OTHER"), kind="chat", path=self.text("/"), size_bytes=9, licence=self.text("l"))
        ]
        daemon.logs = {name: [self.text("LOGGED") for _ in range(5)] for name in (self.name, "broken")}
        entry = LedgerEntry(at=NOW, state="ready", cause=self.text("CAUSE"), request=self.text("r"))
        daemon.ledgers = {self.name: [entry], "broken": [entry]}
        command = CommandView(argv=[self.text("ARGV")], env={"A": self.text("e")}, origins=[self.text("o")])
        daemon.commands = {self.name: command, "broken": command}
        daemon.revisions = [
            Revision(revision=n, at=NOW, by=self.text("BY"), why=self.text("WHY"), hash="a") for n in (2, 1)
        ]
        daemon.differences = {query: [self.text("-DIFF")] for query in ("from=1&to=2", "to=2", "")}
        daemon.answers = {self.name: [self.text("SAID", lines=True), {"reasoning_content": self.text("thought")}]}
        return daemon


async def opened(screen: Terminal, keys: str, *shown: str) -> None:
    before = len(screen.output)
    screen.type(keys)
    await screen.until(lambda output: all(text.encode() in output[before:] for text in shown))


def foreign(output: bytes) -> list[str]:
    """What is in the output and comes from nobody of ours, each with what stands around it."""
    left = OWN.sub(b"", output).decode()
    bad = [
        match for match in re.finditer(r"[^ -~\n]", left)
        if unicodedata.category(match[0]) in ("Cc", "Cf", "Cs", "Zl", "Zp") and match[0] not in "\r\n"
    ]  # fmt: skip
    found = [f"{left[max(0, at.start() - 20) : at.end() + 20]!r}" for at in bad]
    return found + [match[0].decode() for match in re.finditer(rb"\x1b[^a-zA-Z\x1b]*?4242", output)]


@pytest.mark.parametrize("seed", range(3))
async def test_no_view_lets_a_sequence_of_the_data_through(tmp_path: Path, seed: int) -> None:
    evil = Hostile(seed)
    async with (
        evil.daemon(tmp_path / "s") as daemon,
        terminal("--socket", str(tmp_path / "s"), size=(120, 36)) as screen,
    ):
        await daemon.wait_for_dashboard()
        await screen.shows("MODEL")
        for number in range(5):
            text, reasoning = evil.text("MORE", lines=True), evil.text("THOUGHT", lines=True)
            daemon.publish("request.tokens", TokenBatch(id="r1", text=text, reasoning=reasoning, tokens=9 + number))
        daemon.publish("slot.transition", evil.slots[0].model_copy(update={"state": "warming", "model": "\x9b4242m"}))
        await screen.shows("MORE")
        await opened(screen, "e", "problem 1 of")
        await opened(screen, "\x1b", "unload")
        await opened(screen, "2", "CPU")
        await opened(screen, "3", "PROMPT")
        await opened(screen, "4", "ERROR")
        await opened(screen, "5", "LOGGED")
        await opened(screen, "6", "WHY")
        await opened(screen, "1", "unload")
        await opened(screen, "d", "CAUSE", "ARGV")
        await opened(screen, "\x1b", "unload")
        await opened(screen, "s", "OTHER")
        await opened(screen, "\x1b", "unload")
        await opened(screen, "c", "send")
        await opened(screen, "hello\r", "SAID")
        await opened(screen, "\x1b", "unload")
        await opened(screen, "?", "keys in")
        screen.type("q")
        await screen.process.wait()
        await screen.until(lambda output: output.endswith(b"\x1b[?1049l") or b"\x1b[?1049l" in output)
        assert foreign(screen.output) == []


def with_dialogs(evil: Hostile, socket: Path) -> FakeDaemon:
    """A daemon whose answers to what the dialogs ask are hostile too: a refused file, a plan, values, programs."""
    daemon = evil.daemon(socket)
    file, line = evil.text("/refused"), f"wrong = 1 # {evil.text('COMMENT')}"
    problem = Problem(
        code="config.unknown_key", message=evil.text("PROBLEM"), file=file, line=1, column=1, hint=evil.text("HINT"),
        source=line, wrong="wrong", right="right", key=evil.text("key"),
    )  # fmt: skip
    refused = daemon.state.config.model_copy(update={"rejected_at": NOW - 9, "problems": [problem]})
    other = GpuProcess(pid=9, name=evil.text("PROGRAM"), user=evil.text("USER"), memory_bytes=2**30)
    memory = MEMORY.model_copy(update={"processes": [other]})
    devices = [memory if device.kind == "memory" else device for device in daemon.state.devices]
    daemon.state = daemon.state.model_copy(update={"config": refused, "devices": devices})
    daemon.texts = ConfigTexts(revision=2, tag="2-a", files=[ConfigFile(path=file, text=f"{line}\n")])
    effect = SlotEffect(name=evil.text("EFFECT"), effect="restart", running=True, changes=[evil.text("+")])
    daemon.text_plan = PlanView(revision=2, slots=[effect])
    error = ErrorView(code="model.not_found", message=evil.text("PLANNED"))
    daemon.plans[""] = SlotPlan(
        plan=PlanView(revision=2), providers=[evil.text("PROVIDER")], keys=["model"], error=error
    )
    daemon.values = [
        ConfigValue(key="slots.one.model", value=evil.text("VALUE"), origin=f"{file}:1"),
        ConfigValue(key=f"slots.{evil.text('other')}.fallback", value='["one"]', origin=f"{file}:2"),
    ]
    return daemon


@pytest.mark.parametrize("seed", range(2))
async def test_no_dialog_lets_a_sequence_of_the_data_through(tmp_path: Path, seed: int) -> None:
    evil = Hostile(seed)
    state_folder = tmp_path / "state"
    Memory(state_folder / "hal0" / "tui.json").visited(Address.read("http://elsewhere:8080"), evil.text("VISITED"), 1.0)
    (log := state_folder / "hal0" / "logs" / "hal0d.log").parent.mkdir(parents=True)
    log.write_text("\n".join(evil.text("DAEMONLOG") for _ in range(5)), newline="")
    async with terminal("--socket", str(tmp_path / "s"), size=(120, 36), XDG_STATE_HOME=str(state_folder)) as screen:
        async with with_dialogs(evil, tmp_path / "s") as daemon:
            await daemon.wait_for_dashboard()
            await screen.shows("MODEL")
            await opened(screen, "h", "VISITED")
            await opened(screen, "\x1b", "unload")
            await opened(screen, "n", "PLANNED")
            await opened(screen, "\t", "PROVIDER")
            screen.type("\x1b[B")
            await opened(screen, "\r", "OTHER")  # the provider is in its field now
            await opened(screen, "\x1b[B\r", "hal0 slot create")  # and the model in its own
            await opened(screen, "\x1b", "unload")
            await opened(screen, "D", "VALUE")
            await opened(screen, "\x1b", "unload")
            await opened(screen, "GD", "delete ", "three")
            await opened(screen, "\x1b", "unload")
            await opened(screen, ":", "do it")
            await opened(screen, "slot three", "select three")
            screen.type("\t")
            await opened(screen, "\x1b", "unload")
            screen.type("g")
            await opened(screen, "`", "go there")
            await opened(screen, "\x1b", "unload")
            await opened(screen, "3", "PROMPT")
            await opened(screen, "t", "total")
            await opened(screen, "/", "keep")
            await opened(screen, "ANSWER", "1/1")
            await opened(screen, "\r", "previous")
            await opened(screen, "2", "PROGRAM")
            await opened(screen, "\r", "›")
            await opened(screen, "[", "now")
            await opened(screen, "1", "unload")
            await opened(screen, "e", "PROBLEM")
            await opened(screen, "f", "COMMENT", "EFFECT")
            await opened(screen, "\x1b", "PROBLEM")
            await opened(screen, "\x1b", "unload")
            before = len(screen.output)
        await screen.until(lambda output: b"no connection" in output[before:])
        await opened(screen, "L", "DAEMONLOG")
        screen.type("q")
        await screen.process.wait()
        await screen.until(lambda output: b"\x1b[?1049l" in output)
        assert foreign(screen.output) == []
