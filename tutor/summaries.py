"""What progress keeps of each interview, written beside the transcripts so that it need not be read from them again.

Everything here can be made again from the transcripts at any time, and holds no words of the learner. A summary that
another version of the tutor wrote does not count: that version may have folded differently.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from tutor.history import BATCH, Store, digest
from tutor.progress import Sitting

_SITTING: TypeAdapter[Sitting | None] = TypeAdapter(Sitting | None)


@dataclass(frozen=True)
class Summary:
    """One session: its sitting (None where nothing was started), how many records, and when the latest was made."""

    session: str
    sitting: Sitting | None
    records: int
    latest: float


def kept(store: Store, learner: str) -> Iterator[Summary]:
    """The learner's summaries that this version of the tutor wrote; one that cannot be read is left out."""
    for document, meta in store.select(_name(learner), {"fold": _version()}):
        try:
            sitting = _SITTING.validate_json(document)
        except ValidationError:
            continue
        yield Summary(meta["session"], sitting, meta["records"], meta["latest"])


def keep(store: Store, learner: str, summaries: Sequence[Summary]) -> None:
    """Writes summaries in the place of earlier ones of the same sessions."""
    collection = store.collection(_name(learner))
    for start in range(0, len(summaries), BATCH):
        part = summaries[start : start + BATCH]
        vectors: list[Sequence[float]] = [[0.0]] * len(part)
        store.call(
            lambda part=part, vectors=vectors: collection.upsert(  # type: ignore[misc]
                ids=[summary.session for summary in part],
                embeddings=vectors,
                documents=[_SITTING.dump_json(summary.sitting).decode() for summary in part],
                metadatas=[
                    {"session": s.session, "records": s.records, "latest": s.latest, "fold": _version()} for s in part
                ],
            )
        )


def _name(learner: str) -> str:
    """Ends like the name of the learner's transcripts, so that both are forgotten together."""
    return f"sittings-{digest(learner)}"


@lru_cache(maxsize=1)
def _version() -> str:
    """Stands for all that a fold depends on: the source of the package's own modules."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()[:16]
