"""Files of the largest size that is read, made to cost time and memory: refused soon, and the memory comes back."""

import json
import subprocess
import sys
from pathlib import Path

from hal0.daemon.config.file import check

# In a process of its own, for the peak is the whole process's. Prints for each file: CPU seconds, MiB more at the peak.
PROGRAM = """
import json, resource, sys, time
from pathlib import Path
from hal0.daemon.config.file import check

MiB = 2**20

def filled(unit, head=b"", tail=b""):
    return head + (unit * (MiB // len(unit) + 1))[: MiB - len(head) - len(tail)] + tail

FILES = {
    "lists": filled(b"[", b"a = "),
    "tables": filled(b"{a=", b"a = "),
    "keys": filled(b"a."),
    "digits": filled(b"9", b"a = "),
    "runs of digits": filled(b"9" * 3999 + b",", b"a = [", b"]"),
    "NUL": filled(b"\\0"),
    "carriage returns": filled(b"\\r"),
    "byte order marks": filled(b"\\xef\\xbb\\xbf"),
    "surrogates": filled(b"\\xed\\xa0\\x80"),
    "Latin-1": filled(b"\\xe9"),
    "quotes": filled(b'"'),
    "an endless text": filled(b"x", b'a = "'),
    "unset variables": filled(b"${env:X}", b'[slots.a]\\nmodel = "', b'"'),
    "unknown keys": b"".join(b"k%d=1\\n" % n for n in range(25_000)),
}
path = Path(sys.argv[1]) / "hal0.toml"

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

def judged(raw):
    path.write_bytes(raw)
    began, before = time.process_time(), peak()
    assert len(raw) <= MiB and check(path, {}), "it is a file that is read, and refused"
    return time.process_time() - began, peak() - before

with path.open("wb") as file:
    file.truncate(100 * MiB)
before = peak()
(problem,) = check(path, {})
assert "larger than" in problem.message and peak() - before < 8
path.write_bytes(b"a = 1")
check(path, {})  # what is imported at the first time counts for no file
first = {name: judged(raw) for name, raw in FILES.items()}
again = {name: judged(raw)[1] for name, raw in FILES.items()}
print(json.dumps([first, again]))
"""


def test_the_largest_files_are_refused_soon_and_cost_no_memory_twice(tmp_path: Path) -> None:
    words = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=240, check=False)
    assert ended.returncode == 0, ended.stderr
    first, again = json.loads(ended.stdout)
    for name, (seconds, mib) in first.items():
        assert seconds < 3, (name, seconds)  # of CPU; a third of a second is usual for the worst
        assert mib < (96 if name == "unknown keys" else 32), (name, mib)
    assert sum(again.values()) < 32, again


def test_many_large_files_are_bounded_together(tmp_path: Path) -> None:
    (tmp_path / "hal0.d").mkdir()
    (tmp_path / "hal0.toml").write_text("# mine\n")
    for number in range(8):
        (tmp_path / "hal0.d" / f"{number}.toml").write_text("#" * 900_000)
    (problem,) = check(tmp_path / "hal0.toml", {})
    assert problem.file == str(tmp_path / "hal0.d" / "4.toml")
    assert "together are larger than 4 MiB" in problem.message
