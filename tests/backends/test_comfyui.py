"""Pictures without their texts, jobs as their messages tell of them, and what a request means for a workflow."""

import json
from typing import Any

import pytest

from hal0.backends.comfyui_job import Job
from hal0.backends.comfyui_request import Wanted, read
from hal0.backends.png import stripped
from hal0.errors import Hal0Error
from hal0.workflows import CURATED, Workflow, parse
from hal0.workflows import read as read_file
from tests.fakes.comfyui_server import chunk, png

GRAPH = {
    "load": {"class_type": "CheckpointLoaderSimple", "inputs": {}},
    "text": {"class_type": "CLIPTextEncode", "inputs": {}},
    "sample": {"class_type": "KSamplerAdvanced", "inputs": {}},
    "big": {"class_type": "ImageUpscaleWithModel", "inputs": {}},
    "save": {"class_type": "SaveImage", "inputs": {}},
}


def test_what_is_not_the_picture_is_taken_out_of_its_file_and_nothing_else() -> None:
    plain = png(16, 8, b"\x10\x20\x30", {})
    end = plain[-12:]
    for extra in (
        png(16, 8, b"\x10\x20\x30", {"prompt": "a secret", "workflow": "{}"}),
        plain[:-12] + chunk(b"zTXt", b"k\0\0x") + chunk(b"eXIf", b"place") + chunk(b"tIME", b"now") + end,
        plain[:-12] + chunk(b"prVt", b"anything") + end + b"after the end",
    ):
        assert stripped(extra) == plain
    kept = plain[:33] + chunk(b"gAMA", b"\0\0\xb1\x8f") + plain[33:]
    assert stripped(kept) == kept


@pytest.mark.parametrize(
    "data", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n", png(4, 4, b"abc", {})[:-1], png(4, 4, b"abc", {})[:40]]
)
def test_what_is_no_whole_picture_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="PNG"):
        stripped(data)


def heard(*messages: tuple[str, dict[str, Any]]) -> Job:
    job = Job("1", GRAPH)
    for kind, data in messages:
        job.hear(kind, {"prompt_id": "1", **data})
    return job


@pytest.mark.parametrize(
    ("messages", "doing", "done"),
    [
        ([("execution_start", {})], "waiting for ComfyUI", 0.0),
        ([("executing", {"node": "load"})], "loading the model", 0.0),
        ([("executing", {"node": "text"})], "reading the prompt", 0.0),
        ([("executing", {"node": "sample"})], "sampling", 0.05),
        ([("progress", {"node": "sample", "value": 3, "max": 20})], "step 3/20", 0.185),
        ([("progress", {"node": "sample", "value": 20, "max": 20})], "step 20/20", 0.95),
        (
            [("executing", {"node": "big"}), ("progress", {"node": "big", "value": 1, "max": 4})],
            "ImageUpscaleWithModel, 25%",
            0.0,
        ),
        ([("executing", {"node": "7:3", "display_node": "text"})], "reading the prompt", 0.0),
        ([("progress", {"node": "sample", "value": "x", "max": 20})], "waiting for ComfyUI", 0.0),
        ([("progress", {"node": "sample", "value": 1, "max": 0})], "waiting for ComfyUI", 0.0),
    ],
)
def test_how_far_a_job_is(messages: list[tuple[str, dict[str, Any]]], doing: str, done: float) -> None:
    progress = heard(*messages).progress
    assert progress.doing == doing
    assert progress.done == pytest.approx(done)


def test_the_share_never_goes_back() -> None:
    job = heard(("progress", {"node": "sample", "value": 20, "max": 20}))
    job.hear("progress", {"node": "sample", "value": 1, "max": 10})  # a second pass
    assert job.progress.doing == "step 1/10"
    assert job.progress.done == pytest.approx(0.95)


def image(name: str, type: str) -> dict[str, str]:
    return {"filename": name, "subfolder": "", "type": type}


def test_saved_pictures_count_before_previews() -> None:
    job = Job("1", GRAPH)
    job.ended_as({"outputs": {"a": {"images": [image("p", "temp")]}, "b": {"images": [image("s", "output")]}}})
    assert [each["filename"] for each in job.pictures] == ["s"]
    job.ended_as({"outputs": {"a": {"images": [image("p", "temp")]}, "b": {"text": ["x"]}}})
    assert [each["filename"] for each in job.pictures] == ["p"]
    job.result()


@pytest.mark.parametrize("entry", [{}, {"outputs": None}, {"outputs": {"a": 5}}, {"outputs": {"a": {"images": [1]}}}])
def test_a_job_without_a_picture_says_so(entry: dict[str, Any]) -> None:
    job = Job("1", GRAPH)
    job.ended_as(entry)
    with pytest.raises(Hal0Error) as caught:
        job.result()
    assert caught.value.code == "dispatch.workflow_invalid"


def test_the_history_tells_of_a_failure_that_was_not_heard() -> None:
    for kind, code in (
        ("execution_error", "dispatch.upstream_failed"),
        ("execution_interrupted", "dispatch.cancelled"),
    ):
        job = Job("1", GRAPH)
        said = {"node_id": "sample", "node_type": "KSampler", "exception_message": "out of memory\nmore"}
        job.ended_as({"outputs": {}, "status": {"messages": [["execution_start", {}], [kind, said], "odd"]}})
        assert job.has_ended
        assert job.failure is not None
        assert job.failure.code == code


CURATED_WORKFLOW = read_file(CURATED["sdxl-turbo"].path)
BARE = parse(json.dumps({"1": {"class_type": "T", "inputs": {"t": "${prompt}"}}}).encode())


def wanted(workflow: Workflow = CURATED_WORKFLOW, **body: Any) -> Wanted:
    return read({"prompt": "a cat", **body}, workflow, model="m")


def test_the_seed_is_new_for_each_request_and_the_next_one_for_each_picture() -> None:
    assert len({wanted().seed for _ in range(20)}) == 20
    given = wanted(seed=2**64 - 1, n=2)
    assert [given.for_picture(index)["seed"] for index in range(2)] == [2**64 - 1, 0]


def test_sizes_and_the_form_of_the_answer() -> None:
    assert (wanted(size="640x384").values["width"], wanted(size="640x384").values["height"]) == (640, 384)
    assert "width" not in wanted(size="auto").values
    assert wanted().as_url
    assert not wanted(response_format="b64_json").as_url


def test_the_rest_of_what_has_no_effect_is_named() -> None:
    heeded = {"n": 2, "size": "640x384", "seed": 1, "response_format": "url", "output_format": "png", "stream": False}
    assert wanted(**heeded, quality="auto", user=None).ignored == ()
    assert wanted(**heeded, user="me", style="vivid", quality="hd").ignored == ("quality", "style", "user")


@pytest.mark.parametrize(
    ("body", "param"),
    [({"steps": 3}, "steps"), ({"cfg": 1}, "cfg"), ({"seed": 1}, "seed"), ({"negative_prompt": "x"}, "negative_prompt"),
     ({"size": "64x64"}, "size"), ({"n": 2}, "n")],
)  # fmt: skip
def test_what_would_be_without_effect_is_refused(body: dict[str, Any], param: str) -> None:
    with pytest.raises(Hal0Error) as caught:
        wanted(BARE, **body)
    assert (caught.value.code, caught.value.param) == ("dispatch.invalid_request", param)
    assert wanted(BARE, size="auto", steps=None, n=1).n == 1
