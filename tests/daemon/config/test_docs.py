"""docs/config.md tells what the schema says."""

from scripts.config_docs import PAGE, page


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python -m scripts.config_docs`"
