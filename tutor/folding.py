"""Folds transcripts and goes on where it stopped: a turn looks at its transcript many times while it grows."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from itertools import takewhile
from typing import Generic, TypeVar

from langchain_core.messages import BaseMessage

S = TypeVar("S")
Messages = tuple[BaseMessage, ...]

KEPT = 64
"""Transcripts that are kept in memory."""


class Folds(Generic[S]):
    """Keeps the state after each message of the latest transcripts; a message that stands in one never changes.

    Safe to use from several threads.
    """

    def __init__(self, start: S, step: Callable[[S, BaseMessage], S]) -> None:
        self._start = start
        self._step = step
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, tuple[Messages, tuple[S, ...]]] = OrderedDict()

    def of(self, messages: Messages) -> S:
        """The state after all messages."""
        if not messages:
            return self._start
        first = id(messages[0])
        known, after = self._kept.get(first, ((), ()))
        states = list(after[: _together(known, messages)])
        for message in messages[len(states) :]:
            states.append(self._step(states[-1] if states else self._start, message))
        with self._lock:
            self._kept[first] = messages, tuple(states)
            self._kept.move_to_end(first)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return states[-1]


def _together(one: Messages, other: Messages) -> int:
    """How many messages both begin with."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] is pair[1], zip(one, other, strict=False)))
