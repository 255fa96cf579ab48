"""Measures progress over many interviews, and prints it as a table: `make bench`."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

from tests.benchmark import show
from tests.free_port import free_port
from tests.many import DAY, practised, seconds, settings_for
from tutor.archive import Archive
from tutor.history import Store, all_sessions, timed
from tutor.progress import progress, sitting
from tutor.resources import resource
from tutor.tutor import Tutor

INTERVIEWS, QUESTIONS = 200, 20


def fold(tutor: Tutor) -> None:
    """The cost of folding transcripts that are in memory, with the whole replay of FSRS."""
    session, records = next(all_sessions(tutor.store, "me"))
    moments = timed(records)
    shelf = tutor.desk.shelf
    for number in (10, 100, 1000):
        shifted = ([(at - DAY * back, message) for at, message in moments] for back in range(number))
        began = time.perf_counter()
        sittings = [made for back, one in enumerate(shifted) if (made := sitting(f"{session}-{back}", one))]
        folded = time.perf_counter() - began
        whole = seconds(lambda known=sittings: progress(known, shelf, time.time()))
        show(f"{number} interviews of {QUESTIONS} questions", f"fold {folded:6.2f} s   progress {whole:5.2f} s")


def reading(store: Store) -> None:
    """Seconds to read all interviews of a learner for the first time, and again."""
    archive = Archive(store)
    show("read all interviews, first time in a process", f"{seconds(lambda: archive.sittings('me')):.2f} s")
    show("the same, nothing new", f"{seconds(lambda: archive.sittings('me')) * 1000:.0f} ms")


def pages(folder: Path) -> None:
    """Seconds until the browser has a page: at once after the start of the server, and later."""
    port = free_port()
    env = {**os.environ, "TUTOR_DATA": str(folder / "data")}
    address = f"http://127.0.0.1:{port}"
    with subprocess.Popen(
        [sys.executable, "-m", "tutor", "serve", "--port", str(port)], stdout=subprocess.PIPE, env=env, text=True
    ) as server:
        assert server.stdout
        server.stdout.readline()

        def look(path: str) -> None:
            httpx.get(f"{address}/{path}", timeout=60).raise_for_status()

        show("progress page, first request after the start", f"{seconds(lambda: look('progress')):.2f} s")
        opening = sorted(seconds(lambda: look("progress")) for _ in range(9))
        show("progress page afterwards (aim 1 s), median of 9", f"{opening[4]:.2f} s")
        show("report page", f"{seconds(lambda: look('report/interview-7')):.2f} s")
        show("all data as a ZIP", f"{seconds(lambda: look('download/all')):.2f} s")
        server.terminate()


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with practised(settings_for(folder, resource("knowledge")), INTERVIEWS, QUESTIONS) as tutor:
            show("interviews, questions each", f"{INTERVIEWS}, {QUESTIONS}")
            fold(tutor)
            reading(tutor.store)
        pages(folder)


if __name__ == "__main__":
    main()
