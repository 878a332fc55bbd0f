"""The provider with running backends: the engine of the package with the shipped models, and a llama-server."""

import asyncio
import base64
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hal0.daemon.config.schema import Models, Slot
from hal0.daemon.http.client import fetch
from hal0.daemon.http.endpoint import Endpoint
from hal0.daemon.models.registry import Registry
from hal0.daemon.providers.base import Launch, Loading, NotUp, Probe, Ready, SlotSpec, Unfit
from hal0.daemon.providers.llama import LlamaProvider
from hal0.hardware.facts import read_facts
from tests.fakes.gguf_files import add_score_head, encoder_entries, write_model
from tests.fakes.programs import free_port, install_fake_llama_server, last_words, running

START_SECONDS = 30.0
KEY = "the-key-of-this-start"


class House:
    """A provider, its slots and their backends."""

    def __init__(self, folder: Path, *, with_llama_server: bool) -> None:
        self.folder = folder
        self.system = install_fake_llama_server(folder) if with_llama_server else None
        found = None if self.system is None else str(self.system)
        self.provider = LlamaProvider(read_facts(), find_program=lambda name: found or name)
        self.record = folder / "record.json"

    def spec(self, model: str = "hal0-starter", *, path: Path | None = None, **config: Any) -> SlotSpec:
        if self.system is None:
            config["binary"] = "builtin"
        files = {} if path is None else {model: {"path": str(path)}}
        registry = Registry(Models.model_validate(files), state=self.folder / "state")
        return SlotSpec("s", Slot.model_validate({"model": model, **config}), registry.find(model), 1)

    @asynccontextmanager
    async def backend(
        self, spec: SlotSpec, env: Mapping[str, str] | None = None, *, port: int | None = None
    ) -> AsyncIterator[tuple[subprocess.Popen[bytes], Endpoint, Launch]]:
        port = port or free_port()
        launch = self.provider.launch(spec)
        given = {**dict(launch.env), launch.key_env: KEY, "FAKE_LLAMA_RECORD": str(self.record), **(env or {})}
        with running(launch.argv(port), given) as program:
            yield program, Endpoint(port, KEY), launch

    async def settle(self, spec: SlotSpec, endpoint: Endpoint) -> tuple[Probe, set[type[Probe]]]:
        """Probe until the answer is final; also the kinds of answers that came before."""
        before: set[type[Probe]] = set()
        async with asyncio.timeout(START_SECONDS):
            while True:
                probe = await self.provider.probe(spec, endpoint)
                if isinstance(probe, Ready | Unfit):
                    return probe, before
                before.add(type(probe))
                await asyncio.sleep(0.01)


@pytest.fixture
def builtin(tmp_path: Path) -> House:
    return House(tmp_path, with_llama_server=False)


@pytest.fixture
def system(tmp_path: Path) -> House:
    return House(tmp_path, with_llama_server=True)


async def ask(endpoint: Endpoint, path: str, **body: Any) -> tuple[int, Any]:
    answer = await fetch(endpoint, "POST", path, json.dumps(body).encode(), timeout_seconds=20)
    return answer.status, json.loads(answer.body)


# The engine of the package --------------------------------------------------------------------------------------------


async def test_the_starter_model_is_proven_and_chats(builtin: House) -> None:
    spec = builtin.spec()
    async with builtin.backend(spec) as (_, endpoint, launch):
        probe, before = await builtin.settle(spec, endpoint)
        assert probe == Ready()
        assert NotUp in before
        messages = [{"role": "user", "content": "Hello"}]
        status, body = await ask(endpoint, "/v1/chat/completions", messages=messages, max_tokens=8, temperature=0)
        assert status == 200
        assert body["choices"][0]["message"]["content"]
        assert body["model"] == "hal0-starter"
        assert launch.context == 1024


async def test_the_embedding_model_is_proven_and_embeds(builtin: House) -> None:
    spec = builtin.spec("all-minilm-l6-v2")
    async with builtin.backend(spec) as (_, endpoint, _):
        assert (await builtin.settle(spec, endpoint))[0] == Ready()
        texts = ["A cat sits on the mat.", "A kitten rests on the rug.", "Bonds fell on Tuesday."]
        status, body = await ask(endpoint, "/v1/embeddings", input=texts)
        assert status == 200
        cat, kitten, bonds = (row["embedding"] for row in body["data"])
        assert len(cat) == 384
        near, far = (sum(a * b for a, b in zip(cat, other, strict=True)) for other in (kitten, bonds))
        assert near > far + 0.3


async def test_a_model_with_a_score_head_is_proven_and_ranks(builtin: House, tmp_path: Path) -> None:
    encoder = builtin.spec("all-minilm-l6-v2").model.path
    spec = builtin.spec("r", path=add_score_head(encoder, tmp_path / "r.gguf", dimensions=384))
    assert spec.kind == "rerank"
    async with builtin.backend(spec) as (_, endpoint, _):
        assert (await builtin.settle(spec, endpoint))[0] == Ready()
        status, body = await ask(endpoint, "/v1/rerank", query="cats", documents=["a kitten", "the moon", "a dog"])
        assert status == 200
        assert len({result["relevance_score"] for result in body["results"]}) == 3


async def test_an_input_as_long_as_the_context_fits_one_batch(builtin: House) -> None:
    spec = builtin.spec("all-minilm-l6-v2")
    async with builtin.backend(spec) as (_, endpoint, _):
        await builtin.settle(spec, endpoint)
        status, body = await ask(endpoint, "/v1/embeddings", input="word " * 500)
        assert status == 200, body


async def test_every_parallel_request_has_the_whole_context(builtin: House) -> None:
    spec = builtin.spec(context=512, parallel=3)
    async with builtin.backend(spec) as (_, endpoint, _):
        await builtin.settle(spec, endpoint)
        answer = await fetch(endpoint, "GET", "/slots", timeout_seconds=10)
        assert [slot["n_ctx"] for slot in json.loads(answer.body)] == [512, 512, 512]


async def test_another_key_proves_nothing(builtin: House) -> None:
    spec = builtin.spec()
    async with builtin.backend(spec) as (_, endpoint, _):
        await builtin.settle(spec, endpoint)
        for key in ("", "wrong"):
            stranger = Endpoint(endpoint.port, key)
            probe = await builtin.provider.probe(spec, stranger)
            assert isinstance(probe, Unfit)
            assert "401" in probe.reason
            assert await builtin.provider.is_alive(stranger)


async def test_a_damaged_model_ends_the_backend_with_the_reason(builtin: House, tmp_path: Path) -> None:
    whole = builtin.spec().model.path.read_bytes()
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(whole[:200_000])
    async with builtin.backend(builtin.spec("cut", path=cut)) as (program, _, _):
        status, lines = last_words(program)
    assert status == 3
    assert "not within the file bounds" in (builtin.provider.failure_reason(lines) or "")


async def test_a_port_that_is_taken_is_the_reason(builtin: House) -> None:
    with_listener = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
    async with with_listener:
        port = with_listener.sockets[0].getsockname()[1]
        async with builtin.backend(builtin.spec(), port=port) as (program, _, _):
            status, lines = await asyncio.to_thread(last_words, program)
    assert status == 3
    assert f"port: {port}" in (builtin.provider.failure_reason(lines) or "")


async def test_a_word_the_engine_does_not_know_is_the_reason(builtin: House) -> None:
    async with builtin.backend(builtin.spec(args=("--frobnicate",))) as (program, _, _):
        status, lines = last_words(program)
    assert (status, builtin.provider.failure_reason(lines)) == (2, "invalid argument: --frobnicate")


async def test_a_dead_backend_is_not_alive(builtin: House) -> None:
    spec = builtin.spec()
    async with builtin.backend(spec) as (program, endpoint, _):
        await builtin.settle(spec, endpoint)
        assert await builtin.provider.is_alive(endpoint)
        program.send_signal(signal.SIGKILL)
        program.wait()
        assert not await builtin.provider.is_alive(endpoint)
        assert await builtin.provider.probe(spec, endpoint) == NotUp()


# A llama-server of the system -----------------------------------------------------------------------------------------


async def test_a_llama_server_takes_every_word_and_chats(system: House) -> None:
    spec = system.spec(context=512, parallel=2, threads=3, gpus=(1,), gpu_layers=9, args=("-fa", "on"))
    async with system.backend(spec) as (_, endpoint, launch):
        assert (await system.settle(spec, endpoint))[0] == Ready()
        assert launch.engine == str(system.system)
        messages = [{"role": "user", "content": "a b"}]
        status, body = await ask(endpoint, "/v1/chat/completions", messages=messages)
        assert (status, body["choices"][0]["message"]["content"]) == (200, "You said: a b")
        record = json.loads(system.record.read_text())
        assert record["argv"] == launch.argv(endpoint.port)[1:]
        assert record["env"]["CUDA_VISIBLE_DEVICES"] == "1"
        assert KEY not in record["argv"]
        assert record["env"]["LLAMA_API_KEY"] == KEY


async def test_a_llama_server_takes_the_words_for_no_gpu(system: House) -> None:
    spec = system.spec(gpus=())
    async with system.backend(spec) as (_, endpoint, _):
        assert (await system.settle(spec, endpoint))[0] == Ready()


async def test_a_llama_server_streams(system: House) -> None:
    spec = system.spec()
    async with system.backend(spec) as (_, endpoint, _):
        await system.settle(spec, endpoint)
        body = {"messages": [{"role": "user", "content": "x"}], "stream": True}
        answer = await fetch(endpoint, "POST", "/v1/chat/completions", json.dumps(body).encode(), timeout_seconds=10)
        assert answer.body.startswith(b"data: {")
        assert answer.body.endswith(b"data: [DONE]\n\n")


async def test_a_llama_server_embeds_in_both_encodings(system: House, tmp_path: Path) -> None:
    spec = system.spec("e", path=write_model(tmp_path / "e.gguf", encoder_entries()))
    async with system.backend(spec) as (_, endpoint, _):
        assert (await system.settle(spec, endpoint))[0] == Ready()
        _, body = await ask(endpoint, "/v1/embeddings", input=["x"], encoding_format="base64")
        assert len(base64.b64decode(body["data"][0]["embedding"])) == 32


async def test_a_rerank_slot_is_proven_by_a_pair(system: House, tmp_path: Path) -> None:
    model = write_model(tmp_path / "r.gguf", encoder_entries(**{"bert.pooling_type": 4}))
    spec = system.spec("r", path=model)
    async with system.backend(spec) as (_, endpoint, _):
        assert (await system.settle(spec, endpoint))[0] == Ready()


async def test_scores_that_are_all_zero_prove_nothing(system: House, tmp_path: Path) -> None:
    model = write_model(tmp_path / "r.gguf", encoder_entries(**{"bert.pooling_type": 4}))
    spec = system.spec("r", path=model)
    async with system.backend(spec, {"FAKE_LLAMA_SCORES": "zero"}) as (_, endpoint, _):
        probe, _ = await system.settle(spec, endpoint)
        assert isinstance(probe, Unfit)
        assert "no head for scores" in probe.reason


async def test_a_server_that_loads_is_loading_and_not_ready(system: House) -> None:
    spec = system.spec()
    async with system.backend(spec, {"FAKE_LLAMA_LOAD": "0.5"}) as (_, endpoint, _):
        probe, before = await system.settle(spec, endpoint)
        assert probe == Ready()
        assert Loading in before


@pytest.mark.parametrize(
    ("crash", "status", "reason"),
    [("load", 1, "the file holds no weights that fit"), ("assert", -signal.SIGABRT, "GGML_ASSERT(n_dims > 0) failed")],
)
async def test_a_crash_while_loading_leaves_its_reason(system: House, crash: str, status: int, reason: str) -> None:
    async with system.backend(system.spec(), {"FAKE_LLAMA_CRASH": crash}) as (program, _, _):
        ended, lines = last_words(program)
    assert (ended, system.provider.failure_reason(lines)) == (status, reason)


async def test_a_stranger_that_speaks_no_http_is_not_taken_for_a_backend(system: House) -> None:
    async def stranger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        writer.close()

    server = await asyncio.start_server(stranger, "127.0.0.1", 0)
    async with server:
        endpoint = Endpoint(server.sockets[0].getsockname()[1])
        assert await system.provider.probe(system.spec(), endpoint) == Loading()  # next the owner of the port is asked
        assert not await system.provider.is_alive(endpoint)


async def test_an_http_server_without_health_is_unfit(system: House, tmp_path: Path) -> None:
    argv = [sys.executable, "-I", "-m", "http.server", "--bind", "127.0.0.1", "--directory", str(tmp_path)]
    port = free_port()
    with running([*argv, str(port)], {}):
        probe, _ = await system.settle(system.spec(), Endpoint(port))
    assert probe == Unfit("/health answers 404")
