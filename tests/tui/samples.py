"""States as a daemon would tell them, at a fixed time: what the screens are tested and pictured with."""

from typing import Any

from hal0.wire import (
    ConfigView,
    DeviceView,
    ErrorRecord,
    ErrorView,
    FitView,
    ModelView,
    PlanView,
    Problem,
    RequestView,
    Revision,
    RoomView,
    SlotEffect,
    SlotPlan,
    SlotView,
    State,
)

NOW = 1_795_350_667.0  # 2026-11-22 12:31:07 UTC
GIB = 2**30


def slot(name: str, state: str = "ready", **more: Any) -> SlotView:
    values: dict[str, Any] = {
        "name": name, "state": state, "since": NOW - 60, "kind": "chat", "provider": "llama", "model": f"{name}-model",
        "engine": "llama.cpp (built in)", "context": 8192, "port": 8081, "pid": 4121, "run": 1, "revision": 1,
    }  # fmt: skip
    return SlotView.model_validate(values | more)


def request(id: str, slot: str = "primary", **more: Any) -> RequestView:
    values: dict[str, Any] = {
        "id": id, "path": "/v1/chat/completions", "asked": slot, "slot": slot, "model": "m", "stream": True,
        "client": "127.0.0.1", "started_at": NOW - 12.4, "phase": "decoding",
    }  # fmt: skip
    return RequestView.model_validate(values | more)


def device(id: str, kind: str, **more: Any) -> DeviceView:
    return DeviceView.model_validate({"id": id, "kind": kind, "name": id} | more)


CPU = device("cpu", "cpu", name="AMD EPYC 9B14", utilisation=0.97, temperature_c=48.0, cores=8)
MEMORY = device("memory", "memory", name="memory", memory_used_bytes=int(5.1 * GIB), memory_total_bytes=24 * GIB)
GPU0 = device(
    "gpu0", "gpu", name="NVIDIA GeForce RTX 4090", utilisation=0.97, memory_used_bytes=int(20.1 * GIB),
    memory_total_bytes=24 * GIB, temperature_c=71.0, power_w=338.0,
)  # fmt: skip

STRANGERS = [
    {"pid": 4121, "name": "hal0-llama", "memory_bytes": int(12.2 * GIB), "slot": "chat-l"},
    {"pid": 812, "name": "python3", "memory_bytes": int(4.1 * GIB), "user": "grace"},
    {"pid": 1033, "name": "Xorg", "memory_bytes": 212 * 2**20},
    {"pid": 77},
]
SHARED_GPU = GPU0.model_validate(GPU0.model_dump() | {"processes": STRANGERS})
LOST_GPU = device("gpu1", "gpu", name="NVIDIA GeForce RTX 4090", memory_total_bytes=24 * GIB, note="GPU is lost")


def config(**more: Any) -> ConfigView:
    values: dict[str, Any] = {
        "revision": 1,
        "path": "/home/ada/.config/hal0/hal0.toml",
        "exists": True,
        "applied_at": NOW - 900,
    }
    return ConfigView.model_validate(values | more)


def state(**more: Any) -> State:
    values: dict[str, Any] = {
        "event_id": 0, "now": NOW, "version": "0.1.0", "host": "lab01", "pid": 4100, "started_at": NOW - 273_600,
        "listen": ["http://0.0.0.0:8080"], "slots": [], "requests": [], "devices": [CPU, MEMORY], "config": config(),
        "errors": [], "totals": {},
    }  # fmt: skip
    return State.model_validate(values | more)


def default_state(**more: Any) -> State:
    """The embedded default, just started: nothing has been asked yet."""
    slots = [
        slot("primary", model="hal0-starter-q8_0", memory_bytes=96 * 2**20, load_ms=412.0, context=2048),
        slot(
            "embed", "offline", kind="embedding", model="all-minilm-l6-v2-q8_0", port=None, pid=None, run=0, context=512
        ),
    ]
    return state(**{"slots": slots, **more})


MODELS = [
    ModelView(id="big", kind="chat", path="/m/big.gguf", size_bytes=19 * GIB, licence="Apache-2.0"),
    ModelView(id="qwen3-30b-a3b-q4_k_m", kind="chat", path="/m/q.gguf", size_bytes=18 * GIB, slots=["chat-l"]),
    ModelView(id="small", kind="chat", path="/m/small.gguf", size_bytes=GIB // 2, slots=["draft"]),
    ModelView(id="bge-m3", kind="embedding", path="/m/bge.gguf", size_bytes=GIB, licence="MIT"),
]
SLOT_PLAN = SlotPlan(
    plan=PlanView(revision=41, slots=[SlotEffect(name="chat-2", effect="add")]),
    providers=["llama", "vllm", "espeak"],
    keys=["model", "gpus", "context", "parallel"],
    context=8192,
    gpus=["gpu0"],
    fit=FitView(
        verdict="evict",
        would_go=["long"],
        rooms=[
            RoomView(device="gpu0", need_bytes=3 * GIB, free_bytes=int(3.9 * GIB)),
            RoomView(device="memory", need_bytes=GIB, free_bytes=18 * GIB),
        ],
    ),
)
WRONG_PLAN = SlotPlan(
    plan=PlanView(
        revision=41,
        problems=[
            Problem(
                code="config.invalid", message="`slots.chat-2.context` must be a number of tokens, not \"much\"",
                file="/home/ada/.config/hal0/hal0.toml", line=80, column=11, key="slots.chat-2.context",
            ),
            Problem(
                code="config.unknown_key", message="unknown key `pined` in [slots.chat-2]",
                hint="did you mean `pinned`?", file="/home/ada/.config/hal0/hal0.toml", line=81, column=1,
                key="slots.chat-2.pined",
            ),
        ],
    ),
    providers=SLOT_PLAN.providers,
    keys=SLOT_PLAN.keys,
)  # fmt: skip
LONG_TEXT = (
    "…so the reducer never sees a half-applied config. The watcher first parses the whole file, validates every slot "
    "against the schema, and only then swaps the pointer. If any table fails, the old snapshot stays live and the "
    "error is reported with the file and line that caused it.\n\nTwo things follow from that:\n"
    "1. A reader either gets revision 41 or revision 42, never a mix"
)
CODE_TEXT = (
    "def merge(a: list[int], b: list[int]):\n    out = []\n    i = j = 0\n    while i < len(a) and j < len(b):\n"
    "        if a[i] <= b[j]:\n            out.append(a[i]); i += 1\n        else:"
)
TOO_LONG = "40121 tokens, context is 32768"
SLOT_ERROR = ErrorView(
    code="slot.load_failed",
    message="rerank could not load its model: unknown architecture 'bge-m4' in /srv/models/bge-reranker-v3-m3.gguf",
    details={"slot": "rerank", "reason": "unknown architecture 'bge-m4'", "crash": "20261122-123049-3f9a"},
)


def busy_state(now: float = NOW, **more: Any) -> State:
    """A lab machine at work: every kind of state, two streams, one slot in error."""
    shift = now - NOW
    slots = [
        slot("chat-l", "serving", model="qwen3-30b-a3b-q4_k_m", device="0", memory_bytes=int(1.3 * GIB), context=32768,
             gpu_bytes={"gpu0": int(12.2 * GIB)}, parallel=2, in_flight=2, tokens_per_second=61.4, ttft_ms=182.0,
             load_ms=38_000.0, since=now - 40),
        slot("code-m", "serving", model="qwen3-coder-8b-q6_k", device="auto", memory_bytes=GIB, context=16384,
             gpu_bytes={"gpu0": int(7.9 * GIB)}, tokens_per_second=51.0, ttft_ms=240.0, load_ms=9_100.0,
             since=now - 3, port=8082, pid=4188),
        slot("embed", "ready", kind="embedding", model="bge-m3-f16", memory_bytes=int(2.2 * GIB), since=now - 7200,
             ttft_ms=12.0, port=8083, pid=4190),
        slot("vision", "warming", model="qwen2.5-vl-7b-q4_k_m", vision=True, progress=0.64, memory_bytes=int(5.1 * GIB),
             since=now - 21, port=8084, pid=9120),
        slot("long", "idle", model="llama-3.1-8b-q8_0", unload_at=now + 2760, memory_bytes=int(13.2 * GIB),
             tokens_per_second=33.2, ttft_ms=410.0, since=now - 840, port=8085, pid=4201),
        slot("draft", "offline", model="qwen3-0.6b-q8_0", port=None, pid=None, run=0, since=now - 86_000),
        slot("rerank", "error", kind="rerank", model="bge-reranker-v3-m3", pid=None, port=None, run=3, failures=3,
             retry_at=now + 12, since=now - 18, error=SLOT_ERROR,
             log_tail=["llama_model_load: error loading model: unknown architecture 'bge-m4'",
                       "\x1b[31mllama_model_load_from_file_impl: failed to load model\x1b[0m",
                       "main: exiting due to model loading error"]),
    ]  # fmt: skip
    requests = [
        request("8841", "chat-l", prompt="Why does a configuration swap need validation before the pointer moves?",
                text=LONG_TEXT, tokens=763, tokens_per_second=61.4, ttft_ms=182.0, prompt_tokens=3337,
                context=32768, queue_ms=4.0, load_ms=0.0,
                started_at=now - 12.4),
        request("8843", "code-m", prompt="merge two sorted lists", text=CODE_TEXT, tokens=102, tokens_per_second=51.0,
                ttft_ms=240.0, prompt_tokens=412, context=16384, queue_ms=40.0, load_ms=0.0,
                started_at=now - 14.4),
        request("8845", "chat-l", phase="queued", started_at=now - 15.1, stream=False),
    ]  # fmt: skip
    errors = [
        ErrorRecord(id=1, error=SLOT_ERROR, slot="rerank", first_at=now - 125, last_at=now - 18, count=3),
        ErrorRecord(
            id=2, slot="chat-l", request="8832", first_at=now - 300, last_at=now - 300,
            error=ErrorView(code="dispatch.context_exceeded", message=f"the prompt does not fit chat-l: {TOO_LONG}",
                            details={"slot": "chat-l", "reason": TOO_LONG}),
        ),
    ]  # fmt: skip
    values: dict[str, Any] = {
        "slots": slots, "requests": requests, "devices": [CPU, MEMORY, GPU0], "errors": errors, "now": now,
        "started_at": NOW - 273_600 + shift, "config": config(revision=41, applied_at=now - 1616),
    }  # fmt: skip
    return state(**values | more)


def rejected_config() -> ConfigView:
    problem = Problem(
        code="config.unknown_key",
        message="hal0.toml:57:1: unknown key 'contxt', did you mean 'context'?",
        file="/home/ada/.config/hal0/hal0.toml", line=57, column=1, key="slots.primary.contxt",
        hint="Rename it to `context`.", source="contxt = 8192",
    )  # fmt: skip
    second = Problem(
        code="config.invalid", message="hal0.toml:61:8: port must be at most 65535",
        file="/home/ada/.config/hal0/hal0.toml", line=61, column=8, key="slots.embed.port", source="port = 80831",
    )  # fmt: skip
    return config(rejected_at=NOW - 9, problems=[problem, second])


def edited_config(**more: Any) -> ConfigView:
    """An edit that touches some slots of a machine at work: one restarts, one has what it needs at once."""
    flag = "command line: --ctx-size 16384 → --ctx-size 32768"
    effects = [
        SlotEffect(name="chat-l", effect="restart", running=True, changes=[flag]),
        SlotEffect(name="code-m", effect="keep", running=True),
        SlotEffect(name="embed", effect="live", running=True),
        SlotEffect(name="draft", effect="keep"),
        SlotEffect(name="rerank", effect="add", problem="there is no model named 'bge-m4'; did you mean 'bge-m3'?"),
    ]
    values: dict[str, Any] = {
        "revision": 42, "applied_at": NOW - 13, "by": "ada", "why": "more room for the long prompts",
        "effects": effects, "needs_restart": ["server.port"],
        "changes": ["slots.chat-l.context: 16384 → 32768", "slots.embed.aliases: [] → [\"bge\"]",
                    "server.port: 8080 → 8081"],
    }  # fmt: skip
    return config(**values | more)


REVISIONS = [
    Revision(revision=42, at=NOW - 13, by="ada", why="more room for the long prompts", hash="c"),
    Revision(revision=41, at=NOW - 1616, by="grace (hal0)", why="slot vision created", hash="b"),
    Revision(revision=40, at=NOW - 300_000, by="file", hash="a", changes=['slots.embed.model: "x" → "bge-m3"']),
]
DIFFERENCE = [
    "--- /home/ada/.config/hal0/hal0.toml (revision 41)", "+++ /home/ada/.config/hal0/hal0.toml (revision 42)",
    "@@ -12,3 +12,3 @@", " [slots.chat-l]", "-context = 16384", "+context = 32768   # for the long prompts",
]  # fmt: skip
CREATED = [
    "--- /home/ada/.config/hal0/hal0.toml (revision 40)", "+++ /home/ada/.config/hal0/hal0.toml (revision 41)",
    "@@ -30,0 +31,2 @@", "+[slots.vision]", '+model = "qwen2.5-vl-7b-q4_k_m"',
]  # fmt: skip
WAY_BACK = [
    "--- /home/ada/.config/hal0/hal0.toml (revision 42)", "+++ /home/ada/.config/hal0/hal0.toml (revision 41)",
    "@@ -12,3 +12,3 @@", " [slots.chat-l]", "-context = 32768   # for the long prompts", "+context = 16384",
]  # fmt: skip
FAILED = "since revision 42 of the configuration chat-l does not become ready: out of memory"
