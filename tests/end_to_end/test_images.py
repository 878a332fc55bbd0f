"""Images through ComfyUI: the real daemon and its program, before a stand-in that speaks ComfyUI's protocol."""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai.types import ImagesResponse

from hal0.daemon.image_files import KEPT_SECONDS
from hal0.workflows import CURATED
from tests.fakes.installation import Installation, installed
from tests.fakes.programs import free_port, running

FAKE = Path(__file__).resolve().parent.parent / "fakes" / "comfyui_server.py"
CURL = """curl http://localhost:8080/v1/images/generations \
-H "Content-Type: application/json" \
-d '{
"model": "sdxl-turbo",
"prompt": "a cat in a hat, studio lighting",
"size": "1024x1024",
"response_format": "url"
}'"""
CONFIG = """
[daemon]
ports = @PORTS@

[slots.img]
provider = "comfyui"
model = "sdxl-turbo"
url = "@URL@"

[slots.sd]
provider = "comfyui"
model = "sd-1.5-pruned-emaonly"
url = "@URL@"
max_in_flight = 4

[slots.flux]
provider = "comfyui"
model = "flux-schnell"
url = "@URL@"

[slots.mine]
provider = "comfyui"
workflow = "mine.json"
url = "@URL@"

[slots.wrong]
provider = "comfyui"
workflow = "wrong.json"
url = "@URL@"

[slots.nowhere]
provider = "comfyui"
model = "sdxl-turbo"
url = "http://127.0.0.1:@CLOSED@"

[slots.own]
provider = "comfyui"
model = "sdxl-turbo"
cwd = "ComfyUI"
binary = "@PYTHON@"
gpus = []
args = ["--lowvram"]
env = { FAKE_COMFY_RECORD = "@FOLDER@/own.jsonl" }

[slots.chat]
model = "hal0-starter"
"""


class World:
    """A daemon, and the ComfyUI that runs beside it."""

    def __init__(self, hal0: Installation, folder: Path) -> None:
        self.hal0 = hal0
        self.record = folder / "comfy.jsonl"
        self.go = folder / "comfy.jsonl.go"

    def draw(self, **body: Any) -> httpx.Response:
        full = {"prompt": "a cat", "model": "img", **body}
        return httpx.post(f"{self.hal0.url}/v1/images/generations", json=full, timeout=60)

    def picture(self, answer: httpx.Response, index: int = 0) -> bytes:
        assert answer.status_code == 200, answer.text
        return base64.b64decode(answer.json()["data"][index]["b64_json"])

    def asked(self, path: str = "/prompt") -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.record.read_text().splitlines()]
        return [line["body"] for line in lines if line.get("path") == path]

    def requests(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.hal0.admin("GET", "/api/requests")["requests"]
        return found


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("images")
    port = free_port()
    checkout = folder / "ComfyUI"
    checkout.mkdir()
    shutil.copy(FAKE, checkout / "main.py")
    graph = json.loads(CURATED["sd-1.5-pruned-emaonly"].path.read_text())
    graph["checkpoint"]["inputs"]["ckpt_name"] = "v1-5-pruned-emaonly.safetensors"
    graph["positive"]["inputs"]["text"] = "oil on canvas: ${prompt}"
    graph["sampler"]["inputs"]["cfg"] = 5
    graph["preview"] = graph.pop("picture")
    graph["saved"] = {"class_type": "SaveImage", "inputs": {"images": ["pixels", 0], "filename_prefix": "mine"}}
    (folder / "mine.json").write_text(json.dumps(graph))
    graph["sampler"]["inputs"]["sampler_name"] = "no_such_sampler"
    (folder / "wrong.json").write_text(json.dumps(graph))
    text = CONFIG.replace("@URL@", f"http://127.0.0.1:{port}").replace("@FOLDER@", str(folder))
    text = text.replace("@CLOSED@", str(free_port())).replace("@PYTHON@", sys.executable)
    env = {"FAKE_COMFY_RECORD": str(folder / "comfy.jsonl")}
    with running([sys.executable, str(FAKE), "--port", str(port)], env, cwd=folder), installed(folder, text) as hal0:
        wait_until_it_answers(port)
        yield World(hal0, folder)


def wait_until_it_answers(port: int) -> None:
    def answers() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/system_stats").status_code == 200
        except httpx.HTTPError:
            return False

    until(answers)


def until(claim: Callable[[], Any], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def error(answer: httpx.Response) -> dict[str, Any]:
    told: dict[str, Any] = answer.json()["error"]
    return told


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_example_of_the_first_page(world: World) -> None:
    port = world.hal0.url.rpartition(":")[2]
    line = CURL.replace("localhost:8080", f"localhost:{port}").replace("curl ", "curl -sS --fail-with-body ", 1)
    out = subprocess.run(line, shell=True, check=True, capture_output=True, text=True, timeout=60).stdout
    url = json.loads(out)["data"][0]["url"]
    assert re.fullmatch(rf"http://localhost:{port}/v1/images/files/[A-Za-z0-9_-]+\.png", url)
    picture = httpx.get(url)
    assert picture.headers["content-type"] == "image/png"
    assert int.from_bytes(picture.content[16:20], "big") == int.from_bytes(picture.content[20:24], "big") == 1024


def test_the_openai_package_gets_its_pictures(world: World) -> None:
    with openai.OpenAI(base_url=f"{world.hal0.url}/v1", api_key="any", max_retries=0) as client:
        answer = client.images.generate(model="img", prompt="a cat", n=2, size="512x512", response_format="b64_json")
        linked = client.images.generate(model="sdxl-turbo", prompt="a cat")
    for each in (answer, linked):  # as OpenAI has published the answer, field by field
        ImagesResponse.model_validate_json(each.model_dump_json(exclude_unset=True), strict=True)
    assert answer.data is not None
    pictures = [base64.b64decode(each.b64_json or "") for each in answer.data]
    assert all(picture.startswith(b"\x89PNG") for picture in pictures)
    assert pictures[0] != pictures[1]
    assert linked.data is not None
    assert httpx.get(linked.data[0].url or "").content.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("slot", "sampler", "steps"), [("sd", "KSampler", 20), ("img", "SamplerCustom", None), ("flux", "KSampler", 4)]
)
def test_each_curated_model_is_drawn_with_its_own_graph(
    world: World, slot: str, sampler: str, steps: int | None
) -> None:
    world.picture(world.draw(model=slot, response_format="b64_json"))
    graph = world.asked()[-1]["prompt"]
    assert graph["sampler"]["class_type"] == sampler
    assert graph["sampler"]["inputs"].get("steps") == steps
    assert graph["checkpoint"]["inputs"]["ckpt_name"] in ("v1-5-pruned-emaonly.safetensors", *FOUND)


FOUND = ("SDXL/sd_xl_turbo_1.0_fp16.safetensors", "flux1-schnell-fp8.safetensors")


def test_what_is_asked_for_is_what_comfyui_gets(world: World) -> None:
    wanted = {"seed": 7, "steps": 30, "cfg": 3.5, "negative_prompt": "a dog", "size": "640x384"}
    picture = world.picture(
        world.draw(model="sd", prompt='"a ${seed}" in \\ ünïcode', response_format="b64_json", **wanted)
    )
    assert struct_of(picture) == (640, 384)
    graph = world.asked()[-1]["prompt"]
    assert graph["positive"]["inputs"]["text"] == '"a ${seed}" in \\ ünïcode'
    assert graph["negative"]["inputs"]["text"] == "a dog"
    given = graph["sampler"]["inputs"]
    assert (given["seed"], given["steps"], given["cfg"]) == (7, 30, 3.5)


def struct_of(picture: bytes) -> tuple[int, int]:
    return int.from_bytes(picture[16:20], "big"), int.from_bytes(picture[20:24], "big")


@pytest.mark.parametrize("response_format", ["url", "b64_json"])
def test_what_has_no_effect_is_named(world: World, response_format: str) -> None:
    answer = world.draw(quality="hd", style="vivid", user="me", response_format=response_format)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.headers["x-hal0-ignored"] == "quality, style, user"
    assert "x-hal0-ignored" not in world.draw(quality="auto", response_format=response_format).headers


def test_the_same_seed_gives_the_same_picture_also_from_the_cache_and_none_a_new_one(world: World) -> None:
    def drawn(**body: Any) -> tuple[list[bytes], list[int]]:
        answer = world.draw(response_format="b64_json", prompt="seeds", **body)
        data = answer.json()["data"]
        return [world.picture(answer, index) for index in range(len(data))], [each["seed"] for each in data]

    three, seeds = drawn(seed=100, n=3)
    assert seeds == [100, 101, 102]
    assert len(set(three)) == 3
    assert drawn(seed=101)[0] == [three[1]]  # all its nodes are in the cache
    fresh = [drawn() for _ in range(3)]
    assert len({picture for pictures, _ in fresh for picture in pictures}) == 3


def test_pictures_say_nothing_but_what_they_show(world: World) -> None:
    answer = world.draw(prompt="a secret", response_format="b64_json", model="sd")
    picture = world.picture(answer)
    assert b"secret" not in picture
    assert {b"tEXt", b"iTXt"}.isdisjoint(chunks(picture))
    original = httpx.get(f"{url_of(world)}/view", params={"filename": newest(world), "type": "temp"}).content
    assert b"a secret" in original
    assert set(chunks(original)) - set(chunks(picture)) == {b"tEXt", b"iTXt"}


def url_of(world: World) -> str:
    argv: list[str] = world.hal0.admin("GET", "/api/slots/sd/command")["argv"]
    return argv[argv.index("--url") + 1]


def newest(world: World) -> str:
    return max((world.record.parent / "temp").iterdir(), key=lambda file: file.name[-10:]).name


def chunks(picture: bytes) -> list[bytes]:
    found, at = [], 8
    while at < len(picture):
        found.append(picture[at + 4 : at + 8])
        at += 12 + int.from_bytes(picture[at : at + 4], "big")
    return found


# Files ------------------------------------------------------------------------------------------------------------


def test_a_picture_as_a_url_is_kept_for_a_day(world: World) -> None:
    url = world.draw().json()["data"][0]["url"]
    got, head = httpx.get(url), httpx.head(url)
    assert (got.status_code, head.status_code, head.content) == (200, 200, b"")
    assert head.headers["content-length"] == str(len(got.content))
    assert got.headers["x-content-type-options"] == "nosniff"
    assert 0 < int(got.headers["cache-control"].rpartition("=")[2]) <= KEPT_SECONDS
    assert httpx.post(url).json()["error"]["code"] == "system.method_not_allowed"
    file = world.hal0.folder / "state" / "images" / url.rpartition("/")[2]
    assert file.stat().st_mode & 0o077 == 0
    old = time.time() - KEPT_SECONDS - 60
    os.utime(file, (old, old))
    assert error(httpx.get(url))["code"] == "dispatch.image_not_found"


@pytest.mark.parametrize(
    "name", ["", "x.png", "..%2f..%2fhal0.toml", "../../../etc/passwd", "%2e%2e/checksums.json", "a" * 32 + ".json"]
)
def test_nothing_but_pictures_is_given_out(world: World, name: str) -> None:
    world.draw()
    answer = httpx.get(f"{world.hal0.url}/v1/images/files/{name}")
    assert answer.status_code == 404
    assert error(answer)["code"] in ("dispatch.image_not_found", "system.not_found")


def test_the_address_is_the_one_that_the_client_used(world: World) -> None:
    body = {"prompt": "a cat", "model": "img"}
    at = f"{world.hal0.url}/v1/images/generations"
    for headers, begin in (
        ({"host": "box.lan:8080"}, "http://box.lan:8080/v1/images/files/"),
        ({"host": "x", "x-forwarded-host": "ai.lan", "x-forwarded-proto": "https"}, "https://ai.lan/v1/images/files/"),
        ({"host": 'a b"c'}, "/v1/images/files/"),
    ):
        url = httpx.post(at, json=body, headers=headers, timeout=60).json()["data"][0]["url"]
        assert url.startswith(begin)


# Progress, and leaving --------------------------------------------------------------------------------------------


def test_how_far_a_picture_is_is_told_while_it_is_drawn_and_who_leaves_ends_only_that(world: World) -> None:
    """Two jobs at ComfyUI of this slot: one runs, one waits. Each client that leaves takes its own along."""
    body = {"model": "sd", "prompt": "hold", "steps": 20}
    first = subprocess_of(world, body)
    until(lambda: [r["doing"] for r in world.requests() if r["phase"] != "finished"] == ["step 1/20"])
    [request] = [r for r in world.requests() if r["phase"] != "finished"]
    assert 0 < request["progress"] < 0.5
    assert "step 1/20" in cli(world.hal0, "requests")
    second = subprocess_of(world, {**body, "prompt": "hold the second"})
    until(lambda: any("waiting behind 1 other" in r["doing"] for r in world.requests()))
    jobs = {entry["prompt"]["positive"]["inputs"]["text"]: entry for entry in world.asked()}
    assert {"hold", "hold the second"} <= set(jobs)
    queue = httpx.get(f"{url_of(world)}/queue").json()
    running, waiting = queue["queue_running"][0][1], queue["queue_pending"][0][1]
    second.kill()
    until(lambda: not httpx.get(f"{url_of(world)}/queue").json()["queue_pending"])
    assert {"delete": [waiting]} in world.asked("/queue")
    assert world.asked("/interrupt") == []  # the one that runs is somebody else's
    first.kill()
    until(lambda: world.asked("/interrupt") == [{"prompt_id": running}])
    until(lambda: all(r["phase"] == "finished" for r in world.requests()))
    ended = {r["prompt"]: r["outcome"] for r in world.requests()}
    assert (ended["hold"], ended["hold the second"]) == ("cancelled", "cancelled")
    world.picture(world.draw(model="sd", prompt="after", response_format="b64_json"))
    first.wait()
    second.wait()


def subprocess_of(world: World, body: dict[str, Any]) -> "subprocess.Popen[bytes]":
    """A client of its own, to be killed."""
    code = "import httpx, sys; httpx.post(sys.argv[1], content=sys.argv[2], timeout=600)"
    url = f"{world.hal0.url}/v1/images/generations"
    return subprocess.Popen([sys.executable, "-c", code, url, json.dumps(body)])


def cli(hal0: Installation, *words: str) -> str:
    command = [sys.executable, "-m", "hal0.cli", *words]
    return subprocess.run(command, env=hal0.env, capture_output=True, text=True, check=True, timeout=60).stdout


def test_a_job_that_somebody_stops_at_comfyui_is_told_as_cancelled(world: World) -> None:
    waiting = subprocess_of(world, {"model": "sd", "prompt": "hold for the editor"})
    until(lambda: any(r["doing"].startswith("step 1/") for r in world.requests()))
    httpx.post(f"{url_of(world)}/interrupt", json={})
    until(lambda: all(r["phase"] == "finished" for r in world.requests()))
    waiting.wait()
    [ended] = [r for r in world.requests() if r["prompt"] == "hold for the editor"]
    assert (ended["outcome"], ended["error"]["code"]) == ("cancelled", "dispatch.cancelled")
    assert "somebody at ComfyUI" in ended["error"]["message"]


# Failures ---------------------------------------------------------------------------------------------------------


def test_a_job_that_fails_is_told_in_comfyuis_words(world: World) -> None:
    answer = world.draw(prompt="fail", model="sd")
    assert (answer.status_code, error(answer)["code"]) == (502, "dispatch.upstream_failed")
    assert "KSampler (node sampler) failed: HIP out of memory" in error(answer)["message"]
    assert error(answer)["details"]["slot"] == "sd"
    assert error(answer)["details"]["upstream"]["exception_type"] == "RuntimeError"
    world.picture(world.draw(model="sd", response_format="b64_json"))


def test_a_picture_that_does_not_end_is_not_read_to_its_end(world: World) -> None:
    told = error(world.draw(model="sd", prompt="a huge cat"))
    assert told["code"] == "dispatch.upstream_failed"
    assert "a picture of more than" in told["message"]


def test_a_workflow_of_ones_own_is_run_and_gives_what_it_saves(world: World) -> None:
    answer = world.draw(model="mine", response_format="b64_json")
    world.picture(answer)
    assert len(answer.json()["data"]) == 1  # its preview is not the picture that it saves
    graph = world.asked()[-1]["prompt"]
    assert graph["positive"]["inputs"]["text"] == "oil on canvas: a cat"
    refused = world.draw(model="mine", cfg=3)
    assert (refused.status_code, error(refused)["param"]) == (400, "cfg")
    assert "no ${cfg}" in error(refused)["message"]


def test_a_workflow_that_comfyui_cannot_run_is_found_when_the_slot_starts(world: World) -> None:
    before = len(world.asked())
    answer = world.draw(model="wrong")
    world.hal0.admin("POST", "/api/slots/wrong/unload", {})
    assert (answer.status_code, error(answer)["code"]) == (422, "dispatch.workflow_invalid")
    told = error(answer)["details"]["node_errors"]["sampler"]
    assert told["class_type"] == "KSampler"
    assert told["errors"][0]["type"] == "value_not_in_list"
    assert len(world.asked()) == before


def test_a_workflow_that_broke_since_is_told_with_comfyuis_own_words(world: World) -> None:
    file = world.hal0.folder / "mine.json"
    whole = file.read_text()
    world.picture(world.draw(model="mine", response_format="b64_json"))
    try:
        file.write_text(whole.replace('"dpmpp_2m"', '"no_such"'))
        answer = world.draw(model="mine")
        assert (answer.status_code, error(answer)["code"]) == (422, "dispatch.workflow_invalid")
        assert error(answer)["details"]["error"]["type"] == "prompt_outputs_failed_validation"
        assert error(answer)["details"]["node_errors"]["sampler"]["dependent_outputs"]
        file.write_text("{")
        answer = world.draw(model="mine")
        assert "not JSON" in error(answer)["message"]
    finally:
        file.write_text(whole)
    world.picture(world.draw(model="mine", response_format="b64_json"))


def test_more_steps_than_a_model_can_is_the_callers_mistake(world: World) -> None:
    answer = world.draw(model="img", steps=50)
    assert (answer.status_code, error(answer)["code"]) == (400, "dispatch.invalid_request")
    assert error(answer)["param"] == "steps"
    assert "bigger than max of 10" in error(answer)["message"]


def test_no_comfyui_at_the_url_is_told(world: World) -> None:
    answer = world.draw(model="nowhere")
    world.hal0.admin("POST", "/api/slots/nowhere/unload", {})
    assert (answer.status_code, error(answer)["code"]) == (502, "slot.load_failed")
    assert "there is no ComfyUI at http://127.0.0.1:" in error(answer)["message"]


BAD: list[tuple[dict[str, Any], int, str, str | None]] = [
    ({"prompt": ""}, 422, "dispatch.prompt_required", "prompt"),
    ({"prompt": "  "}, 422, "dispatch.prompt_required", "prompt"),
    ({"prompt": None}, 422, "dispatch.prompt_required", "prompt"),
    ({"prompt": 5}, 422, "dispatch.prompt_required", "prompt"),
    ({"prompt": "x" * 40_000}, 400, "dispatch.invalid_request", "prompt"),
    *(
        ({"size": size}, 422, "dispatch.size_invalid", "size")
        for size in ("1024", "1024X1024", "56x64", "2056x512", "513x512", "-64x64", "64x64x64", "wide", 512, [64, 64])
    ),
    *(({"n": n}, 400, "dispatch.invalid_request", "n") for n in (0, 9, -1, 1.5, "2", True)),
    *(({"seed": seed}, 400, "dispatch.invalid_request", "seed") for seed in (-1, 2**64, "x", 1.5)),
    *(({"steps": steps}, 400, "dispatch.invalid_request", "steps") for steps in (0, 201, "20")),
    *(({"cfg": cfg}, 400, "dispatch.invalid_request", "cfg") for cfg in (-1, 101, "7")),
    ({"negative_prompt": 1}, 400, "dispatch.invalid_request", "negative_prompt"),
    ({"response_format": "jpeg"}, 400, "dispatch.invalid_request", "response_format"),
    ({"stream": True}, 400, "dispatch.unsupported", "stream"),
    ({"output_format": "webp"}, 400, "dispatch.unsupported", "output_format"),
    ({"background": "transparent"}, 400, "dispatch.unsupported", "background"),
    ({"model": "chat"}, 409, "dispatch.capability_mismatch", "model"),
    ({"model": "dall-e-3"}, 404, "dispatch.no_route", "model"),
]


@pytest.mark.parametrize(("body", "status", "code", "param"), BAD)
def test_bad_input_is_coded(world: World, body: dict[str, Any], status: int, code: str, param: str | None) -> None:
    answer = world.draw(**body)
    assert (answer.status_code, error(answer)["code"], error(answer)["param"]) == (status, code, param)
    assert "<" not in error(answer)["message"]


def test_a_slot_for_images_answers_nothing_else(world: World) -> None:
    body = {"model": "img", "messages": [{"role": "user", "content": "hi"}]}
    answer = httpx.post(f"{world.hal0.url}/v1/chat/completions", json=body, timeout=60)
    assert (answer.status_code, error(answer)["code"]) == (409, "dispatch.capability_mismatch")


# What belongs to a slot -------------------------------------------------------------------------------------------


def test_licences_are_shown(world: World) -> None:
    entries = {entry["id"]: entry for entry in httpx.get(f"{world.hal0.url}/v1/models").json()["data"]}
    assert entries["img"]["licence"] == entries["sdxl-turbo"]["licence"] == "SAI Non-Commercial Research"
    assert entries["sd"]["licence"] == "CreativeML Open RAIL-M"
    assert entries["flux-schnell"]["licence"] == "Apache-2.0"
    assert entries["flux-schnell"]["slots"] == ["flux"]
    assert "SAI Non-Commercial Research" in cli(world.hal0, "model", "show", "sdxl-turbo")
    assert httpx.get(f"{world.hal0.url}/v1/models/flux-schnell").json()["kind"] == "image"


def test_unloading_ends_no_comfyui_that_is_not_ours_but_frees_its_memory(world: World) -> None:
    world.picture(world.draw(model="flux", response_format="b64_json"))
    before = len(world.asked("/free"))
    world.hal0.admin("POST", "/api/slots/flux/unload", {})
    assert world.hal0.wait_for_slot("flux", "offline")["pid"] is None
    assert world.asked("/free")[before:] == [{"unload_models": True, "free_memory": True}]
    assert httpx.get(f"{url_of(world)}/system_stats").status_code == 200


def test_unloading_at_once_stops_the_job_that_runs(world: World) -> None:
    client = subprocess_of(world, {"model": "sd", "prompt": "hold until unloaded"})
    until(lambda: any(r["doing"].startswith("step 1/") for r in world.requests()))
    running = httpx.get(f"{url_of(world)}/queue").json()["queue_running"][0][1]
    before = len(world.asked("/free"))
    world.hal0.admin("POST", "/api/slots/sd/unload", {"drain": "now"})
    world.hal0.wait_for_slot("sd", "offline")
    assert {"prompt_id": running} in world.asked("/interrupt")
    assert len(world.asked("/free")) == before + 1
    client.wait()


def test_a_slot_that_leaves_in_the_middle_frees_no_memory_under_the_job_of_somebody_else(world: World) -> None:
    client = subprocess_of(world, {"model": "sd", "prompt": "hold until unloaded"})
    until(lambda: any(r["doing"].startswith("step 1/") for r in world.requests()))
    graph = {**world.asked()[-1]["prompt"]}
    graph["positive"] = {**graph["positive"], "inputs": {**graph["positive"]["inputs"], "text": "hold mine too"}}
    others = httpx.post(f"{url_of(world)}/prompt", json={"prompt": graph, "client_id": "other"}).json()["prompt_id"]
    before = len(world.asked("/free"))
    world.hal0.admin("POST", "/api/slots/sd/unload", {"drain": "now"})
    world.hal0.wait_for_slot("sd", "offline")
    client.wait()
    assert len(world.asked("/free")) == before
    httpx.post(f"{url_of(world)}/queue", json={"delete": [others]})
    httpx.post(f"{url_of(world)}/interrupt", json={"prompt_id": others})
    until(lambda: not httpx.get(f"{url_of(world)}/queue").json()["queue_running"])


def test_a_slot_is_made_swapped_and_deleted_like_any_other(world: World) -> None:
    at = url_of(world)
    cli(world.hal0, "slot", "create", "made", "flux-schnell", "provider=comfyui", f"url={at}")
    world.picture(world.draw(model="made", response_format="b64_json"))
    cli(world.hal0, "slot", "swap", "made", "sd-1.5-pruned-emaonly")
    assert world.hal0.slot("made")["model"] == "sd-1.5-pruned-emaonly"
    world.picture(world.draw(model="made", response_format="b64_json"))
    cli(world.hal0, "slot", "delete", "made")


def test_a_checkout_is_started_told_its_words_and_gone_when_unloaded(world: World) -> None:
    hal0 = world.hal0
    world.picture(world.draw(model="own", response_format="b64_json"))
    told = json.loads((hal0.folder / "own.jsonl").read_text().splitlines()[0])
    words = told["argv"]
    assert told["cwd"] == str(hal0.folder / "ComfyUI")
    assert words[:2] == ["--listen", "127.0.0.1"]
    assert {"--disable-metadata", "--disable-auto-launch", "--cpu", "--lowvram"} <= set(words)
    assert told["env"]["CUDA_VISIBLE_DEVICES"] == "-1"
    assert "HAL0_BACKEND_KEY" not in told["env"]
    port = int(words[words.index("--port") + 1])
    assert httpx.get(f"http://127.0.0.1:{port}/system_stats").status_code == 200
    view = hal0.slot("own")
    group = [pid for pid in hal0.backends() if os.getpgid(pid) == view["pid"]]
    assert len(group) == 2
    hal0.admin("POST", "/api/slots/own/unload", {})
    hal0.wait_for_slot("own", "offline")
    assert not set(group) & set(hal0.backends())
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/system_stats")


def test_the_program_of_a_slot_answers_hal0_alone(world: World) -> None:
    world.picture(world.draw(model="sd", response_format="b64_json"))
    port = world.hal0.slot("sd")["port"]
    answer = httpx.post(f"http://127.0.0.1:{port}/v1/images/generations", json={"prompt": "a"})
    assert answer.status_code == 401


def test_a_comfyui_that_dies_in_the_middle_is_told_and_started_again(world: World) -> None:
    answer = world.draw(model="own", prompt="die")
    assert (answer.status_code, error(answer)["code"]) == (502, "slot.crashed")
    world.picture(world.draw(model="own", response_format="b64_json"))


def test_a_comfyui_elsewhere_that_dies_in_the_middle_is_told(world: World, tmp_path: Path) -> None:
    port = free_port()
    with running([sys.executable, str(FAKE), "--port", str(port)], {}, cwd=tmp_path):
        wait_until_it_answers(port)
        with world.hal0.client() as client:
            table = {"provider": "comfyui", "model": "sdxl-turbo", "url": f"http://127.0.0.1:{port}"}
            assert client.patch("/api/config", json={"set": {"slots.mortal": table}}).status_code == 200
        try:
            answer = world.draw(model="mortal", prompt="die")
            assert (answer.status_code, error(answer)["code"]) == (502, "dispatch.upstream_unavailable")
        finally:
            with world.hal0.client() as client:
                client.patch("/api/config", json={"unset": ["slots.mortal"]})
