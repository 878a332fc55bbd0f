"""Pages that are made from code are current, and pages written by hand name what exists."""

import re
from pathlib import Path
from types import ModuleType

import pytest

from hal0.cli.__main__ import COMMANDS
from hal0.daemon.config.file import check
from hal0.errors import CATALOGUE
from hal0.tui.settings import Settings, read_settings
from scripts import error_docs, lifecycle_docs
from tests.test_architecture import LAYERS

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("made", [error_docs, lifecycle_docs], ids=lambda module: module.__name__)
def test_a_made_page_is_current(made: ModuleType) -> None:
    assert made.PAGE.read_text(encoding="utf-8") == made.page(), f"run `python -m {made.__name__}`"


def test_every_code_has_its_entry_in_the_page() -> None:
    headings = re.findall(r"^### (\S+)$", error_docs.page(), re.MULTILINE)
    assert headings == sorted(CATALOGUE, key=lambda code: list(error_docs.NAMESPACES).index(code.partition(".")[0]))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_that_are_there(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_configurations_in_pages_are_accepted(page: Path, tmp_path: Path) -> None:
    for example in re.findall(r"^```toml\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        (tmp_path / "hal0.toml").write_text(example, encoding="utf-8")
        if page.name == "keys.md":  # the dashboard's own file
            assert read_settings(tmp_path / "hal0.toml") != Settings()
            continue
        assert check(tmp_path / "hal0.toml", env={}) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_pages_are_commands(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    consoles = "".join(re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    named = set(re.findall(r"`hal0 ([a-z]+)", text)) | set(
        re.findall(r"(?:^|\| )(?:\$ )?hal0 ([a-z]+)", consoles, re.MULTILINE)
    )
    assert named <= set(COMMANDS), f"{page.name}: hal0 {named - set(COMMANDS)}"


def test_remedies_name_commands_that_are_there() -> None:
    remedies = " ".join(spec.remedy for spec in CATALOGUE.values())
    assert set(re.findall(r"`hal0 ([a-z]+)", remedies)) <= set(COMMANDS)


def test_the_overview_has_the_layers_in_their_order() -> None:
    text = (ROOT / "docs" / "overview.md").read_text(encoding="utf-8")
    [block] = [part for part in re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL) if "hal0.errors" in part]
    named = re.findall(r"hal0\.[a-z_.]+", block)
    layers = [next(number for number, layer in enumerate(LAYERS) if name in layer) for name in named]
    assert layers == sorted(layers)
    assert set(named) == set().union(*LAYERS) - {"hal0"}
