"""Finding the card that a question is about, in any wording."""

import pytest

from tutor.cards import Shelf, load_shelf
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
    fewer = shelf.model_copy(update={"cards": shelf.cards[:1]})
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
