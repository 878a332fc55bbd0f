"""A model that is shaped like Kokoro: its inputs, its output and its file of voices, with a tone in place of speech.

Run by the real library. Each phoneme lasts SECONDS_A_PHONEME at speed 1; the pitch is the voice's own, so that tests
can hear which voice spoke, and at what share of a blend.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

RATE = 24_000
SECONDS_A_PHONEME = 0.05
PITCHES = {
    "af_bella": 400.0,
    "af_sky": 800.0,
    "af_alloy": 500.0,
    "am_adam": 300.0,
    "bf_emma": 600.0,
    "ef_dora": 700.0,
}
ROWS, WIDTH = 510, 256  # of a voice: a style for each length in phonemes


def write_kokoro(folder: Path) -> tuple[Path, Path]:
    """The model and its voices, as `kokoro.onnx` and `voices.bin`."""
    folder.mkdir(parents=True, exist_ok=True)
    model, voices = folder / "kokoro.onnx", folder / "voices.bin"
    onnx.save(_model(), str(model))
    with voices.open("wb") as file:
        styles = {name: np.full((ROWS, 1, WIDTH), pitch / 1000, np.float32) for name, pitch in PITCHES.items()}
        np.savez(file, **styles)  # type: ignore[arg-type]
    return model, voices


def _model() -> onnx.ModelProto:
    def number(name: str, value: float, kind: type = np.float32) -> onnx.TensorProto:
        return numpy_helper.from_array(np.array(value, kind), name)

    constants = [
        numpy_helper.from_array(np.array([1], np.int64), "second"),
        number("a_phoneme", RATE * SECONDS_A_PHONEME),
        number("padding", 2.0),  # the library puts one before and one after
        number("from", 0.0),
        number("step", 1.0),
        number("turn", 2 * np.pi * 1000 / RATE),
        number("loudness", 0.5),
    ]
    nodes = [
        helper.make_node("Shape", ["tokens"], ["shape"]),
        helper.make_node("Gather", ["shape", "second"], ["count"]),
        helper.make_node("Cast", ["count"], ["padded"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["padded", "padding"], ["phonemes"]),
        helper.make_node("Mul", ["phonemes", "a_phoneme"], ["slow"]),
        helper.make_node("Div", ["slow", "speed"], ["exact"]),
        helper.make_node("Floor", ["exact"], ["whole"]),
        helper.make_node("ReduceMax", ["whole"], ["length"], keepdims=0),
        helper.make_node("Range", ["from", "length", "step"], ["time"]),
        helper.make_node("ReduceMean", ["style"], ["pitch"], keepdims=0),
        helper.make_node("Mul", ["pitch", "turn"], ["angle"]),
        helper.make_node("Mul", ["time", "angle"], ["phase"]),
        helper.make_node("Sin", ["phase"], ["tone"]),
        helper.make_node("Mul", ["tone", "loudness"], ["audio"]),
    ]
    graph = helper.make_graph(
        nodes,
        "kokoro-shaped",
        [
            helper.make_tensor_value_info("tokens", TensorProto.INT64, [1, None]),
            helper.make_tensor_value_info("style", TensorProto.FLOAT, [1, WIDTH]),
            helper.make_tensor_value_info("speed", TensorProto.FLOAT, [1]),
        ],
        [helper.make_tensor_value_info("audio", TensorProto.FLOAT, [None])],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
