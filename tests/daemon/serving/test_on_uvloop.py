"""What holds on asyncio's own loop holds on the one the daemon uses."""

from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from tests.daemon.serving import test_answers, test_crowd, test_drain, test_requests_on_the_wire, test_sockets
from tests.fakes.loops import flows


@pytest.mark.parametrize("flow", flows(test_answers, test_crowd, test_drain, test_requests_on_the_wire, test_sockets))
def test_on_uvloop(flow: Callable[[], Coroutine[Any, Any, None]]) -> None:
    uvloop.run(flow())
