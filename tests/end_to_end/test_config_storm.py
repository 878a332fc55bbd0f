"""The file is rewritten a hundred times in every style while clients are served: no request fails, no slot restarts."""

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from tests.fakes.installation import Installation, installed

CONFIG = """\
# The box in the cellar.
[daemon]
ports = @PORTS@

[slots.primary]
model = "hal0-starter"
autostart = true
parallel = 2

[slots.embed]
model = "all-minilm-l6-v2"
autostart = true
"""
EDITS = 100
# Twenty of them, one in each group of five; each mistake in several styles.
MISTAKES = {
    '[slots.primary]\nmodle = "x"\n': "config.unknown_key",
    "[slots.primary\n": "config.syntax",
    "": "config.implausible",
    "\x00": "config.syntax",
    '[server]\nport = "many"\n': "config.invalid",
}
HELLO = {"model": "primary", "messages": [{"role": "user", "content": "Hello!"}], "max_tokens": 8}


def in_place(path: Path, text: str) -> None:
    path.write_text(text)


def renamed(path: Path, text: str) -> None:
    new = path.with_suffix(".swp")
    new.write_text(text)
    new.replace(path)


def with_backup(path: Path, text: str) -> None:
    """As vim does with `backupcopy=no`: the old file is moved away, and for a moment there is none."""
    path.rename(path.with_suffix(".toml~"))
    path.write_text(text)


def in_two_halves(path: Path, text: str) -> None:
    with path.open("w") as file:
        file.write(text[: len(text) // 2])
        file.flush()
        os.fsync(file.fileno())
        file.write(text[len(text) // 2 :])


def by_the_api(path: Path, text: str) -> None:
    transport = httpx.HTTPTransport(uds=str(path.parent.parent / "run" / "hal0.sock"), verify=False)
    with httpx.Client(transport=transport, base_url="http://hal0", timeout=30) as client:
        status = client.put("/api/config", json={"text": text}, headers={"If-Match": "*"}).status_code
        assert status in ((422,) if text in MISTAKES else (200, 412)), status


def other(path: Path, text: str) -> Path:
    """The text in another file, for a program to put it in the place of the first."""
    new = path.parent.parent / "other.toml"
    new.write_text(text)
    return new


def by_sed(path: Path, text: str) -> None:
    path.write_text("# old\n")  # `sed -i` does nothing to a file without lines
    subprocess.run(["sed", "-i", "-e", f"1r {other(path, text)}", "-e", "d", path], check=True)


def by_cp(path: Path, text: str) -> None:
    subprocess.run(["cp", other(path, text), path], check=True)


def by_mv(path: Path, text: str) -> None:
    subprocess.run(["mv", other(path, text), path], check=True)


def by_link(path: Path, text: str) -> None:
    """A link is swapped for one to another version."""
    version = path.parent / f"version-{len(os.listdir(path.parent))}"
    version.write_text(text)
    new = path.with_suffix(".link")
    new.symlink_to(version.name)
    new.replace(path)


def with_its_folder(path: Path, text: str) -> None:
    shutil.rmtree(path.parent)
    path.parent.mkdir()
    path.write_text(text)


STYLES: list[Callable[[Path, str], None]] = [
    in_place, renamed, with_backup, in_two_halves, by_the_api, by_sed, by_cp, by_mv, by_link, with_its_folder,
]  # fmt: skip


def test_a_hundred_rewrites_under_load_fail_no_request_and_restart_nothing(tmp_path: Path) -> None:
    hal0 = Installation(tmp_path, CONFIG)
    (tmp_path / "conf").mkdir()  # a folder of its own, which is taken away and comes back
    hal0.config = hal0.config.rename(tmp_path / "conf" / "hal0.toml")
    try:
        hal0.start()
        hal0.wait_for_slot("primary", "ready")
        hal0.wait_for_slot("embed", "ready")
        before = {name: hal0.slot(name)["pid"] for name in ("primary", "embed")}
        text = hal0.config.read_text()
        done = threading.Event()
        statuses: list[int] = []
        refused: set[str] = set()

        def ask_on_and_on(path: str, body: dict[str, Any]) -> None:
            with httpx.Client(base_url=hal0.url, timeout=60) as client:
                while not done.is_set():
                    statuses.append(client.post(path, json=body).status_code)

        loads: list[tuple[str, dict[str, Any]]] = [
            ("/v1/chat/completions", HELLO),
            ("/v1/chat/completions", {**HELLO, "stream": True}),
            ("/v1/embeddings", {"model": "embed", "input": "hello"}),
        ]
        workers = [threading.Thread(target=ask_on_and_on, args=load) for load in loads]
        for worker in workers:
            worker.start()
        try:
            for n in range(EDITS):
                group = n // 5
                style, is_mistake = STYLES[group % len(STYLES)], n % 5 == 3
                new = text.replace("autostart = true\nparallel", f'idle_after = "{n + 1}m"\nautostart = true\nparallel')
                if is_mistake:
                    new = list(MISTAKES)[(group + n // 25) % len(MISTAKES)]
                style(hal0.config, new)
                if is_mistake and group < len(STYLES) and style is not by_the_api:
                    refused |= until_refused(hal0, code=MISTAKES[new])
                time.sleep(0.03)  # a fast typist
            assert refused == set(MISTAKES.values())
            last = text.replace("[slots.embed]", '[slots.embed]\naliases = ["the-last-one"]')
            renamed(hal0.config, last)
            deadline = time.monotonic() + 10
            while hal0.slot("embed")["aliases"] != ["the-last-one"]:
                assert time.monotonic() < deadline, hal0.admin("GET", "/api/config")
                time.sleep(0.02)
            seen = len(statuses)
            while len(statuses) < seen + 6:
                assert time.monotonic() < deadline + 30
                time.sleep(0.02)
        finally:
            done.set()
            for worker in workers:
                worker.join()
        assert set(statuses) == {200}, statuses
        assert {name: hal0.slot(name)["pid"] for name in before} == before
        view = hal0.admin("GET", "/api/config")
        assert view["rejected_at"] is None
        assert view["revision"] > 5
        assert hal0.config.read_text() == last
    finally:
        hal0.stop()


def until_refused(hal0: Installation, *, code: str) -> set[str]:
    """Wait until what lies there now was read and refused for this; the codes of its problems."""
    deadline = time.monotonic() + 10
    while code not in (codes := {each["code"] for each in hal0.admin("GET", "/api/config")["problems"]}):
        assert time.monotonic() < deadline, codes
        time.sleep(0.02)
    return codes


def test_a_hundred_edits_in_a_second_are_at_most_ten_reloads(tmp_path: Path) -> None:
    with installed(tmp_path, CONFIG) as hal0:
        text = hal0.config.read_text()
        began = time.monotonic()
        for n in range(100):
            renamed(hal0.config, text + f"# {n}\n")
            time.sleep(max(0.0, began + (n + 1) / 100 - time.monotonic()))
        deadline = time.monotonic() + 10
        while hal0.admin("GET", "/api/config/diff")["lines"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert hal0.admin("GET", "/api/config")["revision"] <= 1 + 10
