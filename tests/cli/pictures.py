"""Values of the wire, as a daemon would send them."""

from typing import Any

from hal0.wire import ConfigView, DeviceView, ErrorRecord, ErrorView, RequestView, SlotView, State, Totals

NOW = 1_800_000_000.0
GIB = 2**30


def slot(name: str = "primary", **more: Any) -> SlotView:
    values: dict[str, Any] = {
        "name": name, "state": "ready", "since": NOW - 65, "kind": "chat", "provider": "llama", "model": "hal0-starter",
        "engine": "llama.cpp (built in)", "context": 1024, "port": 8081, "pid": 4242, "run": 1,
        "memory_bytes": 72 * 2**20, "revision": 1,
    }  # fmt: skip
    return SlotView(**{**values, **more})


def failed_slot(name: str = "coder", **more: Any) -> SlotView:
    error = ErrorView(
        code="slot.load_failed",
        message="coder could not load its model: out of memory",
        details={"slot": "coder", "reason": "out of memory"},
    )
    values: dict[str, Any] = {
        "state": "error", "error": error, "failures": 5, "parked": True, "pid": None, "port": None, "model": "qwen3",
        "log_tail": ["ggml: failed to allocate", "\x1b[31mE\x1b[0m load failed"],
    }  # fmt: skip
    return slot(name, **{**values, **more})


def request(id: str = "req-1", **more: Any) -> RequestView:
    values: dict[str, Any] = {
        "id": id, "path": "/v1/chat/completions", "asked": "primary", "slot": "primary", "model": "hal0-starter",
        "client": "127.0.0.1", "phase": "decoding", "started_at": NOW - 12.4, "tokens": 763, "tokens_per_second": 61.4,
        "ttft_ms": 182.0, "stream": True,
    }  # fmt: skip
    return RequestView(**{**values, **more})


def config(**more: Any) -> ConfigView:
    return ConfigView(**{"revision": 3, "path": "/etc/hal0/hal0.toml", "exists": True, "applied_at": NOW - 100, **more})


def state(**more: Any) -> State:
    values: dict[str, Any] = {
        "event_id": 7, "now": NOW, "version": "0.1.0", "host": "lab01", "pid": 321, "started_at": NOW - 185,
        "listen": ["http://0.0.0.0:8080"], "slots": [slot(), failed_slot()], "requests": [request()],
        "devices": [
            DeviceView(id="cpu", kind="cpu", name="EPYC", utilisation=0.42),
            DeviceView(id="memory", kind="memory", name="RAM", memory_used_bytes=5 * GIB, memory_total_bytes=24 * GIB),
        ],
        "config": config(),
        "errors": [
            ErrorRecord(
                id=1, slot="coder", first_at=NOW - 60, last_at=NOW - 5, count=3,
                error=ErrorView(code="slot.load_failed", message="coder could not load its model: out of memory"),
            )
        ],
        "totals": Totals(requests=12, failed=1, tokens=3210),
    }  # fmt: skip
    return State(**{**values, **more})
