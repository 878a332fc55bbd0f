"""The daemon runs on uvloop, the tests on asyncio's own loop: this lets a module's tests run on the other too."""

import inspect
from types import ModuleType
from typing import Any

import pytest


def flows(*modules: ModuleType) -> list[Any]:
    """The async tests of the modules that need no fixture, as parameters."""
    return [
        pytest.param(test, id=name.removeprefix("test_"))
        for module in modules
        for name, test in vars(module).items()
        if name.startswith("test_") and inspect.iscoroutinefunction(test) and not inspect.signature(test).parameters
    ]
