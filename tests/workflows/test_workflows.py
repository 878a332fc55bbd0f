"""Graphs and their parameters: those that ship with hal0 are what ComfyUI takes, and a tampered one is not."""

import json
from typing import Any

import pytest

from hal0.backends.comfyui_check import CHECKPOINT_NODES, asked_for, checkpoint_of, node_errors, sentence
from hal0.models.catalogue import find_entry
from hal0.workflows import CURATED, PARAMETERS, Graph, Workflow, WorkflowInvalid, parse, read
from tests.fakes import comfyui_server as comfyui

TABLE = comfyui.table(comfyui.CURATED.split())
NODES = {
    name: {"input": {"required": inputs}, "output": outputs, "output_node": is_output}
    for name, (inputs, outputs, is_output) in TABLE.items()
}
VALUES = {"prompt": "a cat", "seed": 3, "model": "m"}


def filled(model: str, **more: Any) -> Graph:
    return read(CURATED[model].path).filled({**VALUES, "checkpoint": checkpoint_of(model, NODES), **more})


@pytest.mark.parametrize("model", CURATED)
def test_every_curated_graph_is_one_that_comfyui_takes(model: str) -> None:
    workflow, graph = read(CURATED[model].path), filled(model)
    assert comfyui.validated(TABLE, graph) == (None, {})
    assert node_errors(graph, NODES) == {}
    assert {"prompt", "negative_prompt", "seed", "width", "height", "steps", "cfg"} <= workflow.parameters
    entry = find_entry(model)
    assert entry is not None
    assert entry.kind == "image"
    assert entry.files[0].source.endswith(CURATED[model].checkpoints[0])


def test_each_has_settings_of_its_own() -> None:
    sd, turbo, flux = (filled(model) for model in CURATED)
    assert (sd["sampler"]["inputs"]["steps"], sd["sampler"]["inputs"]["cfg"]) == (20, 7.0)
    assert turbo["schedule"]["class_type"] == "SDTurboScheduler"
    assert flux["latent"]["class_type"] == "EmptySD3LatentImage"
    assert [graph["latent"]["inputs"]["width"] for graph in (sd, turbo, flux)] == [512, 512, 1024]


BREAKS = {
    "a node it lacks": ("pixels", "class_type", "NoSuchNode"),
    "a missing input": ("sampler", "inputs.steps", None),
    "a value of no list": ("sampler", "inputs.sampler_name", "best"),
    "too much": ("sampler", "inputs.cfg", 101.0),
    "too little": ("sampler", "inputs.steps", 0),
    "a link of another type": ("pixels", "inputs.samples", ["checkpoint", 1]),
    "no output": ("picture", "class_type", "VAEDecode"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_what_comfyui_refuses_is_found_without_it_in_its_own_words(name: str) -> None:
    node, key, value = BREAKS[name]
    graph = filled("sd-1.5-pruned-emaonly")
    place, _, last = key.rpartition(".")
    table = graph[node][place] if place else graph[node]
    table[last] = value
    if value is None:
        del table[last]
    if name == "no output":
        graph[node]["inputs"] = graph["pixels"]["inputs"]
    error, theirs = comfyui.validated(TABLE, graph)
    assert error is not None
    ours = node_errors(graph, NODES)
    assert len(ours) == 1
    if theirs:
        kinds = {id: [each["type"] for each in entry["errors"]] for id, entry in theirs.items()}
        assert {id: [each["type"] for each in entry["errors"]] for id, entry in ours.items()} == kinds
        assert sentence(ours) == sentence(theirs)
    else:
        [entry] = ours.values()
        assert [each["type"] for each in entry["errors"]] == [error["type"]]


def test_a_link_to_nowhere_is_found() -> None:
    graph = filled("sd-1.5-pruned-emaonly")
    graph["pixels"]["inputs"]["samples"] = ["nobody", 0]
    assert node_errors(graph, NODES)["pixels"]["errors"][0]["type"] == "bad_linked_input"


def test_a_checkpoint_is_found_in_whatever_folder_and_under_its_other_names() -> None:
    def nodes(*names: str) -> dict[str, Any]:
        return {CHECKPOINT_NODES[0]: {"input": {"required": {"ckpt_name": [list(names)]}}}}

    assert checkpoint_of("sdxl-turbo", nodes("a.safetensors", "XL\\turbo\\sd_xl_turbo_1.0.safetensors")) == (
        "XL\\turbo\\sd_xl_turbo_1.0.safetensors"
    )
    assert checkpoint_of("sdxl-turbo", nodes()) == "sd_xl_turbo_1.0_fp16.safetensors"
    newer = {
        CHECKPOINT_NODES[0]: {
            "input": {"required": {"ckpt_name": ["COMBO", {"options": ["flux1-schnell-fp8.safetensors"]}]}}
        }
    }
    assert checkpoint_of("flux-schnell", newer) == "flux1-schnell-fp8.safetensors"


def one(value: Any, **more: Any) -> Workflow:
    node = {"class_type": "T", "inputs": {"text": "${prompt}", "x": value, **more}}
    return parse(json.dumps({"1": node}).encode())


@pytest.mark.parametrize(
    ("value", "given", "expected"),
    [
        ("${steps}", {"steps": 7}, 7),
        ("${steps}", {}, 20),
        ("${steps:4}", {}, 4),
        ("${cfg:1}", {}, 1.0),
        ("${cfg}", {"cfg": 3}, 3.0),
        ("${width}x${height:8}", {"width": 64}, "64x8"),
        ("by ${model}, no. ${seed}", {"model": "m", "seed": 2**63}, f"by m, no. {2**63}"),
        ("${prompt}!", {"prompt": "${seed}"}, "${seed}!"),
        ("${negative_prompt:a dog}", {}, "a dog"),
        ("${negative_prompt}", {}, ""),
        (["2", 0], {}, ["2", 0]),
        (True, {}, True),
        ("$prompt", {}, "$prompt"),
    ],
)
def test_parameters_become_values_of_their_type(value: Any, given: dict[str, Any], expected: Any) -> None:
    assert one(value).filled({"prompt": "p", **given})["1"]["inputs"]["x"] == expected


BAD_FILES = {
    "no JSON": (b"{", "not JSON"),
    "deep": (b"[" * 100_000, "not JSON"),
    "not text": (b"\xff\xfe", "not JSON"),
    "a list": (b"[]", "no nodes"),
    "empty": (b"{}", "no nodes"),
    "of the editor": (b'{"nodes": [], "links": []}', "Export (API)"),
    "no class": (b'{"1": {"inputs": {}}}', "no class_type"),
    "no inputs": (b'{"1": {"class_type": "T"}}', "no inputs"),
    "no prompt": (b'{"1": {"class_type": "T", "inputs": {"text": "a cat"}}}', "${prompt}"),
    "unknown": (b'{"1": {"class_type": "T", "inputs": {"a": "${promt}"}}}', "there is no ${promt}"),
    "no number": (b'{"1": {"class_type": "T", "inputs": {"a": "${steps:many}"}}}', "not a number"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_that_is_no_workflow_says_why(name: str) -> None:
    raw, words = BAD_FILES[name]
    with pytest.raises(WorkflowInvalid) as caught:
        parse(raw)
    assert words in str(caught.value)


def test_every_parameter_is_known_where_it_stands() -> None:
    workflow = one("${steps}", y="${width}x${height}")
    assert workflow.parameters == {"prompt", "steps", "width", "height"} <= set(PARAMETERS)


def test_a_value_of_the_request_is_told_from_a_mistake_of_the_graph() -> None:
    workflow = read(CURATED["sdxl-turbo"].path)
    errors = node_errors(filled("sdxl-turbo", steps=50), NODES)
    assert asked_for(errors, workflow, frozenset({"prompt", "steps"})) == "steps"
    assert asked_for(errors, workflow, frozenset({"prompt"})) is None  # its own default would be at fault
    graph = filled("sdxl-turbo", steps=50)
    graph["method"]["inputs"]["sampler_name"] = "best"
    assert asked_for(node_errors(graph, NODES), workflow, frozenset({"steps"})) is None
