"""Ranks cards by what a question means, with an embedding model that the operator has named; without one there is none.

The vectors of all wordings stand in a Chroma collection of their model, each under the digest of its text: a text is
sent once, and again only when it has changed. Whatever fails costs the learner nothing: the words alone decide then.
"""

import logging
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from tutor.errors import HistoryError
from tutor.history import Store, digest
from tutor.models.failures import ModelFailure

if TYPE_CHECKING:
    from tutor.models.embedding import EmbeddingModel

_LOG = logging.getLogger(__name__)
BATCH = 64
"""Texts in one request."""
NEIGHBOURS = 50


class Meaning:
    """The wordings of the cards by their meaning."""

    def __init__(self, store: Store, model: "EmbeddingModel", wordings: Sequence[tuple[str, str]]) -> None:
        """`wordings` are pairs of a card's id and a wording of its question."""
        self._store = store
        self._model = model
        self._wordings = {digest(f"{card}\n{text}"): (card, text) for card, text in wordings}
        self._name = f"meaning-{digest(f'{model.name} {model.address}')}"
        self._complete = False
        self._preparing = threading.Lock()

    def start(self) -> None:
        """Prepares in the background, so that nobody waits for it."""
        if not self._complete and not self._preparing.locked():
            threading.Thread(target=self.prepare, name="meaning", daemon=True).start()

    def prepare(self) -> None:
        """Fetches the vectors that are missing, and removes those of wordings that are gone."""
        if not self._preparing.acquire(blocking=False):
            return
        try:
            collection = self._store.collection(self._name)
            there = set(self._store.call(lambda: collection.get(include=[]))["ids"])
            if gone := there - set(self._wordings):
                self._store.call(lambda: collection.delete(ids=sorted(gone)))
            missing = [key for key in self._wordings if key not in there]
            for start in range(0, len(missing), BATCH):
                self._add(missing[start : start + BATCH])
            self._complete = True
        except (ModelFailure, HistoryError) as error:
            _LOG.warning("cards are found by their words alone for now: %s", error)
        finally:
            self._preparing.release()

    def ranking(self, query: str) -> list[str]:
        """The cards nearest in meaning, best first; none while that cannot be told."""
        if not self._complete:
            self.start()
            return []
        try:
            return self._nearest(query)
        except (ModelFailure, HistoryError) as error:
            _LOG.warning("this question was looked up by its words alone: %s", error)
            return []

    def _nearest(self, query: str) -> list[str]:
        collection, vectors = self._store.collection(self._name), self._model.vectors([query])
        found = self._store.call(
            lambda: collection.query(
                query_embeddings=cast(Any, vectors),
                n_results=min(NEIGHBOURS, len(self._wordings)),
                include=["metadatas"],
            )
        )
        metadatas = cast(list[list[dict[str, Any]]], found["metadatas"])[0]
        return list(dict.fromkeys(meta["card"] for meta in metadatas))

    def _add(self, keys: Sequence[str]) -> None:
        collection = self._store.collection(self._name)
        wordings = [self._wordings[key] for key in keys]
        vectors = self._model.vectors([text for _, text in wordings])
        self._store.call(
            lambda: collection.upsert(
                ids=list(keys), embeddings=cast(Any, vectors), metadatas=[{"card": card} for card, _ in wordings]
            )
        )
