"""`hal0 model list --catalogue`: what can be pulled by a short name, told without a daemon."""

import json

from hal0.models.catalogue import entries
from hal0.tui import figures
from tests.cli.conftest import Run


def test_a_size_that_is_not_known_is_said_to_be_unknown(hal0: Run) -> None:
    ended = hal0("model", "list", "--catalogue")
    assert (ended.status, ended.err) == (0, "")
    rows = {line.split()[0]: " ".join(line.split()[2:]) for line in ended.out.splitlines() if line.strip()}
    for entry in entries():
        assert rows[entry.name].startswith(figures.size(entry.size_bytes) if entry.size_bytes else "not known ")
    assert "a size that is not known is asked of the server" in ended.out
    told = json.loads(hal0("model", "list", "--catalogue", "--json").out)["catalogue"]
    assert {each["name"]: each["size_bytes"] for each in told} == {each.name: each.size_bytes for each in entries()}
