"""Models that are not there are told with the place of the slot that wants them, wherever that is written."""

from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from hal0.daemon.config.file import judge
from hal0.daemon.models.file import ModelFile
from hal0.daemon.models.registry import Registry
from hal0.daemon.providers import make_providers
from hal0.daemon.providers.absent import absent_models
from hal0.errors import Hal0Error
from hal0.hardware.facts import read_facts
from hal0.wire import Problem

Find = Callable[[str], ModelFile]


def never(name: str) -> NoReturn:
    raise Hal0Error("model.not_found", model=name, nearest="")


def warnings_of(folder: Path, find: Find | None = None, **texts: str) -> list[Problem]:
    """What is said of hal0.toml (`main`) and its drop-ins."""
    main = folder / "hal0.toml"
    (folder / "hal0.d").mkdir(exist_ok=True)
    for name, text in texts.items():
        (main if name == "main" else folder / "hal0.d" / f"{name}.toml").write_text(text)
    judgement = judge(main, env={"NAME": "from-the-environment"})
    assert judgement.problems == ()
    assert judgement.settings is not None
    registry = Registry(judgement.settings.models, state=folder / "state")
    return absent_models(
        judgement.settings,
        judgement.sources,
        find=find or registry.find,
        providers=make_providers(read_facts()),
        env={"NAME": "from-the-environment"},
    )


def test_a_slot_of_a_drop_in_is_told_with_that_file(tmp_path: Path) -> None:
    main = '[slots.good]\nmodel = "hal0-starter"\n[slots.bad]\nmodel = "nowhere"\n'
    found = warnings_of(tmp_path, main=main, more='[slots.other]\nmodel = "nowhere"\n')
    assert [(Path(each.file).name, each.line, each.column, each.key) for each in found] == [
        ("hal0.toml", 4, 9, "slots.bad.model"),
        ("more.toml", 2, 9, "slots.other.model"),
    ]


def test_the_embedded_default_has_no_warnings(tmp_path: Path) -> None:
    assert warnings_of(tmp_path, never, main="[server]\nport = 1\n") == []


def test_a_name_from_the_environment_is_looked_for_and_the_place_is_where_it_is_asked(tmp_path: Path) -> None:
    (found,) = warnings_of(tmp_path, main='[slots.a]\nmodel = "${env:NAME}"\n')
    assert "'from-the-environment'" in found.message
    assert (found.line, found.source) == (2, 'model = "${env:NAME}"')


def test_a_file_that_is_no_model_is_told_as_well(tmp_path: Path) -> None:
    (tmp_path / "text.gguf").write_text("no model")
    main = '[slots.a]\nmodel = "text"\n[models.text]\npath = "text.gguf"\n'
    assert [each.code for each in warnings_of(tmp_path, main=main)] == ["model.file_invalid"]


def test_a_model_that_the_program_brings_itself_is_not_looked_for(tmp_path: Path) -> None:
    assert warnings_of(tmp_path, main='[slots.a]\nprovider = "flm"\nmodel = "llama3.2:1b"\n') == []
