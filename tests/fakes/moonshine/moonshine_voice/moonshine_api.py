from enum import IntEnum


class ModelArch(IntEnum):
    TINY = 0
    BASE = 1
    TINY_STREAMING = 2
    BASE_STREAMING = 3
    SMALL_STREAMING = 4
    MEDIUM_STREAMING = 5


def string_to_model_arch(text: str) -> ModelArch:
    return ModelArch[text.upper().replace("-", "_")]
