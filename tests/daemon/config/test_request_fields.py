"""What the check of a file says of fields of requests."""

from pathlib import Path

import pytest

from hal0.daemon.config.file import judge

CASES = {
    "out of its span": ("defaults = { temperature = 3 }", "defaults.temperature", "from 0 to 2"),
    "not whole": ("set = { top_k = 1.5 }", "set.top_k", "a whole number"),
    "no number": ('defaults = { max_tokens = "many" }', "defaults.max_tokens", "a whole number"),
    "true is no number": ("defaults = { min_p = true }", "defaults.min_p", "from 0 to 1"),
    "the model": ('set = { model = "other" }', "set.model", "cannot be changed"),
    "the messages": ('strip = ["x", "messages"]', "strip[1]", "cannot be changed"),
    "twice": ("defaults = { seed = 1 }\nset = { seed = 2 }", "defaults.seed", "has no effect"),
    "above the most": ("max_tokens = 5\ndefaults = { max_tokens = 6 }", "defaults.max_tokens", "5 at most"),
    "no field": ('set = { "a b" = 1 }', "set", "a field of a request"),
    "no JSON": ("set = { a = 1979-05-27 }", "set.a", "no date"),
    "no number of JSON": ("set = { a = { b = nan } }", "set.a", "no date"),
    "no tokens at all": ("max_tokens = 0", "max_tokens", "from 1 to"),
}


@pytest.mark.parametrize("table", ['[slots.s]\nmodel = "hal0-starter"', '[remotes.s]\nkind = "openai"'])
@pytest.mark.parametrize("case", CASES)
def test_a_problem_is_named_with_its_place(tmp_path: Path, case: str, table: str) -> None:
    lines, key, words = CASES[case]
    path = tmp_path / "hal0.toml"
    path.write_text(f"{table}\n{lines}\n")
    problems = judge(path).problems
    assert any(
        f".{key}" in problem.key and words in f"{problem.message} {problem.hint}" and problem.line
        for problem in problems
    ), problems


def test_what_makes_sense_is_taken_whatever_a_backend_may_know(tmp_path: Path) -> None:
    path = tmp_path / "hal0.toml"
    path.write_text(
        '[slots.s]\nmodel = "hal0-starter"\nmax_tokens = 100\nstrip = ["logit_bias"]\n'
        '[slots.s.defaults]\ntemperature = 0\nstop = ["a"]\nmirostat = 2\n'
        "[slots.s.set]\nchat_template_kwargs = { enable_thinking = false }\n"
    )
    judged = judge(path)
    assert judged.problems == ()
    assert judged.settings is not None
    assert judged.settings.slots["s"].defaults == {"temperature": 0, "stop": ("a",), "mirostat": 2}
