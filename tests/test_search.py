"""Finding the card that a question is about, in any wording."""

from pathlib import Path

import pytest
import yaml

from tutor.cards import LANGUAGES, Language, Shelf, load_shelf
from tutor.history import Store
from tutor.resources import resource
from tutor.search import CardSearch


@pytest.mark.parametrize(
    ("query", "card"),
    [
        ("What is stored in the KV cache?", "kv-cache"),
        ("explain the key-value cache to me", "kv-cache"),
        ("键值缓存是什么", "kv-cache"),
        ("keys and valeus of old tokens", "kv-cache"),
        ("讲解 LoRA", "lora-rank"),
        ("lora", "lora-rank"),
        ("low-rank adaptation", "lora-rank"),
        ("低秩适配", "lora-rank"),
    ],
)
def test_the_card_is_found(shelf: Shelf, store: Store, query: str, card: str) -> None:
    assert CardSearch(shelf, store).find(query)[0].card.id == card


@pytest.mark.parametrize("query", ["", "???", "zzz qqq xxyy", "的"])
def test_nothing_is_found_where_there_is_nothing(shelf: Shelf, store: Store, query: str) -> None:
    assert CardSearch(shelf, store).find(query) == []


def test_the_index_follows_the_cards(shelf: Shelf, store: Store) -> None:
    CardSearch(shelf, store).find("lora")
    fewer = Shelf(topics=shelf.topics, terms=shelf.terms, cards=shelf.cards[:1])
    assert [hit.card.id for hit in CardSearch(fewer, store).find("the idea of lora and the kv cache")] == ["kv-cache"]
    names = [collection.name for collection in store.client.list_collections()]
    assert sum(name.startswith("cards-") for name in names) == 1


def test_every_card_is_found_by_its_own_question(store: Store) -> None:
    real = load_shelf(resource("knowledge"))
    search = CardSearch(real, store)
    missed = [
        (card.id, question)
        for card in real.cards
        for question in (card.question.en, card.question.zh)
        if search.find(question)[0].card.id != card.id
    ]
    assert missed == []


MEASURED: dict[Language, tuple[float, float]] = {"en": (0.95, 0.99), "zh": (0.95, 0.99)}
"""Share of the new wordings whose card is first, and among the first three; not to be lost again."""


def test_new_wordings_find_their_card(store: Store) -> None:
    real = load_shelf(resource("knowledge"))
    search = CardSearch(real, store)
    wordings = yaml.safe_load((Path(__file__).parent / "wordings.yaml").read_text(encoding="utf-8"))
    assert set(wordings) == set(real.by_id)
    for language in LANGUAGES:
        found = [_rank(search, query, card) for card, queries in wordings.items() for query in queries[language]]
        assert len(found) == 3 * len(real.cards)
        first, three = sum(rank == 0 for rank in found) / len(found), sum(rank < 3 for rank in found) / len(found)
        assert first >= MEASURED[language][0]
        assert three >= MEASURED[language][1]


def test_no_new_wording_stands_on_a_card() -> None:
    real = load_shelf(resource("knowledge"))
    wordings = yaml.safe_load((Path(__file__).parent / "wordings.yaml").read_text(encoding="utf-8"))
    for card in real.cards:
        asked = {card.question.en, card.question.zh, *card.asked_as.en, *card.asked_as.zh}
        assert not asked & {query for language in LANGUAGES for query in wordings[card.id][language]}


def _rank(search: CardSearch, query: str, card: str) -> int:
    """The place of the card among the first three, from 0; 3 where it is not among them."""
    return [*(hit.card.id for hit in search.find(query)), card].index(card)
