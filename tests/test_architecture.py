"""Imports go one way, pure modules stay pure, and each heavy library has its place."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent / "hal0"

# A module may import from its own layer's package and from the layers above it in this list. The longest prefix counts.
LAYERS: list[set[str]] = [
    {
        "hal0",
        "hal0.access",
        "hal0.person",
        "hal0.editor",
        "hal0.errors",
        "hal0.voices",
        "hal0.wire",
        "hal0.paths",
        "hal0.streams",
        "hal0.marks",
        "hal0.systemd",
        "hal0.unreached",
        "hal0.regular",
        "hal0.spool",
        "hal0.forms",
        "hal0.history",
    },
    {"hal0.models", "hal0.workflows", "hal0.hardware"},
    {
        "hal0.daemon.events",
        "hal0.daemon.error_log",
        "hal0.daemon.gate",
        "hal0.daemon.instance",
        "hal0.daemon.timer",
        "hal0.daemon.http",
        "hal0.daemon.image_files",
        "hal0.daemon.past",
        "hal0.daemon.config",
        "hal0.daemon.sampler",
    },
    {"hal0.daemon.keys"},
    {"hal0.daemon.models"},
    {"hal0.daemon.pulls"},
    {"hal0.daemon.providers"},
    {"hal0.daemon.slots"},
    {"hal0.daemon.remotes"},
    {"hal0.daemon.routing"},
    {"hal0.daemon.proxy"},
    {"hal0.daemon.adapters", "hal0.daemon.dialects"},
    {"hal0.daemon.idioms"},
    {"hal0.daemon.services"},
    {"hal0.daemon.admin", "hal0.daemon.metrics"},
    {"hal0.daemon.front"},
    {"hal0.daemon.serving"},
    {"hal0.daemon.assembly"},
    {"hal0.daemon.life"},
    {"hal0.daemon.main"},
    {"hal0.tui", "hal0.backends"},
    {"hal0.cli"},
]
# Who may not meet, whatever the order says.
APART = [("hal0.tui", "hal0.daemon"), ("hal0.backends", "hal0.daemon"), ("hal0.backends", "hal0.tui")]
PURE = [
    "hal0.errors",
    "hal0.voices",
    "hal0.wire",
    "hal0.paths",
    "hal0.history",
    "hal0.daemon.past",
    "hal0.daemon.keys.key",
    "hal0.daemon.keys.ring",
    "hal0.daemon.slots.lifecycle",
    "hal0.daemon.slots.restart",
    "hal0.daemon.slots.admission",
    "hal0.daemon.models.memory",
    "hal0.daemon.providers.gpus",
    "hal0.daemon.providers.placement",
    "hal0.daemon.providers.rough_needs",
    "hal0.daemon.providers.words",
    "hal0.daemon.models.cache",
    "hal0.daemon.models.spans",
    "hal0.daemon.models.record",
    "hal0.daemon.pulls.sources",
    "hal0.daemon.pulls.pace",
    "hal0.daemon.remotes.breaker",
    "hal0.daemon.remotes.idiom",
    "hal0.daemon.routing.rules",
    "hal0.daemon.proxy.body",
    "hal0.daemon.proxy.bounds",
    "hal0.daemon.proxy.headers",
    "hal0.daemon.proxy.meter",
    "hal0.daemon.proxy.tap",
    "hal0.daemon.proxy.translation",
    "hal0.daemon.proxy.wrong",
    "hal0.daemon.dialects.chat",
    "hal0.daemon.dialects.conversation",
    "hal0.daemon.dialects.counting",
    "hal0.daemon.dialects.events",
    "hal0.daemon.dialects.messages_answer",
    "hal0.daemon.dialects.messages_request",
    "hal0.daemon.dialects.responses_answer",
    "hal0.daemon.dialects.responses_request",
    "hal0.backends.sentences",
    "hal0.tui.places",
    "hal0.tui.finding",
    "hal0.tui.phases",
    "hal0.daemon.idioms.anthropic",
    "hal0.daemon.idioms.anthropic_answer",
    "hal0.daemon.idioms.anthropic_request",
    "hal0.daemon.idioms.anthropic_thinking",
    "hal0.tui.store",
    "hal0.tui.streams",
    "hal0.tui.memories",
    "hal0.tui.timeline",
    "hal0.tui.owners",
    "hal0.tui.keymap",
    "hal0.tui.prose",
]
HOMES = {
    "av": "hal0.backends",
    "espeakng_loader": "hal0.backends",
    "kokoro_onnx": "hal0.backends",
    "numpy": "hal0.backends",
    "onnxruntime": "hal0.backends",
    "phonemizer": "hal0.backends",
    "quart": "hal0.daemon.admin",
    "textual": "hal0.tui",
    "rich": ("hal0.tui", "hal0.cli"),
    "xllamacpp": "hal0.backends",
    "pynvml": "hal0.hardware",
    "hypercorn": ("hal0.backends", "hal0.daemon.serving"),
    "pocketsphinx": "hal0.backends",
    "moonshine_voice": "hal0.backends",
    "multipart": "hal0.forms",
    "httptools": ("hal0.daemon.http", "hal0.daemon.serving"),
    "watchfiles": "hal0.daemon.config",
    "tomlkit": "hal0.daemon.config",
    "tomli_w": ("hal0.daemon.config", "hal0.daemon.keys"),
    "httpx": ("hal0.cli", "hal0.tui", "hal0.daemon.pulls", "hal0.daemon.remotes", "hal0.backends.comfyui_client"),
    "websockets": "hal0.backends",
    "prometheus_client": "hal0.daemon.metrics",
    "uvloop": ("hal0.daemon.main", "hal0.daemon.serving"),
}


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): ast.parse(path.read_text()) for path in sorted(ROOT.rglob("*.py"))}


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def layer_of(module: str) -> int:
    prefix = max((p for layer in LAYERS for p in layer if within(module, p)), key=len)
    return next(i for i, layer in enumerate(LAYERS) if prefix in layer)


def imports(module: str) -> Iterator[str]:
    """Every module named in an import statement, also inside functions and TYPE_CHECKING."""
    for node in ast.walk(MODULES[module]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{module}: relative import"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in MODULES else node.module


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_down_the_list(module: str) -> None:
    for target in imports(module):
        if not within(target, "hal0"):
            continue
        assert layer_of(target) <= layer_of(module), f"{module} imports {target}, which is above it"
        for left, right in APART:
            assert not (within(module, left) and within(target, right)), f"{module} must not know {target}"


def test_modules_import_in_no_circle() -> None:
    done: set[str] = set()

    def visit(module: str, path: list[str]) -> None:
        assert module not in path, " → ".join([*path, module])
        if module in done:
            return
        for target in imports(module):
            if target in MODULES and target != module:
                visit(target, [*path, module])
        done.add(module)

    for module in MODULES:
        visit(module, [])


@pytest.mark.parametrize("module", PURE)
def test_pure_modules_neither_wait_nor_do_io(module: str) -> None:
    tree = MODULES[module]
    for node in ast.walk(tree):
        assert not isinstance(node, ast.Await | ast.AsyncFunctionDef), f"{module}:{node.lineno} waits"
    for target in imports(module):
        assert target.partition(".")[0] not in {"asyncio", "socket", "subprocess", "threading", "httpx"}, target


@pytest.mark.parametrize("module", MODULES)
def test_heavy_libraries_stay_in_their_place(module: str) -> None:
    for target in imports(module):
        homes = HOMES.get(target.partition(".")[0])
        if homes is not None:
            homes = (homes,) if isinstance(homes, str) else homes
            assert any(within(module, home) for home in homes), f"{module} imports {target}"
