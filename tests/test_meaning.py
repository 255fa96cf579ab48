"""An embedding model helps to find cards, over real HTTP with scripted vectors, and nobody loses by it."""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from tests.conftest import LEARNER, choices, tutor_with
from tests.faults import FaultServer, faults
from tutor.cards import Shelf
from tutor.doctor import examined
from tutor.errors import EngineError
from tutor.events import ExplanationGiven, ModelUsed, events
from tutor.history import Store
from tutor.models import make_embedding_model, make_engine
from tutor.models.embedding import EmbeddingModel
from tutor.models.metering import Limits, Meter, metered
from tutor.prompts import Phrases
from tutor.rubric import RubricGrader
from tutor.search import CardSearch
from tutor.settings import Endpoint, Settings
from tutor.tools import Desk

Searching = Callable[..., CardSearch]


@pytest.fixture
def searching(shelf: Shelf, store: Store) -> Iterator[Searching]:
    models: list[EmbeddingModel] = []

    def make(server: FaultServer, shelf: Shelf = shelf, name: str = "vectors") -> CardSearch:
        models.append(EmbeddingModel(Endpoint(name, server.address, "secret-key"), longest=1.0))
        search = CardSearch(shelf, store, models[-1])
        assert search.meaning
        search.meaning.prepare()
        return search

    yield make
    for model in models:
        model.close()


def first(search: CardSearch, query: str) -> str:
    return search.find(query)[0].card.id


def test_what_is_meant_counts_besides_the_words(searching: Searching, shelf: Shelf, store: Store) -> None:
    with faults("embeddings") as server:
        search = searching(server)
        assert search.meaning
        assert search.meaning.ranking("what does a goldfish do")[0] == "kv-cache"
        assert search.meaning.ranking("an adapter")[0] == "lora-rank"
        for query in ("explain LoRA", "键值缓存是什么", "low-rank adaptation"):
            assert first(search, query) == first(CardSearch(shelf, store), query)
        assert search.find("zzz qqq") == []
        assert server.keys[0] == "Bearer secret-key"


def test_ranks_are_fused(searching: Searching, shelf: Shelf, store: Store) -> None:
    from tutor.search import _fused

    assert max(scores := _fused(["a", "b", "c"], ["b", "c", "d"]), key=lambda card: scores[card]) == "b"
    assert set(scores) == {"a", "b", "c", "d"}


def test_a_wording_is_sent_once_per_model_and_again_only_when_it_changed(
    searching: Searching, shelf: Shelf, store: Store
) -> None:
    def sent(server: FaultServer) -> list[str]:
        texts = [text for request in server.requests for text in request["input"]]
        server.requests.clear()
        return texts

    with faults("embeddings") as server:
        searching(server)
        every = [text for card in shelf.cards for text in (card.question.en, card.question.zh)]
        assert set(every) <= set(whole := sent(server))
        assert len(whole) == len(set(whole))
        searching(server)
        assert sent(server) == []
        card = shelf.cards[0]
        changed = card.model_copy(update={"question": card.question.model_copy(update={"en": "What is kept?"})})
        other = Shelf(topics=shelf.topics, terms=shelf.terms, cards=(changed, *shelf.cards[1:]))
        search = searching(server, other)
        assert sent(server) == ["What is kept?"]
        assert search.meaning
        assert store.collection(search.meaning._name).count() == len(whole)
        searching(server, name="other-vectors")
        assert set(sent(server)) == set(whole)


@pytest.mark.parametrize(
    "mode", ["status:500", "status:401", "hang", "html", "json_list", "nothing", "embeddings_fewer", "embeddings_zero",
             "early_reset", "busy:100"],
)  # fmt: skip
def test_a_failure_falls_back_to_the_words_and_is_told_to_the_operator(
    searching: Searching, shelf: Shelf, store: Store, caplog: pytest.LogCaptureFixture, mode: str
) -> None:
    with faults(["embeddings", mode]) as server:
        search = searching(server)
        with caplog.at_level(logging.WARNING):
            assert first(search, "explain LoRA") == "lora-rank"
        assert "this question was looked up by its words alone: the model vectors failed" in caplog.text
        assert "provider-internal" not in caplog.text
    with faults(mode) as server:
        began = time.monotonic()
        search = searching(server, name="never-there")
        assert first(search, "explain LoRA") == "lora-rank"
        assert time.monotonic() - began < 15
        assert "cards are found by their words alone for now" in caplog.text


def test_vectors_of_another_length_are_no_harm(searching: Searching, store: Store) -> None:
    with faults("embeddings") as server:
        search = searching(server)
        assert search.meaning
        search.meaning._model.vectors = lambda texts: [[1.0]]  # type: ignore[method-assign]
        assert first(search, "explain LoRA") == "lora-rank"


def test_looking_up_counts_and_keeps_to_the_ceilings(searching: Searching) -> None:
    with faults("embeddings") as server:
        search = searching(server)
        with metered(Meter()) as turn:
            search.find("explain LoRA")
        assert (turn.used.calls, turn.used.tokens) == (1, 2)
        server.requests.clear()
        with metered(Meter(Limits(turn_tokens=1))):
            assert first(search, "explain LoRA") == "lora-rank"
        assert server.requests == []


def test_a_learner_is_helped_by_it_offline(
    searching: Searching, settings: Settings, shelf: Shelf, store: Store, phrases: Phrases
) -> None:
    with faults("embeddings") as server:
        desk = Desk(shelf, RubricGrader(shelf), searching(server), phrases)
        tutor = tutor_with(make_engine(settings, phrases), settings, desk, store, phrases)
        session = tutor.start(LEARNER, choices(topics=("memory",), questions=1))
        tutor.give(LEARNER, session, "end")
        tutor.reply(LEARNER, session, "explain low-rank adaptation")
        happened = list(events(tutor.transcript(LEARNER, session)))
        assert [event.card_id for event in happened if isinstance(event, ExplanationGiven)] == ["lora-rank"]
        assert [event.calls for event in happened if isinstance(event, ModelUsed)] == [1]


def test_without_a_name_there_is_no_model_and_no_connection(settings: Settings) -> None:
    assert make_embedding_model(settings) is None
    assert make_embedding_model(replace(settings, model="m", base_url="http://127.0.0.1:9/v1")) is None
    with pytest.raises(EngineError, match="TUTOR_EMBEDDING_MODEL is set but TUTOR_EMBEDDING_API_KEY is not"):
        make_embedding_model(replace(settings, embedding=Endpoint("vectors")))


def test_its_address_and_key_are_the_talking_models_unless_others_are_set() -> None:
    talking = {"TUTOR_MODEL": "m", "TUTOR_BASE_URL": "http://127.0.0.1:1/v1", "TUTOR_API_KEY": "k"}
    assert Settings.from_env(talking).finding == Endpoint()
    same = Settings.from_env({**talking, "TUTOR_EMBEDDING_MODEL": "v"}).finding
    assert same == Endpoint("v", "http://127.0.0.1:1/v1", "k")
    other = Settings.from_env(
        {**talking, "TUTOR_EMBEDDING_MODEL": "v", "TUTOR_EMBEDDING_BASE_URL": "http://127.0.0.1:2/v1"}
    )
    assert other.finding == Endpoint("v", "http://127.0.0.1:2/v1", "")


@pytest.mark.parametrize(("mode", "well"), [("embeddings", True), ("status:401", False), ("embeddings_fewer", False)])
def test_the_doctor_tries_it(settings: Settings, phrases: Phrases, mode: str, well: bool) -> None:
    with faults(mode) as server:
        chosen = replace(settings, embedding=Endpoint("vectors", server.address, "secret-key"))
        lines = list(examined(chosen, phrases, "en"))
    text = "\n".join(line for _, line in lines)
    assert all(good for good, _ in lines) == well
    assert f"Finds cards: vectors at {server.address}, with a key" in text
    assert ("✓ Finding cards by meaning (" if well else "✗ Finding cards by meaning") in text
    assert ("Check TUTOR_EMBEDDING_API_KEY." in text) == (mode == "status:401")
    assert "secret-key" not in text
