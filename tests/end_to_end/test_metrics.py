"""/metrics of a real daemon, read as Prometheus reads it."""

import json
import os
import re
import signal
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.fakes.installation import Installation, installed

Sample = tuple[str, frozenset[tuple[str, str]]]
CHAT = {"messages": [{"role": "user", "content": "Tell me a story."}], "max_tokens": 12}
# Some builds of llama.cpp heed `ignore_eos` only beside a `logit_bias`.
LONG = {**CHAT, "max_tokens": 200, "ignore_eos": True, "logit_bias": [], "stream": True}


def scraped(hal0: Installation) -> dict[Sample, float]:
    answer = httpx.get(f"{hal0.url}/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "story" not in answer.text
    families = text_string_to_metric_families(answer.text)
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def value(samples: dict[Sample, float], name: str, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


def test_what_happened_is_what_is_told(tmp_path: Path) -> None:
    with installed(tmp_path) as hal0:
        hal0.wait_for_slot("primary", "ready")
        plain = httpx.post(f"{hal0.url}/v1/chat/completions", json=CHAT, timeout=60).json()
        with httpx.stream("POST", f"{hal0.url}/v1/chat/completions", json=LONG, timeout=60) as stream:
            streamed = sum(1 for line in stream.iter_lines() if '"content":"' in line and "[DONE]" not in line)
        httpx.post(f"{hal0.url}/v1/chat/completions", json={**CHAT, "model": "nobody"})
        samples = scraped(hal0)
        path = "/v1/chat/completions"
        assert value(samples, "hal0_requests_total", slot="primary", path=path, outcome="ok") == 2
        assert value(samples, "hal0_requests_total", slot="", path=path, outcome="failed") == 1
        generated = value(samples, "hal0_generated_tokens_total", slot="primary")
        assert generated >= plain["usage"]["completion_tokens"] + streamed
        assert value(samples, "hal0_prompt_tokens_total", slot="primary") >= plain["usage"]["prompt_tokens"]
        assert value(samples, "hal0_time_to_first_token_seconds_count", slot="primary") == 1
        assert value(samples, "hal0_request_seconds_count", slot="primary") == 2
        # No gap before tokens that come with the first one: on a busy machine that may be all of them.
        assert value(samples, "hal0_inter_token_seconds_count", slot="primary") in range(streamed)
        assert value(samples, "hal0_slot_state", slot="primary", state="ready") == 1
        assert value(samples, "hal0_slot_state", slot="primary", state="error") == 0
        assert value(samples, "hal0_slot_load_seconds_count", slot="primary") == 1
        assert value(samples, "hal0_slot_starts_total", slot="primary") == 1
        assert any(name == "hal0_device_memory_total_bytes" for name, _ in samples)


def test_a_crash_is_counted_with_its_code(tmp_path: Path) -> None:
    with installed(tmp_path) as hal0:
        pid = hal0.wait_for_slot("embed", "ready")["pid"]
        since = hal0.admin("GET", "/api/state")["event_id"]
        os.kill(pid, signal.SIGKILL)
        with hal0.client() as client, client.stream("GET", f"/api/events?since={since}") as events:
            for line in events.iter_lines():
                if line.startswith("data:") and '"slot.crashed"' in line:
                    break
        samples = scraped(hal0)
        assert value(samples, "hal0_slot_failures_total", slot="embed", code="slot.crashed") == 1


def test_only_reading_is_answered(tmp_path: Path) -> None:
    with installed(tmp_path) as hal0:
        refused = httpx.post(f"{hal0.url}/metrics")
        assert refused.status_code == 405
        assert json.loads(refused.text)["error"]["code"] == "system.method_not_allowed"
        assert httpx.head(f"{hal0.url}/metrics").text == ""


def test_the_dashboard_for_grafana_asks_for_what_there_is(tmp_path: Path) -> None:
    dashboard = json.loads((Path(__file__).parents[2] / "docs" / "grafana.json").read_text())
    asked = {name for panel in dashboard["panels"] for name in re.findall(r"hal0_\w+", json.dumps(panel["targets"]))}
    with installed(tmp_path) as hal0:
        hal0.wait_for_slot("primary", "ready")
        told = set(re.findall(r"^# TYPE (hal0_\w+)", httpx.get(f"{hal0.url}/metrics").text, re.MULTILINE))
    assert {re.sub(r"_(bucket|count)$", "", name) for name in asked} <= told
