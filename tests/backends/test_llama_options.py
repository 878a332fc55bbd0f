import pytest
from xllamacpp import xllamacpp as engine

from hal0.backends.llama_options import DEFAULTS, OPTIONS, Drift, Option, apply, parse

NEEDED = ["--model", "m.gguf", "--port", "8081"]


def params_for(*words: str) -> engine.CommonParams:
    params = engine.CommonParams()
    apply(parse([*NEEDED, *words]), params, engine)
    return params


SAMPLES = {
    "--chat-template-file": __file__,
    "--pooling": "mean",
    "--reasoning-format": "none",
    "--flash-attn": "on",
    "--cache-type-k": "q8_0",
    "--cache-type-v": "q8_0",
    "--rope-scaling": "yarn",
    "--host": "127.0.0.1",
}


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.words[-1])
def test_every_word_sets_an_attribute_that_the_installed_engine_has(option: Option) -> None:
    sample = SAMPLES.get(option.words[-1], "3")
    for word in option.words:
        words = [word] if option.value is not None else [word, sample]
        params = engine.CommonParams()
        apply([*parse([*NEEDED, *words])], params, engine)


@pytest.mark.parametrize(("attribute", "value"), DEFAULTS)
def test_what_is_set_unasked_reaches_the_engine(attribute: str, value: object) -> None:
    assert getattr(params_for(), attribute) == value


def test_no_web_page_may_reach_a_slot() -> None:
    params = params_for()
    assert (params.ui, params.cors_origins, params.cors_credentials) == (False, "", False)


def test_the_words_of_a_slot_arrive() -> None:
    params = params_for(
        "--alias", "a", "--ctx-size", "2048", "-np", "2", "--threads", "3", "--cache-ram", "16", "--temp", "0.5"
    )
    assert (params.model.path, params.port, params.model_alias) == ("m.gguf", 8081, {"a"})
    assert (params.n_ctx, params.n_parallel, params.cpuparams.n_threads, params.cache_ram_mib) == (2048, 2, 3, 16)
    assert params.sampling.temp == 0.5


def test_embedding_and_reranking_differ_in_pooling() -> None:
    rank = engine.llama_pooling_type.LLAMA_POOLING_TYPE_RANK
    assert params_for("--embedding").embedding
    assert params_for("--embedding").pooling_type != rank
    assert params_for("--reranking").embedding
    assert params_for("--reranking").pooling_type == rank


def test_the_last_of_two_words_wins() -> None:
    assert params_for("-c", "100", "--ctx-size", "200").n_ctx == 200
    assert not params_for("--jinja", "--no-jinja").use_jinja


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([*NEEDED, "--foo"], "invalid argument: --foo"),
        ([*NEEDED, "stray"], "invalid argument: stray"),
        ([*NEEDED, "--ctx"], "invalid argument: --ctx"),
        ([*NEEDED, "--threads", "many"], "--threads"),
        ([*NEEDED, "-ctk", "q3"], "one of f32"),
        ([*NEEDED, "--chat-template-file", "/no/such/file"], "No such file"),
        ([*NEEDED, "--alias"], "expected one argument"),
        (["--port", "1"], "--model is needed"),
        (["--model", "m"], "--port is needed"),
    ],
)
def test_a_wrong_word_ends_it_with_one_line_that_names_it(
    words: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(words)
    assert ended.value.code == 2
    line = capsys.readouterr().err
    assert line.startswith("error: ")
    assert line.count("\n") == 1
    assert reason in line


class Renamed:
    """An engine of a release in which an attribute has another name."""

    __slots__ = ("cors_credentials", "cors_origins", "hostnames", "ui")


def test_an_attribute_that_drifted_is_named() -> None:
    with pytest.raises(Drift, match=r"CommonParams\.cache_ram_mib"):
        apply(parse(NEEDED), Renamed(), engine)


def test_an_enumeration_that_drifted_is_named() -> None:
    with pytest.raises(Drift, match="llama_flash_attn_type"):
        apply(parse([*NEEDED, "-fa", "on"]), engine.CommonParams(), object())
