"""Finds the card that a question in any wording is about, in Chinese and English, without a model or a download.

Three scores are added: BM25 over all that a card says, BM25 over the wordings of its question, and how near these
wordings are in a Chroma collection of hashed character n-grams, which forgives spelling and word forms. Of the wordings
the best five count, so that one chance likeness does not decide. The collection is rebuilt whenever the cards change.

Where an embedding model is set, its ranking is fused with this one by reciprocal ranks: likenesses are on a scale of
their own with every model, ranks are not.
"""

import hashlib
import math
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from heapq import nlargest
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast
from zlib import crc32

from tutor.cards import LANGUAGES, Card, Shelf
from tutor.history import Store
from tutor.matching import squeeze
from tutor.meaning import Meaning
from tutor.wording import Wording

if TYPE_CHECKING:
    from bm25s import BM25
    from chromadb.api.models.Collection import Collection

    from tutor.models.embedding import EmbeddingModel

DIMENSIONS = 512
NEIGHBOURS = 300
BEST = 5
"""So many wordings of a card count."""
WEIGHTS = (1.0, 0.2, 0.4)
"""Of the words of the whole card, of its best wordings, and of these wordings' letters; each is at most 1.

As a softmax regression finds them on a quarter of the cards' wordings, held out at a time.
"""
BATCH = 1000
FUSION = 60
"""As in Cormack, Clarke and Buettcher, Reciprocal rank fusion outperforms Condorcet (2009)."""
_ASIDE = frozenset(
    "what which who how why when where is are was were do does did the a an of in on to for and or it its with by from "
    "you your i me my we explain tell about please can could would there this that these those between".split()
)


@dataclass(frozen=True)
class Hit:
    """A card that was found, with its score; only the order of scores means something."""

    card: Card
    score: float


class CardSearch:
    """Search over the cards of a shelf; builds its indexes at the first question."""

    def __init__(self, shelf: Shelf, store: Store, model: "EmbeddingModel | None" = None) -> None:
        """`model` tells which questions mean the same; raises nothing, and without it the words decide."""
        self._shelf = shelf
        self._store = store
        self._building = threading.Lock()
        wordings = [(card.id, text) for card in shelf.cards for text in _asked(card)]
        self.meaning = Meaning(store, model, wordings) if model else None

    def find(self, query: str, limit: int = 3) -> list[Hit]:
        """The cards that the query is most likely about, best first; none if it shares no word with any."""
        if not self._shelf.cards:
            return []
        with self._building:
            indexes = self._indexes
        words = [word for word in _words(query, self._groups) if word in indexes.known]
        if not words:
            return []
        by_card = dict(zip((card.id for card in self._shelf.cards), indexes.cards.get_scores(words), strict=True))
        by_wording = _best(zip(indexes.owners, map(float, indexes.wordings.get_scores(words)), strict=True))
        total: dict[str, float] = {}
        for weight, scores in zip(WEIGHTS, (by_card, by_wording, self._by_letters(query)), strict=True):
            best = max(scores.values(), default=0.0)
            for card_id, score in scores.items() if best > 0 else ():
                total[card_id] = total.get(card_id, 0.0) + weight * float(score) / best
        by_meaning = self.meaning.ranking(query) if self.meaning else []
        ranked = _fused(sorted(total, key=lambda card_id: -total[card_id]), by_meaning) if by_meaning else total
        best_first = sorted(ranked.items(), key=lambda item: -item[1])[:limit]
        return [Hit(self._shelf.by_id[card_id], score) for card_id, score in best_first]

    def _by_letters(self, query: str) -> dict[str, float]:
        """Cosine similarity of the nearest wordings, by card; those that are not near count as 0."""
        vector, collection = _vector(query), self._indexes.letters
        found = self._store.call(
            lambda: collection.query(
                query_embeddings=[vector],  # type: ignore[arg-type]
                n_results=min(NEIGHBOURS, len(self._indexes.owners)),
                include=["metadatas", "distances"],
            )
        )
        metadatas = cast(list[list[dict[str, Any]]], found["metadatas"])[0]
        distances = cast(list[list[float]], found["distances"])[0]
        return _best((meta["card"], 1.0 - distance / 2) for meta, distance in zip(metadatas, distances, strict=True))

    @cached_property
    def _groups(self) -> list[tuple[str, list[str]]]:
        """Words that mean the same, as squeezed text, under one name: the bridge between the languages."""
        terms = self._shelf.terms
        return [
            (name, [squeeze(word) for word in (name, *others)])
            for groups in (terms.synonyms, terms.asks)
            for name, others in groups.items()
        ]

    @cached_property
    def _indexes(self) -> "_Indexes":
        wordings = [(card.id, wording) for card in self._shelf.cards for wording in _wordings(card)]
        texts = [_words(text, self._groups) for text in map(_whole, self._shelf.cards)]
        return _Indexes(
            cards=_bm25(texts, k1=2.5, b=0.6),
            wordings=_bm25([_words(wording, self._groups) for _, wording in wordings], k1=1.2, b=0.4),
            owners=[card_id for card_id, _ in wordings],
            known={word for text in texts for word in text},
            letters=self._collection(wordings),
        )

    def _collection(self, wordings: Sequence[tuple[str, str]]) -> "Collection":
        digest = hashlib.sha256(repr((DIMENSIONS, wordings)).encode()).hexdigest()[:16]
        collection = self._store.collection(f"cards-{digest}")
        if self._store.call(collection.count) != len(wordings):
            self._fill(collection, wordings)
        return collection

    def _fill(self, collection: "Collection", wordings: Sequence[tuple[str, str]]) -> None:
        """Puts the wordings in, and removes the collections of earlier cards."""
        client = self._store.client
        for old in self._store.call(client.list_collections):
            if old.name.startswith("cards-") and old.name != collection.name:
                self._store.call(lambda name=old.name: client.delete_collection(name))  # type: ignore[misc]
        for start in range(0, len(wordings), BATCH):
            batch = wordings[start : start + BATCH]
            self._store.call(
                lambda first=start, part=batch: collection.upsert(  # type: ignore[misc]
                    ids=[str(first + index) for index in range(len(part))],
                    embeddings=[cast(Sequence[float], _vector(text)) for _, text in part],
                    documents=[text for _, text in part],
                    metadatas=[{"card": card_id} for card_id, _ in part],
                )
            )


@dataclass(frozen=True)
class _Indexes:
    """What the search looks things up in."""

    cards: "BM25"
    wordings: "BM25"
    owners: list[str]
    known: set[str]
    letters: "Collection"


def _fused(*rankings: Sequence[str]) -> dict[str, float]:
    """A score for every card of several rankings: the sum of its reciprocal ranks."""
    scores: dict[str, float] = {}
    for ranking in rankings:
        for rank, card_id in enumerate(ranking, start=1):
            scores[card_id] = scores.get(card_id, 0.0) + 1 / (FUSION + rank)
    return scores


def _best(scored: Iterable[tuple[str, float]]) -> dict[str, float]:
    """The mean score of the best wordings of each card."""
    by_card: dict[str, list[float]] = {}
    for card_id, score in scored:
        by_card.setdefault(card_id, []).append(score)
    return {card_id: sum(nlargest(BEST, scores)) / BEST for card_id, scores in by_card.items()}


def _bm25(texts: Sequence[list[str]], *, k1: float, b: float) -> "BM25":
    import bm25s

    index = bm25s.BM25(method="lucene", k1=k1, b=b)
    index.index([text or ["∅"] for text in texts], show_progress=False)
    return index


def _asked(card: Card) -> list[str]:
    """The question in every wording."""
    return [*(card.question[language] for language in LANGUAGES), *card.asked_as.en, *card.asked_as.zh]


def _wordings(card: Card) -> Iterator[str]:
    """The question in every wording, the first ones with the words of the card's id."""
    name = card.id.replace("-", " ")
    yield from (f"{card.question[language]} {name}" for language in LANGUAGES)
    yield from (*card.asked_as.en, *card.asked_as.zh)


def _whole(card: Card) -> str:
    """All that the card says in both languages, its question more often than the rest, and its signals."""
    said = list(_wordings(card)) * 2
    for language in LANGUAGES:
        said += [card.question[language], card.answer[language], *(step[language] for step in card.explanation)]
        said += [text[language] for point in card.key_points for text in (point.text, point.probe)]
        said += [belief.text[language] for belief in card.misconceptions]
    said += [term.replace("|", " ; ") for point in card.key_points for signal in point.signals for term in signal]
    return "\n".join(said)


def _words(text: str, groups: Sequence[tuple[str, list[str]]]) -> list[str]:
    """Stems, Chinese characters alone and in pairs, and the names of the groups of synonyms that occur."""
    wording = Wording(text)
    words = [token.norm for token in wording.tokens if token.kind in ("word", "number", "latex", "cjk")]
    words = [word for word in words if word not in _ASIDE]
    tokens = wording.tokens
    pairs = [one.norm + other.norm for one, other in pairwise(tokens) if one.kind == other.kind == "cjk"]
    named = [f"§{name}" for name, said in groups if any(wording.find(word) for word in said)]
    return words + pairs + named


def _vector(text: str) -> list[float]:
    """Character n-grams (1 to 3 in Chinese, 3 to 4 in other scripts), hashed with a sign, of length 1."""
    counts: Counter[str] = Counter()
    for token in Wording(text).tokens:
        if token.kind == "cjk" or token.norm in _ASIDE:
            continue
        padded = f"<{token.norm}>"
        counts.update(padded[at : at + size] for size in (3, 4) for at in range(len(padded) - size + 1))
    chinese = "".join(token.norm if token.kind == "cjk" else " " for token in Wording(text).tokens)
    grams = (chinese[at : at + size] for size in (1, 2, 3) for at in range(len(chinese) - size + 1))
    counts.update(gram for gram in grams if " " not in gram)
    vector = [0.0] * DIMENSIONS
    for gram, count in counts.items():
        place = crc32(gram.encode())
        vector[place % DIMENSIONS] += (1 if place & 0x10000 else -1) * (1 + math.log(count))
    length = math.sqrt(sum(value * value for value in vector)) or 1.0
    return [value / length for value in vector]
