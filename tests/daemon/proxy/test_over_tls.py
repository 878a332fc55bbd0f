"""What holds of requests and streams over plain connections holds over TLS, on the loop the daemon uses."""

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop

from tests.daemon.proxy import test_keys, test_relay
from tests.fakes.loops import flows
from tests.fakes.tls import over_tls, pair


@pytest.mark.parametrize("flow", flows(test_keys, test_relay))
def test_over_tls(flow: Callable[[], Coroutine[Any, Any, None]], tmp_path: Path) -> None:
    with over_tls(pair(tmp_path)):
        uvloop.run(flow())
