"""What is wrong with a body is told in hal0's words, and without the client's."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from hal0.daemon.dialects.messages_request import MessagesBody
from hal0.daemon.dialects.responses_request import ResponsesBody
from hal0.daemon.proxy.body import BODIES, Body, checked
from hal0.errors import Hal0Error

KINDS = [*BODIES.values(), MessagesBody, ResponsesBody]
VALUES: list[Any] = [None, True, "Geheim", "", 0, -1, 1.5, 2**70, 10**400, [], ["Geheim", 5], [[]], {}, {"a": 1}]
OURS = re.compile(
    r"[a-z_.0-9]+: (it must (not )?be [^'\"\[\]]+|each must be .+|the field is missing|there is nothing to draw)"
)


def errors(kind: type[Body], field: str) -> Iterator[Hal0Error]:
    for value in VALUES:
        try:
            checked(kind, json.dumps({field: value}).encode())
        except Hal0Error as error:
            yield error


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_field_of_every_body(kind: type[Body]) -> None:
    for field, info in kind.model_fields.items():
        for error in errors(kind, info.alias or field):
            assert "Geheim" not in error.message or error.code == "dispatch.size_invalid"
            assert "Input should" not in error.message
            if error.code == "dispatch.invalid_request":
                assert OURS.fullmatch(error.message), error.message
                assert error.param
                assert error.message.startswith(f"{error.param}: ")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "messages: the field is missing"),
        ({"messages": []}, "messages: it must not be empty"),
        ({"messages": "hi"}, "messages: it must be a list, not a string"),
        ({"messages": [5]}, "messages.0: it must be an object, not 5"),
        ({"max_tokens": "many"}, "max_tokens: it must be a whole number, not a string"),
        ({"max_tokens": 1.5}, "max_tokens: it must be a whole number, not 1.5"),
        ({"temperature": "hot"}, "temperature: it must be a number, not a string"),
        ({"stream": 1}, "stream: it must be true or false, not 1"),
        ({"stop": 5}, "stop: it must be a string or a list, not 5"),
        ({"stop": [5]}, "stop: it must be a string, or a list of strings"),
        ({"tools": {}}, "tools: it must be a list, not an object"),
        ({"model": "m" * 600}, "model: it must be at most 512 characters long"),
    ],
)
def test_a_sentence_says_what_it_must_be(body: dict[str, Any], message: str) -> None:
    whole = {"messages": [{"role": "user", "content": "hi"}], **body} if body else body
    with pytest.raises(Hal0Error) as caught:
        checked(next(each for each in KINDS if each.__name__ == "ChatBody"), json.dumps(whole).encode())
    assert (caught.value.message, caught.value.param) == (message, message.partition(":")[0])


def test_the_whole_body_has_no_param() -> None:
    with pytest.raises(Hal0Error, match=r": the body: it must be an object, not a list$") as caught:
        checked(MessagesBody, b"[]")
    assert caught.value.param is None
