"""The chat message history in Chroma: transcripts of every session, appended and never changed.

One record is one append: a message of the learner, or all messages of the tutor's part of a turn. Chroma keeps the
first record of an id and ignores later ones, so an append takes the next number of its session, reads back whose record
stands there, and tries the next number when it was somebody else's. The order is the number, never a clock.
"""

import hashlib
import json
import os
import re
import secrets
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.messages import BaseMessage, HumanMessage, ToolMessage, message_to_dict, messages_from_dict

from tutor.errors import HistoryError
from tutor.events import event_of
from tutor.settings import Settings

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb.api.collection_configuration import CreateHNSWConfiguration
    from chromadb.api.models.Collection import Collection
    from chromadb.api.types import GetResult, Include

T = TypeVar("T")
Row = tuple[str, dict[str, Any]]
"""A record as it is stored: its messages as JSON, and sequence, time and what it answers."""

PAGE = 5000
"""Records read at once; Chroma fails above 32,766."""
BATCH = 500
"""Records written at once when they are read back from a file."""
DEADLINE = 5.0
"""Seconds that a call to a Chroma server may take; its client has no limit of its own."""
_VECTOR = [[0.0]]
"""History is read by key. A constant vector keeps Chroma from fetching a model to make one."""
_SYNC: "CreateHNSWConfiguration" = {"sync_threshold": 20, "batch_size": 10}
"""Every `add` reads all records not yet synced: with Chroma's own 1,000, the 480th of 7 kB took 110 ms; so 9."""
_MARKER = "interview-tutor.json"
_ID = re.compile(r"^[A-Za-z0-9_-]{1,64}$")


@dataclass(frozen=True)
class Record:
    """One append: messages, its number in the session, when it was written (seconds), and what it answers."""

    sequence: int
    messages: tuple[BaseMessage, ...]
    at: float
    answers: int | None = None

    @property
    def order(self) -> tuple[int, int]:
        """Place in the transcript: a turn of the tutor stands behind the last message that it answers."""
        return (self.sequence, 0) if self.answers is None else (self.answers, 1)


_LEARNERS = "learner-"
"""Begins the name of every collection that holds a history."""


@dataclass(frozen=True)
class SessionLine:
    """One session in a list: its id, when it began (seconds), and its first message."""

    session: str
    at: float
    first: BaseMessage


class Store:
    """The place where histories live: one embedded data folder, or a Chroma server."""

    def __init__(self, settings: Settings) -> None:
        """Opens the store; raises HistoryError when the folder or the server cannot be used."""
        self._lock = None if settings.chroma_url else _Ownership(settings.data)
        self._client = _server(settings.chroma_url) if settings.chroma_url else _embedded(settings.data)
        self._deadline = DEADLINE if settings.chroma_url else None
        self._folder = None if settings.chroma_url else settings.data
        self._collections: dict[str, Collection] = {}
        self._opening = threading.Lock()

    @property
    def client(self) -> "ClientAPI":
        return self._client

    def collection(self, name: str) -> "Collection":
        """The collection of that name, made if it is not there."""
        with self._opening:
            if name not in self._collections:
                self._collections[name] = self.call(
                    lambda: self._client.get_or_create_collection(
                        name, embedding_function=None, configuration={"hnsw": _SYNC}
                    )
                )
            return self._collections[name]

    def call(self, work: Callable[[], T]) -> T:
        """What `work` gives; raises HistoryError when the server does not answer in time or Chroma refuses."""
        import chromadb.errors
        import httpx

        try:
            return self._workers.submit(work).result(self._deadline) if self._deadline else work()
        except Late:
            raise HistoryError(
                f"the Chroma server did not answer within {self._deadline:.0f} s; is it running?"
            ) from None
        except (chromadb.errors.ChromaError, httpx.HTTPError, OSError) as error:
            raise HistoryError(f"the history cannot be used: {_one_line(error)}") from error

    @cached_property
    def _workers(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(max_workers=16, thread_name_prefix="chroma")

    def add_once(self, name: str, record_id: str, document: str, meta: dict[str, Any]) -> bool:
        """Adds a record unless its id is taken; whether it is ours that stands there now."""
        collection, token = self.collection(name), secrets.token_hex(8)
        stamped = {**meta, "token": token}
        self.call(
            lambda: collection.add(ids=[record_id], embeddings=_VECTOR, documents=[document], metadatas=[stamped])  # type: ignore[arg-type]
        )
        kept = self.call(lambda: collection.get(ids=[record_id], include=["metadatas"]))["metadatas"]
        return bool(kept) and kept[0]["token"] == token  # type: ignore[index]

    def select(self, name: str, where: dict[str, Any] | None) -> Iterator[Row]:
        """Documents and metadata of the records that match, in no order."""
        for page in self._pages(name, where, ["documents", "metadatas"]):
            documents = cast(list[str], page["documents"])
            yield from zip(documents, cast(list[dict[str, Any]], page["metadatas"]), strict=True)

    def metadata(self, name: str, where: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The metadata of the records that match, in no order."""
        for page in self._pages(name, where, ["metadatas"]):
            yield from cast(list[dict[str, Any]], page["metadatas"])

    def _pages(self, name: str, where: dict[str, Any] | None, include: "Include") -> Iterator["GetResult"]:
        collection, offset = self.collection(name), 0
        while True:
            page = self.call(
                lambda start=offset: collection.get(where=where, limit=PAGE, offset=start, include=include)  # type: ignore[misc]
            )
            yield page
            if len(page["ids"]) < PAGE:
                return
            offset += PAGE

    def names(self, prefix: str) -> list[str]:
        """The collections whose name begins so."""
        return [found.name for found in self.call(self._client.list_collections) if found.name.startswith(prefix)]

    def erase(self, names: Sequence[str]) -> None:
        """Deletes collections so that no file of the data folder holds their text any more."""
        import chromadb.errors

        kept = set(self.names(""))
        for name in names:
            with self._opening:
                self._collections.pop(name, None)
            if name in kept:
                with suppress(chromadb.errors.NotFoundError):
                    self.call(lambda name=name: self._client.delete_collection(name))  # type: ignore[misc]
        if self._folder:
            _compact(self._folder / "chroma")

    def close(self) -> None:
        """Gives the data folder back, for another process to open."""
        close = getattr(self._client, "close", None)
        if close:
            close()
        if self._lock:
            self._lock.release()


class ChromaHistory(BaseChatMessageHistory):
    """The transcript of one session of one learner."""

    def __init__(self, store: Store, learner: str, session: str) -> None:
        """`learner` and `session` come from the server, never from a model; raises HistoryError for a malformed id."""
        if not _ID.match(session):
            raise HistoryError(f"{session[:80]!r} is not a session; a session is letters, digits, - and _")
        self._store = store
        self.session = session
        self.learner = learner
        self._known: list[Record] | None = None

    @property
    def messages(self) -> list[BaseMessage]:  # type: ignore[override]
        """The transcript, oldest first."""
        return [message for record in self.records() for message in record.messages]

    def records(self) -> list[Record]:
        """All records of the session in the order of the transcript, read now."""
        found = self._store.select(collection_name(self.learner), {"session": self.session})
        self._known = sorted(
            (
                Record(meta["sequence"], _messages(text, meta["at"]), meta["at"], meta.get("answers"))
                for text, meta in found
            ),
            key=lambda record: record.order,
        )
        return self._known

    def knows(self, message_id: str) -> bool:
        """Whether a message of this id was in the records when they were last read."""
        return any(message.id == message_id for record in self._known or () for message in record.messages)

    def add_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Appends the messages as one record."""
        self.append(messages, at=0.0)

    def append(self, messages: Sequence[BaseMessage], *, at: float, answers: int | None = None) -> int:
        """Appends one record and gives its number; `answers` is the number of the learner's message it replies to.

        A turn whose message was answered by somebody else in the meantime is dropped: -1.
        """
        stored = tuple(map(_storable, messages))
        document = json.dumps([message_to_dict(message) for message in stored], ensure_ascii=False)
        known = self.records() if self._known is None else self._known
        while True:
            if answers is not None and any(record.answers == answers for record in known):
                return -1
            sequence = max((record.sequence for record in known), default=-1) + 1
            meta: dict[str, Any] = {"session": self.session, "sequence": sequence, "at": at}
            if answers is not None:
                meta["answers"] = answers
            if self._store.add_once(collection_name(self.learner), f"{self.session}/{sequence:08d}", document, meta):
                self._known = [*known, Record(sequence, stored, at, answers)]
                return sequence
            known = self.records()

    def clear(self) -> None:
        """Deletes the session's records."""
        collection = self._store.collection(collection_name(self.learner))
        self._store.call(lambda: collection.delete(where={"session": self.session}))


def sessions(store: Store, learner: str) -> list[SessionLine]:
    """The learner's sessions, the latest first."""
    lines = [
        SessionLine(meta["session"], meta["at"], _messages(document, meta["at"])[0])
        for document, meta in store.select(collection_name(learner), {"sequence": 0})
    ]
    return sorted(lines, key=lambda line: (line.at, line.session), reverse=True)


def count(store: Store, learner: str) -> int:
    """How many records the learner's sessions have together."""
    collection = store.collection(collection_name(learner))
    return store.call(collection.count)


def written_since(store: Store, learner: str, at: float) -> set[str]:
    """The learner's sessions that have a record of that time (seconds) or a later one."""
    return {meta["session"] for meta in store.metadata(collection_name(learner), {"at": {"$gte": at}})}


def session_ids(store: Store, learner: str) -> set[str]:
    """All sessions of the learner."""
    return {meta["session"] for meta in store.metadata(collection_name(learner), {"sequence": 0})}


def facts(store: Store, learner: str, sessions: Sequence[str]) -> Iterator[tuple[str, list[Record]]]:
    """These sessions of the learner with their records in the order of the transcript.

    Messages of the tutor's model are left out: they carry no facts, and making them takes half of the time.
    """
    for session, own in stored(store, learner, sessions).items():
        records = (
            Record(meta["sequence"], _facts(text, meta["at"]), meta["at"], meta.get("answers")) for text, meta in own
        )
        yield session, sorted(records, key=lambda record: record.order)


def stored(store: Store, learner: str, sessions: Sequence[str] | None = None) -> dict[str, list[Row]]:
    """Records as they are stored, of all the learner's sessions or of these, by session and in order of number."""
    rows: dict[str, list[Row]] = {}
    where = None if sessions is None else {"session": {"$in": list(sessions)}}
    for document, meta in store.select(collection_name(learner), where):
        rows.setdefault(meta["session"], []).append((document, meta))
    return {name: sorted(own, key=lambda row: row[1]["sequence"]) for name, own in rows.items()}


def restore(store: Store, learner: str, session: str, rows: Sequence[Row]) -> int:
    """Adds the records of a session that are not there yet and gives their number.

    Raises HistoryError, and adds nothing, where a record that is there says something else.
    """
    here = {meta["sequence"]: document for document, meta in stored(store, learner, [session]).get(session, [])}
    if any(here.get(meta["sequence"], document) != document for document, meta in rows) or len(here) > len(rows):
        raise HistoryError(f"the interview {session} here is not the one in the file; it was left as it is")
    missing = [(document, meta) for document, meta in rows if meta["sequence"] not in here]
    collection = store.collection(collection_name(learner))
    for start in range(0, len(missing), BATCH):
        part = missing[start : start + BATCH]
        store.call(
            lambda part=part: collection.add(  # type: ignore[misc]
                ids=[f"{session}/{meta['sequence']:08d}" for _, meta in part],
                embeddings=_VECTOR * len(part),  # type: ignore[arg-type]
                documents=[document for document, _ in part],
                metadatas=[{**meta, "session": session, "token": secrets.token_hex(8)} for _, meta in part],
            )
        )
    return len(missing)


def messages_since(store: Store, at: float) -> Iterator[BaseMessage]:
    """The messages of all learners that were stored since then (seconds)."""
    names = store.call(lambda: [collection.name for collection in store.client.list_collections()])
    for name in names:
        if name.startswith(_LEARNERS):
            for document, meta in store.select(name, {"at": {"$gte": at}}):
                yield from _messages(document, meta["at"])


def new_session() -> str:
    """A session id that nobody can guess."""
    return secrets.token_urlsafe(16)


def collection_name(learner: str) -> str:
    """The learner's collection; Chroma allows only Latin letters and digits in names."""
    return _LEARNERS + digest(learner)


def digest(text: str) -> str:
    """A name that stands for a text without telling it."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _storable(message: BaseMessage) -> BaseMessage:
    """The message without lone surrogates, which no storage takes."""
    if isinstance(message, HumanMessage) and isinstance(message.content, str):
        return message.model_copy(update={"content": without_surrogates(message.content)})
    return message


def without_surrogates(text: str) -> str:
    """The text with each lone surrogate replaced, so that it can be written as UTF-8."""
    return text.encode("utf-8", errors="replace").decode("utf-8")


@lru_cache(maxsize=4096)
def _messages(document: str, at: float) -> tuple[BaseMessage, ...]:
    """The messages of a record with its time; records never change, so those of open sessions are parsed once."""
    messages = messages_from_dict(json.loads(document))
    for message in messages if at else ():
        message.additional_kwargs["at"] = at
    return tuple(messages)


def _facts(document: str, at: float) -> tuple[BaseMessage, ...]:
    """The messages of a record with its time, without those of the tutor's model; events are read once, here."""
    found = messages_from_dict([message for message in json.loads(document) if message["type"] != "ai"])
    for message in found:
        message.additional_kwargs["at"] = at
        if isinstance(message, ToolMessage) and message.artifact:
            message.artifact = event_of(message)
    return tuple(found)


def mark_folder(folder: Path) -> None:
    """Makes the data folder, unless it is one; raises HistoryError for a folder that holds anything else."""
    marker = folder / _MARKER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not marker.exists():
            if any(folder.iterdir()):
                raise HistoryError(
                    f"{folder} holds other files and no {_MARKER}; set TUTOR_DATA to an empty or new folder"
                )
            marker.write_text('{"format": 1}\n', encoding="utf-8")
    except OSError as error:
        raise _unwritable(folder, error) from None


def _unwritable(folder: Path, error: OSError) -> HistoryError:
    return HistoryError(f"{folder} cannot be written ({error.strerror}); set TUTOR_DATA to a folder of yours")


class _Ownership:
    """The lock on a data folder: two processes would corrupt an embedded Chroma without an error."""

    def __init__(self, folder: Path) -> None:
        import filelock

        mark_folder(folder)
        try:
            self._lock = filelock.FileLock(folder / "owner.lock", timeout=0)
            self._lock.acquire()
            (folder / "owner.json").write_text(json.dumps({"pid": os.getpid()}), encoding="utf-8")
        except filelock.Timeout:
            raise HistoryError(
                f"{folder} is in use by process {_owner(folder)}; stop it, set TUTOR_DATA to another folder, "
                "or let both use one Chroma server (TUTOR_CHROMA_URL)"
            ) from None
        except OSError as error:
            raise _unwritable(folder, error) from None

    def release(self) -> None:
        self._lock.release()


def _owner(folder: Path) -> str:
    try:
        return str(json.loads((folder / "owner.json").read_text(encoding="utf-8"))["pid"])
    except (OSError, ValueError, KeyError):
        return "unknown"


def _compact(folder: Path) -> None:
    """Rewrites the database without freed pages, and removes the index files of deleted collections.

    In a process of its own: closing the database here would take away the locks that Chroma holds on it.
    """
    command = [sys.executable, "-m", "tutor.compacting", str(folder / "chroma.sqlite3")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own words and path
    if done.returncode:
        raise HistoryError(f"{folder} could not be compacted: {_last_line(done.stderr)}")
    kept = set(done.stdout.split())
    for index in folder.iterdir():
        if index.is_dir() and index.name not in kept:
            shutil.rmtree(index, ignore_errors=True)


def _embedded(folder: Path) -> "ClientAPI":
    import chromadb
    from chromadb.config import Settings as ChromaSettings

    _write_ahead(folder / "chroma")
    return chromadb.PersistentClient(str(folder / "chroma"), settings=ChromaSettings(anonymized_telemetry=False))


def _write_ahead(folder: Path) -> None:
    """Lets the database write ahead, which is as safe as a rollback journal and takes a third of the time.

    Before Chroma opens it: two copies of SQLite in one process must never have the same file open, since the locks of
    files belong to processes. The file remembers it; where the file system cannot do it, SQLite keeps its journal.
    """
    folder.mkdir(exist_ok=True)
    with closing(sqlite3.connect(folder / "chroma.sqlite3", timeout=30)) as database:
        database.execute("PRAGMA journal_mode=WAL")


def _server(url: str) -> "ClientAPI":
    from urllib.parse import urlsplit

    import chromadb
    from chromadb.config import Settings as ChromaSettings

    parts = urlsplit(url)
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    workers = ThreadPoolExecutor(max_workers=1)
    work = workers.submit(
        chromadb.HttpClient,
        host=parts.hostname or "127.0.0.1",
        port=port,
        ssl=secure,
        settings=ChromaSettings(anonymized_telemetry=False),
    )
    try:
        return work.result(DEADLINE)
    except Late:
        raise HistoryError(
            f"the Chroma server at {url} did not answer within {DEADLINE:.0f} s; is it running?"
        ) from None
    except ValueError as error:
        raise HistoryError(f"the Chroma server at {url} cannot be used: {_one_line(error)}") from None
    finally:
        workers.shutdown(wait=False)


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[-1][:200]


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
