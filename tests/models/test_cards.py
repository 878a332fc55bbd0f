import hashlib

import pytest

from hal0.daemon.models.gguf import read_header
from hal0.models import CARDS, FOLDER, Card


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)
def test_a_shipped_model_has_the_checksum_of_its_card(card: Card) -> None:
    assert hashlib.sha256(card.path.read_bytes()).hexdigest() == card.sha256


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)
def test_a_card_says_what_the_header_of_its_file_says(card: Card) -> None:
    header = read_header(card.path)
    assert (header.kind, header.context_length) == (card.kind, card.context_limit)


def test_every_file_that_ships_has_a_card_and_none_is_missing() -> None:
    assert {path.name for path in FOLDER.glob("*.gguf")} == {card.file for card in CARDS}
    assert [card.id for card in CARDS] == ["hal0-starter", "all-minilm-l6-v2"]


def test_a_model_is_also_known_by_the_name_of_its_file() -> None:
    assert [card.aliases for card in CARDS] == [("hal0-starter-q8_0",), ("all-minilm-l6-v2-q8_0",)]
