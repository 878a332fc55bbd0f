"""The headers of GGUF files, read once for each state of a file, whichever registry asks.

A new registry for an edited configuration then costs a look at each file's size and time, not a reading of it.
"""

from pathlib import Path

from hal0.daemon.models.gguf import GgufHeader, read_header

MOST = 4_096


class Headers:
    """What was read so far; to be used from any thread."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[tuple[int, int], GgufHeader]] = {}

    def of(self, path: Path, stamp: tuple[int, int]) -> GgufHeader:
        """The header of a file with this size and time of change; raises `model.file_missing`, `model.file_invalid`."""
        known = self._known.get(path)
        if known is not None and known[0] == stamp:
            return known[1]
        header = read_header(path, whole=False)
        if len(self._known) >= MOST:
            self._known.clear()
        self._known[path] = stamp, header
        return header
