"""Vectors as backends send them, and the arithmetic on them. No I/O here."""

import base64
import math
from array import array
from collections.abc import Sequence
from operator import mul
from typing import Any

Vector = Sequence[float]

# A body longer than this holds enough numbers to be worked on in a thread, so that no stream waits for it.
BYTES_ON_THE_LOOP = 120_000


def decode(value: Any) -> Vector:
    """A list of numbers, or base64 of little-endian floats; raises ValueError or TypeError for anything else."""
    if isinstance(value, str):
        return array("f", base64.b64decode(value, validate=True))
    return [float(number) for number in value]


def encode(vector: Vector) -> str:
    return base64.b64encode(array("f", vector).tobytes()).decode("ascii")


def length(vector: Vector) -> float:
    return math.sqrt(sum(map(mul, vector, vector)))


def cosine(one: Vector, other: Vector) -> float:
    """The similarity of two vectors; 0 if either is all zeros."""
    lengths = length(one) * length(other)
    return sum(map(mul, one, other)) / lengths if lengths else 0.0


def shortened(vector: Vector, dimensions: int) -> Vector:
    """The first numbers of a vector, of length 1 again."""
    first = vector[:dimensions]
    size = length(first)
    return [number / size for number in first] if size else first
