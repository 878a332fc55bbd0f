"""What was seen is kept, and shown again as it was."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hal0.errors import Hal0Error
from hal0.tui.__main__ import main
from hal0.tui.app import Dashboard
from hal0.tui.client import Address, Client
from hal0.tui.facts import Fact
from hal0.tui.feed import Feed
from hal0.tui.look import Look
from hal0.tui.plain import print_events
from hal0.tui.recording import Recorder, Replay
from hal0.tui.screens.home import Home
from hal0.tui.store import Store
from hal0.wire import PastView, TokenBatch
from tests.fakes.daemon import FakeDaemon
from tests.tui.pictures import screen_text
from tests.tui.samples import NOW, busy_state, default_state, request, slot
from tests.tui.terminal import terminal

OPENED: list[Replay] = []


@pytest.fixture(autouse=True)
async def _closed() -> AsyncIterator[None]:
    yield
    while OPENED:
        await OPENED.pop().aclose()


def replay_of(path: Path, speed: float = 1.0) -> Replay:
    OPENED.append(Replay(path, speed))
    return OPENED[-1]


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def recorded(path: Path, *entries: tuple[float, str, object]) -> Path:
    """A recording with these entries; an event's data is a model."""
    clock = Clock()
    recorder = Recorder(path, clock)
    for number, (at, kind, data) in enumerate(entries):
        clock.now = 100.0 + at
        if kind == "state":
            recorder("state", data.model_dump_json(indent=1).encode())  # type: ignore[attr-defined]
        else:
            event = {"id": number, "at": NOW + at, "kind": kind, "data": data.model_dump()}  # type: ignore[attr-defined]
            recorder("event", json.dumps(event).encode())
    recorder.close()
    return path


def said(text: str) -> TokenBatch:
    return TokenBatch(id="7", text=text, tokens=1, tokens_per_second=9.0)


async def played(replay: Replay) -> list[Fact]:
    """All facts up to the end, whichever state they follow."""
    found: list[Fact] = []

    async def play() -> None:
        while True:
            await replay.state()
            async for facts in replay.facts(0):
                found.extend(facts)

    playing = asyncio.create_task(play())
    async with asyncio.timeout(60):
        await replay.ended()
    playing.cancel()
    await asyncio.gather(playing, return_exceptions=True)
    return found


async def test_what_a_daemon_said_is_played_again_the_same(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    store = Store()
    recorder = Recorder(path)
    async with FakeDaemon(busy_state(), tmp_path / "s", clock=lambda: NOW) as daemon:
        client = Client(Address(tmp_path / "s"), tap=recorder)
        changed = asyncio.Event()
        feeding = asyncio.create_task(Feed(client, store, changed.set).run())
        await daemon.wait_for_dashboard()
        daemon.publish("request.tokens", TokenBatch(id="8841", text=" of ü\n", tokens=800, tokens_per_second=60.0))
        daemon.change_slot("draft", state="starting")
        async with asyncio.timeout(30):
            while store.slots.get("draft") is None or store.slots["draft"].state != "starting":
                await changed.wait()
                changed.clear()
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)
        await client.aclose()
    recorder.close()
    again = Store()
    replay = replay_of(path, speed=100)
    feeding = asyncio.create_task(Feed(replay, again, lambda: None).run())
    async with asyncio.timeout(30):
        await replay.ended()
    feeding.cancel()
    await asyncio.gather(feeding, return_exceptions=True)
    assert again.slots == store.slots
    assert again.streams["8841"].transcript.said("text") == store.streams["8841"].transcript.said("text")
    assert again.streams["8841"].transcript.said("text").endswith(" of ü\n")
    assert [told.text for told in again.happenings] == [told.text for told in store.happenings]


async def feed_to_the_end(replay: Replay) -> Store:
    store = Store()
    feeding = asyncio.create_task(Feed(replay, store, lambda: None).run())
    async with asyncio.timeout(60):
        await replay.ended()
    feeding.cancel()
    await asyncio.gather(feeding, return_exceptions=True)
    return store


async def test_the_hour_before_is_recorded_and_played_with_what_came_then(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    recorder = Recorder(path)
    figures = {"gpu0": {"utilisation": [0.25] * 720}}
    async with FakeDaemon(busy_state(), tmp_path / "s", clock=lambda: NOW) as daemon:
        daemon.past = PastView(step_seconds=5, end=NOW, devices=figures, slots={"draft": "v" * 720})
        client, store = Client(Address(tmp_path / "s"), tap=recorder), Store()
        changed = asyncio.Event()
        feeding = asyncio.create_task(Feed(client, store, changed.set).run())
        async with asyncio.timeout(60):
            while not _half_an_hour_ago(store):
                await changed.wait()
                changed.clear()
        await daemon.wait_for_dashboard()
        daemon.change_slot("draft", state="starting")
        async with asyncio.timeout(60):
            while store.slots["draft"].state != "starting":
                await changed.wait()
                changed.clear()
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)
        await client.aclose()
    recorder.close()
    again = await feed_to_the_end(replay_of(path, speed=100))
    assert again.slots["draft"].state == "starting"
    assert _half_an_hour_ago(again) == _half_an_hour_ago(store) == [0.25]


def _half_an_hour_ago(store: Store) -> list[float | None]:
    """What is known of a device's work in that minute; empty: nothing."""
    kept = store.past.devices.get("gpu0")
    ring = kept.of.get("utilisation") if kept else None
    return [value for value in ring.cells(60, int(NOW - 1800) // 60, 1) if value is not None] if ring else []


async def test_a_recording_from_before_there_was_a_past_in_it_plays(tmp_path: Path) -> None:
    path = recorded(
        tmp_path / "r.jsonl", (0, "state", busy_state()), (0.1, "slot.transition", slot("draft", "starting"))
    )
    path.write_text(path.read_text().replace('"hal0_recording": 2', '"hal0_recording": 1', 1))
    store = await feed_to_the_end(replay_of(path))
    assert store.slots["draft"].state == "starting"
    assert _half_an_hour_ago(store) == []


async def test_a_past_that_is_none_is_told_with_its_line(tmp_path: Path) -> None:
    path = recorded(tmp_path / "r.jsonl", (0, "state", default_state()))
    with path.open("a") as file:
        file.write('{"at": 0.1, "past": {"end": "never"}}\n')
    replay = replay_of(path)
    await replay.state()
    with pytest.raises(Hal0Error, match="line 3 is no past of a daemon"):
        async for _ in replay.facts(0):
            pass


def test_a_recording_is_for_its_owner_only_and_replaces_nothing(tmp_path: Path) -> None:
    path = recorded(tmp_path / "r.jsonl", (0, "state", default_state()))
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(Hal0Error, match="File exists") as refused:
        Recorder(path)
    assert refused.value.code == "system.recording"
    assert len(path.read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "it is no recording of the dashboard"),
        ("[1]\n", "it is no recording of the dashboard, or one of another version"),
        ('{"hal0_recording": 9}\n', "or one of another version"),
    ],
)
def test_what_is_no_recording_is_refused(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "r").write_text(text)
    with pytest.raises(Hal0Error) as refused:
        Replay(tmp_path / "r")
    assert refused.value.code == "system.recording"
    assert told in refused.value.message


async def test_a_line_that_makes_no_sense_is_named(tmp_path: Path) -> None:
    path = recorded(tmp_path / "r", (0, "state", default_state()))
    path.write_text(path.read_text() + '{"at": 1, "evnt": {}}\n')
    replay = replay_of(path)
    await replay.state()
    with pytest.raises(Hal0Error, match="line 3 is no state, no event and no past"):
        await anext(aiter(replay.facts(0)))


async def test_a_recording_that_was_cut_off_ends_there(tmp_path: Path) -> None:
    path = recorded(tmp_path / "r", (0, "state", default_state()), (0, "slot.transition", slot("a")))
    path.write_text(path.read_text() + '{"at": 1, "eve')
    assert [fact.kind for fact in await played(replay_of(path))] == ["slot.transition"]


async def test_it_is_played_at_the_pace_it_was_recorded_or_faster(tmp_path: Path) -> None:
    path = recorded(
        tmp_path / "r",
        (5, "state", default_state()),
        (5.4, "slot.transition", slot("a")),
        (9, "state", default_state()),
    )
    loop = asyncio.get_running_loop()
    took = []
    for speed in (10, 40):
        begin = loop.time()
        assert [fact.kind for fact in await played(replay_of(path, speed))] == ["slot.transition", "gap"]
        took.append(loop.time() - begin)
    assert took[0] >= 0.39  # not the five seconds before the first state
    assert took[1] >= 0.09


async def test_a_break_in_the_recording_is_a_gap_and_the_new_state_counts(tmp_path: Path) -> None:
    path = recorded(
        tmp_path / "r",
        (0, "state", default_state()),
        (0.1, "slot.transition", slot("embed", "starting")),
        (0.2, "state", default_state(slots=[slot("other")])),
        (0.3, "slot.transition", slot("other", "idle")),
    )
    store = Store()
    replay = replay_of(path, 10)
    feeding = asyncio.create_task(Feed(replay, store, lambda: None).run())
    async with asyncio.timeout(30):
        await replay.ended()
    feeding.cancel()
    await asyncio.gather(feeding, return_exceptions=True)
    assert {name: each.state for name, each in store.slots.items()} == {"other": "idle"}
    stopped = replay.clock()
    await asyncio.sleep(0.02)
    assert replay.clock() == stopped


async def test_nothing_can_be_asked_of_a_recording(tmp_path: Path) -> None:
    replay = replay_of(recorded(tmp_path / "r", (0, "state", default_state())))
    for asked in (replay.ask("load", "primary"), replay.models(), replay.cancel("1"), replay.latency_ms()):
        with pytest.raises(Hal0Error) as refused:
            await asked
        assert refused.value.code == "system.replay"


async def test_a_full_disk_ends_the_recording_and_nothing_else(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "r")
    told: list[Hal0Error] = []
    recorder.failed = told.append
    recorder.close()
    recorder._file = os.open("/dev/full", os.O_WRONLY)
    recorder("event", b"{}")
    recorder("event", b"{}")
    assert [error.code for error in told] == ["system.recording"]


@asynccontextmanager
async def showing_recording(path: Path, speed: float) -> AsyncIterator[tuple[Dashboard, Replay]]:
    replay = replay_of(path, speed)
    dashboard = Dashboard(replay, Look.of("hal0-dark"), tape="REPLAY")
    async with dashboard.run_test(size=(120, 36)) as pilot, asyncio.timeout(60):
        await replay.ended()
        while "REPLAY ENDED" not in screen_text(dashboard):
            await pilot.pause(0.01)
        yield dashboard, replay


async def test_the_dashboard_shows_a_recording_to_its_end(tmp_path: Path) -> None:
    path = recorded(
        tmp_path / "r",
        (0, "state", default_state()),
        (0.5, "request.started", request("7", prompt="why?")),
        (0.6, "request.tokens", said("because")),
    )
    async with showing_recording(path, 10) as (dashboard, _):
        text = screen_text(dashboard)
        assert "because" in text
        assert "READ ONLY" in text
        assert dashboard.store.link.phase == "live"


async def test_plain_tells_a_recording_and_ends_with_it(tmp_path: Path) -> None:
    path = recorded(
        tmp_path / "r",
        (0, "state", default_state()),
        (0.1, "request.started", request("7", prompt="why?")),
        (0.2, "request.tokens", said("so\n")),
        (0.3, "slot.transition", slot("embed", "starting")),
    )
    with (tmp_path / "out").open("w") as out:
        async with asyncio.timeout(60):
            await print_events(replay_of(path, 10), Look.of("hal0-dark"), out)
    lines = (tmp_path / "out").read_text().splitlines()
    assert [line.partition(" ")[2] for line in lines[-3:]] == [
        "primary #7: > why?",
        "primary #7: so",
        "embed: offline to starting",
    ]


async def test_the_program_records_and_replays(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    async with (
        FakeDaemon(default_state(), tmp_path / "s") as daemon,
        terminal("--socket", str(tmp_path / "s"), "--record", str(path)) as screen,
    ):
        await screen.shows("REC")
        await daemon.wait_for_dashboard()
        daemon.change_slot("embed", model="seen-once")
        await screen.shows("seen-once")
        screen.type("q")
        await screen.process.wait()
    async with terminal("--replay", str(path), "--speed", "5", size=(120, 36)) as screen:
        await screen.shows("seen-once")
        await screen.shows("REPLAY 5x")
        await screen.shows("READ ONLY")
        screen.type("q")
        assert await screen.process.wait() == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["--replay", "a", "--record", "b"],
        ["--replay", "a", "--host", "b"],
        ["--replay", "a", "--once"],
        ["--record", "a", "--once"],
        ["--speed", "2"],
        ["--replay", "a", "--speed", "0"],
    ],
)
def test_options_that_do_not_go_together(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
    assert "usage: hal0-tui" in capsys.readouterr().err


async def test_keys_that_ask_the_daemon_are_not_offered_in_a_recording(tmp_path: Path) -> None:
    path = recorded(tmp_path / "r", (0, "state", default_state()))
    dashboard = Dashboard(replay_of(path), Look.of("hal0-dark"), tape="REPLAY")
    async with dashboard.run_test(size=(200, 40)) as pilot, asyncio.timeout(60):
        while dashboard.store.link.phase != "live" or not dashboard.view.slots():
            await pilot.pause(0.01)
        offered = {key.id for key in dashboard.screen.offered()}  # type: ignore[attr-defined]
        assert not {"chat", "open_log", "view_logs", "lock", "load"} & offered
        assert {"sort", "view_events", "hosts"} <= offered
        await pilot.press("c")
        await pilot.pause()
        assert "chat: there is no daemon behind a recording" in screen_text(dashboard)
        assert isinstance(dashboard.screen, Home)
        await pilot.press("colon", *"chat primary")
        await pilot.pause()
        assert "nothing is called so" in screen_text(dashboard)
