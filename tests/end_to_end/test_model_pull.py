"""Models that come and go in a running daemon, by its commands: pulled, resumed, referred to, removed."""

import hashlib
import io
import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hal0.cli.__main__ import main
from hal0.models import CARDS
from tests.fakes.gguf_projector import write_projector
from tests.fakes.installation import Installation, installed
from tests.fakes.model_server import ModelServer, wait_for

STARTER = CARDS[0].path
STARTER_WIDTH = 192  # of its embeddings
CONFIG = '[daemon]\nports = @PORTS@\n[slots.primary]\nmodel = "hal0-starter"\n'


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    with ModelServer() as running:
        running.put("starter.gguf", STARTER.read_bytes())
        yield running


@pytest.fixture(scope="module")
def hal0(tmp_path_factory: pytest.TempPathFactory, server: ModelServer) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("pulls")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_ENDPOINT", server.origin)
        patch.setenv("HOME", str(folder / "home"))
        patch.delenv("XDG_CACHE_HOME", raising=False)
        ollama(folder / "home" / ".ollama" / "models", "tiny", STARTER.read_bytes())
        with installed(folder / "hal0", CONFIG) as installation:
            yield installation


def ollama(folder: Path, name: str, body: bytes, *, projector: bytes | None = None) -> None:
    """A model as Ollama keeps it."""
    digest = ollama_blob(folder, body)
    manifest = folder / "manifests" / "registry.ollama.ai" / "library" / name / "latest"
    manifest.parent.mkdir(parents=True)
    layers = [
        {"mediaType": "application/vnd.ollama.image.template", "digest": f"sha256:{'0' * 64}", "size": 1},
        {"mediaType": "application/vnd.ollama.image.model", "digest": digest, "size": len(body)},
    ]
    if projector is not None:
        media, size = "application/vnd.ollama.image.projector", len(projector)
        layers.append({"mediaType": media, "digest": ollama_blob(folder, projector), "size": size})
    manifest.write_text(json.dumps({"schemaVersion": 2, "layers": layers}))


def ollama_blob(folder: Path, body: bytes) -> str:
    digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
    blob = folder / "blobs" / digest.replace(":", "-")
    blob.parent.mkdir(parents=True, exist_ok=True)
    blob.write_bytes(body)
    return digest


@dataclass
class Ran:
    returncode: int
    stdout: str
    stderr: str


def command(hal0: Installation, *words: str) -> Ran:
    """In this process: a new one for each of these commands would take most of the time."""
    streams = {name: io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for name in ("stdin", "stdout", "stderr")}
    with pytest.MonkeyPatch.context() as patch:
        for name, stream in streams.items():
            patch.setattr(sys, name, stream)
        for name, value in hal0.env.items():
            patch.setenv(name, value)
        status = main(list(words))
    texts = []
    for name in ("stdout", "stderr"):
        streams[name].seek(0)
        texts.append(streams[name].read())
    return Ran(status, *texts)


def told(hal0: Installation, *words: str) -> Any:
    ran = command(hal0, *words, "--json")
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def models(hal0: Installation) -> set[str]:
    return {model["id"] for model in hal0.admin("GET", "/api/models")["models"]}


def test_a_pulled_model_answers(hal0: Installation, server: ModelServer) -> None:
    ran = command(hal0, "model", "pull", server.url("starter.gguf"), "--as", "fresh")
    assert ran.returncode == 0, ran.stderr
    assert "fresh is here: 3M in" in ran.stdout
    assert "not pinned" in ran.stdout
    assert ran.stderr == ""
    listed = told(hal0, "model", "list")
    [fresh] = [model for model in listed["models"] if model["id"] == "fresh"]
    assert (fresh["pulled"], fresh["source"], fresh["kind"]) == (True, server.url("starter.gguf"), "chat")
    assert told(hal0, "slot", "create", "one", "fresh")
    assert command(hal0, "slot", "load", "one").returncode == 0
    assert command(hal0, "model", "pull", "fresh").stdout.startswith("fresh is here already")
    refused = command(hal0, "model", "rm", "fresh")
    assert refused.returncode == 1
    assert "model.in_use: fresh is in use: one" in refused.stderr
    assert command(hal0, "slot", "delete", "one").returncode == 0
    assert "deleted: 3M are free again" in command(hal0, "model", "rm", "fresh").stdout
    assert "fresh" not in models(hal0)
    assert not Path(fresh["path"]).exists()


def test_a_model_that_sees_comes_with_its_projector(hal0: Installation, server: ModelServer, tmp_path: Path) -> None:
    eyes = write_projector(tmp_path / "eyes.gguf", width=STARTER_WIDTH).read_bytes()
    server.put_repository("owner/Seer-GGUF", {"Seer-Q8_0.gguf": STARTER.read_bytes(), "mmproj-F16.gguf": eyes})
    ran = command(hal0, "model", "pull", "hf:owner/Seer-GGUF:Q8_0", "--as", "seer")
    assert ran.returncode == 0, ran.stderr
    assert (
        "its projector, mmproj-F16.gguf, came with it\n`hal0 slot create NAME seer mmproj=auto` serves it" in ran.stdout
    )
    seer = hal0.admin("GET", "/api/models/seer")["model"]
    projector = Path(seer["path"]).with_name("mmproj-F16.gguf")
    assert seer["projector"] == str(projector)
    assert f"{projector}, for a slot with" in command(hal0, "model", "show", "seer").stdout
    told(hal0, "slot", "create", "eyes", "seer", "mmproj=auto")
    told(hal0, "slot", "load", "eyes")
    assert hal0.slot("eyes")["vision"]
    assert str(projector) in hal0.admin("GET", "/api/slots/eyes/command")["argv"]
    told(hal0, "slot", "delete", "eyes")
    assert told(hal0, "model", "rm", "seer")["freed_bytes"] == STARTER.stat().st_size + len(eyes)
    assert not projector.exists()


def test_a_model_in_use_can_be_removed_by_force_and_its_slot_goes_on(hal0: Installation, server: ModelServer) -> None:
    told(hal0, "model", "pull", server.url("starter.gguf"), "--as", "forced")
    told(hal0, "slot", "create", "forced", "forced")
    told(hal0, "slot", "load", "forced")
    assert told(hal0, "model", "rm", "forced", "--force") == {
        "name": "forced",
        "what": "files",
        "freed_bytes": STARTER.stat().st_size,
    }
    assert hal0.slot("forced")["state"] in ("ready", "idle")
    told(hal0, "slot", "delete", "forced")


def test_a_failure_has_its_code_and_what_has_come_can_be_deleted(hal0: Installation, server: ModelServer) -> None:
    file = server.put("bad.gguf", b"<html>", content_type="text/html")
    ran = command(hal0, "model", "pull", server.url("bad.gguf"))
    assert ran.returncode == 1
    assert "model.not_a_model: 127.0.0.1 sent something else than bad: it is a web page" in ran.stderr
    ran = command(hal0, "model", "pull", "bad", "--json")
    assert json.loads(ran.stderr)["error"]["code"] == "model.not_a_model"
    assert ran.stdout == ""
    [pull] = told(hal0, "model", "list")["pulls"]
    assert (pull["name"], pull["state"]) == ("bad", "failed")
    assert hal0.admin("GET", "/api/state")["pulls"] == [pull]
    assert "models on their way 1\nMODEL" in command(hal0, "status").stdout
    file.body, file.content_type = STARTER.read_bytes(), "application/octet-stream"
    assert command(hal0, "model", "pull", "bad").returncode == 0
    told(hal0, "model", "rm", "bad")
    file.body = b"nothing"
    assert command(hal0, "model", "pull", server.url("bad.gguf")).returncode == 1
    assert told(hal0, "model", "rm", "bad")["what"] == "partial"
    assert told(hal0, "model", "list")["pulls"] == []


def test_breaking_off_stops_the_pull_and_the_same_command_goes_on(hal0: Installation, server: ModelServer) -> None:
    hold = threading.Event()
    server.put("long.gguf", STARTER.read_bytes(), hold=hold)
    running = subprocess.Popen(
        [sys.executable, "-m", "hal0.cli", "model", "pull", server.url("long.gguf")],
        env=hal0.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    wait_for(lambda: any(p["done_bytes"] > 0 for p in hal0.admin("GET", "/api/pulls")["pulls"]), "nothing came")
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=30)
    assert running.returncode == 130
    [pull] = hal0.admin("GET", "/api/pulls")["pulls"]
    assert (pull["state"], pull["error"]["code"]) == ("cancelled", "model.pull_cancelled")
    assert 0 < pull["done_bytes"] < pull["total_bytes"]
    hold.set()
    assert command(hal0, "model", "pull", "long").returncode == 0
    assert "long" in models(hal0)
    told(hal0, "model", "rm", "long")


def test_a_pull_can_be_left_to_the_daemon_and_stopped_later(hal0: Installation, server: ModelServer) -> None:
    hold = threading.Event()
    server.put("left.gguf", STARTER.read_bytes(), hold=hold)
    assert told(hal0, "model", "pull", server.url("left.gguf"), "--no-wait")["state"] == "queued"
    assert told(hal0, "model", "cancel", "left")["state"] == "cancelled"
    assert told(hal0, "model", "rm", "left")["what"] == "partial"
    assert "model.no_such_pull" in command(hal0, "model", "cancel", "left").stderr


def test_models_of_other_programs_are_used_where_they_lie(hal0: Installation) -> None:
    [found] = [each for each in told(hal0, "model", "list", "--found")["found"] if "tiny" in each["name"]]
    assert (found["name"], found["store"]) == ("ollama/tiny:latest", "ollama")
    assert "ollama/tiny:latest" in command(hal0, "model", "list", "--found").stdout
    told(hal0, "slot", "create", "theirs", "ollama/tiny:latest")
    told(hal0, "slot", "load", "theirs")
    assert found["path"] in hal0.admin("GET", "/api/slots/theirs/command")["argv"]
    told(hal0, "slot", "delete", "theirs")
    refused = command(hal0, "model", "rm", "ollama/tiny:latest")
    assert "model.not_ours" in refused.stderr
    told(hal0, "model", "add", "ollama/tiny:latest", "--as", "mine")
    assert hal0.admin("GET", "/api/models/mine")["model"]["path"] == found["path"]
    assert "is already" not in command(hal0, "model", "rm", "mine").stderr
    assert Path(found["path"]).exists()
    assert "mine" not in models(hal0)


def test_a_model_of_ollama_that_sees_keeps_its_eyes_under_another_name(hal0: Installation, tmp_path: Path) -> None:
    eyes = write_projector(tmp_path / "eyes.gguf", width=STARTER_WIDTH).read_bytes()
    ollama(hal0.folder.parent / "home/.ollama/models", "seer", STARTER.read_bytes(), projector=eyes)
    told(hal0, "model", "add", "ollama/seer:latest", "--as", "seer2")
    projector = hal0.admin("GET", "/api/models/seer2")["model"]["projector"]
    assert Path(projector).read_bytes() == eyes
    assert f'mmproj = "{projector}"' in hal0.config.read_text()
    told(hal0, "slot", "create", "watcher", "seer2", "mmproj=auto")
    assert projector in hal0.admin("GET", "/api/slots/watcher/command")["argv"]
    told(hal0, "slot", "delete", "watcher")
    told(hal0, "model", "rm", "seer2")


def test_a_file_is_added_by_reference_and_never_deleted(hal0: Installation, tmp_path: Path) -> None:
    file = tmp_path / "Own.gguf"
    file.write_bytes(STARTER.read_bytes())
    assert "[models.Own]" in command(hal0, "model", "add", str(file)).stdout
    assert "Own" in models(hal0)
    assert f'path = "{file}"' in hal0.config.read_text()
    assert "model.already_exists" in command(hal0, "model", "add", str(file)).stderr
    assert told(hal0, "model", "rm", "Own")["what"] == "reference"
    assert file.exists()
    (tmp_path / "mmproj-own-f16.gguf").write_bytes(write_projector(tmp_path / "x", width=STARTER_WIDTH).read_bytes())
    told(hal0, "model", "add", str(file))
    beside = hal0.admin("GET", "/api/models/Own")["model"]["projector"]
    assert beside == str(tmp_path / "mmproj-own-f16.gguf")
    told(hal0, "model", "rm", "Own")
    (tmp_path / "no.gguf").write_text("no model")
    assert "model.file_invalid" in command(hal0, "model", "add", str(tmp_path / "no.gguf")).stderr
    picture = tmp_path / "picture.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n")
    assert "it begins with the bytes 89 50 4e 47\n" in command(hal0, "model", "add", str(picture)).stderr
    gone = command(hal0, "model", "add", str(tmp_path / "gone.gguf")).stderr
    assert f"model.no_such_file: there is no file {tmp_path}/gone.gguf" in gone
    assert "[models." not in gone
    assert "model.not_ours" in command(hal0, "model", "rm", "hal0-starter").stderr


def test_what_is_in_the_catalogue_but_not_here_says_how_to_get_it(hal0: Installation) -> None:
    shown = command(hal0, "model", "show", "qwen3-4b")
    assert shown.returncode == 0
    assert "in the catalogue, not on this machine" in shown.stdout
    told(hal0, "slot", "create", "wants", "qwen3-4b")
    assert "model.not_pulled" in command(hal0, "slot", "load", "wants").stderr
    told(hal0, "slot", "delete", "wants")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "dispatch.invalid_request"),
        ({"source": 5}, "dispatch.invalid_request"),
        ({"source": "x", "path": "y"}, "dispatch.invalid_request"),
        ({"source": "https://host/x.gguf", "sha256": "abc"}, "dispatch.invalid_request"),
        ({"source": "https://host/x.gguf", "name": "../x"}, "dispatch.invalid_request"),
        ({"source": "nothing-of-the-kind"}, "model.not_curated"),
        ({"source": "\ud800"}, "dispatch.invalid_request"),
    ],
)
def test_a_wrong_request_is_refused(body: dict[str, Any], code: str, hal0: Installation) -> None:
    with hal0.client() as client:
        answer = client.post(
            "/api/models/pull", content=json.dumps(body), headers={"Content-Type": "application/json"}
        ).json()
    assert answer["error"]["code"] == code


def test_a_killed_daemon_goes_on_with_its_pulls(tmp_path: Path, server: ModelServer) -> None:
    hold = threading.Event()
    server.put("kill.gguf", STARTER.read_bytes(), hold=hold)
    with installed(tmp_path / "hal0", CONFIG) as hal0:
        assert command(hal0, "model", "pull", server.url("kill.gguf"), "--no-wait").returncode == 0
        wait_for(lambda: hal0.admin("GET", "/api/pulls/kill")["done_bytes"] > 0, "nothing came")
        hal0.stop(signal.SIGKILL)
        hold.set()
        hal0.start()
        wait_for(lambda: hal0.admin("GET", "/api/pulls/kill")["state"] == "done", "it did not go on")
        assert "kill" in models(hal0)
        place = Path(hal0.admin("GET", "/api/models/kill")["model"]["path"])
        assert place.read_bytes() == STARTER.read_bytes()


def test_without_a_daemon_the_catalogue_is_shown_and_the_rest_says_so(tmp_path: Path) -> None:
    hal0 = Installation(tmp_path)
    shown = command(hal0, "model", "list", "--catalogue").stdout
    assert re.search(r"qwen2\.5-0\.5b-instruct-q4_k_m +chat +\d+M +yes", shown)
    assert re.search(r"sdxl-turbo +image +not known +no", shown)
    for words in (["list"], ["pull", "qwen3-4b"], ["rm", "x"], ["add", "/x.gguf"], ["cancel", "x"]):
        ran = command(hal0, "model", *words)
        assert ran.returncode == 1
        assert "system.daemon_down" in ran.stderr


def test_a_slot_waits_for_its_model_and_starts_when_it_is_there(tmp_path: Path, server: ModelServer) -> None:
    """An embedding slot, so that what the file tells of itself matters."""
    model = CARDS[1].path
    hold = threading.Event()
    server.put("embedder.gguf", model.read_bytes(), hold=hold)
    text = f'{CONFIG}[slots.embed]\nmodel = "embedder"\nautostart = true\n'
    with installed(tmp_path / "hal0", text) as hal0:
        assert hal0.wait_for_slot("embed", "error")["error"]["code"] == "model.not_found"
        assert command(hal0, "model", "pull", server.url("embedder.gguf"), "--no-wait").returncode == 0
        hal0.wait_for_slot("embed", "pulling")
        wait_for(lambda: (hal0.slot("embed")["fetched_bytes"] or 0) > 0, "no progress is shown")
        waiting = hal0.slot("embed")
        assert waiting["fetch_bytes"] == model.stat().st_size
        assert 0 < waiting["progress"] < 1
        hold.set()
        assert hal0.wait_for_slot("embed", "ready", "idle")["kind"] == "embedding"
        causes = [entry["cause"] for entry in hal0.admin("GET", "/api/slots/embed/why")["entries"]]
        assert "started by the pull of embedder" in causes
