"""`hal0 config edit`: the file in a person's editor, judged before anything is written, opened again at the mistake.

The text that was edited is never lost: what cannot be written is left in a file, and its place is said.
"""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from argparse import Namespace
from pathlib import Path

from hal0.cli.config_changes import print_problems_of, show_written
from hal0.cli.configuration import Configuration
from hal0.cli.output import say
from hal0.errors import Hal0Error
from hal0.wire import ConfigTexts, ConfigView

EDITORS = ("sensible-editor", "editor", "nano", "vim", "vi")  # if neither VISUAL nor EDITOR says
TAKE_A_LINE = {"vi", "vim", "nvim", "nano", "pico", "emacs", "emacsclient", "micro", "joe", "mcedit", "kak", "view"}


def run_edit(args: Namespace) -> int:
    configuration = Configuration(args.host)
    texts = configuration.parse(configuration.texts(), ConfigTexts)
    path = args.file or configuration.parse(configuration.view(), ConfigView).path
    old = next((each.text for each in texts.files if each.path == path), "")
    folder = Path(tempfile.mkdtemp(prefix="hal0-config-"))
    draft = folder / Path(path).name
    draft.write_bytes(old.encode())
    line: int | None = None
    while True:
        _edit(draft, line)
        text = draft.read_bytes().decode(errors="replace")
        if text == old:
            shutil.rmtree(folder)
            say("nothing was changed")
            return 0
        try:
            body = configuration.put_text(text, file=path, tag=texts.tag, why=args.why, force=args.force)
        except Hal0Error as error:
            problems = print_problems_of(error)
            if problems and _again():
                line = next((problem.line for problem in problems if problem.line and problem.file == path), None)
                continue
            say(f"nothing was written; your text is in {draft}")
            raise
        shutil.rmtree(folder)
        return show_written(body, args)


def _again() -> bool:
    if not sys.stdin.isatty():
        return False
    return input("edit again? [Y/n] ").strip().lower() in ("", "y", "yes")


def _edit(draft: Path, line: int | None) -> None:
    words = _editor()
    name = Path(words[0]).name
    if line is not None and name in TAKE_A_LINE:
        words.append(f"+{line}")
    try:
        ended = subprocess.run([*words, str(draft)], check=False)
    except OSError as error:
        reason = f"the editor {words[0]} cannot be started: {error.strerror}"
        raise Hal0Error("config.no_editor", reason=reason) from error
    if ended.returncode:
        reason = f"the editor {words[0]} ended with status {ended.returncode}; your text is in {draft}"
        raise Hal0Error("config.no_editor", reason=reason)


def _editor() -> list[str]:
    for name in ("VISUAL", "EDITOR"):
        if words := shlex.split(os.environ.get(name, "")):
            return words
    found = next((each for each in EDITORS if shutil.which(each)), None)
    if found is None:
        raise Hal0Error("config.no_editor", reason="neither VISUAL nor EDITOR is set, and there is no editor in PATH")
    return [found]
