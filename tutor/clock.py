"""The clock of an exam: how much time is left for the question and in all, and what pauses there were.

Pauses do not count, and are told. Nothing here looks at a watch: the times stand on the messages.
"""

from dataclasses import dataclass

from tutor.interview import Interview, Round

GRACE = 5.0
"""Seconds that an answer may take on its way."""


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
