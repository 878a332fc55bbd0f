"""What the slots need of the registry."""

from collections.abc import Callable
from typing import Protocol

from hal0.daemon.models.file import ModelFile

Progress = Callable[[int, int | None], None]  # bytes done, and in all if that is known


class ModelFiles(Protocol):
    """What a start needs of it."""

    def find(self, name: str) -> ModelFile: ...
    def is_verified(self, model: ModelFile) -> bool: ...
    async def verify(self, model: ModelFile, on_progress: Progress | None = None) -> None: ...
    async def order(self, name: str) -> None: ...
    async def arrival(self, name: str, on_progress: Progress) -> None: ...
