"""A model behaves the same in a slot of this hal0 and behind a remote, which is another hal0 with the same model."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.fakes.installation import Installation, installed
from tests.fakes.scripted import port_range

PLACES = ("primary", "far/primary")
HELLO = [{"role": "user", "content": "Hello!"}]
ASKING = [{"role": "user", "content": "Weather in Paris?"}]
PLACE = {"type": "object", "properties": {"city": {"enum": ["Paris"]}}, "required": ["city"]}
FUNCTION = {"type": "function", "function": {"name": "get_weather", "parameters": PLACE}}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "place", "schema": PLACE, "strict": True}}
NEAR = """
[daemon]
ports = [{port}, {port}]
[slots.primary]
model = "hal0-starter"
[remotes.far]
url = "{url}/v1"
"""
FAR = """
[daemon]
ports = [{port}, {port}]
[slots.primary]
model = "hal0-starter"
"""


class Pair:
    """This hal0, and the one that it asks."""

    def __init__(self, near: Installation, far: Installation) -> None:
        self.near = near
        self.far = far
        self._client = httpx.Client(base_url=f"{near.url}/v1", timeout=60)

    def close(self) -> None:
        self._client.close()

    def ask(self, place: str, **more: Any) -> httpx.Response:
        body = {"model": place, "messages": HELLO, "temperature": 0, "max_tokens": 24, "seed": 1, **more}
        answer = self._client.post("/chat/completions", json=body)
        if answer.status_code == 200:
            assert answer.headers["x-hal0-slot" if place == "primary" else "x-hal0-remote"] == place.split("/")[0]
        return answer

    def events(self, place: str, **more: Any) -> Iterator[Any]:
        body = {"model": place, "messages": HELLO, "temperature": 0, "stream": True, **more}
        with self._client.stream("POST", "/chat/completions", json=body) as answer:
            assert answer.headers["content-type"] == "text/event-stream"
            for line in answer.iter_lines():
                if line:
                    yield line.removeprefix("data: ")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    first, last = port_range()
    with (
        installed(tmp_path_factory.mktemp("far"), FAR.format(port=first)) as far,
        installed(tmp_path_factory.mktemp("near"), NEAR.format(port=last, url=far.url)) as near,
    ):
        until(lambda: near.admin("GET", "/api/remotes/far")["fetched_at"])
        made = Pair(near, far)
        yield made
        made.close()


def until(claim: Callable[[], Any], seconds: float = 30.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (seen := claim()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return seen


def chat(pair: Pair, place: str) -> Any:
    answer = pair.ask(place).json()
    assert answer["choices"][0]["message"]["content"]
    assert answer["usage"]["completion_tokens"] > 0
    return answer["choices"], answer["usage"]["completion_tokens"], answer["object"]


def chat_cut_short(pair: Pair, place: str) -> Any:
    [choice] = pair.ask(place, max_tokens=2).json()["choices"]
    assert choice["finish_reason"] == "length"
    return choice


def tools(pair: Pair, place: str) -> Any:
    [choice] = pair.ask(place, messages=ASKING, tools=[FUNCTION], tool_choice="required", max_tokens=200).json()[
        "choices"
    ]
    assert choice["finish_reason"] == "tool_calls"
    [call] = choice["message"]["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"city": "Paris"}
    return call["function"], call["type"]


def schema(pair: Pair, place: str) -> Any:
    answer = pair.ask(place, messages=ASKING, response_format=SCHEMA, max_tokens=200)
    text = answer.json()["choices"][0]["message"]["content"]
    assert json.loads(text) == {"city": "Paris"}
    return text


def stream(pair: Pair, place: str) -> Any:
    *chunks, end = pair.events(place, max_tokens=24, seed=1, stream_options={"include_usage": True})
    assert end == "[DONE]"
    told = [json.loads(chunk) for chunk in chunks]
    text = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in told if chunk["choices"])
    assert text == pair.ask(place).json()["choices"][0]["message"]["content"]
    assert told[-1]["choices"] == []
    return text, told[-1]["usage"]["completion_tokens"], len(told)


def stream_of_tools(pair: Pair, place: str) -> Any:
    told = list(pair.events(place, messages=ASKING, tools=[FUNCTION], tool_choice="required", max_tokens=200))
    deltas = [json.loads(chunk)["choices"][0]["delta"] for chunk in told[:-1]]
    calls = [call["function"] for delta in deltas for call in delta.get("tool_calls", ())]
    assert json.loads("".join(call.get("arguments", "") for call in calls)) == {"city": "Paris"}
    return calls


def cancel(pair: Pair, place: str) -> Any:
    """The client leaves in the middle: nothing goes on, neither here nor there."""
    events = pair.events(place, ignore_eos=True, max_tokens=200_000)
    next(events)
    events.close()
    name = place.split("/")[0]
    [last] = until(lambda: [r for r in newest(pair.near) if r["slot"] == name and r["outcome"]])
    for hal0 in (pair.near, pair.far):
        until(lambda hal0=hal0: all(request["outcome"] for request in hal0.admin("GET", "/api/requests")["requests"]))
        until(lambda hal0=hal0: hal0.slot("primary")["in_flight"] == 0)
    if name == "far":
        assert newest(pair.far)[0]["outcome"] == "cancelled"
    return last["outcome"], last["error"]["code"]


def newest(hal0: Installation) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = hal0.admin("GET", "/api/requests")["requests"][:1]
    return found


def error(pair: Pair, place: str) -> Any:
    """What is the caller's own fault."""
    return [
        told(pair.ask(place, **wrong))
        for wrong in ({"messages": []}, {"temperature": "hot"}, {"tools": "all"}, {"max_tokens": 1.5})
    ]


def error_of_the_context(pair: Pair, place: str) -> Any:
    status, code, kind, param = told(pair.ask(place, messages=[{"role": "user", "content": "word " * 20_000}]))
    assert (status, code) == (400, "dispatch.context_exceeded")
    return kind, param


def error_of_a_schema(pair: Pair, place: str) -> Any:
    wrong = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "no such type"}}}
    status, _, kind, _ = told(pair.ask(place, response_format=wrong))
    assert status == 400
    return kind


def told(answer: httpx.Response) -> Any:
    problem = answer.json()["error"]
    assert set(problem) == {"code", "message", "details", "type", "param"}
    return answer.status_code, problem["code"], problem["type"], problem["param"]


TABLE = {
    each.__name__: each
    for each in (
        chat,
        chat_cut_short,
        tools,
        schema,
        stream,
        stream_of_tools,
        cancel,
        error,
        error_of_the_context,
        error_of_a_schema,
    )
}


@pytest.mark.parametrize("what", TABLE)
def test_here_and_there_it_is_the_same(pair: Pair, what: str) -> None:
    here, there = (TABLE[what](pair, place) for place in PLACES)
    assert here == there
