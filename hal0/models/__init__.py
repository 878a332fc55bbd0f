"""The models that ship inside the package, and a card of each: what it is, what it can do, whose it is.

Values only; a card's file lies beside this module, and its checksum in SHA256SUMS.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from hal0.wire import Kind

FOLDER = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Card:
    """One model of the package."""

    id: str
    file: str
    kind: Kind
    context_limit: int  # tokens
    licence: str
    about: str

    @property
    def path(self) -> Path:
        return FOLDER / self.file

    @property
    def aliases(self) -> tuple[str, ...]:
        """The file's own name, which is what people see in the folder."""
        return (Path(self.file).stem,)

    @property
    def sha256(self) -> str:
        return _checksums()[self.file]


CARDS = (
    Card(
        id="hal0-starter",
        file="hal0-starter-q8_0.gguf",
        kind="chat",
        context_limit=1024,
        licence="Apache-2.0",
        about=(
            "A chat model of 2.8 million parameters made for hal0, so that chat works before anything is downloaded. "
            "It knows what hal0 is, its port and commands, capitals and short stories, and obeys JSON schemas and "
            "grammars; to everything else it answers that it is only the starter model."
        ),
    ),
    Card(
        id="all-minilm-l6-v2",
        file="all-minilm-l6-v2-q8_0.gguf",
        kind="embedding",
        context_limit=512,
        licence="Apache-2.0",
        about="Sentence embeddings of 384 dimensions, mean pooling: sentence-transformers/all-MiniLM-L6-v2 as GGUF.",
    ),
)


@cache
def _checksums() -> dict[str, str]:
    lines = (FOLDER / "SHA256SUMS").read_text().splitlines()
    return {file: digest for digest, file in (line.split() for line in lines if line.strip())}
