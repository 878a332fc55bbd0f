# pip: langchain-openai>=1,<2
"""LangChain's chat model and embeddings."""

import os

from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel

base = os.environ["HAL0_URL"] + "/v1"
chat = ChatOpenAI(base_url=base, api_key="none", model="primary", temperature=0, max_retries=0)

whole = chat.invoke("Hello!")
assert whole.content, whole
assert whole.usage_metadata and whole.usage_metadata["output_tokens"] > 0, whole

streamed = "".join(str(chunk.content) for chunk in chat.stream("Hello!"))
assert streamed == whole.content, (streamed, whole.content)


class City(BaseModel):
    """A city."""

    name: str


found = chat.with_structured_output(City, method="json_schema").invoke("Name a city.")
assert isinstance(found, City), found

# Token ids, which LangChain makes of texts by default, need a file from elsewhere; texts do not.
embeddings = OpenAIEmbeddings(base_url=base, api_key="none", model="embed", check_embedding_ctx_length=False)
vectors = embeddings.embed_documents(["one", "two"])
assert len(vectors) == 2 and len(vectors[0]) > 100
