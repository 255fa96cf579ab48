"""Measures progress over many interviews, and prints it as a table: `make bench`."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from tests.benchmark import show
from tests.free_port import free_port
from tests.many import practised, settings_for
from tutor.archive import Archive
from tutor.history import Store
from tutor.progress import progress
from tutor.resources import resource
from tutor.tutor import Tutor
from tutor.web.progress import ProgressPage

QUESTIONS = 20
SIZES = (10, 100, 200, 1000)
SERVED = 200
"""Interviews with which the page is measured through a server."""


def cost(work: Callable[[], object]) -> str:
    """How long a call takes, and how much of that is the process's own work."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return f"{time.perf_counter() - wall:6.2f} s ({time.process_time() - cpu:.2f} s of work)"


def reading(tutor: Tutor, interviews: int) -> None:
    """From transcripts alone, from summaries as after a start, again with nothing new, and as a page."""
    store, shelf = tutor.store, tutor.desk.shelf
    first, cold = Archive(store), Archive(store)
    show(f"{interviews} interviews: from the transcripts", cost(lambda: first.sittings("me")))
    show("  from summaries, as after a start", cost(lambda: cold.sittings("me")))
    show("  again, nothing new", cost(lambda: cold.sittings("me")))
    sittings = cold.sittings("me")
    assert sittings == first.sittings("me")
    show("  memories replayed", cost(lambda: progress(sittings, shelf, time.time())))
    made = progress(sittings, shelf, time.time())
    show("  page written", cost(lambda: ProgressPage(made, "en", tutor.phrases, shelf).html("")))


def pages(folder: Path) -> None:
    """Seconds until the browser has a page: at once after the start of the server, and later."""
    for kept in ("without summaries", "with summaries"):
        port = free_port()
        env = {**os.environ, "TUTOR_DATA": str(folder / "data")}
        address = f"http://127.0.0.1:{port}"
        with subprocess.Popen(
            [sys.executable, "-m", "tutor", "serve", "--port", str(port)], stdout=subprocess.PIPE, env=env, text=True
        ) as server:
            assert server.stdout
            server.stdout.readline()

            def look(path: str, address: str = address) -> None:
                httpx.get(f"{address}/{path}", timeout=60).raise_for_status()

            show(f"progress page, first after the start, {kept}", cost(lambda look=look: look("progress")))  # type: ignore[misc]
            show("  again", cost(lambda look=look: look("progress")))  # type: ignore[misc]
            if kept == "with summaries":
                show("  report page", cost(lambda look=look: look("report/interview-7")))  # type: ignore[misc]
                show("  all data as a ZIP", cost(lambda look=look: look("download/all")))  # type: ignore[misc]
            server.terminate()


def forget_summaries(store: Store) -> None:
    store.erase(store.names("sittings-"))


def main() -> None:
    for interviews in SIZES:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            with practised(settings_for(folder, resource("knowledge")), interviews, QUESTIONS) as tutor:
                reading(tutor, interviews)
                forget_summaries(tutor.store)
            if interviews == SERVED:
                pages(folder)


if __name__ == "__main__":
    main()
