"""`hal0 slot create | edit | delete`: a slot's table in hal0.toml; what else stands there stays as it is.

Values are written as in the file, `context=8192`, `gpus=[0]`; a text needs no quotes.
"""

import json
from argparse import Namespace
from typing import Any

from hal0.cli.config_changes import print_written
from hal0.cli.connection import Daemon, part
from hal0.cli.output import print_answer
from hal0.cli.person import person
from hal0.errors import Hal0Error
from hal0.wire import ConfigView


def run_create(args: Namespace) -> int:
    words = [args.model, *args.keys] if args.model else []
    if words and "=" not in words[0]:  # the model's name, which never has one
        words[0] = f"model={words[0]}"
    keys = dict(_pair(word) for word in words)
    return _write(args, "PUT", keys, {"If-None-Match": "*"})


def run_edit(args: Namespace) -> int:
    keys: dict[str, Any] = dict(_pair(word) for word in args.keys)
    keys |= dict.fromkeys(args.unset)
    return _write(args, "PATCH", keys, {})


def run_delete(args: Namespace) -> int:
    return _write(args, "DELETE", {}, {})


def _write(args: Namespace, method: str, keys: dict[str, Any], headers: dict[str, str]) -> int:
    daemon = Daemon.at(args.host)
    body = daemon.send(method, f"/api/slots/{part(args.name)}", keys, headers={**headers, "X-Hal0-By": person()})
    if args.json:
        print_answer(body)
    else:
        print_written(daemon.parse(body, ConfigView))
    return 0


def _pair(word: str) -> tuple[str, Any]:
    name, sign, text = word.partition("=")
    if not sign or not name.strip():
        raise Hal0Error("dispatch.invalid_request", field=word, reason="write KEY=VALUE, such as context=8192")
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
