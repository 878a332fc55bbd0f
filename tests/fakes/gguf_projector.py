"""Writes an image projector that the engine loads: a small vision tower and two layers, LLaVA's way, all zero."""

from pathlib import Path
from typing import Any

from tests.fakes.gguf_weights import Shape, Tensor, write_shape

SIDE, PATCH = 56, 14  # pixels
WIDTH, INNER, HEADS, LAYERS = 64, 128, 4, 2


def write_projector(path: Path, *, width: int) -> Path:
    """`width`: the embedding length of the model that it is for."""
    return write_shape(path, Shape("clip", _entries(width), _tensors(width), more={"general.type": "mmproj"}))


def _entries(width: int) -> dict[str, Any]:
    return {
        "has_vision_encoder": True,
        "projector_type": "mlp",
        "use_gelu": True,
        "vision.image_size": SIDE,
        "vision.patch_size": PATCH,
        "vision.embedding_length": WIDTH,
        "vision.feed_forward_length": INNER,
        "vision.projection_dim": width,
        "vision.attention.head_count": HEADS,
        "vision.attention.layer_norm_epsilon": 1e-5,
        "vision.block_count": LAYERS,
        "vision.image_mean": [0.5, 0.5, 0.5],
        "vision.image_std": [0.5, 0.5, 0.5],
    }


def _tensors(width: int) -> list[Tensor]:
    places = (SIDE // PATCH) ** 2 + 1  # the picture's pieces, and the class

    def both(name: str, inputs: int, outputs: int) -> list[Tensor]:
        return [(f"{name}.weight", (inputs, outputs), "f16"), (f"{name}.bias", (outputs,), "f32")]

    def norm(name: str) -> list[Tensor]:
        return [(f"{name}.weight", (WIDTH,), "f32"), (f"{name}.bias", (WIDTH,), "f32")]

    tensors: list[Tensor] = [
        ("v.class_embd", (WIDTH,), "f32"),
        ("v.patch_embd.weight", (PATCH, PATCH, 3, WIDTH), "f16"),
        ("v.position_embd.weight", (WIDTH, places), "f16"),
        *norm("v.pre_ln"),
    ]
    for layer in range(LAYERS):
        block = f"v.blk.{layer}"
        for name in ("attn_q", "attn_k", "attn_v", "attn_out"):
            tensors += both(f"{block}.{name}", WIDTH, WIDTH)
        tensors += [*norm(f"{block}.ln1"), *norm(f"{block}.ln2")]
        tensors += [*both(f"{block}.ffn_up", WIDTH, INNER), *both(f"{block}.ffn_down", INNER, WIDTH)]
    return [*tensors, *both("mm.0", WIDTH, width), *both("mm.2", width, width)]
