"""From files to settings, or to all problems of all files at once, each with its place.

Read, parse, fill in the environment, validate, cross-check, look at what TLS needs, and let the slots be appraised by
those who would start them. `judge` is the one way in, for the daemon's start, for its reloads and for `hal0 config
check`.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from hal0.daemon.config.backends import backends
from hal0.daemon.config.crosscheck import crosscheck
from hal0.daemon.config.document import Document, DocumentError, dotted
from hal0.daemon.config.environment import Raw
from hal0.daemon.config.findings import MAX_FINDINGS, Finding, findings_of, shown, without_echoes
from hal0.daemon.config.merge import Merged
from hal0.daemon.config.positions import Key
from hal0.daemon.config.schema import Settings
from hal0.daemon.config.sources import Sources, read_sources
from hal0.daemon.config.tls import unusable_tls
from hal0.errors import Hal0Error
from hal0.paths import named_state
from hal0.wire import Problem

ENVIRONMENT = "environment"  # stands for the file in a problem with HAL0_PORT
MAX_PROBLEMS = 100  # of one configuration; what follows is seldom news

_WORD = re.compile(r"""[A-Za-z0-9_-]+|"[^"\\]+"|'[^']+'""")  # a key, or a text on one line

# Tells the mistakes that only show when a slot's start is prepared, each with its key. May be called from any thread.
Appraise = Callable[[Settings], Sequence[tuple[Key, Hal0Error]]]


class ConfigProblems(Hal0Error):  # noqa: N818 - it is the problems
    """A configuration cannot be used; `problems` tells all that is wrong with it."""

    def __init__(self, path: Path, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        super().__init__(
            "config.rejected",
            path=str(path),
            count=len(self.problems),
            first=line_for(self.problems[0]),
            problems=[problem.model_dump() for problem in self.problems],
        )

    def __str__(self) -> str:
        """All of them, a line each, with their codes."""
        lines = (line_for(problem, code=f"{problem.code}: ") for problem in self.problems)
        return "\n".join([f"{self.code}: {self.details['path']} cannot be used:", *lines])


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the files on disk amount to: settings, or problems."""

    sources: Sources
    settings: Settings | None
    problems: tuple[Problem, ...]
    names_slots: bool  # whether the files have slots of their own, instead of the embedded default
    raw: Raw = field(default_factory=dict)  # the values as they stand in the files
    is_appraised: bool = False  # whether it is the appraisal that found problems: by more than what the files say


def check(path: Path, env: Mapping[str, str] | None = None) -> list[Problem]:
    """Everything wrong with the configuration at `path`, without a daemon; empty when it can be used."""
    return list(judge(path, required=True, env=env).problems)


def judge(
    path: Path, *, required: bool = False, env: Mapping[str, str] | None = None, appraise: Appraise | None = None
) -> Judgement:
    """Read and check the configuration at `path`; a missing file is the embedded default unless it is `required`."""
    return judge_sources(path, read_sources(path), required=required, env=env, appraise=appraise)


def judge_sources(
    path: Path,
    sources: Sources,
    *,
    required: bool = False,
    env: Mapping[str, str] | None = None,
    appraise: Appraise | None = None,
) -> Judgement:
    """As `judge`, for files that have been read."""
    env = os.environ if env is None else env
    problems = list(sources.problems)
    if required and not sources.main_exists:
        problems.append(_not_found(path))
    documents: list[Document] = []
    for source in sources.files:
        try:
            documents.append(Document(source))
        except DocumentError as error:
            problems.append(error.problem)
    all_read = not problems
    server, bad_environment = _server_of_environment(env)
    problems += bad_environment
    merged = Merged(documents, env)
    problems += merged.problems
    settings, findings = _validate(merged, folder=path.parent)
    if settings is not None:
        tables: dict[str, Any] = {"server": settings.server.model_copy(update=server)}
        if (state := named_state(env)) is not None:
            tables["daemon"] = settings.daemon.model_copy(update={"state_dir": str(state)})
        settings = settings.model_copy(update=tables)
    findings += islice(backends(merged.tree), MAX_FINDINGS)
    if all_read:
        port = server.get("port", _written_port(merged.tree))
        findings += islice(crosscheck(merged.tree, server_port=port), MAX_FINDINGS)
    is_appraised = settings is not None and not (problems or findings)
    if settings is not None and is_appraised:
        appraised = [*unusable_tls(settings), *(appraise(settings) if appraise is not None else ())]
        findings += [_unworkable(key, error) for key, error in appraised]
    known = {(problem.file, problem.line, problem.column) for problem in problems}
    for finding in without_echoes(findings):
        problem = _placed(finding, merged)
        if (problem.file, problem.line, problem.column) not in known:
            problems.append(problem)
    ordered = _in_reading_order(problems, sources)[:MAX_PROBLEMS]
    names_slots = bool(merged.tree.get("slots"))
    return Judgement(
        sources,
        None if ordered else settings,
        tuple(ordered),
        names_slots,
        raw=merged.raw,
        is_appraised=is_appraised and bool(ordered),
    )


def line_for(problem: Problem, *, code: str = "") -> str:
    """A problem in one line, its place first, as compilers write it."""
    place = problem.file
    if problem.line is not None:
        place += f":{problem.line}:{problem.column}"
    return f"{place}: {code}{problem.message}" + (f" ({problem.hint})" if problem.hint else "")


def _validate(merged: Merged, *, folder: Path) -> tuple[Settings | None, list[Finding]]:
    tree = dict(merged.tree)
    if tree.get("slots") == {}:
        del tree["slots"]  # a bare [slots] names none: the embedded default stays
    try:
        return Settings.model_validate(tree, context={"folder": folder}), []
    except ValidationError as error:
        return None, findings_of(error, merged.raw)


def _unworkable(key: Key, error: Hal0Error) -> Finding:
    return Finding(error.code, f"`{dotted(key)}`: {error.details.get('reason', error.message)}", key)


def _placed(finding: Finding, merged: Merged) -> Problem:
    document = merged.document_of(finding.key)
    assert document is not None, "only what is written down can be wrong"
    positions = document.positions
    find = {"key": positions.of_key, "value": positions.of_value, "table": positions.of_table}[finding.at]
    at = find(finding.key[:-1] if finding.at == "table" else finding.key)
    problem = document.problem(finding.code, finding.message, at=at, key=finding.key, hint=finding.hint)
    return _with_slip(problem, finding) if finding.right else problem


def _with_slip(problem: Problem, finding: Finding) -> Problem:
    """Tell what exactly is to be written instead of what; only if the very word stands at the place."""
    found = _WORD.match(problem.source, (problem.column or 1) - 1)
    if found is None:
        return problem
    word = found[0]
    is_it = word.strip("\"'") == finding.key[-1] if finding.at == "key" else word[0] in "\"'"
    return problem.model_copy(update={"wrong": word, "right": finding.right}) if is_it else problem


def _server_of_environment(env: Mapping[str, str]) -> tuple[dict[str, Any], list[Problem]]:
    """HAL0_HOST and HAL0_PORT; an empty variable counts as unset."""
    server: dict[str, Any] = {}
    if host := env.get("HAL0_HOST"):
        server["host"] = host
    if not (port := env.get("HAL0_PORT")):
        return server, []
    if re.fullmatch(r"[0-9]{1,5}", port) and int(port) <= 65535:
        server["port"] = int(port)
        return server, []
    message = f"HAL0_PORT must be a whole number from 0 to 65535, not {shown(port)}"
    problem = Problem(
        code="config.invalid", message=message, file=ENVIRONMENT, key="HAL0_PORT", hint="correct it or leave it unset"
    )
    return server, [problem]


def _written_port(tree: Mapping[str, Any]) -> int:
    server = tree.get("server")
    port = server.get("port", 8080) if isinstance(server, dict) else 8080
    return port if isinstance(port, int) else 8080


def _not_found(path: Path) -> Problem:
    return Problem(
        code="config.not_found",
        message="there is no such file",
        file=str(path),
        hint="correct the path, or leave it out: without a file hal0 runs its embedded default",
    )


def _in_reading_order(problems: list[Problem], sources: Sources) -> list[Problem]:
    order = {str(source.path): index for index, source in enumerate(sources.files)}
    return sorted(problems, key=lambda each: (order.get(each.file, -1), each.line or 0, each.column or 0))
