"""The clock: how much time an exam has left and what pauses there were, and how long each question has taken.

Pauses do not count, and are told. Nothing here looks at a watch: the times stand on the messages.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from langchain_core.messages import BaseMessage, HumanMessage

from tutor.events import AnswerGraded, CommandGiven, QuestionAsked, event_of, time_of
from tutor.interview import Interview, Round

GRACE = 5.0
"""Seconds that an answer may take on its way."""
PAUSE = 900.0
"""Seconds of silence after which the learner was away: such a gap is counted as a pause, not as thinking."""


@dataclass(frozen=True)
class Clock:
    """Seconds left, None where there is no limit; how often and for how many seconds the exam was paused."""

    question_left: float | None
    total_left: float | None
    paused: bool
    pauses: int
    paused_for: float

    @property
    def limited(self) -> bool:
        return self.question_left is not None or self.total_left is not None


def clock(interview: Interview, now: float | None = None) -> Clock:
    """The clock at `now`, by default at the latest message."""
    started = interview.started
    now = interview.at if now is None else now
    current = interview.current
    question_left = total_left = None
    if started and started.question_seconds and current:
        question_left = max(0.0, started.question_seconds - interview.seconds(current.asked_at, now))
    if started and started.total_seconds:
        total_left = max(0.0, started.total_seconds - interview.seconds(interview.started_at, now))
    since = interview.paused_since
    running = [(since, now)] if since is not None and now is not None else []
    spans = [*interview.pauses, *running]
    return Clock(question_left, total_left, since is not None, len(spans), sum(end - start for start, end in spans))


def late(interview: Interview, this: Round) -> bool:
    """Whether the latest answer to a question came when its time, or all time, was up."""
    started = interview.started
    if started is None:
        return False
    over_question = started.question_seconds and spent(interview, this) > started.question_seconds + GRACE
    over_all = started.total_seconds and interview.seconds(interview.started_at) > started.total_seconds + GRACE
    return bool(over_question or over_all)


def spent(interview: Interview, this: Round) -> float:
    """Seconds from the question to the latest words of the learner about it, pauses not counted."""
    return interview.seconds(this.asked_at, this.answered_at) if this.answered_at is not None else 0.0


def minutes(seconds: float) -> str:
    """A length of time as minutes and seconds."""
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}"


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
    paused: bool = False
    answered: bool = False

    def heard(self, at: float) -> None:
        gap = max(0.0, at - self.since)
        if gap > PAUSE or self.paused:
            self.pauses += 1
        else:
            self.thought += gap
        self.since, self.paused = at, False


def timings(transcript: Iterable[BaseMessage]) -> tuple[Timing, ...]:
    """One timing per question asked, in order. Time counts once it has led to a grade or the question was left."""
    made: list[Timing] = []
    watch = _Watch(0.0)
    for message in transcript:
        event, at = event_of(message), time_of(message) or 0.0
        if isinstance(event, QuestionAsked):
            made.append(Timing(asked=at, ended=at))
            watch = _Watch(at)
        elif not made:
            continue
        elif isinstance(message, HumanMessage):
            watch.heard(at)
            if isinstance(event, CommandGiven) and event.command in ("skip", "end"):
                made[-1] = _counted(made[-1], watch, at)
            watch.paused = isinstance(event, CommandGiven) and event.command == "pause"
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
