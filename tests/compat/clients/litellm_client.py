# pip: litellm>=1.70,<2
"""LiteLLM's SDK, as a caller of an OpenAI-compatible server and of Anthropic's Messages API."""

import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it asks a server elsewhere for prices
import litellm

base = os.environ["HAL0_URL"]
asked = {"messages": [{"role": "user", "content": "Hello!"}], "api_key": "none", "temperature": 0, "num_retries": 0}

whole = litellm.completion(model="openai/primary", api_base=base + "/v1", **asked)
assert whole.choices[0].message.content, whole

pieces = list(litellm.completion(model="openai/primary", api_base=base + "/v1", stream=True, **asked))
streamed = "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)
assert streamed == whole.choices[0].message.content, (streamed, whole)

message = litellm.completion(model="anthropic/primary", api_base=base, max_tokens=64, **asked)
assert message.choices[0].message.content, message

vectors = litellm.embedding(model="openai/embed", api_base=base + "/v1", api_key="none", input=["one", "two"])
assert len(vectors.data) == 2

try:
    litellm.completion(model="openai/no-such-model", api_base=base + "/v1", **asked)
except litellm.NotFoundError as error:
    assert "no-such-model" in str(error), error
else:
    raise AssertionError("a model that is not there was answered")
