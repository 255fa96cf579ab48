"""Lets the page watch a turn: the turn runs to its end on the server, the page sees it grow and may leave."""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tutor.events import Event
from tutor.tutor import Watcher

BREATH = 0.1
"""Seconds for which pieces of text are gathered before the page is told: at most 10 updates a second."""


@dataclass(frozen=True)
class Pause:
    """The model is asked again after so many seconds."""

    seconds: float


@dataclass(frozen=True)
class Finished:
    """The end of a turn, with what it raised, if anything."""

    error: BaseException | None = None


def watched(run: Callable[[Watcher], None]) -> Iterator[list[str | Event | Pause]]:
    """What happens while `run` runs, in batches; raises what it raised. Leaving early does not stop it.

    What came together with the end is not told: whoever watches looks at the whole turn then.
    """
    happening: queue.SimpleQueue[str | Event | Pause | Finished] = queue.SimpleQueue()
    watcher = Watcher(
        on_text=happening.put, on_event=happening.put, on_pause=lambda seconds: happening.put(Pause(seconds))
    )

    def work() -> None:
        error: BaseException | None = None
        try:
            run(watcher)
        except BaseException as raised:
            error = raised
        happening.put(Finished(error))

    threading.Thread(target=work, name="turn", daemon=False).start()
    while True:
        batch = [happening.get()]
        until = time.monotonic() + BREATH
        try:
            while not isinstance(batch[-1], Finished):
                batch.append(happening.get(timeout=max(0.0, until - time.monotonic())))
        except queue.Empty:
            pass
        last = batch[-1]
        if isinstance(last, Finished):
            if last.error:
                raise last.error
            return
        yield [piece for piece in batch if not isinstance(piece, Finished)]
