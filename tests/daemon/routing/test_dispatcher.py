"""The candidates for a request are kept from one to the next: whatever they are made of may change in between."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from hal0.daemon.config.schema import Remote as RemoteConfig
from hal0.daemon.config.schema import Settings
from hal0.daemon.providers.base import Api
from hal0.daemon.remotes.offer import Offered
from hal0.daemon.remotes.remote import Remote
from hal0.daemon.remotes.remotes import Remotes
from hal0.daemon.routing.dispatcher import Dispatcher
from hal0.daemon.slots.slot import Slot
from hal0.errors import Hal0Error
from tests.daemon.slots.conftest import House
from tests.fakes.scripted import slot_config

NAMES = ("s", "t", "m", "n", "nick", "r", "r/near", "near", "far", "r/far", "nearby", "open", "r/open")
PLACE = "http://127.0.0.1:9/v1"


class Town:
    """A slot, a remote, and who chooses among them."""

    def __init__(self, folder: Path) -> None:
        self.house = House(folder)
        self.house.apply({"s": slot_config()})
        self.remotes = Remotes(env={}, folder=folder, on_failure=lambda remote, error: None)
        self.settings = Settings()
        self.serve(url=PLACE)
        self.dispatcher = self.another()

    def another(self) -> Dispatcher:
        """One that has chosen for nobody yet."""
        return Dispatcher(self.house.supervisor, remotes=self.remotes)

    @property
    def slot(self) -> Slot:
        return self.house.supervisor.get("s")

    @property
    def remote(self) -> Remote:
        return self.remotes.get("r")

    def serve(self, **keys: Any) -> None:
        self.remotes.apply({"r": RemoteConfig(**keys)})
        self.offer("near")

    def offer(self, *models: str) -> None:
        """As a list of models that has come anew."""
        self.remote._all = tuple(Offered(model) for model in models)
        self.remote.offered = self.remote._let_in()

    def choices(self, dispatcher: Dispatcher) -> dict[tuple[Api, str], str]:
        return {(api, name): self._choice(dispatcher, api, name) for api in Api for name in NAMES}

    def _choice(self, dispatcher: Dispatcher, api: Api, name: str) -> str:
        try:
            choice = dispatcher.pick(api, name, self.settings, key=None)
        except Hal0Error as error:
            return error.code
        chosen = choice.upstream
        kept = chosen if isinstance(chosen, Slot) else chosen.remote
        return f"{chosen.name} {id(kept)} {getattr(chosen, 'model', '')} {choice.rule}"


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    built = Town(tmp_path)
    async with built.house.supervisor:
        yield built


def rename_model(town: Town) -> None:
    town.slot.model_names = ("n",)


def learn_kind(town: Town) -> None:
    town.slot.kind = "embedding"


def nickname(town: Town) -> None:
    town.house.apply({"s": slot_config(aliases=("nick",))})


def nickname_in_settings(town: Town) -> None:
    town.settings = Settings(slots={"s": slot_config(aliases=("nick",))})


def serve_less(town: Town) -> None:
    town.house.apply({"s": slot_config(serves=("embedding",))})


def add_slot(town: Town) -> None:
    town.house.apply({"s": slot_config(), "t": slot_config()})


def remove_slot(town: Town) -> None:
    town.house.apply({})


DEEDS: list[Callable[[Town], None]] = [
    rename_model,
    learn_kind,
    nickname,
    nickname_in_settings,
    serve_less,
    add_slot,
    remove_slot,
    lambda town: town.offer("near", "far"),
    lambda town: town.offer(),
    lambda town: town.serve(url=PLACE, aliases={"nearby": "near"}),
    lambda town: town.serve(url=PLACE, models=("open",)),
    lambda town: town.serve(url=PLACE, exclude=("near",)),
    lambda town: town.serve(url=PLACE, kind="anthropic"),
    lambda town: town.serve(url="http://127.0.0.1:9/v2"),
    lambda town: town.remotes.apply({}),
]


@pytest.mark.parametrize("deed", DEEDS)
async def test_what_has_changed_counts_for_the_next_request(town: Town, deed: Callable[[Town], None]) -> None:
    before = town.choices(town.dispatcher)
    deed(town)
    after = town.choices(town.dispatcher)
    assert after == town.choices(town.another())
    assert after != before


class Compared(dict[str, Offered]):
    """A list of models, with how often all of it was compared with another."""

    times = 0

    def __eq__(self, other: object) -> bool:
        Compared.times += 1
        return super().__eq__(other)

    __hash__ = None


async def test_a_list_that_came_anew_and_is_the_same_is_compared_once(town: Town) -> None:
    """Some have hundreds of models, and to compare them takes longer than a request."""
    town.remote.offered = Compared(town.remote.offered)
    assert town.choices(town.dispatcher)
    town.remote.offered = Compared(town.remote.offered)
    Compared.times = 0
    assert town.choices(town.dispatcher)
    assert Compared.times <= 1
