"""`hal0 config edit`: the file in a person's editor, judged before anything is written, opened again at the mistake.

The text that was edited is never lost: what cannot be written is left in a file, and its place is said.
"""

import shutil
import sys
import tempfile
from argparse import Namespace
from pathlib import Path

from hal0.cli.config_changes import print_problems_of, show_written, told
from hal0.cli.configuration import Configuration
from hal0.cli.output import say
from hal0.daemon.config.sources import Source, named_file
from hal0.editor import edit, find_editor
from hal0.errors import Hal0Error
from hal0.wire import ConfigTexts, ConfigView


def run_edit(args: Namespace) -> int:
    editor = find_editor()
    configuration = Configuration(args.host)
    texts = configuration.parse(configuration.texts(), ConfigTexts)
    main = configuration.parse(configuration.view(), ConfigView).path
    path = str(named_file(Path(main), args.file))
    old = next((each.text for each in texts.files if each.path == path), "")
    folder = Path(tempfile.mkdtemp(prefix="hal0-config-"))
    draft = folder / Path(path).name
    draft.write_bytes(old.encode())
    line: int | None = None
    try:
        while True:
            try:
                edit(editor, draft, line)
                text = _text_of(draft, path)
                if text == old:
                    say("nothing was changed")
                    break
                body = configuration.put_text(text, file=path, tag=texts.tag, why=args.why, force=args.force)
            except Hal0Error as error:
                problems = print_problems_of(error)
                if not problems:
                    raise
                if not _again():
                    raise told(error) from error
                line = next((problem.line for problem in problems if problem.line and problem.file == path), None)
            else:
                shutil.rmtree(folder)
                return show_written(body, args)
    except (Hal0Error, KeyboardInterrupt):
        _leave(draft, old)
        raise
    shutil.rmtree(folder)
    return 0


def _again() -> bool:
    if not sys.stdin.isatty():
        return False
    try:
        return input("edit again? [Y/n] ").strip().lower() in ("", "y", "yes")
    except EOFError:  # Ctrl-D
        say()
        return False


def _leave(draft: Path, old: str) -> None:
    """Say where the text is, if there is one that is not in the file."""
    if draft.exists() and draft.read_bytes() != old.encode():
        say(f"nothing was written; your text is in {draft}")
    else:
        shutil.rmtree(draft.parent)


def _text_of(draft: Path, path: str) -> str:
    """What the editor has saved; raises `config.rejected` with the place of what is not UTF-8."""
    try:
        raw = draft.read_bytes()
    except OSError as error:
        reason = f"the editor left no text that can be read: {error.strerror}"
        raise Hal0Error("config.no_editor", reason=reason) from error
    try:
        return raw.decode()
    except UnicodeDecodeError:
        from hal0.daemon.config.document import Document, DocumentError
        from hal0.daemon.config.file import ConfigProblems  # slow to load

        try:
            Document(Source(Path(path), raw))
        except DocumentError as error:
            raise ConfigProblems(Path(path), [error.problem]) from error
        raise
