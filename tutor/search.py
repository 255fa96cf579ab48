"""Finds the card that a question in any wording is about, in Chinese and English, without a model or a download.

Two rankings are fused: BM25 over words, and nearest neighbours in a Chroma collection of hashed character n-grams,
which forgives spelling and word forms. The collection is rebuilt from the cards whenever they change.
"""

import hashlib
import math
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast
from zlib import crc32

from tutor.cards import LANGUAGES, Card, Shelf
from tutor.history import Store
from tutor.matching import squeeze
from tutor.wording import Wording

if TYPE_CHECKING:
    from bm25s import BM25
    from chromadb.api.models.Collection import Collection

DIMENSIONS = 512
NEIGHBOURS = 40
RANK_OFFSET = 20.0
"""The constant of reciprocal rank fusion (Cormack, Clarke and Büttcher, 2009), smaller because the lists are short."""
BATCH = 1000
_ASIDE = frozenset(
    "what which who how why when where is are was were do does did the a an of in on to for and or it its with by from "
    "you your i me my we explain tell about please can could would there this that these those between".split()
)


@dataclass(frozen=True)
class Hit:
    """A card that was found, with its fused score; only the order of scores means something."""

    card: Card
    score: float


class CardSearch:
    """Search over the cards of a shelf; builds its indexes at the first question."""

    def __init__(self, shelf: Shelf, store: Store) -> None:
        self._shelf = shelf
        self._store = store
        self._building = threading.Lock()

    def find(self, query: str, limit: int = 3) -> list[Hit]:
        """The cards that the query is most likely about, best first; none if it shares no word with any."""
        if not self._shelf.cards:
            return []
        with self._building:
            lexical, collection = self._lexical, self._collection
        words = _words(query, self._groups)
        if not words:
            return []
        by_words = self._ranked_by_words(lexical, words)
        if not by_words:
            return []
        fused: defaultdict[str, float] = defaultdict(float)
        for ranking, weight in ((by_words, 1.0), (self._ranked_by_letters(collection, query), 0.7)):
            for rank, card_id in enumerate(ranking):
                fused[card_id] += weight / (RANK_OFFSET + rank)
        best = sorted(fused.items(), key=lambda item: -item[1])[:limit]
        return [Hit(self._shelf.by_id[card_id], score) for card_id, score in best]

    def _ranked_by_words(self, lexical: "BM25", words: list[str]) -> list[str]:
        scores = lexical.get_scores(words)
        best: dict[str, float] = {}
        for (card_id, weight, _), score in zip(self._entries, scores, strict=True):
            best[card_id] = max(best.get(card_id, 0.0), weight * float(score))
        return [card_id for card_id, score in sorted(best.items(), key=lambda item: -item[1]) if score > 0][:NEIGHBOURS]

    def _ranked_by_letters(self, collection: "Collection", query: str) -> list[str]:
        vector = _vector(query)
        found = self._store.call(
            lambda: collection.query(query_embeddings=[vector], n_results=NEIGHBOURS, include=["metadatas"])  # type: ignore[arg-type]
        )
        metadatas = cast(list[list[dict[str, Any]]], found["metadatas"])[0]
        return list(dict.fromkeys(str(meta["card"]) for meta in metadatas))

    @cached_property
    def _entries(self) -> list[tuple[str, float, str]]:
        """Card id, weight and text of everything that is searched."""
        return [(card.id, weight, text) for card in self._shelf.cards for weight, text in _texts(card)]

    @cached_property
    def _groups(self) -> list[tuple[str, list[str]]]:
        """Words that mean the same, as squeezed text, under one name: the bridge between the languages."""
        return [
            (name, [squeeze(word) for word in (name, *others)]) for name, others in self._shelf.terms.synonyms.items()
        ]

    @cached_property
    def _lexical(self) -> "BM25":
        import bm25s

        index = bm25s.BM25(method="lucene", k1=1.2, b=0.5)
        index.index([_words(text, self._groups) or ["∅"] for _, _, text in self._entries], show_progress=False)
        return index

    @cached_property
    def _collection(self) -> "Collection":
        wordings = [(card_id, text) for card_id, weight, text in self._entries if weight == 1.0]
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


def _texts(card: Card) -> Iterator[tuple[float, str]]:
    """What a card is found by: its wordings first, then what it teaches."""
    name = card.id.replace("-", " ")
    for language in LANGUAGES:
        yield 1.0, f"{card.question[language]} {name}"
        for wording in card.asked_as.en if language == "en" else card.asked_as.zh:
            yield 1.0, wording
        points = " ".join(point.text[language] for point in card.key_points)
        yield 0.5, f"{card.question[language]} {points}"


def _words(text: str, groups: Sequence[tuple[str, list[str]]]) -> list[str]:
    """Stems, Chinese characters in pairs, and the names of the groups of synonyms that occur."""
    wording = Wording(text)
    words = [token.norm for token in wording.tokens if token.kind in ("word", "number", "latex")]
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
