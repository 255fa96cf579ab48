"""Every learner's interviews as progress sees them, read from the history once and then only where it has grown."""

import logging
import threading
from collections import OrderedDict
from dataclasses import dataclass, field

from tutor.errors import HistoryError
from tutor.history import ChromaHistory, Record, Store, all_sessions, count, timed, written_since
from tutor.progress import Sitting, sitting

_LOG = logging.getLogger(__name__)

LEARNERS = 64
"""Learners whose interviews are kept in memory."""
OVERLAP = 3600.0
"""Seconds by which the clocks of processes that share a Chroma server may differ."""


@dataclass
class _Known:
    """What was read of one learner: the sittings, the number of records of each session, the latest time."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    sittings: dict[str, Sitting | None] = field(default_factory=dict)
    records: dict[str, int] = field(default_factory=dict)
    latest: float = 0.0


class Archive:
    """Gives the sittings of a learner. Safe to use from several threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._guard = threading.Lock()
        self._known: OrderedDict[str, _Known] = OrderedDict()

    def sittings(self, learner: str) -> tuple[Sitting, ...]:
        """The learner's interviews, the oldest first; raises HistoryError."""
        known = self._of(learner)
        with known.lock:
            if not self._complete(learner, known) and known.records:
                self._read_grown(learner, known)
            if not self._complete(learner, known):
                self._read_all(learner, known)
            found = [sitting for sitting in known.sittings.values() if sitting]
        return tuple(sorted(found, key=lambda sitting: (sitting.at, sitting.session)))

    def prepare(self, learner: str) -> None:
        """Reads the learner's interviews in the background, so that nobody waits for the first look at progress."""
        if learner not in self._known:
            threading.Thread(target=self._prepare, args=(learner,), name="archive", daemon=True).start()

    def _prepare(self, learner: str) -> None:
        try:
            self.sittings(learner)
        except HistoryError as error:
            _LOG.info("interviews not read ahead: %s", error)

    def _of(self, learner: str) -> _Known:
        with self._guard:
            known = self._known.setdefault(learner, _Known())
            self._known.move_to_end(learner)
            while len(self._known) > LEARNERS:
                self._known.popitem(last=False)
            return known

    def _complete(self, learner: str, known: _Known) -> bool:
        """Whether every record was read; records are only added, and deleted ones make the numbers differ, too."""
        return count(self._store, learner) == sum(known.records.values())

    def _read_grown(self, learner: str, known: _Known) -> None:
        for session in written_since(self._store, learner, known.latest - OVERLAP):
            records = ChromaHistory(self._store, learner, session).records()
            self._keep(known, session, records)

    def _read_all(self, learner: str, known: _Known) -> None:
        known.sittings, known.records = {}, {}
        for session, records in all_sessions(self._store, learner):
            self._keep(known, session, records)

    def _keep(self, known: _Known, session: str, records: list[Record]) -> None:
        known.sittings[session] = sitting(session, timed(records))
        known.records[session] = len(records)
        known.latest = max(known.latest, *(record.at for record in records))
