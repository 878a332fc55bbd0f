"""What a request costs here against another checkout, by hand: `python -m tests.bench.against FOLDER [rounds]`.

CPU time of the two daemons, with a dashboard attached to each. They take turns; what counts is the median of the ratios
of the rounds, so that it matters little what else the machine does.
"""

import statistics
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from tests.bench.contenders import Contender, build, hal0
from tests.bench.keys import cpu_micros
from tests.bench.run import paced

STREAMS, TOKENS = 100, 100
WHOLE = "a whole answer, 16 connections"
ALONE = "a whole answer, 1 connection"
CHUNK = f"a chunk of {STREAMS} paced streams"


def costs(contender: Contender, sse: Path) -> dict[str, float]:
    """Microseconds of CPU time, by what they were spent for."""
    figures = {WHOLE: cpu_micros(contender), ALONE: cpu_micros(contender, connections=1, requests=2_000)}
    begun = contender.cpu_seconds()
    paced(contender, sse, streams=STREAMS, tokens=TOKENS)
    return {**figures, CHUNK: 1e6 * (contender.cpu_seconds() - begun) / (STREAMS * TOKENS)}


def main(other: Path, rounds: int) -> None:
    here, there = defaultdict(list), defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="hal0-bench-") as first, tempfile.TemporaryDirectory() as second:
        backend, sse = build(Path(first))
        with hal0(Path(first), backend) as mine, hal0(Path(second), backend, checkout=other.resolve()) as theirs:
            cpu_micros(mine), cpu_micros(theirs)  # warm
            for number in range(rounds):
                turns = [(mine, here), (theirs, there)]
                for contender, seen in turns if number % 2 else turns[::-1]:
                    for what, micros in costs(contender, sse).items():
                        seen[what].append(micros)
    for what in here:
        ratios = sorted(a / b for a, b in zip(here[what], there[what], strict=True))
        spread = f"{ratios[0]:.2f} to {ratios[-1]:.2f}"
        figures = f"{statistics.median(here[what]):4.0f} µs against {statistics.median(there[what]):4.0f} µs"
        print(f"{what:32} {statistics.median(ratios):.2f} ({spread}); {figures}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 10)
