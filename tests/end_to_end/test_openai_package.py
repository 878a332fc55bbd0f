"""The real `openai` package, unmodified, against the real daemon and engine."""

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from tests.fakes.installation import Installation

HELLO = [{"role": "user", "content": "Hello!"}]


@pytest.fixture
def client(hal0: Installation) -> OpenAI:
    return OpenAI(base_url=f"{hal0.url}/v1", api_key="any", max_retries=0)


def chat(client: OpenAI, **fields: object) -> str:
    arguments = {"model": "primary", "messages": HELLO, "temperature": 0, **fields}
    answer = client.chat.completions.create(**arguments)  # type: ignore[call-overload]
    return answer.choices[0].message.content or ""


def test_models_are_listed_and_found(client: OpenAI) -> None:
    assert {"primary", "hal0-starter"} <= {model.id for model in client.models.list()}
    assert client.models.retrieve("primary").id == "primary"


def test_chat_by_slot_and_by_model_is_the_same(client: OpenAI) -> None:
    assert chat(client) == chat(client, model="hal0-starter") != ""


def test_a_stream_says_the_same_as_the_whole_answer(client: OpenAI) -> None:
    stream = client.chat.completions.create(
        model="primary",
        messages=HELLO,  # type: ignore[arg-type]
        temperature=0,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == chat(client)
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens > 0


async def test_the_async_client_streams_too(hal0: Installation) -> None:
    async with AsyncOpenAI(base_url=f"{hal0.url}/v1", api_key="any") as client:
        stream = await client.chat.completions.create(
            model="primary",
            messages=HELLO,  # type: ignore[arg-type]
            stream=True,
        )
        text = [chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]
    assert "".join(text)


def test_json_schema_is_obeyed(client: OpenAI) -> None:
    schema = {"type": "object", "properties": {"city": {"enum": ["Paris", "Rome"]}}, "required": ["city"]}
    shape = {"type": "json_schema", "json_schema": {"name": "city", "schema": schema, "strict": True}}
    text = chat(client, response_format=shape)
    assert text.replace(" ", "").replace("\n", "") in ('{"city":"Paris"}', '{"city":"Rome"}')


def test_plain_completion(client: OpenAI) -> None:
    answer = client.completions.create(model="primary", prompt="Once upon a time", max_tokens=16)
    assert answer.choices[0].text


def test_embeddings_are_the_same_in_base64_and_float(client: OpenAI) -> None:
    as_base64 = client.embeddings.create(model="embed", input="hello")  # the package's own default
    as_floats = client.embeddings.create(model="embed", input=["hello"], encoding_format="float")
    assert len(as_floats.data[0].embedding) == 384
    assert as_base64.data[0].embedding == pytest.approx(as_floats.data[0].embedding, abs=1e-6)


@pytest.mark.parametrize(
    ("fields", "error", "code"),
    [
        ({"model": "no-such-model"}, openai.NotFoundError, "dispatch.no_route"),
        ({"model": "embed"}, openai.ConflictError, "dispatch.capability_mismatch"),
        ({"messages": []}, openai.BadRequestError, "dispatch.invalid_request"),
        ({"messages": "hi"}, openai.BadRequestError, "dispatch.invalid_request"),
        (
            {"messages": [{"role": "user", "content": "word " * 5000}]},
            openai.BadRequestError,
            "dispatch.context_exceeded",
        ),
    ],
)
def test_errors_become_the_packages_own(client: OpenAI, fields: dict[str, object], error: type, code: str) -> None:
    with pytest.raises(error) as caught:
        chat(client, **fields)
    assert caught.value.code == code
    assert caught.value.body["details"] is not None


def test_a_hopeless_request_is_not_repeated_by_the_package(hal0: Installation) -> None:
    before = hal0.admin("GET", "/api/state")["totals"]["requests"]
    client = OpenAI(base_url=f"{hal0.url}/v1", api_key="any", max_retries=3)
    with pytest.raises(openai.ConflictError):
        chat(client, model="embed")
    assert hal0.admin("GET", "/api/state")["totals"]["requests"] == before + 1
