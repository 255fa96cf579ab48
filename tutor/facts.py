"""Small facts besides the transcripts, by key: what a code opens, whose thread this is, what was delivered.

A fact is plain JSON in a Chroma collection; text that a learner wrote belongs into the learner's own collection.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any, cast

from tutor.history import Store

Fact = dict[str, Any]
_VECTORS: list[Sequence[float]] = [[0.0]]


class Facts:
    """The facts of one collection."""

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self._name = name

    def claim(self, key: str, fact: Fact, **tags: str | float) -> bool:
        """Writes the fact unless there is one of this key; whether it was written. One of many claims wins."""
        return self._store.add_once(self._name, key, _json(fact), {"fact": key, **tags})

    def put(self, key: str, fact: Fact, **tags: str | float) -> None:
        """Writes the fact, in the place of an earlier one of this key."""
        collection = self._store.collection(self._name)
        meta = {"fact": key, **tags}
        self._store.call(
            lambda: collection.upsert(ids=[key], embeddings=_VECTORS, documents=[_json(fact)], metadatas=[meta])
        )

    def get(self, key: str) -> Fact | None:
        """The fact of this key, if there is one."""
        return next(iter(self.get_all([key])), None)

    def get_all(self, keys: Sequence[str]) -> list[Fact]:
        """The facts of those keys that have one, in the order of the keys."""
        collection = self._store.collection(self._name)
        found = self._store.call(lambda: collection.get(ids=list(keys), include=["documents"]))
        by_key = dict(zip(found["ids"], cast(list[str], found["documents"]), strict=True))
        return [json.loads(by_key[key]) for key in keys if key in by_key]

    def where(self, **tags: str) -> Iterator[tuple[str, Fact, float]]:
        """Keys, facts and times (the tag `at`, in seconds) of the facts with these tags."""
        pairs: list[dict[str, Any]] = [{name: value} for name, value in tags.items()]
        for document, meta in self._store.select(self._name, pairs[0] if len(pairs) == 1 else {"$and": pairs}):
            yield meta["fact"], json.loads(document), meta.get("at", 0.0)

    def drop(self, keys: Sequence[str]) -> None:
        """Removes the facts of these keys."""
        collection = self._store.collection(self._name)
        if keys:
            self._store.call(lambda: collection.delete(ids=list(keys)))


def _json(fact: Fact) -> str:
    return json.dumps(fact, ensure_ascii=False)
