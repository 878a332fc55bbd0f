"""What API keys and TLS cost: CPU time of the daemon for a request, by hand: `python -m tests.bench.keys [rounds]`.

Whole answers of 600 bytes over kept connections. With and without keys take turns on one daemon; TLS has another.
"""

import asyncio
import ssl
import statistics
import sys
import tempfile
import timeit
from collections import defaultdict
from pathlib import Path

import httpx

from hal0.daemon.keys.key import new_key
from hal0.daemon.keys.ring import Keyring
from tests.bench.contenders import Contender, build, hal0
from tests.bench.run import PATH
from tests.fakes.tls import pair

CONNECTIONS = 16
REQUESTS = 300  # on each
BODY = b'{"model":"bench","user":"fake-json","messages":[{"role":"user","content":"What is a reverse proxy for?"}]}'
HEADERS = [
    (b"host", b"box:8080"), (b"accept-encoding", b"gzip, deflate"), (b"connection", b"keep-alive"),
    (b"accept", b"application/json"), (b"content-type", b"application/json"), (b"user-agent", b"OpenAI/Python 2.0"),
    (b"content-length", b"512"),
]  # fmt: skip


async def ask(port: int, key: str | None, tls: ssl.SSLContext | None, connections: int, requests: int) -> None:
    head = f"POST {PATH} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: {len(BODY)}\r\n"
    request = (head + (f"authorization: Bearer {key}\r\n" if key else "") + "\r\n").encode() + BODY

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
        for _ in range(requests):
            writer.write(request)
            told = await reader.readuntil(b"\r\n\r\n")
            assert told.startswith(b"HTTP/1.1 200 "), told
            length = next(int(line[15:]) for line in told.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(length)
        writer.close()

    await asyncio.gather(*(one() for _ in range(connections)))


def cpu_micros(
    contender: Contender,
    key: str | None = None,
    tls: ssl.SSLContext | None = None,
    *,
    connections: int = CONNECTIONS,
    requests: int = REQUESTS,
) -> float:
    """Of the daemon, for one of so many requests on each connection."""
    begun = contender.cpu_seconds()
    asyncio.run(ask(contender.port, key, tls, connections, requests))
    return 1e6 * (contender.cpu_seconds() - begun) / (connections * requests)


def look_up_micros() -> float:
    key, text = new_key("bench", "inference", None)
    ring = Keyring(
        {f"k{n}": new_key(f"k{n}", "inference", None)[0] for n in range(100)} | {"bench": key}, required=True
    )
    scope = {"client": ("127.0.0.1", 1), "headers": [*HEADERS, (b"authorization", b"Bearer " + text.encode())]}
    return 1e6 * min(timeit.repeat(lambda: ring.admit(scope), number=20_000, repeat=5)) / 20_000


def main(rounds: int) -> None:
    print(f"one look-up among 101 keys: {look_up_micros():.1f} µs")
    seen: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="hal0-bench-") as name:
        folder, other = Path(name), Path(name, "tls")
        other.mkdir()
        backend, _ = build(folder)
        made = pair(other)
        trusting = ssl.create_default_context(cafile=made.signer)
        with hal0(folder, backend) as plain, hal0(other, backend, server=made.config) as tls:
            transport = httpx.HTTPTransport(uds=str(folder / "hal0.sock"))
            with httpx.Client(transport=transport, base_url="http://hal0") as admin:
                cpu_micros(plain, None), cpu_micros(tls, None, trusting)  # warm
                for _ in range(rounds):
                    seen["without keys"].append(cpu_micros(plain, None))
                    key = admin.post("/api/keys", json={"name": "bench"}).json()["key"]
                    seen["with keys"].append(cpu_micros(plain, key))
                    admin.delete("/api/keys").raise_for_status()
                    seen["over TLS"].append(cpu_micros(tls, None, trusting))
    for what, values in seen.items():
        spread = f"{min(values):.0f} to {max(values):.0f}"
        print(f"{what:14} {statistics.median(values):6.0f} µs of CPU for a request   ({spread})")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
