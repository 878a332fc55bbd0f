"""A model file that goes away under a running slot: edits take nothing from it, and are made up for when it is back."""

import shutil
import time
from pathlib import Path

from hal0.models import CARDS
from tests.fakes.installation import installed


def test_a_slot_whose_model_file_is_away_goes_on_and_restarts_once_it_is_back(tmp_path: Path) -> None:
    card = next(card for card in CARDS if card.id == "all-minilm-l6-v2")
    model, away = tmp_path / "mine.gguf", tmp_path / "away"
    shutil.copy(card.path, model)
    text = (
        f'[daemon]\nports = @PORTS@\n[models.mine]\npath = "{model}"\n[slots.embed]\nmodel = "mine"\nautostart = true\n'
    )
    with installed(tmp_path / "hal0", text) as hal0:
        before = hal0.wait_for_slot("embed", "ready")
        written = hal0.config.read_text()
        model.rename(away)
        hal0.config.write_text(written + 'context = 128\nidle_after = "9m"\n')
        view = hal0.admin("POST", "/api/config/reload", {})
        slot = hal0.slot("embed")
        assert {key: slot[key] for key in ("pid", "kind", "model")} == {
            key: before[key] for key in ("pid", "kind", "model")
        }
        assert view["failed"] == ""
        assert "model.file_missing" in view["effects"][0]["problem"]
        away.rename(model)
        hal0.config.write_text(written + 'context = 128\nidle_after = "8m"\n')
        assert hal0.admin("POST", "/api/config/reload", {})["effects"][0]["effect"] == "restart"
        deadline = time.monotonic() + 30
        while (slot := hal0.slot("embed"))["state"] != "ready" or slot["pid"] == before["pid"]:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert slot["context"] == 128
