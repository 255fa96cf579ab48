"""How many tokens all learners have spent on models today, in this process and in earlier ones on the same history."""

import threading
import time
from collections.abc import Callable
from datetime import datetime

from tutor.events import ModelUsed, event_of
from tutor.history import Store, messages_since


class DaySpending:
    """The tokens of the day, by this machine's local time; read from the transcripts once a day, then counted on."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._since = -1.0
        self._tokens = 0

    def spent(self) -> int:
        """Tokens since midnight."""
        with self._lock:
            midnight = datetime.fromtimestamp(self._clock()).replace(hour=0, minute=0, second=0, microsecond=0)
            if midnight.timestamp() != self._since:
                self._since = midnight.timestamp()
                found = (event_of(message) for message in messages_since(self._store, self._since))
                self._tokens = sum(event.tokens for event in found if isinstance(event, ModelUsed))
            return self._tokens

    def add(self, tokens: int) -> None:
        """Counts what a turn has spent."""
        with self._lock:
            self._tokens += tokens
