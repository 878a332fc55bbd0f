"""docs/config.md tells what the schema says, of every key."""

import re

from scripts.config_docs import PAGE, page
from tests.end_to_end.test_every_key import every_key


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python -m scripts.config_docs`"


def test_every_key_is_on_the_page_in_the_section_of_its_table() -> None:
    told = {
        f"{table}.{key}"
        for table, section in re.findall(r"^## \[(.+)\]\n([\s\S]*?)(?=^## |\Z)", page(), re.MULTILINE)
        for key in re.findall(r"^\| `(\w+)`", section, re.MULTILINE)
    }
    assert told == set(every_key())
