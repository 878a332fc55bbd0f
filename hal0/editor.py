"""A person's editor: which it is, and how it opens a file at a line. Every failure is `config.no_editor`."""

import os
import shlex
import shutil
import subprocess
from pathlib import Path

from hal0.errors import Hal0Error

EDITORS = ("sensible-editor", "editor", "nano", "vim", "vi")  # if neither VISUAL nor EDITOR says
TAKE_A_LINE = {"vi", "vim", "nvim", "nano", "pico", "emacs", "emacsclient", "micro", "joe", "mcedit", "kak", "view"}


def find_editor() -> list[str]:
    """The words of its command line, without a file."""
    for name in ("VISUAL", "EDITOR"):
        try:
            words = shlex.split(os.environ.get(name, ""))
        except ValueError as error:
            reason = f"{name} is no command line: {str(error)[:1].lower()}{str(error)[1:]}"
            raise Hal0Error("config.no_editor", reason=reason) from error
        if words:
            return words
    found = next((each for each in EDITORS if shutil.which(each)), None)
    if found is None:
        raise Hal0Error("config.no_editor", reason="neither VISUAL nor EDITOR is set, and there is no editor in PATH")
    return [found]


def edit(editor: list[str], file: Path, line: int | None) -> None:
    """Open the file, at a line (from 1) if the editor takes one, and wait until the editor has ended."""
    at = [f"+{line}"] if line is not None and Path(editor[0]).name in TAKE_A_LINE else []
    try:
        ended = subprocess.run([*editor, *at, str(file)], check=False)
    except OSError as error:
        reason = f"the editor {editor[0]} cannot be started: {error.strerror}"
        raise Hal0Error("config.no_editor", reason=reason) from error
    if ended.returncode:
        raise Hal0Error("config.no_editor", reason=f"the editor {editor[0]} ended with status {ended.returncode}")
