"""`hal0 status` and `hal0 requests`: the picture in words."""

import json

from hal0.errors import Hal0Error
from hal0.wire import DeviceView, ErrorView, GpuProcess, Problem
from tests.cli import pictures
from tests.cli.conftest import OpenTerminal, Run
from tests.cli.pictures import GIB
from tests.fakes.admin import FakeAdmin


def test_status_tells_daemon_config_slots_requests_and_errors(hal0: Run, admin: FakeAdmin) -> None:
    admin.answers["GET /api/state"] = pictures.state(warnings=["anyone on the network can use this API"])
    ended = hal0("status")
    assert (ended.status, ended.err) == (0, "")
    for part in (
        "hal0 0.1.0 on lab01, pid 321, up 3m05  http://0.0.0.0:8080",
        "config r3 ok  /etc/hal0/hal0.toml",
        "warning: anyone on the network can use this API",
        "cpu 42%  memory 5.0/24G",
        "slots 2",
        "●  primary",
        "requests in flight 1",
        "req-1",
        "61.4",
        "since start: 12 requests, 1 failed, 3210 tokens",
        "×3",
        "slot.load_failed",
    ):
        assert part in ended.out


def test_status_tells_whether_backends_outlive_the_daemon(hal0: Run, admin: FakeAdmin) -> None:
    told = "backends go on when the daemon ends"
    for keeps in (True, False):
        admin.answers["GET /api/state"] = pictures.state(keeps_backends=keeps)
        assert (told in hal0("status").out) == keeps


def test_status_tells_all_that_is_known_of_each_gpu_and_who_holds_it(hal0: Run, admin: FakeAdmin) -> None:
    holders = [
        GpuProcess(pid=10, name="llama-server", memory_bytes=12 * GIB, slot="primary"),
        GpuProcess(pid=11, name="llama-server", memory_bytes=2 * GIB, slot="primary"),
        GpuProcess(pid=77, name="blender", memory_bytes=3 * GIB, user="ada"),
        GpuProcess(pid=78),
    ]
    card = DeviceView(
        id="gpu0", kind="gpu", name="AMD Radeon RX 7900 XTX", vendor="amd", driver="amdgpu", utilisation=0.97,
        memory_used_bytes=20 * GIB, memory_total_bytes=24 * GIB, temperature_c=61.4, power_w=338.2, power_limit_w=339.0,
        clock_mhz=2304.0, memory_clock_mhz=1249.0, fan_percent=40.0, fan_rpm=1480, processes=holders,
    )  # fmt: skip
    lost = DeviceView(id="gpu1", kind="gpu", name="NVIDIA H100", driver="nvidia 580.95", note="GPU is lost")
    shared = DeviceView(id="gpu2", kind="gpu", name="Intel Iris", driver="i915", unified=True, memory_used_bytes=GIB)
    cpu, memory = pictures.state().devices
    hot = cpu.model_copy(update={"temperature_c": 71.0, "power_w": 119.6, "clock_mhz": 5100.0})
    memory = memory.model_copy(update={"processes": [GpuProcess(pid=9, name="make", memory_bytes=GIB, user="ada")]})
    devices = [hot, memory, card, lost, shared]
    admin.answers["GET /api/state"] = pictures.state(devices=devices)
    told = hal0("status").out
    assert "cpu 42% 71°C 120 W 5100 MHz  memory 5.0/24G\n      others: make (pid 9, ada) 1.0G\n" in told
    assert told[told.index("GPUs 3") : told.index("slots 2")].splitlines() == [
        "GPUs 3",
        "gpu0  AMD Radeon RX 7900 XTX  amdgpu",
        "      97%  20.0/24G  61°C  338 of 339 W  2304 MHz  memory 1249 MHz  fan 40% 1480 rpm",
        "      slots: primary 14.0G",
        "      others: blender (pid 77, ada) 3.0G, pid 78",
        "gpu1  NVIDIA H100  nvidia 580.95",
        "      GPU is lost",
        "gpu2  Intel Iris  i915",
        "      1.0G in use shared with the processor",
        "",
    ]


def test_status_tells_what_is_wrong_with_a_refused_file(hal0: Run, admin: FakeAdmin) -> None:
    problem = Problem(
        code="config.unknown_key", message="unknown key 'contxt'", file="/etc/hal0/hal0.toml", line=7, column=1,
        hint="did you mean `context`?",
    )  # fmt: skip
    config = pictures.config(rejected_at=pictures.NOW, problems=[problem], needs_restart=["server.port"])
    admin.answers["GET /api/state"] = pictures.state(config=config, draining=True)
    out = hal0("status").out
    assert "config r3 runs; the file is refused since " in out
    assert "/etc/hal0/hal0.toml:7:1: unknown key 'contxt'  (did you mean `context`?)" in out
    assert "waits for a restart of the daemon: server.port" in out
    assert "stopping: requests in flight may finish" in out


def test_status_tells_that_an_edit_did_not_work_out(hal0: Run, admin: FakeAdmin) -> None:
    failed = "since revision 3 of the configuration coder does not become ready: out of memory"
    admin.answers["GET /api/state"] = pictures.state(config=pictures.config(failed=failed))
    out = hal0("status").out
    assert "config r3 edit failed  /etc/hal0/hal0.toml" in out
    assert failed in out


def test_status_says_when_there_is_no_file(hal0: Run, admin: FakeAdmin) -> None:
    admin.answers["GET /api/state"] = pictures.state(config=pictures.config(exists=False), slots=[], requests=[])
    out = hal0("status").out
    assert "/etc/hal0/hal0.toml is not there: the embedded default runs" in out
    assert "no slots" in out


def test_status_as_json_is_the_daemons_state(hal0: Run, admin: FakeAdmin) -> None:
    admin.answers["GET /api/state"] = pictures.state()
    assert json.loads(hal0("status", "--json").out) == pictures.state().model_dump(mode="json")


def test_status_fits_a_terminal(admin: FakeAdmin, terminal: OpenTerminal) -> None:
    admin.answers["GET /api/state"] = pictures.state()
    screen = terminal("status", NO_COLOR="1")
    assert screen.wait() == 0
    plain = screen.screen.replace("\x1b[1m", "").replace("\x1b[2m", "").replace("\x1b[0m", "")
    assert max(len(line.rstrip()) for line in plain.splitlines()) <= 120


def test_requests_lists_those_in_flight_first_then_the_newest(hal0: Run, admin: FakeAdmin) -> None:
    old = pictures.request("req-old", phase="finished", outcome="ok", finished_at=pictures.NOW - 9)
    failure = ErrorView(code="slot.crashed", message="…")
    new = pictures.request("req-new", phase="finished", outcome="failed", finished_at=pictures.NOW, error=failure)
    views = [old, pictures.request("req-now"), new]
    admin.answers["GET /api/requests"] = {"requests": [view.model_dump(mode="json") for view in views]}
    lines = hal0("requests").out.splitlines()
    assert [line.split()[0] for line in lines] == ["ID", "req-now", "req-new", "req-old"]
    assert lines[2].endswith("slot.crashed")
    assert len(hal0("requests", "-n", "1").out.splitlines()) == 3


def test_cancel_asks_the_daemon_to_end_that_request(hal0: Run, admin: FakeAdmin) -> None:
    admin.answers["DELETE /api/requests/req-1"] = pictures.request()
    assert hal0("cancel", "req-1").out == "req-1 on primary: cancelled after 763 tokens\n"


def test_cancel_of_a_finished_request_fails_with_its_code(hal0: Run, admin: FakeAdmin) -> None:
    admin.answers["DELETE /api/requests/req-1"] = Hal0Error("dispatch.request_not_found", id="req-1")
    ended = hal0("cancel", "req-1")
    assert ended.status == 1
    assert ended.err.startswith("error: dispatch.request_not_found: there is no request 'req-1' in flight")
