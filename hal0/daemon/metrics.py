"""`GET /metrics`: what Prometheus asks for, in its text format. The library is imported at the first question.

Nothing of what people ask or are answered is in it, only names of slots and models, counts, times and sizes.
"""

import asyncio
from collections.abc import Iterator
from typing import Any

from hal0 import __version__
from hal0.daemon.proxy.meter import Histogram
from hal0.daemon.services import Services
from hal0.daemon.slots.lifecycle import State

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
COUNTED = (
    ("hal0_queue_seconds", "Time that requests waited for their turn.", "queue"),
    (
        "hal0_time_to_first_token_seconds",
        "From the request's coming to its first token, queue and load included.",
        "ttft",
    ),
    ("hal0_inter_token_seconds", "Time between the tokens of a stream.", "gaps"),
    ("hal0_request_seconds", "From the request's coming to the end of its answer.", "whole"),
    ("hal0_slot_load_seconds", "From spawning a backend to its proven readiness.", "loads"),
)


async def exposition(services: Services) -> bytes:
    """The whole page."""
    # Its import takes some 80 ms: not on the loop, which relays streams.
    families, generate_latest = await asyncio.to_thread(_library)

    class Page:
        def collect(self) -> Iterator[Any]:
            yield from _collect(services, families)

    page: bytes = generate_latest(Page())
    return page


def _library() -> tuple[Any, Any]:
    from prometheus_client import generate_latest
    from prometheus_client import metrics_core as families

    return families, generate_latest


def _collect(services: Services, families: Any) -> Iterator[Any]:
    counter, gauge = families.CounterMetricFamily, families.GaugeMetricFamily
    build = gauge("hal0_build_info", "Always 1; the version is the label.", labels=["version"])
    build.add_metric([__version__], 1)
    yield build
    yield gauge("hal0_start_time_seconds", "When the daemon started, in Unix seconds.", value=services.started_at)
    yield gauge("hal0_config_revision", "Number of the configuration in force.", value=services.config.current.revision)
    yield from _requests(services, families)
    yield from _slots(services, gauge, counter)
    yield from _devices(services, gauge)


def _requests(services: Services, families: Any) -> Iterator[Any]:
    meter = services.requests.meter
    total = families.CounterMetricFamily(
        "hal0_requests", "Requests that have ended.", labels=["slot", "path", "outcome"]
    )
    tokens = families.CounterMetricFamily("hal0_generated_tokens", "Tokens generated.", labels=["slot"])
    prompt = families.CounterMetricFamily("hal0_prompt_tokens", "Tokens of prompts.", labels=["slot"])
    failures = families.CounterMetricFamily(
        "hal0_slot_failures", "Failures of backends, and of their starts.", labels=["slot", "code"]
    )
    cost = families.CounterMetricFamily(
        "hal0_remote_cost_dollars", "What remotes took, as far as their prices are known.", labels=["slot"]
    )
    for name, slot in meter.slots.items():
        if slot.dollars is not None:
            cost.add_metric([name], slot.dollars)
        for (path, outcome), count in slot.requests.items():
            total.add_metric([name, path, outcome], count)
        for code, count in slot.failures.items():
            failures.add_metric([name, code], count)
        tokens.add_metric([name], slot.tokens)
        prompt.add_metric([name], slot.prompt_tokens)
    yield from (total, tokens, prompt, failures, cost)
    for name, text, field in COUNTED:
        family = families.HistogramMetricFamily(name, text, labels=["slot"])
        for slot_name, slot in meter.slots.items():
            histogram: Histogram = getattr(slot, field)
            family.add_metric([slot_name], histogram.cumulative(), histogram.sum)
        yield family


def _slots(services: Services, gauge: Any, counter: Any) -> Iterator[Any]:
    state = gauge("hal0_slot_state", "1 for the state that the slot is in.", labels=["slot", "state"])
    info = gauge("hal0_slot_info", "Always 1.", labels=["slot", "model", "provider", "kind"])
    in_flight = gauge("hal0_slot_in_flight", "Requests the slot works on.", labels=["slot"])
    waiting = gauge("hal0_slot_waiting", "Requests that wait for it.", labels=["slot"])
    starts = counter("hal0_slot_starts", "Runs begun, retries included.", labels=["slot"])
    memory = gauge("hal0_slot_memory_bytes", "Resident memory of its processes.", labels=["slot"])
    for slot in services.supervisor:
        view = slot.view()
        for each in State:
            state.add_metric([slot.name, each.value], 1 if each.value == view.state else 0)
        info.add_metric([slot.name, view.model, view.provider, view.kind], 1)
        in_flight.add_metric([slot.name], view.in_flight)
        waiting.add_metric([slot.name], view.waiting)
        starts.add_metric([slot.name], view.run)
        if (usage := services.sampler.slots.get(slot.name)) is not None:
            memory.add_metric([slot.name], usage.memory_bytes)
    yield from (state, info, in_flight, waiting, starts, memory)


def _devices(services: Services, gauge: Any) -> Iterator[Any]:
    readings = (
        ("hal0_device_utilization_ratio", "How busy it is, 0 to 1.", "utilisation"),
        ("hal0_device_memory_used_bytes", "Memory in use.", "memory_used_bytes"),
        ("hal0_device_memory_total_bytes", "Memory it has.", "memory_total_bytes"),
        ("hal0_device_temperature_celsius", "Temperature.", "temperature_c"),
        ("hal0_device_power_watts", "Power it draws.", "power_w"),
    )
    for name, text, field in readings:
        family = gauge(name, text, labels=["device", "name"])
        for device in services.sampler.devices:
            if (value := getattr(device, field)) is not None:
                family.add_metric([device.id, device.name], value)
        yield family
