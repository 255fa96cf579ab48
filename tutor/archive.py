"""Every learner's interviews as progress sees them: from summaries, and from the transcripts that have grown since."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from tutor.errors import HistoryError
from tutor.history import Record, Store, count, facts, session_ids, written_since
from tutor.progress import Sitting, sitting
from tutor.summaries import Summary, keep, kept

_LOG = logging.getLogger(__name__)

LEARNERS = 64
"""Learners whose interviews are kept in memory."""
OVERLAP = 3600.0
"""Seconds by which the clocks of processes that share a Chroma server may differ."""
AT_ONCE = 20
"""Transcripts in memory at once, while many are read."""


@dataclass
class _Known:
    """What was read of one learner, by session."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    summaries: dict[str, Summary] = field(default_factory=dict)


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
            if not known.summaries:
                known.summaries = {summary.session: summary for summary in kept(self._store, learner)}
            for stale in (self._written_lately, self._unknown, self._all):
                if self._complete(learner, known):
                    break
                self._read(learner, known, stale(learner, known))
            found = [summary.sitting for summary in known.summaries.values() if summary.sitting]
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
        return count(self._store, learner) == sum(summary.records for summary in known.summaries.values())

    def _written_lately(self, learner: str, known: _Known) -> Collection[str]:
        """Sessions that may have grown since they were read."""
        if not known.summaries:
            return ()
        return written_since(self._store, learner, max(s.latest for s in known.summaries.values()) - OVERLAP)

    def _unknown(self, learner: str, known: _Known) -> Collection[str]:
        """Sessions that were never read; those that are gone are forgotten."""
        there = session_ids(self._store, learner)
        known.summaries = {session: summary for session, summary in known.summaries.items() if session in there}
        return there - known.summaries.keys()

    def _all(self, learner: str, known: _Known) -> Collection[str]:
        known.summaries = {}
        return session_ids(self._store, learner)

    def _read(self, learner: str, known: _Known, sessions: Collection[str]) -> None:
        """Folds the transcripts of these sessions anew, and keeps what came out."""
        names = sorted(sessions)
        for start in range(0, len(names), AT_ONCE):
            read = facts(self._store, learner, names[start : start + AT_ONCE])
            made = [_summary(session, records) for session, records in read]
            known.summaries |= {summary.session: summary for summary in made}
            self._keep(learner, made)

    def _keep(self, learner: str, made: list[Summary]) -> None:
        """Without summaries the next start takes longer; that must not keep anybody from seeing progress."""
        try:
            keep(self._store, learner, made)
        except HistoryError as error:
            _LOG.warning("summaries not kept: %s", error)


def _summary(session: str, records: Sequence[Record]) -> Summary:
    transcript = [message for record in records for message in record.messages]
    return Summary(session, sitting(session, transcript), len(records), max(record.at for record in records))
