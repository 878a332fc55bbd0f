"""The configuration is changed through the API and the CLI: planned before, on one path, undone after."""

import json
import os
import resource
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from hal0.daemon.config.schema import EMBEDDED_SLOTS
from tests.fakes.installation import Installation, installed

CONFIG = """\
# The box in the cellar.
[daemon]
ports = @PORTS@   # as the firewall has it

# For everybody.
[slots.primary]
model = "hal0-starter"   # small
autostart = true

[slots.embed]
model = "all-minilm-l6-v2"
autostart = true
"""


@pytest.fixture
def hal0(tmp_path: Path) -> Iterator[Installation]:
    with installed(tmp_path, CONFIG) as installation:
        installation.wait_for_slot("primary", "ready")
        installation.wait_for_slot("embed", "ready")
        yield installation


def ask(hal0: Installation, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
    with hal0.client() as client:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return client.request(method, f"/api/{path}", json={} if body is None else body, headers=named)


def cli(hal0: Installation, *words: str, status: int = 0, **env: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-m", "hal0.cli", *words],
        capture_output=True, text=True, env={**hal0.env, "TMPDIR": str(hal0.folder), **env}, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == status, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


def pids(hal0: Installation) -> dict[str, int]:
    return {slot["name"]: slot["pid"] for slot in hal0.admin("GET", "/api/slots")["slots"]}


def editor(folder: Path, *programs: str) -> str:
    """An editor that runs one line of sed at each call."""
    path = folder / "editor"
    cases = "\n".join(f'if [ "$n" = {n} ]; then sed -i "{each}" "$file"; fi' for n, each in enumerate(programs, 1))
    path.write_text(f'#!/bin/sh\nfor file; do :; done\nn=$(($(cat {path}.n 2>/dev/null || echo 0) + 1))\n'
                    f'echo $n > {path}.n\necho "$@" >> {path}.log\n{cases}\n')  # fmt: skip
    path.chmod(0o755)
    return str(path)


def test_a_key_is_changed_without_a_restart_and_the_rest_of_the_text_stays(hal0: Installation) -> None:
    before, text = pids(hal0), hal0.config.read_text()
    hal0.config.chmod(0o640)
    said = cli(hal0, "slot", "edit", "primary", "idle_after=2m", "aliases=['gpt-4o']")
    assert 'slots.primary.idle_after: unset → "2m"' in said
    assert "changes at once" in said
    assert hal0.config.read_text() == text.replace(
        "autostart = true\n\n[slots.embed]",
        'autostart = true\nidle_after = "2m"\naliases = ["gpt-4o"]\n\n[slots.embed]',
    )
    assert stat.S_IMODE(hal0.config.stat().st_mode) == 0o640
    assert pids(hal0) == before
    assert hal0.slot("primary")["aliases"] == ["gpt-4o"]


def test_slots_are_created_and_deleted(hal0: Installation) -> None:
    text, before = hal0.config.read_text(), pids(hal0)
    cli(hal0, "slot", "create", "second", "hal0-starter", "context=256", "autostart=true")
    hal0.wait_for_slot("second", "ready")
    assert "slot.already_exists" in cli(hal0, "slot", "create", "second", "hal0-starter", status=1)
    cli(hal0, "slot", "delete", "second")
    assert hal0.config.read_text() == text
    assert {name: pid for name, pid in pids(hal0).items() if name != "second"} == before
    assert "slot.not_found" in cli(hal0, "slot", "delete", "second", status=1)


def test_a_write_with_a_mistake_changes_nothing_and_tells_all_of_it(hal0: Installation) -> None:
    text = hal0.config.read_text()
    answer = ask(hal0, "PATCH", "slots/primary", {"contxt": 1, "parallel": 0})
    assert answer.status_code == 422
    error = answer.json()["error"]
    assert error["code"] == "config.rejected"
    assert {problem["key"] for problem in error["details"]["problems"]} == {
        "slots.primary.contxt", "slots.primary.parallel",
    }  # fmt: skip
    assert hal0.config.read_text() == text
    assert hal0.admin("GET", "/api/config")["rejected_at"] is None


def test_a_write_based_on_an_old_look_is_refused(hal0: Installation) -> None:
    shown = ask(hal0, "GET", "config")
    tag = shown.headers["etag"]
    text = hal0.config.read_text() + "# mine\n"
    assert ask(hal0, "PUT", "config", {"text": text}).status_code == 400
    assert ask(hal0, "PATCH", "config", {"set": {"observe.capture": False}}, if_match=tag).status_code == 200
    answer = ask(hal0, "PUT", "config", {"text": text}, if_match=tag)
    assert (answer.status_code, answer.json()["error"]["code"]) == (412, "config.conflict")
    assert "# mine" not in hal0.config.read_text()
    fresh = ask(hal0, "GET", "config/text")
    place = ask(hal0, "GET", "config/place?key=slots.embed").json()
    assert fresh.json()["files"][0]["text"].splitlines()[place["line"] - 1] == "[slots.embed]"
    text = fresh.json()["files"][0]["text"] + "# mine\n"
    assert ask(hal0, "PUT", "config", {"text": text}, if_match=fresh.headers["etag"]).status_code == 200
    assert hal0.config.read_text() == text


def test_an_edit_on_disk_that_was_not_seen_is_not_overwritten(hal0: Installation) -> None:
    tag = ask(hal0, "GET", "config/text").headers["etag"]
    hal0.config.write_text(hal0.config.read_text() + "# theirs\n")
    answer = ask(hal0, "PUT", "config", {"text": CONFIG}, if_match=tag)
    assert answer.status_code == 412
    assert "# theirs" in hal0.config.read_text()


def test_writers_at_the_same_time_lose_nothing(hal0: Installation) -> None:
    failures: list[str] = []

    def alias(number: int) -> None:
        answer = ask(hal0, "PUT", f"slots/s{number}", {"model": "hal0-starter", "aliases": [f"a{number}"]})
        if answer.status_code != 200:
            failures.append(answer.text)

    writers = [threading.Thread(target=alias, args=(number,)) for number in range(20)]
    for writer in writers:
        writer.start()
    for number in range(10):  # and a person with an editor, who reads, changes and saves in one step
        with hal0.client() as client:
            client.patch("/api/config", json={"set": {"daemon.drain_timeout": number + 1}})
    for writer in writers:
        writer.join()
    assert failures == []
    names = {slot["name"] for slot in hal0.admin("GET", "/api/slots")["slots"]}
    assert names == {"primary", "embed", *(f"s{number}" for number in range(20))}
    view = hal0.admin("GET", "/api/config")
    assert view["revision"] == 31
    assert hal0.config.read_text().startswith("# The box in the cellar.\n")


def test_the_history_tells_who_and_why_and_goes_on_after_a_restart(hal0: Installation) -> None:
    text = hal0.config.read_text()
    cli(hal0, "slot", "edit", "primary", "idle_after=1h")
    hal0.config.write_text(hal0.config.read_text() + "# by hand\n")
    hal0.admin("POST", "/api/config/reload", {})
    history = hal0.admin("GET", "/api/config/history")["revisions"]
    assert [each["revision"] for each in history] == [3, 2, 1]
    assert history[1]["why"] == "slot primary edited"
    assert history[1]["by"].endswith("hal0)")
    assert (history[0]["by"], history[0]["why"]) == ("file", "edited on disk")
    assert '+idle_after = "1h"' in cli(hal0, "config", "diff", "1", "2").splitlines()
    hal0.stop()
    hal0.start()
    assert hal0.admin("GET", "/api/config")["revision"] == 3
    cli(hal0, "config", "rollback", "1", "--why", "too long")
    assert hal0.config.read_text() == text
    newest = hal0.admin("GET", "/api/config/history")["revisions"][0]
    assert (newest["revision"], newest["why"]) == (4, "as revision 1: too long")
    assert "too long" in cli(hal0, "config", "history")
    assert "config.no_revision" in cli(hal0, "config", "rollback", "99", status=1)
    hal0.wait_for_slot("primary", "ready")


def test_a_plan_tells_each_slots_fate_and_changes_nothing(hal0: Installation, tmp_path: Path) -> None:
    new = tmp_path / "new.toml"
    text = hal0.config.read_text()
    new.write_text(
        text.replace('"hal0-starter"   # small', '"hal0-starter"\ncontext = 512').replace(
            "[slots.embed]", '[slots.third]\nmodel = "nowhere"\n\n[slots.embed]\nparallel = 1'
        )
        + "[server]\nkeep_alive = 60\n"
    )
    before = pids(hal0)
    plan = json.loads(cli(hal0, "plan", str(new), "--json"))
    fates = {slot["name"]: slot for slot in plan["slots"]}
    assert {name: fate["effect"] for name, fate in fates.items()} == {
        "primary": "restart", "embed": "keep", "third": "add",
    }  # fmt: skip
    assert "--ctx-size" in fates["primary"]["changes"][0]
    assert "nowhere" in fates["third"]["problem"]
    assert plan["needs_restart"] == ["server.keep_alive"]
    assert "restarts when its requests are done" in cli(hal0, "plan", str(new))
    assert "nothing would change" in cli(hal0, "plan")
    new.write_text("[slots.primary]\nmodle = 1\n")
    assert "it would be refused" in cli(hal0, "plan", str(new), status=1)
    assert (pids(hal0), hal0.config.read_text()) == (before, text)
    assert hal0.admin("GET", "/api/config")["revision"] == 1


def test_the_editor_is_opened_again_at_the_mistake_and_the_text_is_kept(hal0: Installation, tmp_path: Path) -> None:
    text = hal0.config.read_text()
    once = editor(tmp_path, "s/idle/idle/")
    assert "nothing was changed" in cli(hal0, "config", "edit", EDITOR=once)
    wrong = editor(tmp_path, "", "s/autostart = true/autostart = yes/")
    said = cli(hal0, "config", "edit", EDITOR=wrong, status=1)
    assert "config.rejected" in said
    assert "autostart = yes" in said
    draft = Path(said.partition("your text is in ")[2].splitlines()[0])
    assert "autostart = yes" in draft.read_text()
    assert hal0.config.read_text() == text
    right = editor(tmp_path, "", "", "s/small/tiny/")
    said = cli(hal0, "config", "edit", "--why", "it is", EDITOR=right)
    assert "nothing but comments" in said
    assert hal0.config.read_text() == text.replace("small", "tiny")


def test_every_value_says_where_it_comes_from(hal0: Installation) -> None:
    shown = cli(hal0, "config", "show")
    rows = {line.split()[0]: line for line in shown.splitlines() if line and not line.startswith(" ")}
    assert rows["slots.primary.autostart"].endswith(f"{hal0.config}:8")
    assert rows["server.port"].endswith("HAL0_PORT")
    assert "slots.primary.drain_timeout" not in rows
    assert "slots.primary.drain_timeout" in cli(hal0, "config", "show", "--all")


def test_the_embedded_slots_are_written_down_when_one_is_added(tmp_path: Path) -> None:
    with installed(tmp_path) as hal0:
        hal0.wait_for_slot("primary", "ready")
        before = hal0.slot("primary")["pid"]
        cli(hal0, "slot", "create", "third", "hal0-starter")
        assert {slot["name"] for slot in hal0.admin("GET", "/api/slots")["slots"]} == {*EMBEDDED_SLOTS, "third"}
        assert hal0.slot("primary")["pid"] == before


def test_commands_and_a_daemon_that_starts_meanwhile_lose_nothing(tmp_path: Path) -> None:
    hal0 = Installation(tmp_path, CONFIG.replace("autostart = true\n", ""))
    names = [f"s{number}" for number in range(6)]
    commands = [
        subprocess.Popen(
            [sys.executable, "-m", "hal0.cli", "slot", "create", name, "hal0-starter"], env=hal0.env, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        for name in names
    ]  # fmt: skip
    try:
        hal0.start()
        said = [command.communicate(timeout=60)[0] for command in commands]
        assert [command.returncode for command in commands] == [0] * len(names), said
        assert {slot["name"] for slot in hal0.admin("GET", "/api/slots")["slots"]} == {"primary", "embed", *names}
        whys = [each["why"] for each in hal0.admin("GET", "/api/config/history")["revisions"]]
        assert sorted(whys[:-1]) == [f"slot {name} created" for name in names]
        assert hal0.config.read_text().startswith("# The box in the cellar.\n")
        assert hal0.admin("GET", "/api/config")["revision"] == len(names) + 1
    finally:
        hal0.stop()


def test_what_was_written_without_a_daemon_is_the_revision_with_which_the_next_one_starts(tmp_path: Path) -> None:
    hal0 = Installation(tmp_path, CONFIG)
    assert "no daemon runs" in cli(hal0, "slot", "edit", "primary", "context=256")
    try:
        hal0.start()
        view = hal0.admin("GET", "/api/config")
        assert (view["revision"], view["why"], view["live"]) == (2, "slot primary edited", True)
        assert hal0.wait_for_slot("primary", "ready")["context"] == 256
        assert "is live" in cli(hal0, "config", "rollback", "1")
    finally:
        hal0.stop()


def test_a_read_only_file_is_refused_with_a_code(hal0: Installation) -> None:
    hal0.config.chmod(0o444)
    text = hal0.config.read_text()
    assert "config.read_only" in cli(hal0, "slot", "edit", "primary", "idle_after=1m", status=1)
    assert hal0.config.read_text() == text
    assert [name for name in os.listdir(hal0.folder) if "new" in name] == []


def test_a_disk_that_takes_no_more_is_told_by_api_and_command_and_the_file_is_whole(
    hal0: Installation, tmp_path: Path
) -> None:
    text = hal0.config.read_text()
    assert hal0.process is not None
    limit = resource.prlimit(hal0.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(hal0.process.pid, resource.RLIMIT_FSIZE, (32_000, limit[1]))
    longer = text + "# " + "x" * 40_000 + "\n"
    answer = ask(hal0, "PUT", "config", {"text": longer}, if_match="*")
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "config.write_failed")
    said = cli(hal0, "config", "edit", EDITOR=editor(tmp_path, f"$ s/$/ # {'x' * 40_000}/"), status=1)
    assert "config.write_failed" in said
    assert hal0.config.read_text() == text
    assert [name for name in os.listdir(hal0.folder) if "new" in name] == []
    resource.prlimit(hal0.process.pid, resource.RLIMIT_FSIZE, limit)
    assert ask(hal0, "PUT", "config", {"text": longer}, if_match="*").status_code == 200
    assert hal0.config.read_text() == longer


BODIES: list[tuple[str, str, bytes]] = [
    ("PATCH", "config", b'{"set": {"slots.primary": "text"}}'),
    ("PATCH", "config", b'{"set": {"slots.primary.model.x": 1}}'),
    ("PATCH", "config", b'{"set": {"server.port": ' + b"9" * 5000 + b"}}"),
    ("PATCH", "config", b'{"set": {"server.port": NaN}}'),
    ("PATCH", "config", b'{"set": {"' + b"a." * 100_000 + b'a": 1}}'),
    ("PATCH", "config", b'{"set": {"no key": 1}}'),
    ("PATCH", "config", b'{"sat": {}}'),
    ("PATCH", "config", b"[" * 100_000),
    ("PATCH", "slots/primary", b"[]"),
    ("PATCH", "slots/primary", b"{}"),
    ("PATCH", "slots/nobody", b'{"context": 64}'),
    ("PUT", "slots/NO%20NAME", b'{"model": "x"}'),
    ("PUT", "slots/x", b'{"model": "\\ud800"}'),
    ("PUT", "slots/x", b'{"model": "\xff"}'),
    ("PUT", "config", b'{"text": "[server"}'),
    ("PUT", "config", b'{"text": "", "file": "/etc/passwd"}'),
    ("POST", "config/rollback", b'{"revision": "1"}'),
    ("POST", "config/rollback", b'{"revision": 12345678901234567890}'),
]


def test_whatever_is_sent_is_answered_with_a_code_and_writes_nothing(hal0: Installation) -> None:
    text = hal0.config.read_text()
    for method, path, body in BODIES:
        headers = {"content-type": "application/json", "if-match": "*"}
        with hal0.client() as client:
            answer = client.request(method, f"/api/{path}", content=body, headers=headers)
        assert 400 <= answer.status_code < 500, (body[:80], answer.text)
        assert answer.json()["error"]["code"].partition(".")[0] in ("config", "dispatch", "slot"), answer.text
    assert ask(hal0, "PATCH", "config", {"set": {}}, if_match="nonsense").status_code == 400
    assert hal0.config.read_text() == text
    assert hal0.admin("GET", "/api/config")["revision"] == 1
