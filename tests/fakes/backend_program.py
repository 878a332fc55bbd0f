"""A backend one can script: an HTTP server that starts slowly, hangs, lies, forks, eats or dies, as it is told.

Runs as a program of its own (standard library only). SCRIPT is a JSON object:
  listen_after, ready_after   seconds until the port is bound / until /health says 200 (before: 503)
  exit_after, exit_code       end by itself so many seconds after start
  ignore_sigterm, fork        do not end when asked / leave a grandchild in the group
  stray                       leave a grandchild in a session of its own, whose parent has ended
  lies                        /health says 200 from the start; "silent": all else is never answered, "garbage": wrongly
  eat_mib                     take so much memory once it is asked for /eat
  limit_mib                   have no more than so much of address space, and end as a program does that is given none
  cgroup                      a folder of the kernel's control groups to join first
  say                         a line printed at the start
  reason                      printed as the last line before exit_code
  log                         a file to which the pid of every start is appended

It answers /ask with an echo and is hung from /hang on.
"""

import asyncio
import json
import os
import resource
import signal
import subprocess
import sys

SCRIPT = json.loads(os.environ.get("SCRIPT", "{}"))
LIES = SCRIPT.get("lies", "")
KEY = os.environ.get("BACKEND_KEY", "")


class State:
    ready = False
    healthy = True
    eaten = b""


async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next((int(h.split(":")[1]) for h in head.split("\r\n") if h.lower().startswith("content-length")), 0)
        body = await reader.readexactly(length)
        path = head.split(" ")[1]
        if path == "/hang":
            State.healthy = False
        if path == "/health":
            if not State.healthy:
                await asyncio.sleep(3600)
            status, answer = (200, {"status": "ok"}) if State.ready or LIES else (503, {"status": "loading"})
        elif LIES == "silent":
            await asyncio.sleep(3600)
        elif LIES == "garbage":
            status, answer = 200, {"choices": "none"}
        elif KEY and f"Bearer {KEY}" not in head:
            status, answer = 401, {"error": "wrong key"}
        else:
            status, answer = 200, {"echo": body.decode(), "pid": os.getpid()}
        if path == "/eat":
            eat(SCRIPT["eat_mib"] * 2**20)
        data = json.dumps(answer).encode()
        writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: {len(data)}\r\nconnection: close\r\n\r\n".encode() + data)
        await writer.drain()
    except (OSError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


def eat(size: int) -> None:
    try:
        State.eaten = bytearray(size)
    except MemoryError:
        print(f"fatal: cannot allocate {size} bytes", flush=True)
        os.abort()


async def main() -> None:
    if "limit_mib" in SCRIPT:
        resource.setrlimit(resource.RLIMIT_AS, (SCRIPT["limit_mib"] * 2**20,) * 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if path := SCRIPT.get("log"):
        with open(path, "a") as file:  # noqa: ASYNC230 - one short line
            file.write(f"{os.getpid()}\n")
    if folder := SCRIPT.get("cgroup"):
        with open(f"{folder}/cgroup.procs", "w") as file:  # noqa: ASYNC230 - one number
            file.write(str(os.getpid()))
    if text := SCRIPT.get("say"):
        print(text, flush=True)
    if SCRIPT.get("ignore_sigterm"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if SCRIPT.get("fork"):
        child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"])  # noqa: ASYNC220
        print(f"grandchild {child.pid}", flush=True)
    if SCRIPT.get("stray"):
        code = "import os, time; os.fork() and os._exit(0); os.setsid(); time.sleep(600)"
        subprocess.run([sys.executable, "-S", "-c", code], check=True)  # noqa: ASYNC221
    if "exit_after" in SCRIPT:
        asyncio.get_running_loop().call_later(SCRIPT["exit_after"], leave)
    await asyncio.sleep(SCRIPT.get("listen_after", 0))
    await asyncio.start_server(serve_one, "127.0.0.1", int(sys.argv[1]), reuse_address=True)
    await asyncio.sleep(SCRIPT.get("ready_after", 0))
    State.ready = True
    await asyncio.Event().wait()


def leave() -> None:
    if reason := SCRIPT.get("reason"):
        print(reason, flush=True)
    os._exit(SCRIPT.get("exit_code", 0))


if __name__ == "__main__":
    asyncio.run(main())
