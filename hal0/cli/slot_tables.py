"""`hal0 slot create | edit | delete`: a slot's table in hal0.toml; what else stands there stays as it is.

Values are written as in the file, `context=8192`, `gpus=[0]`; a text needs no quotes.
"""

import json
from argparse import Namespace
from typing import Any

from hal0.cli.config_changes import write_and_show
from hal0.cli.configuration import Configuration
from hal0.cli.output import warn
from hal0.errors import Hal0Error


def run_create(args: Namespace) -> int:
    words = [args.model, *args.keys] if args.model else []
    if not words:
        args.usage_error(f"what shall it serve? For example: `hal0 slot create {args.name} qwen3-4b context=8192`")
    if words and "=" not in words[0]:  # the model's name, which never has one
        words[0] = f"model={words[0]}"
    keys = dict(_pair(word, args) for word in words)
    status = write_and_show(lambda: Configuration(args.host).create_slot(args.name, keys), args)
    _warn_if_it_cannot_start(args)
    return status


def run_edit(args: Namespace) -> int:
    if not (args.keys or args.unset):
        args.usage_error(f"what shall change? For example: `hal0 slot edit {args.name} context=8192`")
    keys: dict[str, Any] = dict(_pair(word, args) for word in args.keys)
    keys |= dict.fromkeys(args.unset)
    status = write_and_show(lambda: Configuration(args.host).edit_slot(args.name, keys), args)
    if not keys.keys().isdisjoint(("model", "provider")):
        _warn_if_it_cannot_start(args)
    return status


def run_delete(args: Namespace) -> int:
    return write_and_show(lambda: Configuration(args.host).delete_slot(args.name), args)


def _warn_if_it_cannot_start(args: Namespace) -> None:
    """What was asked for is done; that its model is still to come, or is none, must not be found out by requests."""
    if args.json:
        return
    try:
        Configuration(args.host).check_slot(args.name)
    except Hal0Error as error:
        warn(error)


def _pair(word: str, args: Namespace) -> tuple[str, Any]:
    name, sign, text = word.partition("=")
    if not sign or not name.strip():
        args.usage_error(f"{word!r} is no KEY=VALUE, such as context=8192")
    return name.strip(), _value(name.strip(), text)


def _value(key: str, text: str) -> Any:
    from hal0.daemon.config.expectation import shape_of_field
    from hal0.daemon.config.schema import Slot

    info = Slot.model_fields.get(key)
    if info is not None and shape_of_field(info).type is str:
        return text
    import tomllib

    try:
        value = tomllib.loads(f"it = {text}")["it"]
        json.dumps(value)  # a date, say, is no value of any key
    except (ValueError, TypeError):
        return text  # a duration or a size, or a mistake that the daemon explains better
    return value
