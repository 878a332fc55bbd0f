"""A run's wait for the files of its model: until they have come, if they are on their way, and are proven right."""

from collections.abc import Callable

from hal0.daemon.providers.base import ModelFile, SlotSpec
from hal0.daemon.slots.model_files import ModelFiles
from hal0.errors import Hal0Error

ON_ITS_WAY = "model.being_pulled"
TO_FETCH = "model.not_fetched"  # the configuration says from where


class Fetching:
    """Tells once that there is something to wait for, and how far it is; forgets that when it is over."""

    def __init__(self, *, on_begin: Callable[[], None], on_progress: Callable[[], None]) -> None:
        self.done_bytes: int | None = None  # None: there is nothing to wait for
        self.total_bytes: int | None = None
        self._on_begin = on_begin
        self._on_progress = on_progress
        self._has_begun = False

    @property
    def share(self) -> float | None:
        """0..1, if it is known."""
        return self.done_bytes / self.total_bytes if self.done_bytes is not None and self.total_bytes else None

    async def planned(self, plan: Callable[[], SlotSpec], models: Callable[[], ModelFiles]) -> SlotSpec:
        """What `plan` gives, once the model it needs is there; raises why it is not coming."""
        is_ordered = False
        while True:
            try:
                return plan()
            except Hal0Error as error:
                if error.code != ON_ITS_WAY and (error.code != TO_FETCH or is_ordered):
                    raise
                code, name = error.code, str(error.details["model"])
            self._begin()
            try:
                if code == TO_FETCH:
                    is_ordered = True
                    await models().order(name)
                await models().arrival(name, self._note)
            finally:
                self._over()

    async def verified(self, model: ModelFile, models: ModelFiles) -> None:
        """Compare the checksum of a file that was not looked at yet; raises `model.checksum_mismatch`."""
        if models.is_verified(model):
            return
        self._begin()
        try:
            await models.verify(model, self._note)
        finally:
            self._over()

    def _begin(self) -> None:
        if not self._has_begun:
            self._has_begun = True
            self._on_begin()

    def _note(self, done: int, total: int | None) -> None:
        self.done_bytes, self.total_bytes = done, total
        self._on_progress()

    def _over(self) -> None:
        self.done_bytes = self.total_bytes = None
