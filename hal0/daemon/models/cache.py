"""What each layer of a model keeps of its context: keys and values, those of a window only, or one state.

Pure. The tensors of a layer tell what it is more surely than the header: they have the widths that are computed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from hal0.daemon.models.layout import Layout, Tensor

F32 = 4  # bytes; states are kept in full
CELLS = 256  # the number of cells is rounded up to a multiple of this

TYPES: Mapping[str, tuple[int, int]] = {  # elements and bytes of a block of ggml's types
    "f32": (1, 4),
    "f16": (1, 2),
    "bf16": (1, 2),
    "q8_0": (32, 34),
    "q4_0": (32, 18),
    "q4_1": (32, 20),
    "iq4_nl": (32, 18),
    "q5_0": (32, 22),
    "q5_1": (32, 24),
}

# Architectures whose windows are in a pattern that their header does not tell: every n-th layer sees everything; and
# whether it is the first of n instead of the last (llama_model::load_hparams, set_swa_pattern).
PATTERNS: Mapping[str, tuple[int, bool]] = {
    "gemma2": (2, False),
    "gemma3": (6, False),
    "gemma3n": (5, False),
    "gemma-embedding": (6, False),
    "cohere2": (4, False),
    "gpt-oss": (2, False),
    "llama4": (4, False),
    "exaone4": (4, False),
    "olmo2": (4, False),
    "olmo3": (4, False),
    "phi3": (1, False),
    "smallthinker": (4, True),
    "modern-bert": (3, True),
}
RECURRENT = ("ssm_", "shortconv.", "time_mix_")


class Run(Protocol):
    """The part of `Load` that matters here."""

    @property
    def context(self) -> int: ...
    @property
    def parallel(self) -> int: ...
    @property
    def ubatch(self) -> int: ...
    @property
    def key_type(self) -> str: ...
    @property
    def value_type(self) -> str: ...
    @property
    def whole_window(self) -> bool: ...
    @property
    def unified(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Cache:
    """What one layer keeps."""

    layer: int
    bytes: int
    cells: int = 0  # tokens it keeps, of all requests; 0 for a state
    checkpoint_bytes: int = 0  # of one request, when the server remembers a point to go back to


def caches(layout: Layout, run: Run) -> tuple[Cache, ...]:
    """One or none for each layer; those with both attention and a state have two."""
    by_layer: dict[int, list[Tensor]] = {}
    for tensor in layout.tensors:
        if tensor.layer is not None:
            by_layer.setdefault(tensor.layer, []).append(tensor)
    if layout.entries.get("attention.causal") is False:
        return ()  # an encoder sees its whole input at once
    found: list[Cache] = []
    shared_from = layout.number("block_count") - layout.number("attention.shared_kv_layers")
    for layer, tensors in sorted(by_layer.items()):
        names = {tensor.name.split(".", 2)[2]: tensor for tensor in tensors}
        is_recurrent = any(name.startswith(RECURRENT) for name in names)
        if is_recurrent:
            size = _state_bytes(layout, names)
            found.append(Cache(layer, size * run.parallel, checkpoint_bytes=size))
        widths = None if layer >= shared_from else _widths(layout, layer, names, is_recurrent=is_recurrent)
        if widths is not None:
            found.append(_attention(layout, run, layer, widths))
    return tuple(found)


def _attention(layout: Layout, run: Run, layer: int, widths: tuple[int, int]) -> Cache:
    each = _padded(run.context if run.unified else run.context // run.parallel)
    streams = 1 if run.unified else run.parallel
    cell = _bytes(widths[0], run.key_type) + (_bytes(widths[1], run.value_type) if widths[1] else 0)
    window = _window(layout, layer)
    if window is None:
        return Cache(layer, cell * each * streams, each * streams)
    seen = min(each, _padded(window * (run.parallel if run.unified else 1) + run.ubatch))
    cells = each if run.whole_window else seen
    kept = 0 if run.whole_window else min(window, each) * cell
    return Cache(layer, cell * cells * streams, cells * streams, kept)


def _widths(layout: Layout, layer: int, names: Mapping[str, Tensor], *, is_recurrent: bool) -> tuple[int, int] | None:
    """Elements of a key and of a value; None for a layer that does not attend."""
    if "attn_kv_a_mqa.weight" in names:
        latent, turned = layout.number("attention.kv_lora_rank"), layout.number("rope.dimension_count")
        if "attn_kv_b.weight" in names and "attn_k_b.weight" not in names:  # files made before it could be compressed
            heads = layout.number("attention.head_count")
            return heads * layout.number("attention.key_length"), heads * layout.number("attention.value_length")
        return latent + turned, 0  # values are a view of the keys
    if "attn_k.weight" in names:
        key = names["attn_k.weight"].dimensions[-1]
        value = names["attn_v.weight"].dimensions[-1] if "attn_v.weight" in names else key
        return key, value
    if "attn_qkv.weight" in names and not is_recurrent:
        heads = layout.of_layer("attention.head_count", layer)
        kv_heads = layout.of_layer("attention.head_count_kv", layer, heads)
        head = layout.number("embedding_length") // heads if heads else 0
        key = layout.number("attention.key_length") or head
        return kv_heads * key, kv_heads * (layout.number("attention.value_length") or head)
    return None


def _window(layout: Layout, layer: int) -> int | None:
    """Tokens that a layer looks back; None: all of them."""
    window = layout.number("attention.sliding_window")
    if window <= 0:
        return None
    told = layout.entries.get("attention.sliding_window_pattern")
    if isinstance(told, list):
        return window if layer < len(told) and told[layer] else None
    if isinstance(told, int) and not isinstance(told, bool) and told > 0:
        every, from_first = told, False
    elif layout.architecture in PATTERNS:
        every, from_first = PATTERNS[layout.architecture]
    else:
        return None  # to count too much is the safe side
    if every == 1:
        return None
    return None if layer % every == (0 if from_first else every - 1) else window


def _state_bytes(layout: Layout, names: Mapping[str, Tensor]) -> int:
    """Of one request: the last inputs of the convolution, and what it has summed up (llama_hparams::n_embd_r, _s)."""
    width = layout.number("embedding_length")
    if any(name.startswith("shortconv.") for name in names):
        return width * (layout.number("shortconv.l_cache", 3) - 1) * F32
    if head := layout.number("wkv.head_size"):
        return (layout.number("token_shift_count", 2) * width + width * head) * F32
    if head := layout.number("kda.head_dim"):
        heads = layout.number("attention.head_count")
        return (3 * (layout.number("ssm.conv_kernel", 4) - 1) * head * heads + head * head * heads) * F32
    inner, state = layout.number("ssm.inner_size"), layout.number("ssm.state_size")
    groups = layout.number("ssm.group_count")
    convolution = (layout.number("ssm.conv_kernel", 4) - 1) * (inner + 2 * groups * state)
    return (convolution + state * inner) * F32


def _padded(cells: int) -> int:
    return -(-cells // CELLS) * CELLS


def _bytes(elements: int, type_: str) -> int:
    block, size = TYPES.get(type_, TYPES["f16"])
    return -(-elements // block) * size
