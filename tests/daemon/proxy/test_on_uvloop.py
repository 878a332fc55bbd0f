"""What holds on asyncio's own loop holds on the one the daemon uses."""

from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from tests.daemon.proxy import test_failures, test_relay, test_requests
from tests.fakes.loops import flows


@pytest.mark.parametrize("flow", flows(test_failures, test_relay, test_requests))
def test_on_uvloop(flow: Callable[[], Coroutine[Any, Any, None]]) -> None:
    uvloop.run(flow())
