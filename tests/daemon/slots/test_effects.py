"""What an edit does to a running backend that could not be started again."""

from typing import Any

import pytest

from hal0.daemon.config.schema import Slot
from hal0.daemon.providers import make_providers
from hal0.daemon.providers.base import Launch
from hal0.daemon.slots.effects import effect_on, rendered
from hal0.hardware.facts import Facts
from hal0.wire import SlotEffect
from tests.fakes.scripted import Models

PROVIDERS = make_providers(Facts(physical_cores=2, cpu_flags=frozenset(), memory_bytes=2**34))
PROGRAM = {"provider": "command", "command": ("true", "${model}")}


def slot(**config: Any) -> Slot:
    return Slot.model_validate({**PROGRAM, "model": "m", **config})


def launch(models: Models) -> Launch:
    made, problem = rendered("s", slot(), models=models, providers=PROVIDERS)
    assert made is not None, problem
    return made


def effect(after: Slot, *, running: bool, models: Models) -> SlotEffect:
    run = (launch(Models()), 9000) if running else None
    return effect_on("s", before=slot(), after=after, running=run, models=models, providers=PROVIDERS)


@pytest.mark.parametrize(
    ("after", "missing", "code"),
    [
        (slot(command=("/nonexistent", "${model}")), "", "slot.engine_missing"),
        (slot(model="gone"), "gone", "model.not_found"),
        (slot(port=9001, model="gone"), "gone", "model.not_found"),
    ],
)
def test_a_backend_keeps_running_while_it_could_not_be_started_anew(after: Slot, missing: str, code: str) -> None:
    models = Models()
    models.missing.add(missing)
    found = effect(after, running=True, models=models)
    assert (found.effect, found.running, found.changes) == ("keep", True, [])
    assert "until it can be started anew" in found.problem
    assert found.problem.endswith(f"({code})")


def test_it_restarts_with_the_edit_that_can_be_started() -> None:
    found = effect(slot(command=("true", "--new", "${model}")), running=True, models=Models())
    assert (found.effect, found.problem) == ("restart", "")


def test_a_slot_that_does_not_run_tells_only_why_it_could_not_start() -> None:
    found = effect(slot(command=("/nonexistent",)), running=False, models=Models())
    assert (found.effect, found.running) == ("live", False)
    assert found.problem.endswith("(slot.engine_missing)")
    assert "goes on" not in found.problem
