"""An app that shows one daemon at a time: it follows it, and goes to another one, or to a recording, when told to."""

import os
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from textual.worker import Worker, WorkerError

from hal0.errors import Hal0Error
from hal0.tui.client import Address, Client
from hal0.tui.feed import Feed
from hal0.tui.hosts import HostEntry, all_hosts
from hal0.tui.machine import Machine
from hal0.tui.memory import Habits, Memory
from hal0.tui.paced import PacedApp
from hal0.tui.recording import Replay
from hal0.tui.store import Store
from hal0.tui.view import View

TROUBLE_SECONDS = 15.0  # so long it is told that nothing can be remembered
GOING = "going"


class ConnectedApp(PacedApp, inherit_bindings=False):
    """Has a client, and a feed that fills the store from it."""

    client: Client
    store: Store
    view: View
    feed: Feed
    host: HostEntry  # where it is connected to, or tries to be
    named_hosts: Sequence[HostEntry] = ()  # of `tui.toml`
    memory: Memory | None = None
    machine: Machine
    _looks_here = False
    _live_tape = ""  # REC, if what the daemon says is kept
    _noted: Address | None = None  # the address of the last visit that was written down
    _told_problem = ""

    def follow(self) -> None:
        """Fill the store from the client, for as long as that is the one."""
        self.feed = Feed(self.client, self.store, self.clock.wake)
        self.run_worker(self.feed.run())
        self.run_worker(self._tell_end(self.client))

    def wake(self) -> None:
        self.clock.wake()

    def paint_now(self) -> None:
        """After a key: without waiting for the clock."""
        if self.store.notice is None and not self.store.is_dirty:
            self.store.mark("notice")
        self.clock.now()

    async def _tell_end(self, client: Client) -> None:
        await client.ended()
        self.view.tape = "REPLAY ENDED"
        self.store.mark("link")
        self.clock.wake()

    def look_here(self) -> None:
        """While the daemon of this machine is away: show its devices all the same."""
        if self._looks_here or self.store.link.phase != "lost" or not self._is_here:
            return
        self._looks_here = True
        self.run_worker(self._look_here())

    @property
    def _is_here(self) -> bool:
        """Whether the devices that were shown, or would be, are those of this machine."""
        return self.client.address.is_near and self.store.host in ("", socket.gethostname())

    async def _look_here(self) -> None:
        try:
            self.store.read_here(await self.machine.look())
            self.clock.wake()
        finally:
            self._looks_here = False

    def retry_now(self) -> None:
        self.feed.retry_now()
        self.store.tell("trying now", "muted", seconds=1)

    # To another host -------------------------------------------------------------------------------------------
    def hosts(self) -> list[HostEntry]:
        """Where one may go."""
        before = self.memory.visits() if self.memory else []
        return all_hosts([Address.default()], self.named_hosts, before, self.host)

    def forget_host(self, entry: HostEntry) -> None:
        if self.memory is not None:
            self.memory.forget(entry.address)

    def go_to(self, entry: HostEntry, refused: Callable[[Hal0Error], None], *, even_if_silent: bool = False) -> None:
        """Show another daemon once it has answered; else tell why not, and stay with the present one."""
        self.run_worker(self._try(entry, refused, even_if_silent), group=GOING, exclusive=True)

    def stay(self) -> None:
        """No longer try to go elsewhere."""
        self.workers.cancel_group(self, GOING)

    async def _try(self, entry: HostEntry, refused: Callable[[Hal0Error], None], even_if_silent: bool) -> None:
        try:
            access = entry.access(os.environ)
            if not even_if_silent:
                await self._require_answer(Client(entry.address, access))
        except Hal0Error as error:
            refused(error)
            self.clock.wake()
            return
        new = Client(entry.address, access, self.client.tap)
        self.host = entry
        self.view.tape, self.view.where = self._live_tape, entry.title
        await self._change_to(new)

    def last_recording(self) -> Path | None:
        """The file of the last one, if it is still there."""
        path = Path(self.memory.habits.recording) if self.memory and self.memory.habits.recording else None
        return path if path is not None and path.is_file() else None

    def play_last_recording(self) -> None:
        """Show it instead of a daemon; `h` leads back."""
        path = self.last_recording()
        if path is None:
            return
        try:
            replay = Replay(path)
        except Hal0Error as error:
            self.store.tell(f"{error.code}: {error.message}", "alarm")
        else:
            self.view.tape = "REPLAY"
            self.run_worker(self._change_to(replay), group=GOING, exclusive=True)

    async def _require_answer(self, client: Client) -> None:
        try:
            await client.state()
        finally:
            await client.aclose()

    async def _change_to(self, client: Client) -> None:
        """Forget the present daemon, and follow what this client asks."""
        old, self.client = self.client, client
        await self._end_workers()
        self._looks_here = False
        self.store.reset()
        self.view.reset(is_replay=client.is_past)
        self.go_home()
        self.follow()
        await old.aclose()

    def go_home(self) -> None:
        """Leave all screens that show something of the daemon."""
        raise NotImplementedError

    async def _end_workers(self) -> None:
        """What was asked of the present daemon is of no interest any more."""
        ended: list[Worker[Any]] = [each for each in self.workers if each.node is self and each.group != GOING]
        for worker in ended:
            worker.cancel()
        for worker in ended:
            with suppress(WorkerError):
                await worker.wait()

    def leave(self) -> None:
        self.remember()
        super().leave()

    # What is kept for the next time ----------------------------------------------------------------------------
    def habits(self, before: Habits) -> Habits:
        """What to keep, of which some was kept before."""
        raise NotImplementedError

    def remember(self) -> None:
        """Write down what has changed since the last time; a failure is told once."""
        if self.memory is None:
            return
        if self.store.link.phase == "live" and self._noted != self.client.address and not self.client.is_past:
            self._noted = self.client.address
            if self._noted != Address.default():
                self.memory.visited(self._noted, self.store.host, time.time())
        self.memory.keep(self.habits(self.memory.habits))
        if self.memory.problem != self._told_problem:
            self._told_problem = self.memory.problem
            self.store.tell(f"not remembered: {self.memory.problem}", "warn", seconds=TROUBLE_SECONDS)
