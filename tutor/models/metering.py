"""What one turn may spend on models and has spent: calls, tokens and time, over all models that take part in it.

A turn opens a meter; every model that is called within the turn finds it, whether it talks or judges.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from tutor.models.failures import Kind, ModelFailure


@dataclass(frozen=True)
class Limits:
    """How long and how much, in seconds, calls, tokens (0: no ceiling) and characters."""

    connect: float = 5.0
    first: float = 15.0
    idle: float = 10.0
    pause: float = 5.0
    turn: float = 60.0
    calls: int = 6
    characters: int = 64_000
    turn_tokens: int = 0
    session_tokens: int = 0
    day_tokens: int = 0


@dataclass(frozen=True)
class Usage:
    """Calls, tokens and seconds; `estimated` where an endpoint did not count the tokens itself."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    seconds: float = 0.0
    estimated: bool = False

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.calls + other.calls,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.seconds + other.seconds,
            self.estimated or other.estimated,
        )


@dataclass
class Meter:
    """The spending of one turn; `session` and `day` are the tokens that were spent before it."""

    limits: Limits = Limits()
    session: int = 0
    day: int = 0
    clock: Callable[[], float] = time.monotonic
    on_pause: Callable[[float], None] = lambda seconds: None
    used: Usage = Usage()
    failure: ModelFailure | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._ends = self.clock() + self.limits.turn
        self._lock = threading.Lock()
        self._on_cancel: list[Callable[[], None]] = []

    @property
    def left(self) -> float:
        """Seconds until the turn must be over."""
        return self._ends - self.clock()

    def refuses(self, tokens: int) -> Kind | None:
        """The limit that a call sending about so many tokens would break, if any."""
        limits, spent = self.limits, self.used.tokens + tokens
        if self.cancelled.is_set():
            return "cancelled"
        if self.used.calls >= limits.calls:
            return "calls"
        if self.left <= 0:
            return "time"
        ceilings: tuple[tuple[Kind, int, int], ...] = (
            ("turn_tokens", limits.turn_tokens, spent),
            ("session_tokens", limits.session_tokens, self.session + spent),
            ("day_tokens", limits.day_tokens, self.day + spent),
        )
        return next((kind for kind, ceiling, total in ceilings if ceiling and total > ceiling), None)

    def add(self, usage: Usage) -> None:
        """Counts what a call has used."""
        with self._lock:
            self.used += usage

    def wait(self, seconds: float) -> None:
        """Waits before a further try, and says so; a cancelled turn does not wait."""
        self.on_pause(seconds)
        self.cancelled.wait(seconds)

    def cancel(self) -> None:
        """Ends the waiting for a model: the call under way, if there is one, and all that would follow."""
        self.cancelled.set()
        for call in list(self._on_cancel):
            call()

    @contextmanager
    def cancelling(self, call: Callable[[], None]) -> Iterator[None]:
        """Calls `call` if the turn is cancelled meanwhile."""
        self._on_cancel.append(call)
        try:
            yield
        finally:
            self._on_cancel.remove(call)


_METER: ContextVar[Meter | None] = ContextVar("meter", default=None)


def meter() -> Meter:
    """The meter of the turn that is running here; outside of turns a new one, as for a turn of its own."""
    return _METER.get() or Meter()


@contextmanager
def metered(by: Meter) -> Iterator[Meter]:
    """Every model call inside counts on this meter."""
    token = _METER.set(by)
    try:
        yield by
    finally:
        _METER.reset(token)
