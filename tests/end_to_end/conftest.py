from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.installation import Installation, installed


@pytest.fixture(scope="module")
def hal0(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """The embedded default, shared by the tests of a file that leave it as it was."""
    with installed(tmp_path_factory.mktemp("hal0")) as installation:
        installation.wait_for_slot("primary", "ready", "idle")
        installation.wait_for_slot("embed", "ready", "idle")
        yield installation


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Installation]:
    """An installation for one test that breaks things."""
    with installed(tmp_path) as installation:
        installation.wait_for_slot("primary", "ready", "idle")
        yield installation
