"""What people sent, on disk before a platform is told that it has arrived, and known until no platform sends it again.

A small database of its own: a line in it takes about a millisecond, whatever turns and the history do meanwhile.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from tutor.cards import Language
from tutor.chat.wishes import Wish
from tutor.errors import HistoryError
from tutor.history import digest, mark_folder, new_session

FILE = "inbox.sqlite3"
REMEMBERED = 2 * 86_400.0
"""Seconds for which an answered message is known; no platform delivers again after that."""
_TABLE = (
    "CREATE TABLE IF NOT EXISTS entries "
    "(key TEXT PRIMARY KEY, owner TEXT, state TEXT, at REAL, text TEXT) WITHOUT ROWID"
)
_DONE = "done"
TIDIED = 200
"""Answered messages after which the file is put in order."""
_WAIT = 5.0
"""Seconds that a write waits for another process."""


class Incoming(BaseModel):
    """Something that a person sent.

    `id` is the platform's for this message, the same at every delivery; of all messages with the same `once`, only the
    first is answered. `account` is who sent it, `place` the thread or the direct messages that an interview runs in,
    `private` whether nobody else reads there. `target` is the platform's own: where and how to answer. `typed` says
    whether answers can be typed at that place.
    """

    model_config = ConfigDict(frozen=True)
    id: str
    account: str
    place: str
    wish: Wish
    once: str = ""
    private: bool = False
    typed: bool = True
    language: Language | None = None
    target: dict[str, str] = Field(default_factory=dict)
    session: str = ""
    at: float = 0.0

    @property
    def platform(self) -> str:
        return self.account.partition(":")[0]


class Inbox:
    """The messages of every platform. Safe to use from several threads and processes; methods raise HistoryError."""

    def __init__(self, folder: Path, clock: Callable[[], float]) -> None:
        mark_folder(folder)
        self._clock = clock
        self._lock = threading.Lock()
        self._path, self._settled = folder / FILE, 0
        try:
            self._database = _opened(self._path)
            self._database.execute(_TABLE)
        except sqlite3.Error as error:
            raise HistoryError(f"{self._path} cannot be used: {error}") from None

    def accept(self, incoming: Incoming) -> Incoming | None:
        """Writes down what was sent, to be answered; None for what is known already, or was asked by another click."""
        accepted = incoming.model_copy(update={"session": new_session(), "at": self._clock()})
        with self._writing() as database:
            new = _add(database, accepted, accepted.id, f"open:{accepted.platform}", accepted.model_dump_json())
            if new and accepted.once and not _add(database, accepted, accepted.once, _DONE, digest(accepted.id)):
                _settle(database, accepted)
                new = False
        return accepted if new else None

    def spent(self, incoming: Incoming) -> bool:
        """Whether another message with the same `once` came first."""
        with self._writing() as database:
            found = database.execute("SELECT text FROM entries WHERE key = ?", [digest(incoming.once)]).fetchone()
        return bool(incoming.once and found and found[0] != digest(incoming.id))

    def keep(self, incoming: Incoming) -> None:
        """Notes where the answer to an accepted message goes, so that every attempt goes there."""
        with self._writing() as database:
            given = [incoming.model_dump_json(), digest(incoming.id), _DONE]
            database.execute("UPDATE entries SET text = ? WHERE key = ? AND state <> ?", given)

    def kept(self, incoming: Incoming) -> Incoming:
        """The message as it was last kept."""
        with self._writing() as database:
            found = database.execute("SELECT text FROM entries WHERE key = ?", [digest(incoming.id)]).fetchone()
        return Incoming.model_validate_json(found[0]) if found and found[0] else incoming

    def done(self, incoming: Incoming) -> None:
        """Notes that the answer was delivered; the words of the message are kept in the transcript alone."""
        with self._writing() as database:
            _settle(database, incoming)
        self._settled += 1
        if self._settled % TIDIED == 0:
            self._tidy()

    def unanswered(self, platform: str) -> list[Incoming]:
        """What was accepted and never delivered, oldest first; forgets what was delivered long ago."""
        with self._writing() as database:
            before = [_DONE, self._clock() - REMEMBERED]
            database.execute("DELETE FROM entries WHERE state = ? AND at < ?", before)
            found = _texts(database, f"open:{platform}")
        return [Incoming.model_validate_json(text) for text in found]

    def note(self, key: str, account: str, kind: str, text: str) -> None:
        """Keeps a text about the account until that is forgotten, unless there is one of this key."""
        with self._writing() as database:
            given = (digest(key), digest(account), f"note:{kind}", self._clock(), text)
            database.execute("INSERT OR IGNORE INTO entries VALUES (?, ?, ?, ?, ?)", given)

    def notes(self, kind: str) -> list[str]:
        """All texts of that kind."""
        with self._writing() as database:
            return _texts(database, f"note:{kind}")

    def _tidy(self) -> None:
        """Moves what was written to its place on the disk, which may take long: beside the writing, not within."""
        with suppress(sqlite3.Error), closing(_opened(self._path)) as database:
            database.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def close(self) -> None:
        """Gives the file back."""
        with self._lock:
            self._database.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One change, whole or not at all."""
        with self._lock:
            try:
                self._database.execute("BEGIN IMMEDIATE")
                with self._database:
                    yield self._database
            except sqlite3.Error as error:
                raise HistoryError(f"what was sent cannot be written down: {error}") from None


def forget_words(folder: Path, accounts: Iterable[str]) -> None:
    """Takes all words and notes of the accounts out of the inbox of that folder, if it has one; raises HistoryError."""
    path = folder / FILE
    if not path.exists():
        return
    try:
        with closing(_opened(path)) as database:
            for owner in map(digest, accounts):
                database.execute("DELETE FROM entries WHERE owner = ? AND state LIKE 'note:%'", [owner])
                database.execute("UPDATE entries SET owner = '', text = '', state = ? WHERE owner = ?", [_DONE, owner])
            database.execute("VACUUM")  # pages keep copies of what was moved in them
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as error:
        raise HistoryError(f"{path} cannot be written: {error}") from None


def _opened(path: Path) -> sqlite3.Connection:
    """The database: what is written outlives the process; only a machine that fails may lose the last moment."""
    database = sqlite3.connect(path, timeout=_WAIT, isolation_level=None, check_same_thread=False)
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "wal_autocheckpoint = 0"):
        database.execute(f"PRAGMA {pragma}")
    return database


def _add(database: sqlite3.Connection, incoming: Incoming, key: str, state: str, text: str) -> bool:
    """Adds an entry unless there is one of this key; whether it was added."""
    given: tuple[Any, ...] = (digest(key), digest(incoming.account), state, incoming.at, text)
    return database.execute("INSERT OR IGNORE INTO entries VALUES (?, ?, ?, ?, ?)", given).rowcount == 1


def _settle(database: sqlite3.Connection, incoming: Incoming) -> None:
    database.execute("UPDATE entries SET state = ?, text = '' WHERE key = ?", [_DONE, digest(incoming.id)])


def _texts(database: sqlite3.Connection, state: str) -> list[str]:
    found = database.execute("SELECT text FROM entries WHERE state = ? ORDER BY at, key", [state])
    return [text for (text,) in found]
