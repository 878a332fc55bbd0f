"""Who the admin API lets in on the port, from wherever a request comes and with whatever key."""

from typing import Any

import pytest
from quart import Quart, Response

from hal0.daemon.admin.guard import check_caller
from hal0.daemon.admin.replies import error_reply
from hal0.daemon.config.schema import Auth, Settings
from hal0.daemon.keys.key import new_key
from hal0.daemon.keys.ring import Keyring
from hal0.errors import Hal0Error

BOSS, BOSS_TEXT = new_key("boss", "admin", None)
ALICE, ALICE_TEXT = new_key("alice", "inference", None)
RING = Keyring({"boss": BOSS, "alice": ALICE}, required=True)
ELSEWHERE = ("192.0.2.7", 4711)


async def asked(
    *, client: tuple[str, int] | None = ELSEWHERE, admin: str = "local", keys: Keyring = RING, **headers: str
) -> str:
    """ "200", or the status and code of the refusal."""
    app = Quart("test")
    settings = Settings(auth=Auth(admin=admin))  # type: ignore[arg-type]

    @app.before_request
    async def admit() -> None:
        await check_caller(settings, keys)

    @app.get("/api/state")
    async def state() -> Response:
        return Response("{}")

    app.register_error_handler(Hal0Error, error_reply)
    scope: dict[str, Any] = {"client": client, "server": ("192.0.2.1", 8080)}
    sent = {"host": "hal0.example", **{name.replace("_", "-"): value for name, value in headers.items()}}
    answer = await app.test_client().get("/api/state", headers=sent, scope_base=scope)
    if answer.status_code == 200:
        return "200"
    if answer.status_code == 401:
        assert answer.headers["www-authenticate"] == "Bearer"
    return f"{answer.status_code} {(await answer.get_json())['error']['code']}"


async def test_an_admin_key_opens_from_anywhere_under_any_name_and_through_a_proxy() -> None:
    assert await asked(authorization=f"Bearer {BOSS_TEXT}") == "200"
    assert await asked(x_api_key=BOSS_TEXT) == "200"
    assert await asked(authorization=f"Bearer {BOSS_TEXT}", x_forwarded_for="203.0.113.9", via="1.1 proxy") == "200"
    assert await asked(authorization=f"Bearer {BOSS_TEXT}", admin="key") == "200"


async def test_from_elsewhere_nothing_else_opens() -> None:
    assert await asked() == "403 system.forbidden"
    assert await asked(authorization=f"Bearer {ALICE_TEXT}") == "403 system.forbidden"
    assert await asked(authorization="Bearer sk-hal0-x") == "401 system.auth_required"
    assert await asked(authorization="Bearer sk-hal0-x", keys=Keyring()) == "401 system.auth_required"
    assert await asked(host="localhost") == "403 system.forbidden"


async def test_a_page_in_a_browser_is_refused_with_any_key() -> None:
    assert await asked(x_api_key=BOSS_TEXT, origin="https://evil.example") == "403 system.forbidden"


async def test_where_only_keys_count_being_on_this_machine_does_not() -> None:
    here = ("127.0.0.1", 4711)
    assert await asked(client=here, host="localhost", admin="key") == "401 system.auth_required"
    assert await asked(client=here, host="localhost", admin="key", x_api_key=ALICE_TEXT) == "403 system.forbidden"
    assert await asked(client=here, host="localhost", admin="key", x_api_key=BOSS_TEXT) == "200"


@pytest.mark.parametrize("admin", ["local", "key"])
async def test_the_unix_socket_is_guarded_by_its_mode(admin: str) -> None:
    assert await asked(client=None, admin=admin) == "200"
