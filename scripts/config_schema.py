"""Writes docs/hal0.schema.json: `python -m scripts.config_schema`. A test fails when it is out of date."""

import json
from pathlib import Path

from hal0.daemon.config.json_schema import json_schema

FILE = Path(__file__).resolve().parent.parent / "docs" / "hal0.schema.json"


def text() -> str:
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
