"""A daemon whose port speaks TLS: clients, commands and the dashboard reach it, and a bad certificate is told."""

import os
import re
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from tests.fakes.installation import Installation, installed
from tests.fakes.tls import Pair, pair

HELLO: Any = [{"role": "user", "content": "Hello!"}]
CONFIG = """
[server]
{tls}
[daemon]
ports = @PORTS@
[slots.primary]
model = "hal0-starter"
"""


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return pair(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def hal0(tmp_path_factory: pytest.TempPathFactory, tls: Pair) -> Iterator[Installation]:
    with installed(tmp_path_factory.mktemp("hal0"), CONFIG.format(tls=tls.config)) as installation:
        yield installation


def run(hal0: Installation, *words: str, module: str = "hal0.cli", **env: str) -> tuple[int, str, str]:
    ended = subprocess.run(
        [sys.executable, "-m", module, *words],
        capture_output=True, text=True, env={**hal0.env, **env}, timeout=60, check=False,
    )  # fmt: skip
    return ended.returncode, ended.stdout, ended.stderr


def test_a_client_that_trusts_the_certificate_is_answered(hal0: Installation, tls: Pair) -> None:
    assert hal0.url.startswith("https://127.0.0.1:")
    assert f"listening on {hal0.url}" in hal0.log.read_text()
    context = ssl.create_default_context(cafile=str(tls.signer))
    with httpx.Client(verify=context) as http:
        client = openai.OpenAI(base_url=f"{hal0.url}/v1", api_key="none", http_client=http, max_retries=0)
        stream = client.chat.completions.create(model="primary", messages=HELLO, stream=True, temperature=0)
        streamed = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
        whole = client.chat.completions.create(model="primary", messages=HELLO, temperature=0)
        assert streamed == whole.choices[0].message.content != ""
        assert http.get(f"{hal0.url}/api/config").status_code == 200  # of the daemon's user, on this machine
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(f"{hal0.url}/health")


def test_http_1_1_is_what_is_agreed_on(hal0: Installation, tls: Pair) -> None:
    context = ssl.create_default_context(cafile=str(tls.signer))
    context.set_alpn_protocols(["h2", "http/1.1"])
    where = httpx.URL(hal0.url)
    with socket_to(where, context) as sock:
        assert sock.selected_alpn_protocol() == "http/1.1"
        assert sock.version() in ("TLSv1.2", "TLSv1.3")


def socket_to(where: httpx.URL, context: ssl.SSLContext) -> ssl.SSLSocket:
    import socket

    plain = socket.create_connection((where.host, where.port or 443), timeout=10)
    return context.wrap_socket(plain, server_hostname=where.host)


def test_plain_http_on_that_port_gets_no_answer_and_the_daemon_goes_on(hal0: Installation) -> None:
    with pytest.raises(httpx.TransportError):
        httpx.get(hal0.url.replace("https:", "http:") + "/v1/models")
    assert hal0.admin("GET", "/api/config")["revision"] == 1
    assert "Traceback" not in hal0.log.read_text()


def test_commands_on_this_machine_need_neither_certificate_nor_key(hal0: Installation) -> None:
    hal0.admin("POST", "/api/keys", {"name": "somebody"})
    try:
        status, out, err = run(hal0, "chat", "-m", "Hello!")
        assert (status, err) == (0, "")
        assert out.strip()
        assert hal0.url in run(hal0, "status")[1]
    finally:
        hal0.admin("DELETE", "/api/keys")


def test_commands_and_the_dashboard_from_elsewhere_show_a_key_and_trust_a_certificate(
    hal0: Installation, tls: Pair
) -> None:
    with hal0.client() as client:
        assert client.patch("/api/config", json={"set": {"auth.admin": "key"}}).status_code == 200
    key = hal0.admin("POST", "/api/keys", {"name": "desk", "scope": "admin"})["key"]
    try:
        host = ("--host", hal0.url)
        for certificate in (tls.certificate, tls.signer):
            access = {"HAL0_KEY": key, "HAL0_CERT": str(certificate)}
            assert run(hal0, "slot", "list", *host, **access)[0] == 0
        assert run(hal0, "status", HAL0_URL=hal0.url, **access)[0] == 0
        status, out, _ = run(hal0, "chat", "-m", "Hello!", *host, **access)
        assert status == 0
        assert out.strip()
        assert run(hal0, *host, "--once", module="hal0.tui", **access)[0] == 0
        for module, words in (("hal0.cli", ("status",)), ("hal0.tui", ("--once",))):
            _, _, err = run(hal0, *words, *host, module=module, HAL0_CERT=str(tls.signer))
            assert "system.auth_required" in err
            _, _, err = run(hal0, *words, *host, module=module, HAL0_KEY=key)
            assert "system.certificate_untrusted" in err
            assert "who signed it is not known here" in err
            assert "HAL0_CERT" in err
            _, _, err = run(hal0, *words, *host, module=module, HAL0_KEY=key, HAL0_CERT="/nowhere.pem")
            assert "config.tls_unusable" in err
            plain = ("--host", hal0.url.replace("https:", "http:"))
            _, _, err = run(hal0, *words, *plain, module=module, HAL0_KEY=key)
            assert "system.tls_mismatch" in err
            assert f"Ask {hal0.url} instead" in err
            assert key not in err
    finally:
        hal0.admin("DELETE", "/api/keys")
        with hal0.client() as client:
            client.patch("/api/config", json={"set": {"auth.admin": "local"}})


def test_tls_cert_and_tls_key_wait_for_a_restart_and_a_bad_pair_is_refused_at_once(tmp_path: Path, tls: Pair) -> None:
    with installed(tmp_path, CONFIG.format(tls="")) as hal0:
        assert hal0.url.startswith("http://")
        good = {"server.tls_cert": str(tls.certificate), "server.tls_key": str(tls.key)}
        other = pair(tmp_path, "other")
        with hal0.client() as client:
            refused = client.patch("/api/config", json={"set": {**good, "server.tls_key": str(other.key)}})
            assert refused.json()["error"]["details"]["problems"][0]["code"] == "config.tls_unusable"
            view = client.patch("/api/config", json={"set": good}).json()
        assert sorted(view["needs_restart"]) == ["server.tls_cert", "server.tls_key"]
        assert httpx.get(f"{hal0.url}/health").status_code == 200
        hal0.stop()
        hal0.start()
        assert hal0.url.startswith("https://")
        assert hal0.admin("GET", "/api/config")["needs_restart"] == []
        context = ssl.create_default_context(cafile=str(tls.signer))
        assert httpx.get(f"{hal0.url}/health", verify=context).status_code == 200


def test_a_daemon_with_a_bad_certificate_does_not_start_and_says_why(tmp_path: Path, tls: Pair) -> None:
    other = pair(tmp_path, "other")
    hal0 = Installation(tmp_path, CONFIG.format(tls=f'tls_cert = "{tls.certificate}"\ntls_key = "{other.key}"'))
    for words, module in (((), "hal0.daemon.main"), (("config", "check"), "hal0.cli")):
        status, out, err = run(hal0, *words, module=module)
        assert status == 1
        place = re.escape(f"{hal0.config}:4:")
        assert re.search(place + r".*other\.key cannot be used for TLS|" + place + ".*it is not the key of", out + err)
    assert os.listdir(tmp_path / "run") == []
