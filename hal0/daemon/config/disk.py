"""The files of one configuration: read, judged, and written as a set. Blocking; call it in a thread."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from hal0.daemon.config.file import Appraise, Judgement, judge_sources
from hal0.daemon.config.journal import Journal
from hal0.daemon.config.proposals import Proposal
from hal0.daemon.config.sources import Sources, read_sources
from hal0.daemon.config.writes import changes_between, finish, make_changes
from hal0.errors import Hal0Error
from hal0.wire import Problem


@dataclass(frozen=True, slots=True)
class Disk:
    """Where the files are, and by what they are judged. Whoever reads or writes has his turn; looking needs none."""

    path: Path  # of hal0.toml
    required: bool
    env: Mapping[str, str]
    appraise: Appraise | None
    journal: Journal | None

    def look(self) -> Sources:
        """The files as they are, also in the middle of a write."""
        return read_sources(self.path)

    def read(self) -> Sources:
        """The files after a write that was cut short has been brought to its end; that it cannot be is a problem."""
        if self.journal is None:
            return self.look()
        try:
            finish(self.journal)
        except Hal0Error as error:
            file = str(self.journal.path)
            problem = Problem(code=error.code, message=error.message, file=file, hint=error.remedy)
            sources = self.look()
            return replace(sources, problems=(*sources.problems, problem))
        return self.look()

    def judge(self, sources: Sources) -> Judgement:
        return judge_sources(self.path, sources, required=self.required, env=self.env, appraise=self.appraise)

    def judge_proposal(self, proposal: Proposal | None) -> Judgement:
        """What a proposal for the files would amount to; without one, the files."""
        sources = self.look()
        return self.judge(sources if proposal is None else proposal(sources, self.path))

    def write(self, old: Sources, new: Sources) -> None:
        """Make the files of `old` those of `new`; raises as `make_changes` does, and then nothing has changed."""
        make_changes(changes_between(old, new), self.journal)
