import asyncio
import os
import signal
from pathlib import Path

import pytest

from hal0.daemon.http.client import fetch
from hal0.daemon.slots.run import Ending, Run
from hal0.daemon.slots.slot import Slot
from hal0.errors import Hal0Error
from tests.daemon.slots.conftest import House, is_gone
from tests.fakes.scripted import port_range, slot_config


async def ask(slot: Slot) -> int:
    """One request through a lease; the pid that answered."""
    async with slot.lease() as lease:
        answer = await fetch(lease.endpoint, "POST", "/ask", b"hello", timeout_seconds=30.0)
        assert answer.status == 200
        return lease.run.number


def read_proc(pid: int | None, name: str) -> bytes:
    return Path(f"/proc/{pid}/{name}").read_bytes()


async def refused(slot: Slot) -> Hal0Error:
    with pytest.raises(Hal0Error) as caught:
        await ask(slot)
    return caught.value


async def test_two_hundred_first_requests_start_one_process(house: House) -> None:
    slot = house.add({"ready_after": 0.2})
    runs = await asyncio.gather(*(ask(slot) for _ in range(200)))
    assert runs == [1] * 200
    assert len(house.started()) == 1


async def test_a_start_goes_through_the_states_in_order(house: House) -> None:
    slot = house.add({"listen_after": 0.1, "ready_after": 0.1})
    house.models.unverified.add("m")
    async with slot.lease():
        pass
    states = [state for _, state in house.states]
    assert states == ["offline", "pulling", "starting", "warming", "ready", "serving", "ready"]


async def test_since_when_it_is_up_is_not_changed_by_requests(house: House) -> None:
    slot = house.add({"listen_after": 0.1, "ready_after": 0.1})
    slot.load(by="test")
    await house.until(lambda: slot.state == "starting")
    start = slot.view()
    await house.until(lambda: slot.state == "warming")
    assert slot.view().lasts_since == start.since < slot.view().since
    await house.until(lambda: slot.state == "ready")
    ready = slot.view()
    assert ready.up_since == ready.since
    async with slot.lease():
        assert slot.view().since > ready.since
        assert slot.view().lasts_since == ready.since
    assert (slot.state, slot.view().lasts_since) == ("ready", ready.since)
    slot.unload("test")
    assert slot.view().up_since is None
    await house.until(lambda: slot.state == "offline")
    assert slot.view().lasts_since == slot.view().since > ready.since


async def test_those_who_leave_while_waiting_cost_nothing(house: House) -> None:
    slot = house.add({"ready_after": 0.5})
    waiters = [asyncio.create_task(ask(slot)) for _ in range(200)]
    await house.until(lambda: slot.state == "starting")
    for waiter in waiters[::2]:
        waiter.cancel()
    results = await asyncio.gather(*waiters, return_exceptions=True)
    assert results[1::2] == [1] * 100
    assert len(house.started()) == 1
    assert slot.view().waiting == 0


async def test_a_start_that_nobody_waits_for_any_more_is_given_up(house: House) -> None:
    slot = house.add({"ready_after": 60})
    waiter = asyncio.create_task(ask(slot))
    await house.until(lambda: slot.state == "starting")
    waiter.cancel()
    await house.until(lambda: slot.state == "offline")
    assert house.failures == []


async def test_a_start_asked_for_by_a_person_goes_on_without_waiters(house: House) -> None:
    slot = house.add({"ready_after": 0.3})
    slot.load(by="person")
    waiter = asyncio.create_task(ask(slot))
    await house.until(lambda: slot.view().waiting == 1)
    waiter.cancel()
    await house.until(lambda: slot.state == "ready")


async def test_unloading_waits_for_the_request_in_flight(house: House) -> None:
    slot = house.add()
    async with slot.lease():
        ended = slot.unload("test")
        assert slot.state == "unloading"
        assert ended is not None
        assert not (await asyncio.wait({ended}, timeout=0.2))[0]
    assert (await ended).error is None
    await house.until(lambda: slot.state == "offline")


async def test_unloading_ends_a_request_that_outlasts_the_drain(house: House) -> None:
    slot = house.add()
    async with slot.lease() as lease:
        slot.unload("unloaded by a person", drain_seconds=0.1)
        await house.until(lambda: slot.state == "offline")
        error = await lease.failure("connection reset")
    assert error.code == "dispatch.stream_broken"
    assert error.details["reason"] == "unloaded by a person"


async def is_held(ended: asyncio.Future[Ending]) -> bool:
    """Whether the run is still there once whatever is due now has happened."""
    return not (await asyncio.wait({ended}, timeout=0.2))[0]


async def test_draining_lasts_as_long_as_was_asked_for(house: House) -> None:
    slot = house.add(drain_timeout=0.05)
    async with slot.lease():
        ended = slot.unload("test", drain="wait")
        assert ended is not None
        assert await is_held(ended), "wait: the slot's own drain_timeout does not count"
        slot.unload("test")
        assert (await ended).error is None


async def test_a_request_in_the_background_lets_a_later_one_go_first(house: House) -> None:
    slot = house.add()
    order = []

    async def come(name: str, *, background: bool) -> None:
        async with slot.lease(background=background):
            order.append(name)

    async with slot.lease():
        title = asyncio.create_task(come("title", background=True))
        await house.until(lambda: slot.view().waiting == 1)
        person = asyncio.create_task(come("person", background=False))
        await house.until(lambda: slot.view().waiting == 2)
    await asyncio.gather(title, person)
    assert order == ["person", "title"]


async def test_a_sharper_choice_shortens_a_drain_and_a_milder_one_does_not_lengthen_it(house: House) -> None:
    slot = house.add(drain_timeout=60.0)
    async with slot.lease():
        ended = slot.unload("test", drain="grace")
        assert ended is not None
        slot.unload("test", drain="wait")
        assert await is_held(ended)
        slot.unload("test", drain="now")
        assert (await ended).error is None
    async with slot.lease():
        slot.restart(by="person", drain="wait")
        slot.restart(by="person", drain="now")
        await house.until(lambda: slot.view().run == 3 and slot.state == "ready")


async def test_a_request_during_unloading_starts_the_slot_anew(house: House) -> None:
    slot = house.add()
    async with slot.lease():
        slot.unload("test")
        late = asyncio.create_task(ask(slot))
    assert await late == 2
    assert len(house.started()) == 2


async def test_stop_during_start_leaves_no_process(house: House) -> None:
    slot = house.add({"listen_after": 60})
    slot.load(by="person")
    await house.until(lambda: slot.state == "starting")
    pid = slot.process_group
    slot.unload("test")
    await house.until(lambda: slot.state == "offline")
    assert pid is not None
    assert is_gone(pid)


async def test_waiters_are_told_when_the_start_is_called_off(house: House) -> None:
    slot = house.add({"ready_after": 60})
    waiter = asyncio.create_task(refused(slot))
    await house.until(lambda: slot.state == "starting")
    slot.unload("test")
    assert (await waiter).code == "slot.not_ready"


async def test_waiters_of_a_restarted_start_get_the_next_run(house: House) -> None:
    slot = house.add({"ready_after": 0.3})
    waiter = asyncio.create_task(ask(slot))
    await house.until(lambda: slot.state == "starting")
    slot.restart(by="person")
    assert await waiter == 2


async def test_a_crash_is_noticed_at_once_and_the_slot_comes_back(house: House) -> None:
    slot = house.add()
    async with slot.lease() as lease:
        pid = slot.process_group
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        error = await lease.failure("connection reset")  # waits half a second at most for the news
    assert error.code == "slot.crashed"
    assert "SIGKILL" in error.message
    await house.until(lambda: slot.state == "error")
    assert slot.view().retry_at is not None
    await house.until(lambda: slot.state == "ready")
    assert slot.view().failures == 1
    assert await ask(slot) == 2
    assert house.failures == ["slot.crashed"]


async def test_a_request_after_a_crash_waits_for_the_next_try(house: House) -> None:
    slot = house.add()
    await ask(slot)
    assert slot.process_group is not None
    os.kill(slot.process_group, signal.SIGKILL)
    await house.until(lambda: slot.state == "error")
    assert await ask(slot) == 2


async def test_a_backend_that_dies_at_its_start_is_tried_less_and_less_and_then_refused(house: House) -> None:
    slot = house.add({"exit_after": 0.0, "exit_code": 3, "reason": "E out of cheese"})
    first = await refused(slot)
    assert first.code == "slot.load_failed"
    assert first.details["reason"] == "out of cheese (exit status 3)"
    for failures in range(2, 6):
        slot.run.hasten()  # type: ignore[union-attr]  # the clock is not waited for
        await house.until(lambda failures=failures: slot.view().failures == failures)  # type: ignore[misc]
    error = await refused(slot)
    assert error.code == "slot.crash_looping"
    assert error.details["failures"] == 5
    assert error.retry_after_seconds is not None
    assert 590 < error.retry_after_seconds <= 600
    assert "out of cheese" in error.message
    assert any("out of cheese" in line for line in slot.view().log_tail)


async def test_a_person_resets_a_parked_slot(house: House) -> None:
    slot = house.add({"exit_after": 0.0})
    await refused(slot)
    slot.restart(by="person")
    await house.until(lambda: len(house.failures) == 2)
    assert slot.view().failures == 1


async def test_a_wanted_stop_is_no_crash_whatever_the_exit_status(house: House) -> None:
    slot = house.add({"ignore_sigterm": True})
    await ask(slot)
    slot.unload("test")
    await house.until(lambda: slot.state == "offline")
    assert house.failures == []


async def test_the_whole_process_group_goes(house: House) -> None:
    slot = house.add({"fork": True})
    await ask(slot)
    words = next(line for line in slot.output.tail(50) if line.startswith("grandchild")).split()
    slot.unload("test")
    await house.until(lambda: slot.state == "offline")
    assert is_gone(int(words[1]))


async def test_a_slot_whose_model_is_missing_says_so_each_time_and_is_not_retried(house: House) -> None:
    house.models.missing.add("m")
    slot = house.add()
    assert (await refused(slot)).code == "model.not_found"
    assert slot.state == "error"
    assert slot.view().retry_at is None
    house.models.missing.clear()
    assert await ask(slot) == 2
    slot.unload("unloaded by a person")
    await house.until(lambda: slot.state == "offline")
    house.models.missing.add("m")
    assert (await refused(slot)).code == "model.not_found"
    assert slot.view().log_tail == []  # what an earlier run printed says nothing of this


async def test_a_program_that_does_not_exist_ends_with_its_name(house: House) -> None:
    slot = house.add(binary="/nonexistent/engine")
    error = await refused(slot)
    assert error.code == "slot.load_failed"
    assert "127" in error.message
    assert any("/nonexistent/engine: no such program" in line for line in slot.output.tail(10))


async def test_a_stranger_on_the_port_is_never_taken_for_the_backend_and_hears_nothing(house: House) -> None:
    heard: list[bytes] = []

    async def stranger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
        writer.close()

    slot = house.add({"listen_after": 60}, port=port_range()[1])
    slot.load(by="person")
    await house.until(lambda: slot.state == "starting")
    server = await asyncio.start_server(stranger, "127.0.0.1", slot.config.port)
    async with server:
        await house.until(lambda: slot.state == "error")
    assert house.failures == ["slot.port_in_use"]
    assert heard == []


async def test_a_fixed_port_that_is_taken_is_refused(house: House) -> None:
    server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
    async with server:
        slot = house.add(port=server.sockets[0].getsockname()[1])
        assert (await refused(slot)).code == "slot.port_in_use"


async def test_a_start_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    house = House(tmp_path, start_timeout=0.3)
    async with house.supervisor:
        slot = house.add({"ready_after": 60})
        assert (await refused(slot)).code == "slot.start_timeout"
        await house.until(lambda: slot.state == "error")
    assert all(is_gone(pid) for pid in house.started())  # on a busy machine it may not have come so far as to say it


async def test_quiet_makes_a_slot_idle_and_then_offline(house: House) -> None:
    slot = house.add(idle_after=0.05, unload_after=0.1)
    await ask(slot)
    await house.until(lambda: slot.state == "idle")
    assert slot.view().unload_at is not None
    await house.until(lambda: slot.state == "offline")


async def test_an_edit_of_the_idle_time_is_live_and_leaves_the_process(house: House) -> None:
    slot = house.add()
    await ask(slot)
    pid = slot.process_group
    config = slot.config.model_copy(update={"idle_after": 0.05})
    house.apply({"s": config}, revision=2)
    await house.until(lambda: slot.state == "idle")
    assert slot.process_group == pid


async def test_an_edit_of_the_command_line_restarts_when_the_requests_are_done(house: House) -> None:
    slot = house.add()
    async with slot.lease() as lease:
        house.apply({"s": slot_config({"say": "new"}, drain_timeout=0.0)}, revision=2)
        late = asyncio.create_task(ask(slot))
        answer = await fetch(lease.endpoint, "POST", "/ask", b"still here", timeout_seconds=30.0)
        assert answer.status == 200
    assert await late == 2
    assert slot.view().revision == 2


async def test_a_slot_removed_from_the_configuration_ends_and_is_forgotten(house: House) -> None:
    slot = house.add()
    await ask(slot)
    house.apply({})
    await house.until(lambda: slot.state == "offline")
    assert house.supervisor.find("s") is None
    async with asyncio.timeout(30):
        while not house.removed:
            await asyncio.sleep(0)
    assert house.removed == ["s"]


async def test_the_output_of_a_backend_is_kept_and_followed(house: House) -> None:
    slot = house.add({"say": "good morning"})
    lines: list[str] = []
    async with asyncio.timeout(10):
        follow = asyncio.create_task(ask(slot))
        async for batch in slot.output.follow(0):
            lines += [line.text for line in batch]
            if "good morning" in lines:
                break
        await follow
    assert "good morning" in (house.folder / "s.log").read_text()


async def test_the_key_of_a_run_is_random_and_not_on_the_command_line(house: House) -> None:
    slot = house.add()
    async with slot.lease() as lease:
        key = lease.endpoint.key
        command, environ = (read_proc(slot.process_group, name) for name in ("cmdline", "environ"))
    assert len(key) >= 24
    assert key.encode() not in command
    assert key.encode() in environ
    slot.restart(by="person")
    async with slot.lease() as lease:
        assert lease.endpoint.key != key


async def test_requests_beyond_what_the_backend_computes_wait_for_their_turn(house: House) -> None:
    slot = house.add(parallel=2)
    inside = 0
    most = 0

    async def one(number: int) -> float:
        nonlocal inside, most
        async with slot.lease(request=str(number)) as lease:
            inside += 1
            most = max(most, inside)
            assert (await fetch(lease.endpoint, "POST", "/ask", b"x", timeout_seconds=30.0)).status == 200
            inside -= 1
            return lease.queue_ms

    await ask(slot)
    waits = await asyncio.gather(*(one(number) for number in range(10)))
    assert most == 2
    assert waits[0] < waits[-1]
    assert slot.view().waiting == 0


async def test_a_request_beyond_the_queue_is_refused_with_a_time(house: House) -> None:
    slot = house.add(queue_limit=1)
    async with slot.lease():
        waiting = asyncio.create_task(ask(slot))
        await house.until(lambda: slot.view().waiting == 1)
        error = await refused(slot)
        assert error.code == "slot.queue_full"
        assert error.retry_after_seconds is not None
        assert error.retry_after_seconds >= 1
    assert await waiting == 1


async def test_those_in_line_go_over_to_the_next_run_after_a_crash(house: House) -> None:
    slot = house.add()
    async with slot.lease():
        waiting = asyncio.create_task(ask(slot))
        await house.until(lambda: slot.view().waiting == 1)
        assert slot.process_group is not None
        os.kill(slot.process_group, signal.SIGKILL)
        await house.until(lambda: slot.state == "error")
    hasten(slot)
    assert await waiting == 2


async def test_those_in_line_do_not_wait_for_requests_of_a_run_that_is_over(house: House) -> None:
    slot = house.add()
    async with slot.lease():  # its client reads slowly what it was given, and stays
        waiting = asyncio.create_task(ask(slot))
        await house.until(lambda: slot.view().waiting == 1)
        slot.restart(by="person", drain="now")
        assert await waiting == 2


async def test_raising_the_limit_lets_waiting_requests_in_at_once(house: House) -> None:
    slot = house.add()
    async with slot.lease():
        waiting = asyncio.create_task(ask(slot))
        await house.until(lambda: slot.view().waiting == 1)
        house.apply({"s": slot.config.model_copy(update={"max_in_flight": 2})}, revision=2)
        assert await waiting == 1


async def test_autostart_works_for_slots_that_come_with_an_edit_and_for_those_that_get_it(house: House) -> None:
    late = house.add(name="late")
    house.apply({"late": late.config, "new": slot_config(autostart=True)}, revision=2)
    await house.until(lambda: house.supervisor.get("new").state == "ready")
    assert late.state == "offline"
    house.apply({"late": late.config.model_copy(update={"autostart": True})}, revision=3)
    await house.until(lambda: late.state == "ready")


def hasten(slot: Slot) -> None:
    """Do not wait for the time of its next try."""
    assert slot.run is not None
    slot.run.hasten()


async def test_a_hung_backend_is_noticed_while_requests_wait_for_it(house: House) -> None:
    slot = house.add(stop_timeout=60)
    async with slot.lease() as lease:
        pid = slot.process_group
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        await house.until(lambda: slot.state == "error")  # at once: what hangs is not asked to stop
        assert (await lease.failure("reset")).code == "slot.health_failed"
    hasten(slot)
    assert await ask(slot) == 2
    assert is_gone(pid)


async def test_failures_without_a_process_do_not_count_as_crashes(house: House) -> None:
    slot = house.add()
    house.models.missing.add("m")
    for _ in range(6):
        assert (await refused(slot)).code == "model.not_found"
    house.models.missing.clear()
    await ask(slot)
    assert slot.process_group is not None
    os.kill(slot.process_group, signal.SIGKILL)
    await house.until(lambda: slot.state == "error")
    assert slot.view().failures == 1


async def test_a_defect_between_a_spawn_and_its_record_leaves_no_process(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(Run, "_remember", fail)
    slot = house.add({"ready_after": 60})
    assert (await refused(slot)).code == "system.internal"
    await house.until(lambda: slot.state == "error")
    assert house.family() == set()


async def test_each_waiter_has_the_failure_of_a_start_to_itself(house: House) -> None:
    slot = house.add()
    house.models.missing.add("m")
    errors = await asyncio.gather(*(refused(slot) for _ in range(3)))
    errors[0].details["fallback"] = [{"upstream": "far"}]  # as the proxy adds what it tried
    view = slot.view()
    assert view.error is not None
    assert not any("fallback" in details for details in (errors[1].details, errors[2].details, view.error.details))


async def test_a_slot_that_comes_back_while_it_drains_is_the_same_slot(house: House) -> None:
    slot = house.add()
    config = slot.config
    async with slot.lease():
        house.apply({}, revision=2)
        await house.until(lambda: slot.state == "unloading")
        assert house.supervisor.all() == [slot]
        house.apply({"s": config}, revision=3)
        assert house.supervisor.get("s") is slot
        late = asyncio.create_task(ask(slot))
    assert await late == 2
    assert house.removed == []
