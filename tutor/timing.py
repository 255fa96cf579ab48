"""How long each question took, from the clock times that the history keeps with every record."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from langchain_core.messages import BaseMessage, HumanMessage

from tutor.events import AnswerGraded, CommandGiven, QuestionAsked, event_of

PAUSE = 900.0
"""Seconds of silence after which the learner was away: such a gap is counted as a pause, not as thinking."""


@dataclass(frozen=True)
class Timing:
    """One question on the clock: when it was asked and last worked on, and the learner's seconds of thinking.

    `first` is the thinking before the first answer, None where a pause lies in it. The tutor's own time never counts.
    """

    asked: float
    ended: float
    thinking: float = 0.0
    first: float | None = None
    pauses: int = 0


@dataclass
class _Watch:
    """The running clock: since when the learner has been thinking, and what is not yet anybody's time."""

    since: float
    thought: float = 0.0
    pauses: int = 0
    answered: bool = False

    def heard(self, at: float) -> None:
        gap = max(0.0, at - self.since)
        if gap > PAUSE:
            self.pauses += 1
        else:
            self.thought += gap
        self.since = at


def timings(timed: Iterable[tuple[float, BaseMessage]]) -> tuple[Timing, ...]:
    """One timing per question asked, in order. Time counts once it has led to a grade or the question was left."""
    made: list[Timing] = []
    watch = _Watch(0.0)
    for at, message in timed:
        event = event_of(message)
        if isinstance(event, QuestionAsked):
            made.append(Timing(asked=at, ended=at))
            watch = _Watch(at)
        elif not made:
            continue
        elif isinstance(message, HumanMessage):
            watch.heard(at)
            if isinstance(event, CommandGiven) and event.command in ("skip", "end"):
                made[-1] = _counted(made[-1], watch, at)
        else:
            if isinstance(event, AnswerGraded) and not event.appealed:
                made[-1] = _counted(made[-1], watch, at)
            watch.since = at
    return tuple(made)


def _counted(timing: Timing, watch: _Watch, at: float) -> Timing:
    """The timing with what the watch holds; the watch is empty afterwards."""
    first = watch.thought if not watch.answered and not watch.pauses else timing.first
    counted = replace(
        timing,
        ended=at,
        thinking=timing.thinking + watch.thought,
        first=first,
        pauses=timing.pauses + watch.pauses,
    )
    watch.thought, watch.pauses, watch.answered = 0.0, 0, True
    return counted
