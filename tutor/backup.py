"""Everything a learner has said and been told, as one ZIP that can be read back to an equal state."""

import io
import json
import math
import zipfile
from dataclasses import dataclass
from typing import Any, BinaryIO

from langchain_core.messages import messages_from_dict

from tutor.errors import HistoryError
from tutor.events import event_of
from tutor.history import ChromaHistory, Row, Store, restore, stored

FORMAT = 1
LARGEST = 1 << 30
"""Bytes that a file may unpack to."""
_MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Restored:
    """How many interviews a file had, and how many records of them were new here."""

    sessions: int
    records: int


def packed(store: Store, learner: str) -> bytes:
    """All sessions of the learner: one file of lines each, one record a line, as it is stored."""
    sessions = stored(store, learner)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        manifest = {"format": FORMAT, "sessions": len(sessions), "records": sum(map(len, sessions.values()))}
        archive.writestr(_entry(_MANIFEST), json.dumps(manifest) + "\n")
        for session, rows in sorted(sessions.items()):
            lines = "".join(f"{_line(document, meta)}\n" for document, meta in rows)
            archive.writestr(_entry(f"sessions/{session}.jsonl"), lines)
    return file.getvalue()


def unpacked(store: Store, learner: str, file: BinaryIO) -> Restored:
    """Reads a packed file back, adding what is not there yet; reading it twice changes nothing.

    Raises HistoryError for a file that is not of this format, before anything is written, and for an interview that
    differs from the one that is there.
    """
    sessions = _read(file)
    for session in sessions:
        ChromaHistory(store, learner, session)
    records = sum(restore(store, learner, session, rows) for session, rows in sessions.items())
    return Restored(len(sessions), records)


def _entry(name: str) -> zipfile.ZipInfo:
    """A member without a date, so that equal data makes equal files."""
    entry = zipfile.ZipInfo(name)
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def _line(document: str, meta: dict[str, Any]) -> str:
    """A record as one line of JSON; its messages stand there as they are stored."""
    head = json.dumps({name: meta[name] for name in ("sequence", "at", "answers") if name in meta})
    return f'{head[:-1]}, "messages": {document}}}'


def _read(file: BinaryIO) -> dict[str, list[Row]]:
    try:
        with zipfile.ZipFile(file) as archive:
            if sum(member.file_size for member in archive.infolist()) > LARGEST:
                raise HistoryError(f"the file unpacks to more than {LARGEST >> 20} MB; it is none of ours")
            manifest = json.loads(archive.read(_MANIFEST))
            if manifest["format"] != FORMAT:
                raise HistoryError(f"the file has format {manifest['format']!r}; update the tutor to read it")
            names = [name for name in archive.namelist() if name.startswith("sessions/") and name.endswith(".jsonl")]
            sessions = {name[9:-6]: _rows(archive.read(name).decode("utf-8"), name) for name in names}
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, EOFError) as error:
        raise HistoryError(f"this is not a file of `tutor export --all`, or it is damaged ({error})") from None
    if sum(map(len, sessions.values())) != manifest.get("records"):
        raise HistoryError("records are missing from the file; nothing was read")
    return sessions


def _rows(lines: str, name: str) -> list[Row]:
    """The records of one session, each checked to be one that this version can read."""
    return [_row(json.loads(line), number, name) for number, line in enumerate(lines.split("\n")) if line]


def _row(record: dict[str, Any], number: int, name: str) -> Row:
    at, answers = float(record["at"]), record.get("answers")
    right = record["sequence"] == number and math.isfinite(at) and (answers is None or 0 <= int(answers) < number)
    if not right or not record["messages"]:
        raise ValueError(f"{name}: record {number}")
    for message in messages_from_dict(record["messages"]):
        event_of(message)
    meta = {"sequence": number, "at": at} | ({} if answers is None else {"answers": int(answers)})
    return json.dumps(record["messages"], ensure_ascii=False), meta
