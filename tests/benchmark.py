"""Measures what a person waits for, and prints it as a table: `make bench`.

Everything runs with the offline engine on this machine, through the real command line and the page's own API.
"""

import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import httpx
from langchain_core.messages import AIMessage, BaseMessage, message_to_dict

from tests.free_port import free_port
from tutor.events import SessionStarted, learner_message
from tutor.history import ChromaHistory, Store, collection_name, sessions
from tutor.settings import Settings

LEARNER = "me"
ANSWERS = (
    "The dot product is a sum of d_k terms, so its variance grows and softmax saturates.",
    "每个头共享同一份 K 和 V，所以 KV cache 变小，带宽也省了。",
    "I am not sure, maybe it reduces the memory of the optimizer states across the GPUs?",
)


def environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TUTOR_")}
    return {**kept, "TUTOR_DATA": str(folder / "data"), "TUTOR_LANGUAGE": "en"}


def show(what: str, figure: str) -> None:
    print(f"{what:62} {figure}", flush=True)


def spread(seconds: list[float]) -> str:
    ordered = sorted(seconds)
    p50, p99 = ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return f"p50 {p50 * 1000:5.0f} ms   p99 {p99 * 1000:5.0f} ms   ({len(ordered)} turns)"


def first_question(folder: Path) -> float:
    began = time.perf_counter()
    command = [sys.executable, "-m", "tutor", "chat"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment(folder), text=True
    ) as chat:
        assert chat.stdin
        assert chat.stdout
        while "Question 1" not in (line := chat.stdout.readline()):
            assert line or chat.poll() is None, "tutor chat ended without a question"
        took = time.perf_counter() - began
        chat.stdin.close()
        chat.stdout.read()
    return took


@contextmanager
def page(folder: Path) -> Iterator[tuple[str, int, float]]:
    """A running page: address, process id, and seconds until it answered."""
    began = time.perf_counter()
    port = free_port()
    command = [sys.executable, "-m", "tutor", "serve", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment(folder), text=True) as server:
        address = f"http://127.0.0.1:{port}"
        while True:
            try:
                if "gradio" in httpx.get(address, timeout=30).text:
                    break
            except httpx.HTTPError:
                time.sleep(0.02)
        took = time.perf_counter() - began
        try:
            yield address, server.pid, took
        finally:
            server.terminate()


class Learner:
    """Speaks the page's own API as its JavaScript does: joins the queue and reads the stream."""

    def __init__(self, address: str) -> None:
        self._client = httpx.Client(base_url=address, timeout=60)
        config = self._client.get("/config").json()
        names = {c["id"]: c["props"].get("elem_id") for c in config["components"]}
        self._handlers: dict[tuple[str | None, str], int] = {}
        for dependency in config["dependencies"]:
            for target, event in dependency["targets"]:
                self._handlers.setdefault((names.get(target), event), dependency["id"])
        self._hash = uuid.uuid4().hex[:11]
        self.session = ""
        self.message_id = ""

    def start(self) -> None:
        outputs = self._call(("start", "click"), ["en", "", [], "any", 20, "practice", 5])
        self.message_id, self.session = outputs[3], outputs[4]

    def answer(self, text: str) -> float:
        """Seconds from sending to the grade on the page."""
        began = time.perf_counter()
        outputs = self._call(("send", "click"), [text, self.session, self.message_id, "en"])
        took = time.perf_counter() - began
        assert outputs, "the turn gave nothing"
        self.message_id = uuid.uuid4().hex
        return took

    def _call(self, handler: tuple[str, str], data: list[object]) -> list[str]:
        body = {"data": data, "fn_index": self._handlers[handler], "session_hash": self._hash}
        self._client.post("/gradio_api/queue/join", json=body).raise_for_status()
        outputs: list[str] = []
        with self._client.stream("GET", "/gradio_api/queue/data", params={"session_hash": self._hash}) as stream:
            for line in stream.iter_lines():
                if not line.startswith("data:"):
                    continue
                message = json.loads(line[5:])
                if message["msg"] == "process_generating" and not outputs:
                    outputs = message["output"]["data"]
                if message["msg"] == "process_completed":
                    assert message["success"], message
                    return outputs or message["output"]["data"]
        return outputs


def turns(address: str, learners: int, each: int, pause: float) -> list[float]:
    """Times of `each` answered turns by every learner, who thinks for about `pause` seconds in between."""
    times: list[float] = []

    def work(number: int) -> None:
        learner, chance = Learner(address), random.Random(number)
        learner.start()
        for turn in range(each):
            time.sleep(pause * chance.random() * 2)
            times.append(learner.answer(ANSWERS[(number + turn) % len(ANSWERS)]))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(learners)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times


def memory(pid: int) -> float:
    """Resident memory in MB."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(encoding="utf-8"))
    assert found
    return int(found.group(1)) / 1024


def big_history(folder: Path, messages: int, of_sessions: int) -> tuple[float, float]:
    """Seconds to list the sessions and to open one, when so many messages are stored."""
    store = Store(Settings(data=folder / "data", cards=Path()))
    collection = store.collection(collection_name(LEARNER))
    for number in range(of_sessions):
        records = list(_records(f"session-{number}", float(number), messages // of_sessions))
        collection.add(
            ids=[f"{meta['session']}/{meta['sequence']:08d}" for _, meta in records],
            embeddings=[cast(Sequence[float], [0.0])] * len(records),
            documents=[document for document, _ in records],
            metadatas=[meta for _, meta in records],
        )
    listing = statistics.median(_timed(lambda: sessions(store, LEARNER)) for _ in range(7))
    opening = _timed(lambda: ChromaHistory(store, LEARNER, "session-77").messages)
    store.close()
    return listing, opening


def _records(session: str, at: float, messages: int) -> Iterator[tuple[str, dict[str, str | int | float]]]:
    """The records of a session: a start, then a learner's message and the four messages that answer it, in turn."""
    start = learner_message("", session, SessionStarted(language="en"))
    parts: list[list[BaseMessage]] = [[start]]
    while sum(map(len, parts)) < messages:
        parts.append([learner_message(ANSWERS[len(parts) % 3], f"{session}-{len(parts)}")])
        parts.append([AIMessage("said " * 40) for _ in range(4)])
    for sequence, part in enumerate(parts):
        meta: dict[str, str | int | float] = {"session": session, "sequence": sequence, "at": at, "token": "x"}
        if len(part) == 4:
            meta["answers"] = sequence - 1
        yield json.dumps([message_to_dict(message) for message in part], ensure_ascii=False), meta


def _timed(work: object) -> float:
    began = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - began


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        first_question(folder)
        show("tutor chat to the first question (aim 1.5 s)", f"{min(first_question(folder) for _ in range(3)):.2f} s")
        with page(folder) as (address, pid, took):
            show("tutor serve to the first page (aim 5 s)", f"{took:.2f} s")
            show("memory at rest", f"{memory(pid):.0f} MB")
            turns(address, 1, 3, 0)
            show("answered turn, one learner (aim p50 60 ms)", spread(turns(address, 1, 60, 0.05)))
            show("20 learners, each thinking about 4 s (aim p99 300 ms)", spread(turns(address, 20, 10, 4.0)))
            show("20 learners, all sending again at once", spread(turns(address, 20, 5, 0.0)))
            show("memory afterwards", f"{memory(pid):.0f} MB")
        listing, opening = big_history(folder / "big", 100_000, 200)
        show("list 200 sessions at 100,000 messages (aim 100 ms)", f"{listing * 1000:.0f} ms")
        show("open one of them, 500 messages (aim 100 ms)", f"{opening * 1000:.0f} ms")


if __name__ == "__main__":
    main()
