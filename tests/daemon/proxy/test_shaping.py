"""What a slot or a remote makes of a request on its way, as a table."""

import json
from typing import Any

import pytest

from hal0.daemon.config.schema import Remote, Slot
from hal0.daemon.proxy.shaping import shaped

CHAT, MESSAGES, RESPONSES = "/v1/chat/completions", "/v1/messages", "/v1/responses"
CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "a default fills a gap": (CHAT, {"defaults": {"temperature": 0.5}}, {"a": 1}, {"a": 1, "temperature": 0.5}),
    "null is a gap": (CHAT, {"defaults": {"temperature": 0.5}}, {"temperature": None}, {"temperature": 0.5}),
    "a default is no order": (CHAT, {"defaults": {"temperature": 0.5}}, {"temperature": 0}, {"temperature": 0}),
    "a limit is one by any name": (
        CHAT,
        {"defaults": {"max_tokens": 5}},
        {"max_completion_tokens": 9},
        {"max_completion_tokens": 9},
    ),
    "set is an order": (CHAT, {"set": {"seed": 1, "stop": ["x"]}}, {"seed": 7}, {"seed": 1, "stop": ["x"]}),
    "a limit that is set has no other beside it": (
        CHAT,
        {"set": {"max_tokens": 5}},
        {"max_completion_tokens": 9, "n_predict": 8},
        {"max_tokens": 5},
    ),
    "strip takes out": (CHAT, {"strip": ["top_p", "x"]}, {"top_p": 1, "x": {}, "y": 2}, {"y": 2}),
    "what was stripped gets its default": (
        CHAT,
        {"strip": ["top_p"], "defaults": {"top_p": 0.9}},
        {"top_p": 0.1},
        {"top_p": 0.9},
    ),
    "no limit gets the most": (CHAT, {"max_tokens": 10}, {}, {"max_tokens": 10}),
    "too high gets the most": (CHAT, {"max_tokens": 10}, {"max_tokens": 11}, {"max_tokens": 10}),
    "lower stays": (CHAT, {"max_tokens": 10}, {"max_tokens": 3}, {"max_tokens": 3}),
    "llama.cpp's word for endless": (CHAT, {"max_tokens": 10}, {"max_tokens": -1}, {"max_tokens": 10}),
    "no way round it": (
        CHAT,
        {"max_tokens": 10},
        {"max_tokens": 3, "n_predict": 99, "max_completion_tokens": 99},
        {"max_tokens": 3, "n_predict": 10, "max_completion_tokens": 10},
    ),
    "completions too": ("/v1/completions", {"max_tokens": 10}, {"prompt": "x"}, {"prompt": "x", "max_tokens": 10}),
    "messages as they call it": (
        MESSAGES,
        {"max_tokens": 10, "defaults": {"stop": ["x"]}},
        {"max_tokens": 99},
        {"max_tokens": 10, "stop_sequences": ["x"]},
    ),
    "responses as they call it": (
        RESPONSES,
        {"max_tokens": 10, "set": {"temperature": 1}},
        {"input": "x"},
        {"input": "x", "max_output_tokens": 10, "temperature": 1},
    ),
    "strip by chat's name": (RESPONSES, {"strip": ["max_tokens"]}, {"max_output_tokens": 5}, {}),
}


@pytest.mark.parametrize("case", CASES)
def test_a_body_becomes(case: str) -> None:
    path, keys, before, after = CASES[case]
    for table in (Slot, Remote):
        config = table.model_validate({**keys, "strip": tuple(keys.get("strip", ()))})
        assert json.loads(shaped(json.dumps(before).encode(), path, config)) == after


def test_openai_gets_the_name_that_all_its_models_take() -> None:
    config = Remote.model_validate({"kind": "openai", "max_tokens": 10})
    assert json.loads(shaped(b"{}", CHAT, config)) == {"max_completion_tokens": 10}
    given = shaped(b'{"max_tokens": 4}', CHAT, config)
    assert json.loads(given) == {"max_tokens": 4}  # what a client says stays in its own words


@pytest.mark.parametrize("path", [CHAT, "/v1/embeddings", "/v1/messages/count_tokens"])
def test_nothing_is_touched_where_nothing_is_configured_or_nothing_is_generated(path: str) -> None:
    raw = b'{ "model" : "m" }'
    config = Slot() if path == CHAT else Slot.model_validate({"max_tokens": 5, "set": {"a": 1}})
    assert shaped(raw, path, config) is raw
