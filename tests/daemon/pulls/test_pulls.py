"""Pulls as their owner sees them: names, resuming, cancelling, other people's files, secrets."""

import asyncio
import hashlib
import json
import logging
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from hal0.daemon.models.record import Record
from hal0.daemon.pulls.pulls import Pulls
from hal0.errors import Hal0Error
from hal0.models.catalogue import entries
from tests.daemon.pulls.conftest import MODEL, Bench, until
from tests.fakes.model_server import ModelServer

SHA256 = hashlib.sha256(MODEL).hexdigest()
REPOSITORY = "owner/Small-GGUF"


async def fetched_half(bench: Bench, pulls: Pulls, name: str) -> None:
    await until(lambda: any(view.done_bytes > len(MODEL) // 4 for view in pulls.views() if view.name == name))


# Where models come from ---------------------------------------------------------------------------


async def test_a_file_of_a_repository_is_pinned_by_the_hub_and_to_its_commit(bench: Bench) -> None:
    bench.server.put_repository(REPOSITORY, {"small-q4_k_m.gguf": MODEL, "small-q8_0.gguf": b"GGUF other"})
    assert await bench.pull(f"hf:{REPOSITORY}:small-q4_k_m.gguf") is None
    record = Record.model_validate_json((bench.store / "small-q4_k_m.json").read_text())
    assert (record.pinned, record.commit, record.files[0].sha256) == ("server", "c0ffee", SHA256)
    assert bench.bytes_of("small-q4_k_m") == MODEL
    paths = [each.path for each in bench.server.requests if "/resolve/" in each.path]
    assert paths[0].endswith("/resolve/main/small-q4_k_m.gguf")
    assert {path.split("/")[4] for path in paths[1:]} == {"c0ffee"}


@pytest.mark.parametrize("source", [f"hf:{REPOSITORY}:Q4_K_M", "https://huggingface.co/{}/blob/main/small-Q4_K_M.gguf"])
async def test_a_mark_or_the_address_of_the_page_name_the_same_file(source: str, bench: Bench) -> None:
    files = {"small-Q4_K_M.gguf": MODEL, "small-Q4_K_S.gguf": b"GGUF other", "mmproj-tall-Q4_K_M.gguf": b"GGUF eyes"}
    bench.server.put_repository(REPOSITORY, files)
    assert await bench.pull(source.format(REPOSITORY), name="it") is None
    assert bench.bytes_of("it") == MODEL


async def test_a_model_in_parts_is_one_model_in_a_folder(bench: Bench) -> None:
    parts = {f"q8/big-{n:05}-of-00002.gguf": MODEL[:-n] for n in (1, 2)}
    bench.server.put_repository(REPOSITORY, {**parts, "q4/big-q4.gguf": b"GGUF other"})
    assert await bench.pull(f"hf:{REPOSITORY}:q8/big-00001-of-00002.gguf") is None
    assert (bench.store / "big" / "big-00001-of-00002.gguf").read_bytes() == MODEL[:-1]
    assert (bench.store / "big" / "big-00002-of-00002.gguf").read_bytes() == MODEL[:-2]


async def test_a_repository_without_gguf_becomes_a_folder_without_its_other_formats(bench: Bench) -> None:
    files = {
        "config.json": b"{}",
        "model.safetensors": b"w" * 500,
        "pytorch_model.bin": b"w" * 500,
        "1_Pooling/config.json": b"{}",
        ".gitattributes": b"x",
        "README.md": b"#",
    }
    bench.server.put_repository("owner/encoder", files)
    assert await bench.pull("hf:owner/encoder", kind="embedding") is None
    folder = bench.store / "encoder"
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert there == {"config.json", "model.safetensors", "1_Pooling/config.json"}


@pytest.mark.parametrize(
    ("source", "code", "words"),
    [
        (f"hf:{REPOSITORY}", "model.bad_source", "a-q4.gguf, a-q8.gguf"),
        (f"hf:{REPOSITORY}:Q2_K", "model.bad_source", "'Q2_K'"),
        (f"hf:{REPOSITORY}:other.gguf", "model.source_not_found", "has no"),
        ("hf:owner/nothing", "model.source_not_found", "has no"),
    ],
)
async def test_what_a_repository_has_not_is_told(source: str, code: str, words: str, bench: Bench) -> None:
    bench.server.put_repository(REPOSITORY, {"a-q4.gguf": MODEL, "a-q8.gguf": MODEL})
    error = await bench.pull(source)
    assert error is not None
    assert error.code == code
    assert words in error.message


async def test_the_repository_cannot_put_files_elsewhere(bench: Bench) -> None:
    listing = [{"type": "file", "path": "../../../evil.safetensors", "size": 1, "oid": "0" * 40}]
    bench.server.put("api/models/owner/evil/tree/main", json.dumps(listing).encode(), ranges=False)
    error = await bench.pull("hf:owner/evil")
    assert error is not None
    assert error.code == "model.bad_source"


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("qwen2.5-0.5b-instruct-q4_k_n", "model.not_curated"),
        ("hf:owner", "model.bad_source"),
        ("hf:owner/repo:../x.gguf", "model.bad_source"),
        ("ftp://host/x.gguf", "model.bad_source"),
        ("https://name:secret@host/x.gguf", "model.bad_source"),
        ("http://example.com/x.gguf", "model.bad_source"),
        ("https://host/", "model.bad_source"),
    ],
)
async def test_what_is_no_source_is_refused_at_once(source: str, code: str, bench: Bench) -> None:
    async with bench.running() as pulls:
        with pytest.raises(Hal0Error) as caught:
            await pulls.start(source)
    assert caught.value.code == code
    assert "secret" not in str(caught.value.envelope())


@pytest.mark.parametrize("name", ["../x", "a/b", "x.part", "x.json", ".x", "", "ä"])
async def test_a_name_must_be_fit_for_a_file(name: str, bench: Bench) -> None:
    async with bench.running() as pulls:
        with pytest.raises(Hal0Error, match="name"):
            await pulls.start(bench.server.url("m.gguf"), name=name or " ")


# Stopping and going on ----------------------------------------------------------------------------


async def test_what_was_fetched_before_a_cancel_is_not_fetched_again(bench: Bench) -> None:
    hold = threading.Event()
    bench.server.put("m.gguf", MODEL, hold=hold)
    bench.settings = {"connections": 2}
    url = bench.server.url("m.gguf")
    async with bench.running() as pulls:
        await pulls.start(url)
        await until(lambda: pulls.views()[0].done_bytes > 0)
        view = await pulls.cancel("m", by="a test")
        assert (view.state, view.error and view.error.code) == ("cancelled", "model.pull_cancelled")
        done = view.done_bytes
        assert 0 < done < len(MODEL)
        hold.set()
        bench.server.requests.clear()
        await pulls.start("m")
        assert await bench.outcome(pulls, "m") is None
    asked = 0
    for each in bench.server.requests[1:]:
        first, _, last = each.range.removeprefix("bytes=").partition("-")
        asked += int(last) - int(first) + 1
    assert asked == len(MODEL) - done
    assert bench.bytes_of("m") == MODEL


async def test_a_restart_of_the_daemon_goes_on_by_itself(bench: Bench) -> None:
    hold = threading.Event()
    bench.server.put("m.gguf", MODEL, hold=hold)
    async with bench.running() as pulls:
        await pulls.start(bench.server.url("m.gguf"), sha256=SHA256)
        await until(lambda: pulls.views()[0].done_bytes > 0)
        done = pulls.views()[0].done_bytes
    assert not (bench.store / "m.gguf").exists()
    hold.set()
    async with bench.running() as pulls:
        await until(lambda: bench.arrived == ["m"])
    assert bench.bytes_of("m") == MODEL
    assert done > 0


async def test_a_failed_pull_waits_for_a_person_after_a_restart(bench: Bench) -> None:
    file = bench.server.put("m.gguf", MODEL, statuses=[418])
    await bench.pull(bench.server.url("m.gguf"))
    bench.server.requests.clear()
    async with bench.running() as pulls:
        await until(lambda: bool(pulls.views()))
        [view] = pulls.views()
        assert (view.state, view.error and view.error.code) == ("failed", "model.pull_failed")
        assert bench.server.requests == []
        assert file.statuses == []
        await pulls.start("m")
        assert await bench.outcome(pulls, "m") is None


async def test_what_changed_meanwhile_is_begun_anew(bench: Bench) -> None:
    file = bench.server.put("m.gguf", MODEL, break_after=[100_000] + [0] * 99)
    bench.settings = {"connections": 1}
    assert await bench.pull(bench.server.url("m.gguf")) is not None
    other = MODEL[:50_000] + b"!" * (len(MODEL) - 50_000)
    file.body, file.etag, file.break_after = other, '"second"', []
    assert await bench.pull(bench.server.url("m.gguf")) is None
    assert bench.bytes_of("m") == other


async def test_a_damaged_note_of_a_pull_costs_only_the_pull(bench: Bench) -> None:
    bench.server.put("m.gguf", MODEL)
    bench.store.mkdir(parents=True)
    (bench.store / "m.part.json").write_text('{"name": "m", "wanted"')
    (bench.store / "m.part").mkdir()
    (bench.store / "m.part" / "m.gguf").write_bytes(b"x" * (len(MODEL) + 500))
    assert await bench.pull(bench.server.url("m.gguf")) is None
    assert bench.bytes_of("m") == MODEL


async def test_two_who_ask_for_the_same_share_one_pull(bench: Bench) -> None:
    hold = threading.Event()
    bench.server.put("m.gguf", MODEL, hold=hold)
    async with bench.running() as pulls:
        await asyncio.gather(*(pulls.start(bench.server.url("m.gguf")) for _ in range(5)))
        assert len(pulls.views()) == 1
        hold.set()
        assert await bench.outcome(pulls, "m") is None
        again = await pulls.start(bench.server.url("m.gguf"))
        assert again.state == "done"
    assert len([each for each in bench.server.requests if each.range == "bytes=0-0"]) == 1


async def test_a_name_that_is_taken_is_refused(bench: Bench) -> None:
    bench.taken = {"m": "/models/m.gguf"}
    bench.server.put("m.gguf", MODEL)
    async with bench.running() as pulls:
        with pytest.raises(Hal0Error, match=r"model\.already_exists.*/models/m\.gguf"):
            await pulls.start(bench.server.url("m.gguf"))
        assert (await pulls.start(bench.server.url("m.gguf"), name="n")).name == "n"


async def test_a_pull_of_which_nothing_came_does_not_keep_its_name_and_one_that_has_begun_does(bench: Bench) -> None:
    bench.server.put("right/m.gguf", MODEL)
    async with bench.running() as pulls:
        await pulls.start(bench.server.url("wrong/m.gguf"))
        error = await bench.outcome(pulls, "m")
        assert error is not None
        assert error.code == "model.source_not_found"
        await pulls.start(bench.server.url("right/m.gguf"), sha256="0" * 64)
        error = await bench.outcome(pulls, "m")
        assert error is not None
        assert error.code == "model.checksum_mismatch"
        await pulls.start(bench.server.url("right/m.gguf"), sha256=SHA256)
        assert await bench.outcome(pulls, "m") is None
        hold = threading.Event()
        bench.server.put("first/n.gguf", MODEL, hold=hold)
        await pulls.start(bench.server.url("first/n.gguf"))
        await fetched_half(bench, pulls, "n")
        await pulls.cancel("n", by="me")
        with pytest.raises(Hal0Error, match=r"model\.already_exists.*bytes of it have come from .*/first/n\.gguf"):
            await pulls.start(bench.server.url("second/n.gguf"))
        hold.set()


async def test_a_file_that_came_meanwhile_is_not_overwritten(bench: Bench) -> None:
    hold = threading.Event()
    bench.server.put("m.gguf", MODEL, hold=hold)
    async with bench.running() as pulls:
        await pulls.start(bench.server.url("m.gguf"))
        await until(lambda: bench.store.exists())
        (bench.store / "m.gguf").write_bytes(b"mine")
        hold.set()
        error = await bench.outcome(pulls, "m")
    assert error is not None
    assert error.code == "model.already_exists"
    assert bench.bytes_of("m") == b"mine"


async def test_forgetting_a_pull_deletes_what_has_come(bench: Bench) -> None:
    hold = threading.Event()
    bench.server.put("m.gguf", MODEL, hold=hold)
    async with bench.running() as pulls:
        await pulls.start(bench.server.url("m.gguf"))
        await until(lambda: pulls.views()[0].done_bytes > 0)
        assert await pulls.forget("m", by="a test") > 0
        assert pulls.views() == []
    assert list(bench.store.iterdir()) == []


async def test_a_store_that_cannot_be_written_is_told(bench: Bench) -> None:
    bench.settings = {"store": "/proc/nowhere"}
    bench.server.put("m.gguf", MODEL)
    error = await bench.pull(bench.server.url("m.gguf"))
    assert error is not None
    assert error.code == "model.store_unwritable"
    assert "/proc/nowhere" in error.message


async def test_progress_is_told_while_someone_listens(bench: Bench) -> None:
    bench.server.put("m.gguf", MODEL)
    with bench.bus.subscribe() as subscription:
        assert await bench.pull(bench.server.url("m.gguf"), sha256=SHA256) is None
        views = [event.json_data() for event in await subscription.next_batch() if event.kind == "model.progress"]
    assert [views[0]["state"], views[-1]["state"]] == ["queued", "done"]
    fetched = [view["done_bytes"] for view in views if view["state"] == "fetching"]
    assert fetched == sorted(fetched)
    assert fetched[-1] == len(MODEL)
    assert any(view["state"] == "verifying" and view["pinned"] == "asked" for view in views)


async def test_a_slot_that_waits_hears_of_progress_and_of_the_end(bench: Bench) -> None:
    hold = threading.Event()
    bench.server.put("m.gguf", MODEL, hold=hold)
    heard: list[tuple[int, int | None]] = []
    async with bench.running() as pulls:
        await pulls.start(bench.server.url("m.gguf"))
        waiting = asyncio.create_task(pulls.arrival("m", lambda done, total: heard.append((done, total))))
        await until(lambda: pulls.progress_of("m") not in (None, "0%", "0 bytes"))
        hold.set()
        await waiting
        assert pulls.progress_of("m") is None
    assert heard[-1] == (len(MODEL), len(MODEL))


# Secrets ------------------------------------------------------------------------------------------


async def test_the_token_goes_to_the_hub_and_to_nobody_it_redirects_to(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="httpx")
    bench.env["HF_TOKEN"] = "hf_secret"
    with ModelServer() as other:
        other.put("big.gguf", MODEL)
        bench.server.put(
            f"{REPOSITORY}/resolve/main/m.gguf",
            b"",
            needs_token="hf_secret",
            redirect=other.url("big.gguf?signature=x"),
        )
        assert await bench.pull(f"hf:{REPOSITORY}:m.gguf") is None
        assert other.requests
        assert all("authorization" not in each.headers for each in other.requests)
    assert all(each.headers["authorization"] == "Bearer hf_secret" for each in bench.server.requests)
    assert "hf_secret" not in caplog.text
    assert "signature" not in caplog.text
    assert "hf_secret" not in (bench.store / "m.json").read_text()


async def test_a_way_back_to_the_hub_does_not_bring_the_token_back(bench: Bench) -> None:
    bench.env["HF_TOKEN"] = "hf_secret"
    with ModelServer() as other:
        other.put("turn", b"", redirect=bench.server.url("m.gguf"))
        bench.server.put("m.gguf", MODEL)
        bench.server.put(f"{REPOSITORY}/resolve/main/m.gguf", b"", redirect=other.url("turn"))
        assert await bench.pull(f"hf:{REPOSITORY}:m.gguf") is None
    assert bench.server.asked("m.gguf")
    assert all("authorization" not in each.headers for each in bench.server.asked("m.gguf"))


async def test_what_is_configured_anew_counts_for_the_next_pull(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hf_second")
    (tmp_path / "token").chmod(0o600)
    settings = [{"connections": 1}, {"connections": 3, "hf_token_file": str(tmp_path / "token")}]
    seen = []
    async with bench.running() as pulls:
        for name, bench.settings in zip(("one", "two"), settings, strict=True):
            bench.server.put_repository(f"owner/{name}", {f"{name}.gguf": MODEL})
            for file in bench.server.files.values():
                file.slow_seconds = 0.002
            bench.server.requests.clear()
            bench.server.most_open_bodies = 0
            await pulls.start(f"hf:owner/{name}")
            assert await bench.outcome(pulls, name) is None
            tokens = {each.headers.get("authorization") for each in bench.server.requests}
            seen.append((bench.server.most_open_bodies, tokens))
    assert seen[0] == (1, {None})
    assert seen[1] == (3, {"Bearer hf_second"})


async def test_other_servers_never_get_the_token(bench: Bench) -> None:
    bench.env["HF_TOKEN"] = "hf_secret"
    with ModelServer() as other:
        other.put("m.gguf", MODEL)
        assert await bench.pull(other.url("m.gguf")) is None
        assert all("authorization" not in each.headers for each in other.requests)


async def test_redirects_end(bench: Bench) -> None:
    bench.server.put("m.gguf", b"", redirect=bench.server.url("m.gguf"))
    error = await bench.pull(bench.server.url("m.gguf"))
    assert error is not None
    assert "redirects without end" in error.message


@pytest.mark.parametrize("to", ["file:///etc/passwd", "ftp://host/x", "http://[::bad/"])
async def test_a_redirect_to_what_is_no_web_address_is_refused(to: str, bench: Bench) -> None:
    bench.server.put("m.gguf", b"", redirect=to)
    error = await bench.pull(bench.server.url("m.gguf"))
    assert error is not None
    assert error.code == "model.pull_failed"


async def test_a_gated_model_says_how_to_get_in(bench: Bench) -> None:
    bench.server.put(f"{REPOSITORY}/resolve/main/m.gguf", MODEL, needs_token="hf_right")
    error = await bench.pull(f"hf:{REPOSITORY}:m.gguf")
    assert error is not None
    assert error.code == "model.access_denied"
    assert "hf_token_file" in error.remedy
    bench.env["HF_TOKEN"] = "hf_wrong"
    error = await bench.pull("m")
    assert error is not None
    assert "The token from HF_TOKEN was sent" in error.remedy
    assert "hf_wrong" not in str(error.envelope())


async def test_a_token_file_must_be_private(bench: Bench, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("hf_right\n")
    file.chmod(0o644)
    bench.settings = {"hf_token_file": str(file)}
    bench.server.put(f"{REPOSITORY}/resolve/main/m.gguf", MODEL, needs_token="hf_right")
    error = await bench.pull(f"hf:{REPOSITORY}:m.gguf")
    assert error is not None
    assert error.code == "model.token_unusable"
    assert "0644" in error.message
    file.chmod(0o600)
    assert await bench.pull("m") is None


async def test_the_token_that_the_hubs_own_program_left_is_used(bench: Bench) -> None:
    left = Path(bench.env["HOME"]) / ".cache" / "huggingface" / "token"
    left.parent.mkdir(parents=True)
    left.write_text("hf_right")
    bench.server.put(f"{REPOSITORY}/resolve/main/m.gguf", MODEL, needs_token="hf_right")
    assert await bench.pull(f"hf:{REPOSITORY}:m.gguf") is None


# The catalogue ------------------------------------------------------------------------------------


async def test_a_model_of_the_catalogue_must_be_the_one_that_it_names(bench: Bench) -> None:
    """The server has another file under the name: what the catalogue is sure of wins."""
    entry = next(entry for entry in entries() if entry.files[0].sha256 and not entry.files[0].size)
    repository, _, file = entry.files[0].source.removeprefix("hf:").partition(":")
    bench.server.put_repository(repository, {file: MODEL})
    error = await bench.pull(entry.name)
    assert error is not None
    assert "the file there is another one" in error.message
    assert bench.arrived == []


def unknown() -> tuple[str, str, str]:
    """A model whose size and checksum the catalogue does not know: its name, repository and file."""
    entry = next(e for e in entries() if e.kind == "chat" and not (e.files[0].sha256 or e.files[0].size))
    repository, _, file = entry.files[0].source.removeprefix("hf:").partition(":")
    return entry.name, repository, file


async def test_what_the_catalogue_does_not_know_is_learned_from_the_hub_and_checked(bench: Bench) -> None:
    name, repository, file = unknown()
    bench.server.put_repository(repository, {file: MODEL})
    assert await bench.pull(name) is None
    record = Record.model_validate_json((bench.store / f"{name}.json").read_text())
    assert (record.pinned, record.total, record.files[0].sha256) == ("server", len(MODEL), SHA256)


async def test_a_disk_too_small_for_it_is_noticed_by_what_the_hub_says(bench: Bench) -> None:
    name, repository, file = unknown()
    bench.server.put_repository(repository, {file: MODEL})
    bench.pace = replace(bench.pace, reserve_bytes=2**60)
    error = await bench.pull(name)
    assert error is not None
    assert error.code == "model.no_space"
    assert {each.range for each in bench.server.requests} == {"bytes=0-0"}


async def test_other_bytes_than_the_hubs_own_digest_says_are_refused(bench: Bench) -> None:
    name, repository, file = unknown()
    bench.server.put_repository(repository, {file: MODEL})
    bench.server.put(f"cdn/{repository}/{file}", MODEL[:-1] + bytes([MODEL[-1] ^ 1]))
    error = await bench.pull(name)
    assert error is not None
    assert error.code == "model.checksum_mismatch"
    assert bench.arrived == []
