"""A model or a key that is not there is a warning before an edit, never a reason to refuse it: it may come later."""

from pathlib import Path

from tests.fakes.installation import installed

CONFIG = """\
[daemon]
ports = @PORTS@

[slots.embed]
model = "all-minilm-l6-v2"
autostart = true
"""
ADDED = '\n[slots.big]\nmodel = "big"\n\n[models.big]\npath = "/nonexistent/big.gguf"\n'
ADDED += '[remotes.far]\nurl = "http://127.0.0.1:9/v1"\nkey_env = "NOBODY_HAS_SET_THIS"\n'


def test_an_edit_that_names_a_missing_file_is_planned_with_a_warning_and_taken_over(tmp_path: Path) -> None:
    with installed(tmp_path, CONFIG) as hal0:
        pid = hal0.wait_for_slot("embed", "ready")["pid"]
        text = hal0.config.read_text() + ADDED
        plan = hal0.admin("POST", "/api/config/plan", {"text": text})
        assert plan["problems"] == []
        warning, of_key = plan["warnings"]
        assert (of_key["code"], of_key["key"]) == ("dispatch.remote_key_missing", "remotes.far.key_env")
        assert (warning["code"], warning["key"]) == ("model.file_missing", "slots.big.model")
        line = text.splitlines().index('model = "big"') + 1
        assert (warning["file"], warning["line"], warning["column"]) == (str(hal0.config), line, 9)
        hal0.config.write_text(text)
        view = hal0.admin("POST", "/api/config/reload", {})
        assert (view["revision"], view["problems"], view["rejected_at"]) == (2, [], None)
        assert hal0.slot("embed")["pid"] == pid


def test_a_daemon_starts_with_a_slot_whose_model_is_missing(tmp_path: Path) -> None:
    with installed(tmp_path, CONFIG + ADDED) as hal0:
        hal0.wait_for_slot("embed", "ready")
        assert hal0.admin("GET", "/api/config/plan")["warnings"][0]["code"] == "model.file_missing"
