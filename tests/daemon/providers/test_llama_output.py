import pytest

from hal0.daemon.providers.llama_output import failure_reason

DAMAGED = """\
--- run 3 on port 8081: python -P -m hal0.backends.llama
0.00.003.682 I srv          init: loading model
0.00.007.382 E llama_model_load: error loading model: tensor 'token_embd.weight' data is not within the file bounds
0.00.007.416 E llama_model_load_from_file_impl: failed to load model
0.00.007.438 E cmn  common_init_: failed to load model 'bad.gguf'
0.00.007.481 I srv    operator(): operator(): cleaning up before exit...
0.00.007.925 E srv          init: exiting due to model loading error"""

FOREIGN = """\
0.00.005.105 E gguf_init_from_reader: invalid magic characters: 'hell', expected 'GGUF'
0.00.005.268 E llama_model_load: error loading model: llama_model_loader: failed to load model from bad2.gguf
0.00.005.641 E srv          init: exiting due to model loading error"""

PORT = """\
0.00.002.064 E srv         start: couldn't bind HTTP server socket, hostname: 127.0.0.1, port: 18084
0.00.002.182 E srv          init: exiting due to HTTP server error"""

ASSERTED = """\
0.01.000.000 I slot      release: id  0 | task 4 | stop processing: n_tokens = 9, truncated = 0
/src/ggml.c:1234: GGML_ASSERT(n_dims > 0) failed
[New LWP 4711]
0x00007f in wait4 () from /lib/libc.so.6"""

OLD_STYLE = """\
llama_model_load: error loading model: unknown model architecture: 'new'
llama_load_model_from_file: failed to load model
main: exiting due to model loading error"""

SURVIVED = "\n".join(
    ["0.10.000.000 E srv    send_error: task id = 7, error: the request exceeds the context"]
    + [f"0.20.000.{n:03} I slot print_timing: id 0 | task {n}" for n in range(20)]
)

TWO_STORIES = "\n".join(
    [
        "0.10.000.000 E srv    send_error: task id = 7, error: the request exceeds the context",
        *(f"0.20.000.{n:03} I slot print_timing: id 0 | task {n}" for n in range(8)),
        "CUDA error: an illegal memory access was encountered",
    ]
)

EARLIER_RUN = "0.00.007.382 E llama_model_load: error loading model: old news\n--- run 4 on port 8081\n0.0.0.1 I hello"

REASONS = {
    "damaged": (DAMAGED, "tensor 'token_embd.weight' data is not within the file bounds"),
    "foreign": (FOREIGN, "invalid magic characters: 'hell', expected 'GGUF'"),
    "port": (PORT, "couldn't bind HTTP server socket, hostname: 127.0.0.1, port: 18084"),
    "assert": (ASSERTED, "GGML_ASSERT(n_dims > 0) failed"),
    "old style": (OLD_STYLE, "unknown model architecture: 'new'"),
    "wrong word": ("error: invalid argument: --foo", "invalid argument: --foo"),
    "no program": ("llama-cuda: no such program", "llama-cuda: no such program"),
    "engine drifted": ("error: the installed engine (xllamacpp) has no CommonParams.x", "no CommonParams.x"),
    "two stories": (TWO_STORIES, "an illegal memory access"),
    "long": ("error: " + "x" * 1000, "xxx…"),
}


@pytest.mark.parametrize("name", REASONS)
def test_the_cause_is_found_among_the_last_words(name: str) -> None:
    output, reason = REASONS[name]
    found = failure_reason(output.splitlines())
    assert found is not None
    assert reason in found
    assert "error loading model" not in found
    assert len(found) <= 300


@pytest.mark.parametrize("output", ["", SURVIVED, EARLIER_RUN, "0.00.000.330 I srv init: initializing ..."])
def test_what_did_not_end_it_is_not_given_as_the_reason(output: str) -> None:
    assert failure_reason(output.splitlines()) is None
