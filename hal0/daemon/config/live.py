"""One revision that runs: the snapshot, the files it came from, and all that is told of how it came to be.

Values only; `store.py` swaps them.
"""

from dataclasses import dataclass
from pathlib import Path

from hal0.daemon.config.file import Judgement
from hal0.daemon.config.history import texts_of
from hal0.daemon.config.plausibility import CODE
from hal0.daemon.config.snapshot import Snapshot
from hal0.daemon.config.sources import Sources
from hal0.errors import Hal0Error
from hal0.wire import Problem, RevisionTexts, SlotEffect

TAG_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Live:
    """What runs, since when, and by whom and why."""

    snapshot: Snapshot
    judgement: Judgement
    at: float
    by: str
    why: str
    changes: tuple[str, ...] = ()  # from the revision before, a line each
    effects: tuple[SlotEffect, ...] = ()  # on the slots
    failed: str = ""  # what did not work as the edit meant it

    @classmethod
    def of(cls, judgement: Judgement, path: Path, *, revision: int, at: float, by: str, why: str) -> "Live":
        assert judgement.settings is not None, "only a configuration that can be used runs"
        sources = judgement.sources
        snapshot = Snapshot(revision, sources.hash, judgement.settings, path, bool(sources.files), judgement.raw)
        return cls(snapshot, judgement, at, by, why)

    @property
    def record(self) -> RevisionTexts:
        """As the history keeps it."""
        return RevisionTexts(
            revision=self.snapshot.revision,
            at=self.at,
            by=self.by,
            why=self.why,
            hash=self.snapshot.hash,
            changes=list(self.changes),
            files=texts_of(self.judgement.sources),
        )

    def tag(self, disk_hash: str) -> str:
        """Names this revision and what lies on disk beside it."""
        return f"{self.snapshot.revision}-{disk_hash[:TAG_DIGITS]}"

    def check_base(self, based_on: str | None, disk: Sources) -> None:
        """Raises `config.conflict` if a writer has not seen what would be overwritten.

        `based_on` is the revision or the tag that the writer looked at; None: whatever is there.
        """
        revision = self.snapshot.revision
        if based_on is None or based_on == self.tag(disk.hash):
            return
        if based_on != str(revision):
            reason = f"it is revision {revision} now, the edit began with {based_on.partition('-')[0]}"
            if based_on.partition("-")[0] == str(revision):
                reason = "the file on disk was written meanwhile"
        elif disk.hash != self.snapshot.hash:
            reason = f"the file on disk is not that of revision {revision}"
        else:
            return
        raise Hal0Error("config.conflict", reason=reason, revision=revision)


@dataclass(frozen=True, slots=True)
class Refusal:
    """What lies on disk and is not taken over, and why not."""

    at: float
    hash: str
    problems: tuple[Problem, ...]
    may_pass: bool  # whether other things than these files decided, which may become others: the model files

    @property
    def is_doubt(self) -> bool:
        """Whether the files could be used, and are rather a save cut short than meant."""
        return any(problem.code == CODE for problem in self.problems)
