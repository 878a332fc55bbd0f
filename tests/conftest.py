"""The last check of every run: no process that a test started, or that was started by one, is left."""

import os
import signal
import time
import uuid
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

MARK = "PYTEST_SESSION_OF_HAL0"  # inherited by every process the tests start
PATIENCE_SECONDS = 5.0

# Of the tests of whole machines, by hand: --hypothesis-profile=long, and --hypothesis-seed=N for another run.
settings.register_profile(
    "long",
    max_examples=3_000,
    stateful_step_count=100,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        os.environ[MARK] = uuid.uuid4().hex
    # A shell that starts the tests in the background lets them ignore Ctrl-C, and so would all that they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workerinput"):
        return
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (left := left_over()) and time.monotonic() < deadline:
        time.sleep(0.05)
    if left:
        print(f"\nprocesses left over by the tests: {left}")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def left_over() -> list[str]:
    mark = f"{MARK}={os.environ[MARK]}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    found.append(f"{entry.name} {command}")
            except OSError:
                continue
    return found
