"""What each provider makes of a slot's keys: what it needs, and what would have no effect."""

from pathlib import Path

import pytest

from hal0.daemon.config.file import check, judge
from hal0.wire import Problem

COMMAND = '[slots.a]\nprovider = "command"\n'
COMFYUI = '[slots.a]\nprovider = "comfyui"\n'


def problems(folder: Path, text: str) -> list[Problem]:
    path = folder / "hal0.toml"
    path.write_text(text)
    return check(path, env={})


CASES = {
    "command missing": (COMMAND, 1, 1, "`command` is missing in [slots.a]", "add `command = …`"),
    "model missing": ('[slots.a]\nprovider = "vllm"\n', 1, 1, "`model` is missing", "add `model = …`"),
    "unknown placeholder": (
        COMMAND + 'command = ["x", "${port}", "${modle}"]\nmodel = "m"\n',
        3,
        28,
        "unknown placeholder ${modle}",
        "did you mean ${model}?",
    ),
    "shell variable": (COMMAND + 'command = "x ${port} ${HOME}"\n', 3, 11, "${HOME}", "written $NAME"),
    "placeholder in env": (
        COMMAND + 'command = "x ${port}"\nenv = { K = "${kee}" }\n',
        4,
        13,
        "unknown placeholder ${kee}",
        "did you mean ${key}?",
    ),
    "no port": (COMMAND + 'command = "x -v"\n', 3, 11, "nothing tells the program its port", "write ${port}"),
    "model used and missing": (COMMAND + 'command = "x ${port} ${model}"\n', 3, 11, "`model` is missing", "add"),
    "context without effect": (COMMAND + 'command = "x ${port}"\ncontext = 64\n', 4, 1, "does not say ${ctx}", "write"),
    "key of another provider": (
        '[slots.a]\nmodel = "/m"\nprovider = "vllm"\ngpu_layers = 3\n',
        4,
        1,
        '`gpu_layers` has no effect with `provider = "vllm"`',
        "it is for llama",
    ),
    "command on llama": ('[slots.a]\nmodel = "m"\ncommand = "x ${port}"\n', 3, 1, "`command` has no effect", "command"),
    "kind it cannot serve": (
        '[slots.a]\nmodel = "llama3.2:1b"\nprovider = "flm"\nkind = "rerank"\n',
        4,
        8,
        'cannot be used for "rerank"',
        "chat and embedding",
    ),
    "kind of another provider": (
        '[slots.a]\nmodel = "m"\nkind = "speech"\n',
        3,
        8,
        '`provider = "llama"` cannot be used for "speech"',
        "chat and embedding and rerank",
    ),
    "a model for a voice without one": (
        '[slots.a]\nprovider = "espeak"\nmodel = "m"\n',
        3,
        1,
        '`model` has no effect with `provider = "espeak"`',
        "leave it out",
    ),
    "a context for a voice": (
        '[slots.a]\nprovider = "kokoro"\nmodel = "/m.onnx"\ncontext = 64\n',
        4,
        1,
        '`context` has no effect with `provider = "kokoro"`',
        "leave it out",
    ),
    "a format of nothing": (
        '[slots.a]\nprovider = "espeak"\ndefault_format = "midi"\n',
        3,
        18,
        '"mp3" or "opus"',
        "",
    ),
    "voices of a voice without files": (
        '[slots.a]\nprovider = "espeak"\nvoices = "/v.bin"\n',
        3,
        1,
        "`voices` has no effect",
        "it is for kokoro",
    ),
    "comfyui nowhere": (
        COMFYUI + 'model = "sdxl-turbo"\n',
        1,
        1,
        "nothing in [slots.a] tells where ComfyUI is",
        "add `cwd = …`",
    ),
    "comfyui at two places": (
        COMFYUI + 'model = "sdxl-turbo"\nurl = "http://box:8188"\ncwd = "c"\n',
        5,
        1,
        "`cwd` has no effect with `url`",
        "leave out `cwd` or `url`",
    ),
    "words for a comfyui that is not started": (
        COMFYUI + 'workflow = "w.json"\nurl = "http://box:8188"\nargs = ["--lowvram"]\n',
        5,
        1,
        "`args` has no effect with `url`",
        "",
    ),
    "a model without a graph": (
        COMFYUI + 'cwd = "c"\nmodel = "sdxl-turb"\n',
        4,
        9,
        'hal0 has no graph for the model "sdxl-turb"',
        'did you mean "sdxl-turbo"?',
    ),
    "another kind of comfyui": (
        COMFYUI + 'cwd = "c"\nmodel = "sdxl-turbo"\nkind = "chat"\n',
        5,
        8,
        'cannot be used for "chat"',
        "it serves image",
    ),
    "context of comfyui": (
        COMFYUI + 'cwd = "c"\nmodel = "sdxl-turbo"\ncontext = 512\n',
        5,
        1,
        "`context` has no effect",
        "",
    ),
    "neither model nor workflow": (COMFYUI + 'cwd = "c"\n', 1, 1, "`model` is missing", ""),
    "open quotation": (COMMAND + 'command = "x \'${port}"\n', 3, 11, "no closing quotation mark", ""),
    "empty command": (COMMAND + "command = []\n", 3, 11, "must be a command line in quotes", ""),
    "health without slash": (
        COMMAND + 'command = "x ${port}"\nhealth_path = "up"\n',
        4,
        15,
        'must be a path such as "/health"',
        "",
    ),
    "unknown provider": ('[slots.a]\nmodel = "m"\nprovider = "lama"\n', 3, 12, '"llama" or "vllm"', ""),
}


@pytest.mark.parametrize("case", CASES)
def test_what_a_provider_cannot_use_is_told_with_its_place(tmp_path: Path, case: str) -> None:
    text, line, column, message, hint = CASES[case]
    [problem] = problems(tmp_path, text)
    assert (problem.line, problem.column) == (line, column), problem
    assert message in problem.message
    assert hint in problem.hint


@pytest.mark.parametrize(
    "text",
    [
        COMMAND + 'command = "x --port ${port}"\n',
        COMMAND + 'command = "x"\nport = 8090\nparallel = 8\n',
        COMMAND + 'command = "x"\nenv = { PORT = "${port}", KEY = "${key}" }\n',
        COMMAND + 'command = ["x", "${port}", "${ctx}", "${parallel}"]\ncontext = 64\nparallel = 2\n',
        '[slots.a]\nprovider = "vllm"\nmodel = "Qwen/Qwen2.5-7B-Instruct"\nparallel = 8\ngpus = [0, 1]\n',
        '[slots.a]\nprovider = "flm"\nmodel = "llama3.2:1b"\nargs = ["--pmode", "turbo"]\n',
        '[slots.a]\nprovider = "espeak"\nkind = "speech"\ndefault_voice = "de"\nparallel = 2\n',
        '[slots.a]\nprovider = "kokoro"\nmodel = "kokoro-82m"\nvoices = "v.bin"\ndefault_format = "mp3"\nthreads = 2\n',
        COMMAND + 'command = "x ${port}"\nkind = "speech"\nserves = ["speech"]\n',
        COMFYUI + 'cwd = "c"\nmodel = "flux-schnell"\nbinary = "./python"\nargs = ["--lowvram"]\ngpus = [0]\n',
        COMFYUI + 'url = "https://box.lan/comfy"\nworkflow = "w.json"\n',
        COMFYUI + 'url = "http://box:8188"\nworkflow = "w.json"\nmodel = "my-model"\nkind = "image"\n',
        COMMAND + 'command = "x ${port}"\nkind = "image"\nproof = false\n',
    ],
)
def test_what_a_provider_can_use_is_accepted(tmp_path: Path, text: str) -> None:
    assert problems(tmp_path, text) == []


def test_paths_are_meant_from_the_folder_of_the_file_and_names_stay_names(tmp_path: Path) -> None:
    (tmp_path / "hal0.toml").write_text(
        COMMAND + 'command = "./serve ./data ${port} ${model}"\nmodel = "./m"\ncwd = "work"\n'
        '[slots.b]\nprovider = "vllm"\nmodel = "owner/name"\n'
    )
    settings = judge(tmp_path / "hal0.toml", env={}).settings
    assert settings is not None
    slot = settings.slots["a"]
    assert slot.command == (str(tmp_path / "serve"), "./data", "${port}", "${model}")
    assert (slot.model, slot.cwd) == (str(tmp_path / "m"), str(tmp_path / "work"))
    assert settings.slots["b"].model == "owner/name"
