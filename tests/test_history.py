"""Transcripts in a real Chroma: nothing lost, one order, one owner."""

import json
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from tests.free_port import free_port
from tutor.errors import HistoryError
from tutor.history import ChromaHistory, Store, collection_name, sessions
from tutor.settings import Settings


def test_messages_come_back_as_they_were(store: Store) -> None:
    history = ChromaHistory(store, "ann", "s1")
    strange = "NUL \x00 ESC \x1b RTL \u202e zero\u200bwidth 👩‍👩‍👧 中文 e\u0301"
    call = {"name": "grade_answer", "args": {"x": 1}, "id": "c1", "type": "tool_call"}
    turn = [AIMessage("", tool_calls=[call]), ToolMessage("words", tool_call_id="c1", artifact={"kind": "k", "n": 1})]
    history.append([HumanMessage(strange, id="m1", additional_kwargs={"event": {"a": [1]}})], at=1.0)
    history.append(turn, at=2.0, answers=0)
    back = ChromaHistory(store, "ann", "s1").messages
    assert [str(message.content) for message in back] == [strange, "", "words"]
    assert back[0].additional_kwargs == {"event": {"a": [1]}, "at": 1.0}
    assert back[1].tool_calls == [call]  # type: ignore[attr-defined]
    assert back[2].artifact == {"kind": "k", "n": 1}  # type: ignore[attr-defined]


def test_a_lone_surrogate_is_replaced_and_the_rest_is_kept(store: Store) -> None:
    history = ChromaHistory(store, "ann", "s1")
    history.add_messages([HumanMessage("before \ud800 after")])
    assert history.messages[0].content == "before ? after"


def test_two_writers_lose_nothing_and_agree_on_one_order(store: Store) -> None:
    def write(name: str) -> None:
        for number in range(20):
            ChromaHistory(store, "ann", "s1").append([HumanMessage(f"{name}-{number}")], at=0.0)

    threads = [threading.Thread(target=write, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    records = ChromaHistory(store, "ann", "s1").records()
    assert [record.sequence for record in records] == list(range(60))
    said = [str(record.messages[0].content) for record in records]
    assert sorted(said) == sorted(f"{name}-{number}" for name in "abc" for number in range(20))
    for name in "abc":
        own = [text for text in said if text.startswith(name)]
        assert own == [f"{name}-{number}" for number in range(20)]


def test_only_the_first_answer_to_a_message_is_kept(store: Store) -> None:
    first, second = ChromaHistory(store, "ann", "s1"), ChromaHistory(store, "ann", "s1")
    asked = first.append([HumanMessage("question")], at=0.0)
    second.records()
    assert first.append([AIMessage("one")], at=0.0, answers=asked) == 1
    assert second.append([AIMessage("two")], at=0.0, answers=asked) == -1
    assert [str(m.content) for m in ChromaHistory(store, "ann", "s1").messages] == ["question", "one"]


def test_an_answer_stands_behind_what_it_answers(store: Store) -> None:
    history = ChromaHistory(store, "ann", "s1")
    history.append([HumanMessage("first")], at=0.0)
    history.append([HumanMessage("second, sent meanwhile")], at=0.0)
    history.append([AIMessage("to the first")], at=0.0, answers=0)
    said = [str(message.content) for message in history.messages]
    assert said == ["first", "to the first", "second, sent meanwhile"]


def test_learners_do_not_see_each_other(store: Store) -> None:
    ChromaHistory(store, "ann", "s1").append([HumanMessage("mine")], at=1.0)
    assert ChromaHistory(store, "bob", "s1").messages == []
    assert sessions(store, "bob") == []
    assert [line.session for line in sessions(store, "ann")] == ["s1"]
    assert collection_name("ann") != collection_name("bob")


def test_sessions_are_listed_latest_first(store: Store) -> None:
    for name, at in (("old", 1.0), ("new", 3.0), ("middle", 2.0)):
        ChromaHistory(store, "ann", name).append([HumanMessage(name)], at=at)
    ChromaHistory(store, "ann", "old").append([HumanMessage("again")], at=9.0)
    assert [line.session for line in sessions(store, "ann")] == ["new", "middle", "old"]


def test_more_records_than_one_page(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tutor.history.PAGE", 7)
    history = ChromaHistory(store, "ann", "s1")
    for number in range(15):
        history.append([HumanMessage(str(number))], at=0.0)
    assert [str(m.content) for m in ChromaHistory(store, "ann", "s1").messages] == [str(n) for n in range(15)]


@pytest.mark.parametrize("session", ["", "../etc", "a b", "x" * 65, "{'$ne': ''}"])
def test_a_malformed_session_is_refused(store: Store, session: str) -> None:
    with pytest.raises(HistoryError, match="is not a session"):
        ChromaHistory(store, "ann", session)


def test_a_history_can_be_cleared(store: Store) -> None:
    history = ChromaHistory(store, "ann", "s1")
    history.add_messages([HumanMessage("x")])
    history.clear()
    assert history.messages == []


def test_a_foreign_folder_is_left_alone(settings: Settings) -> None:
    settings.data.mkdir()
    (settings.data / "thesis.txt").write_text("mine")
    with pytest.raises(HistoryError, match="holds other files"):
        Store(settings)
    assert [path.name for path in settings.data.iterdir()] == ["thesis.txt"]


def test_a_folder_that_cannot_be_written_is_named(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HistoryError, match=r"cannot be written \(Not a directory\); set TUTOR_DATA"):
        Store(replace(settings, data=tmp_path / "file" / "data"))


def test_a_second_process_is_told_who_owns_the_folder(settings: Settings, store: Store) -> None:
    code = (
        "import sys,time\nfrom pathlib import Path\nfrom tutor.history import Store\n"
        "from tutor.settings import Settings\nbegan=time.monotonic()\n"
        "try: Store(Settings(data=Path(sys.argv[1]), cards=Path('.')))\n"
        "except Exception as error: print(time.monotonic()-began, error)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(settings.data)], capture_output=True, text=True, check=True, timeout=60
    )
    seconds, said = result.stdout.split(" ", 1)
    owner = json.loads((settings.data / "owner.json").read_text())["pid"]
    assert f"{settings.data} is in use by process {owner}" in said
    assert float(seconds) < 1.0


def test_a_folder_can_be_opened_again(settings: Settings) -> None:
    first = Store(settings)
    ChromaHistory(first, "ann", "s1").append([HumanMessage("kept")], at=0.0)
    first.close()
    second = Store(settings)
    assert ChromaHistory(second, "ann", "s1").messages[0].content == "kept"
    second.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A real Chroma server on loopback."""
    port = free_port()
    chroma = Path(sys.executable).with_name("chroma")
    process = subprocess.Popen(
        [chroma, "run", "--path", tmp_path / "server", "--host", "127.0.0.1", "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    for _ in range(200):
        try:
            if httpx.get(f"{address}/api/v2/heartbeat").is_success:
                break
        except httpx.HTTPError:
            time.sleep(0.1)
    yield address, process
    process.kill()
    process.wait()


_WRITER = """
import sys
from pathlib import Path
from langchain_core.messages import HumanMessage
from tutor.history import ChromaHistory, Store
from tutor.settings import Settings
store = Store(Settings(data=Path("."), cards=Path("."), chroma_url=sys.argv[1]))
for number in range(25):
    ChromaHistory(store, "ann", "s1").append([HumanMessage(f"{sys.argv[2]}-{number}")], at=0.0)
"""


def test_several_processes_share_a_chroma_server(server: tuple[str, subprocess.Popen[bytes]]) -> None:
    address, _ = server
    writers = [subprocess.Popen([sys.executable, "-c", _WRITER, address, name]) for name in "ab"]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0]
    shared = Store(Settings(data=Path(), cards=Path(), chroma_url=address))
    records = ChromaHistory(shared, "ann", "s1").records()
    assert [record.sequence for record in records] == list(range(50))
    assert len({str(record.messages[0].content) for record in records}) == 50


def test_a_server_that_is_gone_or_frozen_is_a_clear_error(
    server: tuple[str, subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, process = server
    monkeypatch.setattr("tutor.history.DEADLINE", 1.0)
    shared = Store(Settings(data=Path(), cards=Path(), chroma_url=address))
    history = ChromaHistory(shared, "ann", "s1")
    history.append([HumanMessage("kept")], at=0.0)
    process.send_signal(19)
    began = time.monotonic()
    with pytest.raises(HistoryError, match="did not answer within 1 s"):
        history.records()
    assert time.monotonic() - began < 3.0
    process.send_signal(18)
    process.kill()
    process.wait()
    with pytest.raises(HistoryError, match="cannot be used"):
        history.records()
    with pytest.raises(HistoryError, match="cannot be used"):
        Store(Settings(data=Path(), cards=Path(), chroma_url=address))


def test_the_database_writes_ahead(store: Store, settings: Settings) -> None:
    """What every append waits for: with a rollback journal it is about three times as long."""
    ChromaHistory(store, "ann", "s").append([HumanMessage("hello")], at=1.0)
    store.close()
    with closing(sqlite3.connect(settings.data / "chroma" / "chroma.sqlite3")) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_what_is_written_after_an_erasure_is_kept(settings: Settings) -> None:
    store = Store(settings)
    for learner in ("ann", "bob"):
        ChromaHistory(store, learner, "s").append([HumanMessage(f"canary {learner}")], at=1.0)
    store.erase([collection_name("ann")])
    ChromaHistory(store, "bob", "s").append([HumanMessage("later")], at=2.0)
    files = [path for path in (settings.data / "chroma").rglob("*") if path.is_file()]
    assert not any(b"canary ann" in path.read_bytes() for path in files)
    store.close()
    store = Store(settings)
    assert [str(m.text) for m in ChromaHistory(store, "bob", "s").messages] == ["canary bob", "later"]
    store.close()
