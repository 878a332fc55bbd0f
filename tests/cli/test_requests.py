"""`hal0 requests` stays a table, whatever clients ask for."""

import time

from hal0.cli.requests import NAME_CHARACTERS
from hal0.wire import RemoteView
from tests.cli import pictures
from tests.cli.conftest import OpenTerminal, Run
from tests.fakes.admin import FakeAdmin

ID = "req-0123456789abcdef01234567"


def asked_for(admin: FakeAdmin, name: str) -> None:
    view = pictures.request(ID, slot="", asked=name)
    admin.answers["GET /api/requests"] = {"requests": [view.model_dump(mode="json")]}


def test_what_a_client_asked_for_is_one_short_word_of_a_line(hal0: Run, admin: FakeAdmin) -> None:
    asked_for(admin, "a\nb\x1b[2J" + "x" * 5000)
    lines = hal0("requests").out.splitlines()
    assert len(lines) == 2
    name = lines[1].split()[2]
    assert name.startswith("a\ufffdb\ufffd[2Jxxx")
    assert name.endswith("x…")
    assert len(name) == NAME_CHARACTERS
    assert len(lines[1]) < 200
    assert "\x1b" not in lines[1]


def test_a_request_is_shown_with_the_name_of_its_key(hal0: Run, admin: FakeAdmin) -> None:
    view = pictures.request(ID, key="laptop")
    admin.answers["GET /api/requests"] = {"requests": [view.model_dump(mode="json")]}
    head, row = hal0("requests").out.splitlines()
    assert row[head.index("KEY") :].split()[0] == "laptop"


def test_when_a_request_came_and_how_long_it_took_can_be_read(hal0: Run, admin: FakeAdmin) -> None:
    began = time.mktime((2026, 3, 4, 15, 6, 7, 0, 0, -1))
    views = [
        pictures.request("quick", phase="finished", outcome="ok", started_at=began, finished_at=began + 0.0042),
        pictures.request("slow", phase="finished", outcome="ok", started_at=began, finished_at=began + 185),
    ]
    admin.answers["GET /api/requests"] = {"requests": [view.model_dump(mode="json") for view in views]}
    rows = {row.split()[0]: row.split() for row in hal0("requests").out.splitlines()}
    assert (rows["ID"][1], rows["quick"][1], rows["slow"][1]) == ("AT", "15:06:07", "15:06:07")
    assert "4ms" in rows["quick"]
    assert "3m05" in rows["slow"]


def test_how_far_a_picture_is_stands_for_its_phase(hal0: Run, admin: FakeAdmin) -> None:
    view = pictures.request(ID, slot="img", phase="decoding", doing="step 3/20", progress=0.18)
    admin.answers["GET /api/requests"] = {"requests": [view.model_dump(mode="json")]}
    assert "step 3/20" in hal0("requests").out


def test_an_id_is_never_broken_over_lines(admin: FakeAdmin, terminal: OpenTerminal) -> None:
    asked_for(admin, "x" * 5000)
    screen = terminal("requests", COLUMNS="60")
    assert screen.wait() == 0
    assert ID in screen.screen


def test_what_a_request_cost_is_shown_where_any_cost_something(hal0: Run, admin: FakeAdmin) -> None:
    free, paid = pictures.request("req-1"), pictures.request("req-2", cost=0.0042)
    admin.answers["GET /api/requests"] = {"requests": [free.model_dump(mode="json")]}
    assert "COST" not in hal0("requests").out
    admin.answers["GET /api/requests"] = {"requests": [each.model_dump(mode="json") for each in (free, paid)]}
    shown = hal0("requests").out
    assert "COST" in shown
    assert "$0.0042" in shown


def test_the_list_of_remotes_sums_up_what_they_took(hal0: Run, admin: FakeAdmin) -> None:
    view = RemoteView(name="far", kind="anthropic", url="https://x/v1", requests=3, prompt_tokens=12_400, tokens=763)
    admin.answers["GET /api/remotes"] = {"remotes": [view.model_dump(mode="json")]}
    assert "COST" not in hal0("remote", "list").out
    admin.answers["GET /api/remotes"] = {"remotes": [{**view.model_dump(mode="json"), "cost": 1.5}]}
    shown = hal0("remote", "list").out
    assert "12.4k + 763" in shown
    assert "$1.50" in shown
