"""Which of the kernel's OOM kills may have met a process that has just ended."""

from pathlib import Path

import pytest

from hal0.hardware.oom import OomKills
from tests.fakes.clock import Clock
from tests.hardware.trees import plant


class Kernel:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.count = 0
        self.clock = Clock()
        self.kill(0)
        self.kills = OomKills(root, clock=self.clock)

    def kill(self, processes: int = 1) -> None:
        self.count += processes
        plant(self.root, {"proc/vmstat": f"nr_free_pages 7\noom_kill {self.count}\nzone_reclaim 0\n"})

    def pass_by(self, seconds: int, *, looks: bool = True) -> None:
        for _ in range(seconds):
            self.clock.advance(1.0)
            if looks:
                self.kills.look()


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    return Kernel(tmp_path)


def test_a_kill_counts_for_as_long_as_the_end_of_a_large_process_may_take(kernel: Kernel) -> None:
    kernel.pass_by(30)
    assert not kernel.kills.lately()
    kernel.kill()
    assert kernel.kills.lately()
    kernel.pass_by(9)
    assert kernel.kills.lately()
    kernel.pass_by(3)
    assert not kernel.kills.lately()


def test_a_kill_while_nobody_could_look_counts_for_what_has_run_all_the_while(kernel: Kernel) -> None:
    kernel.kills.begin()
    kernel.kill()
    kernel.pass_by(300, looks=False)  # it loads, and answers nothing
    assert kernel.kills.lately()


def test_a_kill_before_the_first_backend_was_started_is_of_somebody_else(kernel: Kernel) -> None:
    kernel.kill()
    kernel.pass_by(300, looks=False)
    kernel.kills.begin()
    assert not kernel.kills.lately()


@pytest.mark.parametrize("text", ["", "nr_free_pages 7\n", "oom_kill\noom_kill x\n"])
def test_a_kernel_that_does_not_say_is_told_of_no_kill(tmp_path: Path, text: str) -> None:
    assert not OomKills(plant(tmp_path, {"proc/vmstat": text})).lately()
    assert not OomKills(tmp_path / "nowhere").lately()
