"""Leaves an endpoint alone while it is ill, so that nobody waits for it in vain, and tries it again now and then."""

import threading
import time
from collections import deque
from collections.abc import Callable

from tutor.models.failures import ILL, Kind

FAILURES = 5
WINDOW = 30.0
"""So many failures within so many seconds, and the endpoint rests."""
REST = 15.0
LONGEST_REST = 240.0
"""Seconds until it is tried again; doubled with every silence, which costs a learner the most, up to the longest."""
PROBE = 60.0
"""Seconds after which a try whose end was never told no longer keeps others from trying."""


class Breaker:
    """One endpoint's health. Safe to use from several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures: deque[float] = deque(maxlen=FAILURES)
        self._silences = 0
        self._resting_until: float | None = None

    def admit(self) -> float:
        """0 when a call may go out now; otherwise the seconds for which none should.

        After a rest, one call goes out to see how things are; all others wait for what becomes of it.
        """
        with self._lock:
            now = self._clock()
            if self._resting_until is None:
                return 0.0
            if now < self._resting_until:
                return self._resting_until - now
            self._resting_until = now + PROBE
            return 0.0

    @property
    def probing(self) -> bool:
        """Whether the endpoint is being tried again after a rest."""
        return self._resting_until is not None

    def succeeded(self) -> None:
        """A call got its reply: the endpoint is well."""
        with self._lock:
            self._failures.clear()
            self._silences = 0
            self._resting_until = None

    def failed(self, kind: Kind, retry_after: float = 0.0) -> None:
        """A call failed; `retry_after` is how long the endpoint asked to be left alone (seconds)."""
        with self._lock:
            now = self._clock()
            probing = self.probing
            if kind not in ILL:
                if probing:
                    self._resting_until = now
                return
            self._failures.append(now)
            self._silences += kind == "silent"
            many = len(self._failures) == FAILURES and now - self._failures[0] <= WINDOW
            rest = REST * 2 ** (self._silences - 1) if kind == "silent" else REST if many or probing else 0.0
            rest = max(min(rest, LONGEST_REST), retry_after)
            if rest:
                self._resting_until = now + rest
