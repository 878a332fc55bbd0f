"""Models of many shapes, small, but of the same make as those people run."""

from tests.fakes.gguf_weights import Shape, Tensor


def _attention(layer: int, width: int, heads: int, kv_heads: int, head: int, type_: str) -> list[Tensor]:
    at = f"blk.{layer}."
    return [
        (at + "attn_norm.weight", (width,), "f32"),
        (at + "attn_q.weight", (width, heads * head), type_),
        (at + "attn_k.weight", (width, kv_heads * head), type_),
        (at + "attn_v.weight", (width, kv_heads * head), type_),
        (at + "attn_output.weight", (heads * head, width), type_),
    ]


def _feed_forward(layer: int, width: int, inner: int, type_: str) -> list[Tensor]:
    at = f"blk.{layer}."
    return [
        (at + "ffn_norm.weight", (width,), "f32"),
        (at + "ffn_gate.weight", (width, inner), type_),
        (at + "ffn_up.weight", (width, inner), type_),
        (at + "ffn_down.weight", (inner, width), type_),
    ]


def _ends(width: int, vocabulary: int, type_: str, *, tied: bool = False) -> list[Tensor]:
    ends: list[Tensor] = [("token_embd.weight", (width, vocabulary), type_), ("output_norm.weight", (width,), "f32")]
    return ends if tied else [*ends, ("output.weight", (width, vocabulary), type_)]


def llama(
    *, layers: int = 8, width: int = 1024, heads: int = 16, kv_heads: int = 4, inner: int = 2816,
    vocabulary: int = 32000, type_: str = "q8_0", context: int = 32768,
) -> Shape:  # fmt: skip
    head = width // heads
    tensors = _ends(width, vocabulary, type_)
    for layer in range(layers):
        tensors += _attention(layer, width, heads, kv_heads, head, type_) + _feed_forward(layer, width, inner, type_)
    entries = {
        "context_length": context,
        "embedding_length": width,
        "block_count": layers,
        "feed_forward_length": inner,
        "attention.head_count": heads,
        "attention.head_count_kv": kv_heads,
        "attention.layer_norm_rms_epsilon": 1e-5,
        "rope.dimension_count": head,
        "vocab_size": vocabulary,
    }
    return Shape("llama", entries, tensors, vocabulary)


def qwen3(*, layers: int = 6, width: int = 768, vocabulary: int = 100_000, type_: str = "f16") -> Shape:
    """Tied embeddings, a large vocabulary, heads that are wider than width / heads."""
    heads, kv_heads, head, inner = 8, 2, 128, 2304
    tensors = _ends(width, vocabulary, type_, tied=True)
    for layer in range(layers):
        at = f"blk.{layer}."
        tensors += _attention(layer, width, heads, kv_heads, head, type_) + _feed_forward(layer, width, inner, type_)
        tensors += [(at + "attn_q_norm.weight", (head,), "f32"), (at + "attn_k_norm.weight", (head,), "f32")]
    entries = {
        "context_length": 40_960,
        "embedding_length": width,
        "block_count": layers,
        "feed_forward_length": inner,
        "attention.head_count": heads,
        "attention.head_count_kv": kv_heads,
        "attention.key_length": head,
        "attention.value_length": head,
        "attention.layer_norm_rms_epsilon": 1e-6,
    }
    return Shape("qwen3", entries, tensors, vocabulary)


def gemma3(*, layers: int = 12, width: int = 640, vocabulary: int = 65_536, type_: str = "q8_0") -> Shape:
    """Five layers of six see a window of 512 tokens only."""
    heads, kv_heads, head, inner = 4, 1, 256, 2048
    tensors = _ends(width, vocabulary, type_, tied=True)
    for layer in range(layers):
        at = f"blk.{layer}."
        tensors += _attention(layer, width, heads, kv_heads, head, type_) + _feed_forward(layer, width, inner, type_)
        tensors += [(at + f"{name}.weight", (head,), "f32") for name in ("attn_q_norm", "attn_k_norm")]
        tensors += [(at + f"{name}.weight", (width,), "f32") for name in ("post_attention_norm", "post_ffw_norm")]
    entries = {
        "context_length": 32_768,
        "embedding_length": width,
        "block_count": layers,
        "feed_forward_length": inner,
        "attention.head_count": heads,
        "attention.head_count_kv": kv_heads,
        "attention.key_length": head,
        "attention.value_length": head,
        "attention.sliding_window": 512,
        "attention.layer_norm_rms_epsilon": 1e-6,
    }
    return Shape("gemma3", entries, tensors, vocabulary)


def qwen3moe(*, layers: int = 6, width: int = 768, experts: int = 16, type_: str = "q4_0") -> Shape:
    """A mixture of experts, of whom four work on each token."""
    heads, kv_heads, head, inner, vocabulary = 8, 2, 128, 768, 32_000
    tensors = _ends(width, vocabulary, type_)
    for layer in range(layers):
        at = f"blk.{layer}."
        tensors += _attention(layer, width, heads, kv_heads, head, type_)
        tensors += [
            (at + "attn_q_norm.weight", (head,), "f32"),
            (at + "attn_k_norm.weight", (head,), "f32"),
            (at + "ffn_norm.weight", (width,), "f32"),
            (at + "ffn_gate_inp.weight", (width, experts), "f32"),
            (at + "ffn_gate_exps.weight", (width, inner, experts), type_),
            (at + "ffn_up_exps.weight", (width, inner, experts), type_),
            (at + "ffn_down_exps.weight", (inner, width, experts), type_),
        ]
    entries = {
        "context_length": 40_960,
        "embedding_length": width,
        "block_count": layers,
        "feed_forward_length": 4 * inner,
        "expert_feed_forward_length": inner,
        "expert_count": experts,
        "expert_used_count": 4,
        "attention.head_count": heads,
        "attention.head_count_kv": kv_heads,
        "attention.key_length": head,
        "attention.value_length": head,
        "attention.layer_norm_rms_epsilon": 1e-6,
    }
    return Shape("qwen3moe", entries, tensors, vocabulary)


def mamba(*, layers: int = 16, width: int = 1024, type_: str = "q8_0") -> Shape:
    """No attention at all: a state of one size, however long the context."""
    inner, state, convolution, rank, vocabulary = 2 * width, 16, 4, 64, 32_000
    tensors = _ends(width, vocabulary, type_)
    for layer in range(layers):
        at = f"blk.{layer}."
        tensors += [
            (at + "attn_norm.weight", (width,), "f32"),
            (at + "ssm_in.weight", (width, 2 * inner), type_),
            (at + "ssm_conv1d.weight", (convolution, inner), "f32"),
            (at + "ssm_conv1d.bias", (inner,), "f32"),
            (at + "ssm_x.weight", (inner, rank + 2 * state), type_),
            (at + "ssm_dt.weight", (rank, inner), type_),
            (at + "ssm_dt.bias", (inner,), "f32"),
            (at + "ssm_a", (state, inner), "f32"),
            (at + "ssm_d", (inner,), "f32"),
            (at + "ssm_out.weight", (inner, width), type_),
        ]
    entries = {
        "context_length": 1_048_576,
        "embedding_length": width,
        "block_count": layers,
        "feed_forward_length": 0,
        "attention.head_count": 0,
        "attention.layer_norm_rms_epsilon": 1e-5,
        "ssm.conv_kernel": convolution,
        "ssm.inner_size": inner,
        "ssm.state_size": state,
        "ssm.time_step_rank": rank,
    }
    return Shape("mamba", entries, tensors, vocabulary)


def lfm2(*, layers: int = 12, width: int = 1024, type_: str = "q8_0") -> Shape:
    """A hybrid: every third layer attends, the others keep a short convolution; the header says so layer by layer."""
    heads, kv_heads, inner, vocabulary = 16, 8, 4096, 65_536
    head = width // heads
    attends = [layer % 3 == 2 for layer in range(layers)]
    tensors = [
        ("token_embd.weight", (width, vocabulary), type_),
        ("token_embd_norm.weight", (width,), "f32"),
    ]  # fmt: skip
    for layer in range(layers):
        at = f"blk.{layer}."
        tensors += _feed_forward(layer, width, inner, type_)
        if attends[layer]:
            tensors += _attention(layer, width, heads, kv_heads, head, type_)
            tensors += [(at + f"{name}.weight", (head,), "f32") for name in ("attn_q_norm", "attn_k_norm")]
        else:
            tensors += [
                (at + "attn_norm.weight", (width,), "f32"),
                (at + "shortconv.conv.weight", (3, width), "f32"),
                (at + "shortconv.in_proj.weight", (width, 3 * width), type_),
                (at + "shortconv.out_proj.weight", (width, width), type_),
            ]
    entries = {
        "context_length": 128_000,
        "embedding_length": width,
        "block_count": layers,
        "feed_forward_length": inner,
        "attention.head_count": heads,
        "attention.head_count_kv": [kv_heads if a else 0 for a in attends],
        "attention.layer_norm_rms_epsilon": 1e-5,
        "shortconv.l_cache": 3,
        "rope.freq_base": 1_000_000.0,
        "vocab_size": vocabulary,
    }
    return Shape("lfm2", entries, tensors, vocabulary)


def deepseek2(*, layers: int = 8, width: int = 1024, type_: str = "q8_0") -> Shape:
    """Multi-head latent attention: the cache holds one compressed vector for all heads."""
    heads, rank, latent, rope, nope, value_length, inner, vocabulary = 16, 512, 512, 64, 128, 128, 2816, 32_000
    tensors = _ends(width, vocabulary, type_)
    for layer in range(layers):
        at = f"blk.{layer}."
        tensors += _feed_forward(layer, width, inner, type_)
        tensors += [
            (at + "attn_norm.weight", (width,), "f32"),
            (at + "attn_q_a.weight", (width, rank), type_),
            (at + "attn_q_a_norm.weight", (rank,), "f32"),
            (at + "attn_q_b.weight", (rank, heads * (nope + rope)), type_),
            (at + "attn_kv_a_mqa.weight", (width, latent + rope), type_),
            (at + "attn_kv_a_norm.weight", (latent,), "f32"),
            (at + "attn_k_b.weight", (nope, latent, heads), type_),
            (at + "attn_v_b.weight", (latent, value_length, heads), type_),
            (at + "attn_output.weight", (heads * value_length, width), type_),
        ]
    entries = {
        "context_length": 163_840,
        "embedding_length": width,
        "block_count": layers,
        "feed_forward_length": inner,
        "leading_dense_block_count": layers,
        "expert_count": 8,
        "expert_used_count": 2,
        "expert_feed_forward_length": 512,
        "expert_shared_count": 1,
        "expert_weights_scale": 1.0,
        "attention.head_count": heads,
        "attention.head_count_kv": 1,
        "attention.key_length": latent + rope,
        "attention.value_length": latent,
        "attention.key_length_mla": nope + rope,
        "attention.value_length_mla": value_length,
        "attention.q_lora_rank": rank,
        "attention.kv_lora_rank": latent,
        "attention.layer_norm_rms_epsilon": 1e-6,
        "rope.dimension_count": rope,
        "vocab_size": vocabulary,
    }
    return Shape("deepseek2", entries, tensors, vocabulary)


def bert(*, layers: int = 12, width: int = 768, type_: str = "f16") -> Shape:
    """An encoder: no cache, and a whole input in one batch."""
    heads, inner, vocabulary, context = 12, 3072, 30_522, 2048
    tensors: list[Tensor] = [
        ("token_embd.weight", (width, vocabulary), type_),
        ("token_types.weight", (width, 2), "f32"),
        ("position_embd.weight", (width, context), "f32"),
        ("token_embd_norm.weight", (width,), "f32"),
        ("token_embd_norm.bias", (width,), "f32"),
    ]
    for layer in range(layers):
        at = f"blk.{layer}."
        for name, given, made in (
            ("attn_q", width, width), ("attn_k", width, width), ("attn_v", width, width),
            ("attn_output", width, width), ("ffn_up", width, inner), ("ffn_down", inner, width),
        ):  # fmt: skip
            tensors += [(f"{at}{name}.weight", (given, made), type_), (f"{at}{name}.bias", (made,), "f32")]
        for name in ("attn_output_norm", "layer_output_norm"):
            tensors += [(f"{at}{name}.weight", (width,), "f32"), (f"{at}{name}.bias", (width,), "f32")]
    entries = {
        "context_length": context,
        "embedding_length": width,
        "block_count": layers,
        "feed_forward_length": inner,
        "attention.head_count": heads,
        "attention.causal": False,
        "attention.layer_norm_epsilon": 1e-12,
        "pooling_type": 1,
    }
    return Shape("bert", entries, tensors, vocabulary, tokenizer="bert", more={"tokenizer.ggml.token_type_count": 2})


SHAPES = {
    "llama": llama,
    "qwen3": qwen3,
    "gemma3": gemma3,
    "qwen3moe": qwen3moe,
    "mamba": mamba,
    "lfm2": lfm2,
    "deepseek2": deepseek2,
    "bert": bert,
}
