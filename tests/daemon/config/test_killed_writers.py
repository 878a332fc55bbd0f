"""A writer killed at any call of the system leaves the old configuration or the new one, whole, for who comes next."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

# Forks a child for each call of the system that an act makes, and the child ends itself before that call.
DRIVER = """
import json, logging, os, shutil, signal, sys, tomllib, tomli_w
from pathlib import Path
from hal0.daemon.config.history import History
from hal0.daemon.config.journal import Change, Journal
from hal0.daemon.config.store import ConfigStore
from hal0.daemon.config.writes import finish, make_changes
from hal0.daemon.events import EventBus

# All that changes anything on a disk. What one call leaves is what the next one finds, so before each is enough.
CALLS = {"open", "write", "flush", "close", "fsync", "flock", "replace", "unlink", "mkdir", "fchmod", "setxattr"}
folder = Path(sys.argv[1])
journal = Journal(folder / "state")

def slot(name): return f'[slots.{name}]\\nmodel = "m"\\n'.encode()

CHANGES = [
    Change(folder / "hal0.toml", slot("a1"), slot("a2") + b"# longer" * 9000),
    Change(folder / "hal0.d" / "b.toml", slot("b1"), slot("b2")),
    Change(folder / "hal0.d" / "c.toml", None, slot("c2")),
    Change(folder / "hal0.d" / "d.toml", slot("d1"), None),
]

def put_back():
    for each in (folder / "hal0.d", folder / "state"):
        shutil.rmtree(each, ignore_errors=True)
        each.mkdir()
    for change in CHANGES:
        if change.old is not None:
            change.path.write_bytes(change.old)

def seen():
    # What lies there, and what a daemon that starts makes of it.
    on_disk = "".join(
        "N" if now == change.new else "O" if now == change.old else "?"
        for change in CHANGES for now in [change.path.read_bytes() if change.path.exists() else None]
    )
    store = ConfigStore(EventBus(), folder / "hal0.toml", env={}, history=History(folder / "state"))
    return [on_disk, list(store.load().settings.slots)]

def killed(act, number):
    # The exit status of a child that is killed at this call, and how many there were.
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        _, status = os.waitpid(child, 0)
        with open(reading) as file:
            return os.waitstatus_to_exitcode(status), file.read()
    count = 0
    def note(frame, event, called):
        nonlocal count
        if event == "c_call" and called.__name__ in CALLS:
            count += 1
            if count == number:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.setprofile(note)
    act()
    sys.setprofile(None)
    os.write(writing, str(count).encode())
    os._exit(0)

def every(act, prepare):
    prepare()
    status, count = killed(act, 0)
    assert status == 0, "it works when nobody kills it"
    outcomes = []
    for number in range(1, int(count) + 1):
        prepare()
        assert killed(act, number)[0] == -signal.SIGKILL
        outcomes.append(seen())
    return outcomes

def begun():
    put_back()
    journal.begin(CHANGES)
    CHANGES[0].path.write_bytes(CHANGES[0].new)

ACTS = {
    "one": lambda: every(lambda: make_changes(CHANGES[:1]), put_back),
    "several": lambda: every(lambda: make_changes(CHANGES, journal), put_back),
    "finish": lambda: every(lambda: finish(journal), begun),
}
logging.disable()
print(json.dumps(ACTS[sys.argv[2]]()))
"""
OLD, NEW = ["a1", "b1", "d1"], ["a2", "b2", "c2"]


def outcomes_of(act: str, folder: Path) -> list[Any]:
    words = [sys.executable, "-c", DRIVER, str(folder), act]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    outcomes: list[Any] = json.loads(ended.stdout)
    return outcomes


def test_one_file_is_the_old_one_or_the_new_one(tmp_path: Path) -> None:
    outcomes = outcomes_of("one", tmp_path)
    on_disk = [files for files, _ in outcomes]
    turn = on_disk.index("NOOO")
    assert turn > 8, "it was killed at every step before the rename"
    assert on_disk == ["OOOO"] * turn + ["NOOO"] * (len(outcomes) - turn)


def test_of_several_files_a_daemon_that_starts_takes_all_old_ones_or_all_new_ones(tmp_path: Path) -> None:
    outcomes = outcomes_of("several", tmp_path)
    taken = [slots for _, slots in outcomes]
    turn = taken.index(NEW)
    assert taken == [OLD] * turn + [NEW] * (len(taken) - turn)
    halves = {on_disk for on_disk, _ in outcomes} - {"OOOO", "NNNN"}
    assert halves == {"NOOO", "NNOO", "NNNO"}, "the test kills between the files too"
    assert not any("?" in on_disk for on_disk, _ in outcomes)


def test_who_is_killed_while_finishing_is_finished_by_the_next(tmp_path: Path) -> None:
    outcomes = outcomes_of("finish", tmp_path)
    assert {on_disk for on_disk, _ in outcomes} == {"NOOO", "NNOO", "NNNO", "NNNN"}
    assert [slots for _, slots in outcomes] == [NEW] * len(outcomes)
