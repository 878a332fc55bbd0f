"""How much memory a model will take: weights, cache, buffers of the computation and the process, before it is loaded.

Pure: `estimate` works on a `Layout` (read before) and a `Load` (how it is to be run). The figures follow llama.cpp's
own allocations; each function names the place. Memory of the CPU is counted as what must stay in RAM: private pages,
and the weights mapped from the file. (A process may have more resident: weights of some types are
copied into another order, and the pages they came from stay until someone needs room.)
"""

from dataclasses import dataclass, replace
from typing import Literal

from hal0.daemon.models.cache import Cache, caches
from hal0.daemon.models.layout import Layout, Tensor

F32, F16 = 4, 2  # bytes

# A process of the engine that has no model, measured with xllamacpp 2026.10: mapped libraries, then private memory.
BUILTIN_LIBRARY_BYTES = 19 * 2**20
BUILTIN_BASE_BYTES = BUILTIN_LIBRARY_BYTES + 12 * 2**20
# A llama-server of the system: its libraries are not known; with a GPU its driver maps more. Measured nowhere by us.
SERVER_BASE_BYTES = 64 * 2**20
GPU_HOST_BYTES = 256 * 2**20  # RAM that the driver of a GPU takes in each process
GPU_BASE_BYTES = 512 * 2**20  # memory of a GPU that a context of its driver takes; 300 to 600 MiB with CUDA
TOKEN_BYTES = 224  # private memory for each word of the vocabulary: its text and two tables of it

# Shares by which a real peak was off, or may be.
KNOWN = 0.1  # architectures that were compared with real runs
UNKNOWN = 0.25
OTHER_ENGINE = 0.2  # its version may reserve more
COMPARED = frozenset({"llama", "qwen3", "gemma3", "qwen3moe", "mamba", "lfm2", "deepseek2", "bert"})

Source = Literal["estimate", "measured"]


@dataclass(frozen=True, slots=True)
class Load:
    """How a model is to be run, as its command line says. Defaults are llama-server's own."""

    context: int  # tokens of all parallel requests together
    parallel: int = 1
    batch: int = 2048  # tokens of a prompt taken at a time
    ubatch: int = 512  # tokens computed at a time
    key_type: str = "f16"
    value_type: str = "f16"
    gpu_layers: int = 0  # counted from the end, the output among them
    flash_attention: bool = True
    whole_window: bool = False  # --swa-full: layers with a window keep everything
    unified: bool = False  # requests share one context
    embedding: bool = False
    cache_on_gpu: bool = True  # with those layers that are there
    expert_layers_on_cpu: int = 0  # of the first ones, the experts
    prompt_cache_bytes: int = 0  # RAM that may keep earlier prompts
    checkpoints: int = 32  # states kept per request, for models that cannot go back
    more_bytes: int = 0  # other files: a projector for images, an adapter, a draft model
    is_builtin: bool = True
    is_vague: bool = False  # words are on the command line whose effect is not known here


@dataclass(frozen=True, slots=True)
class Needs:
    """Bytes of one kind of memory. `total_bytes` is what it may take once its context and its caches are full."""

    weights_bytes: int = 0  # from the header: the tensors that are there
    kv_bytes: int = 0  # keys and values of the context, or states; from the header and the command line
    compute_bytes: int = 0  # intermediate values of a full batch, and its outputs
    base_bytes: int = 0  # the process, its libraries, the vocabulary
    cache_bytes: int = 0  # earlier prompts and states that may be kept; little at first
    source: Source = "estimate"
    uncertainty: float = 0.0  # share of the total by which it may be more or less

    @property
    def total_bytes(self) -> int:
        return self.weights_bytes + self.kv_bytes + self.compute_bytes + self.base_bytes + self.cache_bytes


@dataclass(frozen=True, slots=True)
class SlotNeeds:
    """What a slot needs of the machine's RAM, and of its GPUs together (None: it uses none)."""

    ram: Needs
    gpu: Needs | None = None
    # Of the weights in RAM: copied into another order while loading, so private memory and not mapped from the file.
    repacked_bytes: int = 0
    library_bytes: int = 0  # of the base in RAM: mapped from the program's own files


def estimate(layout: Layout, load: Load) -> SlotNeeds:
    """What a llama slot will take."""
    layers = layout.number("block_count")
    first_on_gpu = max(0, layers + 1 - load.gpu_layers) if load.gpu_layers > 0 else layers + 1
    on_cpu, on_gpu = _weights(layout, load, first_on_gpu)
    cache = caches(layout, load)
    kv_first = first_on_gpu if load.cache_on_gpu else layers + 1
    kv_cpu = sum(each.bytes for each in cache if each.layer < kv_first)
    kv_gpu = sum(each.bytes for each in cache if each.layer >= kv_first)
    vocabulary = _vocabulary(layout)
    compute, outputs = _compute(layout, load, cache, vocabulary), _outputs(layout, load, vocabulary)
    uncertainty = _uncertainty(layout, load)
    base = (BUILTIN_BASE_BYTES if load.is_builtin else SERVER_BASE_BYTES) + vocabulary * TOKEN_BYTES
    kept = load.prompt_cache_bytes
    if not load.embedding:
        kept += load.checkpoints * load.parallel * sum(each.checkpoint_bytes for each in cache)
    repacked = sum(t.size_bytes for t in on_cpu if _is_repacked(t))
    libraries = BUILTIN_LIBRARY_BYTES if load.is_builtin else SERVER_BASE_BYTES // 2
    ram = Needs(
        weights_bytes=sum(t.size_bytes for t in on_cpu),
        kv_bytes=kv_cpu,
        compute_bytes=outputs + compute,
        base_bytes=base,
        cache_bytes=kept,
        uncertainty=uncertainty,
    )
    if load.gpu_layers <= 0:
        ram = replace(ram, weights_bytes=ram.weights_bytes + load.more_bytes)
        return SlotNeeds(ram, repacked_bytes=repacked, library_bytes=libraries)
    gpu = Needs(
        weights_bytes=sum(t.size_bytes for t in on_gpu) + load.more_bytes,
        kv_bytes=kv_gpu,
        compute_bytes=compute,
        base_bytes=GPU_BASE_BYTES,
        uncertainty=max(uncertainty, OTHER_ENGINE),
    )
    # The batch's inputs stay in RAM even if every layer is on the GPU.
    inputs = load.ubatch * (layout.number("embedding_length") * F32 + load.context * F16)
    compute_cpu = compute if first_on_gpu > 0 else min(compute, inputs)
    ram = replace(ram, compute_bytes=outputs + compute_cpu, base_bytes=base + GPU_HOST_BYTES)
    return SlotNeeds(ram, gpu, repacked_bytes=repacked, library_bytes=libraries)


def _vocabulary(layout: Layout) -> int:
    return next((t.dimensions[-1] for t in layout.tensors if t.name == "token_embd.weight"), 0)


def _weights(layout: Layout, load: Load, first_on_gpu: int) -> tuple[list[Tensor], list[Tensor]]:
    """The tensors in RAM and on GPUs (llama_model::load_tensors: the last layers first, the words' vectors never)."""
    cpu: list[Tensor] = []
    gpu: list[Tensor] = []
    layers = layout.number("block_count")
    has_output = any(t.name == "output.weight" for t in layout.tensors)
    for tensor in layout.tensors:
        layer = tensor.layer
        if layer is None:
            is_input = tensor.name.startswith(("token_embd", "token_types", "position_embd", "per_layer_token_embd"))
            layer = -1 if is_input else layers
        is_kept = "_exps" in tensor.name and layer < load.expert_layers_on_cpu
        (gpu if layer >= first_on_gpu and not is_kept else cpu).append(tensor)
        if tensor.name == "token_embd.weight" and not has_output and first_on_gpu <= layers:
            gpu.append(tensor)  # tied: the output is a second copy of it
    return cpu, gpu


# Types that the CPU computes faster in another order, with AVX2: Q4_0, Q4_K, IQ4_NL (ggml-cpu/repack.cpp).
REPACKED_TYPES = frozenset({2, 12, 20})


def _is_repacked(tensor: Tensor) -> bool:
    """Only what is multiplied with is: the words' vectors are looked up."""
    return tensor.type in REPACKED_TYPES and len(tensor.dimensions) > 1 and not tensor.name.startswith("token_embd")


def _compute(layout: Layout, load: Load, cache: tuple[Cache, ...], vocabulary: int) -> int:
    """The largest set of intermediate values alive at a time, for a full batch (ggml_gallocr's reserve).

    Fitted to what the engine reserved for each of the architectures compared.
    """
    width = layout.number("embedding_length")
    tokens = load.ubatch
    streams = 1 if load.unified else load.parallel  # those of a batch share it
    lengths = [cells // streams for cells in {each.cells for each in cache if each.cells} or {tokens}]
    scores = 0 if load.flash_attention else max(lengths) * layout.number("attention.head_count")
    attention = _attention(layout, width) + (4 * width + scores if scores else 0)
    numbers = tokens * max(_feed_forward(layout, width), attention, _recurrence(layout, width))
    if not load.is_builtin:  # versions before 2026 reserve the scores of every word for every token of a batch
        numbers = max(numbers, tokens * (vocabulary + 2 * width))
    mask = sum(lengths) * tokens * (F16 if load.flash_attention else F32)
    return numbers * F32 + mask


def _feed_forward(layout: Layout, width: int) -> int:
    inner = layout.number("feed_forward_length")
    if used := layout.number("expert_used_count"):
        expert = layout.number("expert_feed_forward_length") or inner
        if layout.number("leading_dense_block_count") == 0:
            inner = 0
        routed = max(3 * used * expert, used * expert + used * width, 2 * used * width) + 5 * width
        return max(routed, 3 * inner + 5 * width if inner else 0)
    is_gated = any(".ffn_gate." in t.name for t in layout.tensors)
    return 3 * inner + 5 * width if is_gated else max(2 * inner + width, inner + 5 * width)


def _attention(layout: Layout, width: int) -> int:
    heads = layout.number("attention.head_count")
    if latent := layout.number("attention.kv_lora_rank"):
        return heads * (3 * latent + layout.number("rope.dimension_count"))
    head = layout.number("attention.key_length") or (width // heads if heads else 0)
    return 3 * heads * head


def _recurrence(layout: Layout, width: int) -> int:
    return 5 * layout.number("ssm.inner_size") + 5 * width


def _outputs(layout: Layout, load: Load, vocabulary: int) -> int:
    """Scores or vectors that leave the graph (llama_context::output_reserve): with embeddings, for every token."""
    if not load.embedding:
        return load.parallel * vocabulary * F32
    return min(load.batch, load.context) * (vocabulary + layout.number("embedding_length")) * F32


def _uncertainty(layout: Layout, load: Load) -> float:
    share = KNOWN if layout.architecture in COMPARED else UNKNOWN
    if not load.is_builtin:
        share = max(share, OTHER_ENGINE)
    if load.is_vague or load.more_bytes:
        share = max(share, UNKNOWN)
    return share
