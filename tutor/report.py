"""One interview summed up: scores by topic, the best and weakest moment, what to correct, read and do next.

Made by code from the transcript; it can be made again at any time.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tutor.cards import Language, Shelf, Source, Text, Verdict
from tutor.clock import Timing
from tutor.grading import RUBRIC, Found, Grade, Mark
from tutor.highlights import Moment, best, misconceptions, weakest
from tutor.interview import Interview, Round
from tutor.prompts import Phrases

Standing = Literal["graded", "skipped", "after_showing", "ungraded", "open"]
"""`ungraded`: something was said, but grading failed; that is no score, and no zero either."""
READ_BELOW = 8.0
"""Questions with a lower score name their sources as reading; the others lead deeper."""
READING = 6
"""Sources that a report names at most."""
DEEPER = 3
"""Deeper questions that a report names at most."""


@dataclass(frozen=True)
class Result:
    """One question of the report; the scores are None where nothing counts.

    `alone` is the grade of what came without help, `grade` the one that counts; `due` is when the question should come
    back (clock, seconds).
    """

    number: int
    card_id: str
    topic: str
    question: Text
    standing: Standing
    score: float | None
    unprompted: float | None
    gaps: tuple[Mark, ...]
    grade: Grade | None
    sources: tuple[Source, ...]
    alone: Grade | None = None
    misconceptions: tuple[Found, ...] = ()
    timing: Timing | None = None
    due: float | None = None

    @property
    def verdicts_alone(self) -> dict[str, Verdict]:
        """The verdict of each key point before any help, by id; empty where nothing was said without help."""
        return {mark.key_point: mark.verdict for mark in self.alone.marks} if self.alone else {}


@dataclass(frozen=True)
class Deeper:
    """A question that goes deeper than one which was answered well without help."""

    after: int
    card_id: str
    question: Text


@dataclass(frozen=True)
class TopicScore:
    """Mean scores of 10 over the graded questions of one topic."""

    topic: str
    score: float
    unprompted: float
    questions: int


@dataclass(frozen=True)
class Report:
    """An interview summed up. Skipped questions and those whose answer was shown first count 0."""

    results: tuple[Result, ...]
    topics: tuple[TopicScore, ...]
    score: float | None
    unprompted: float | None = None
    best: Moment | None = None
    weakest: Moment | None = None
    deeper: tuple[Deeper, ...] = ()

    @property
    def counted(self) -> tuple[Result, ...]:
        """The questions that make the score: all but an open one and those that could not be graded."""
        return tuple(result for result in self.results if result.standing not in ("open", "ungraded"))

    @property
    def reading(self) -> tuple[Source, ...]:
        """Sources of the questions that went below READ_BELOW, each once, of the weakest question first."""
        weak = sorted((r for r in self.counted if (r.score or 0.0) < READ_BELOW), key=lambda r: r.score or 0.0)
        return tuple(dict.fromkeys(source for result in weak for source in result.sources))[:READING]

    @property
    def seconds(self) -> float | None:
        """The learner's thinking time, pauses left out; None where the times are not known."""
        known = [result.timing.thinking for result in self.results if result.timing]
        return sum(known) if known else None

    @property
    def plan(self) -> tuple[Result, ...]:
        """The questions that should come back, the soonest first."""
        return tuple(sorted((r for r in self.counted if r.due is not None), key=lambda r: (r.due or 0.0, r.number)))

    @property
    def weakest_topic(self) -> TopicScore | None:
        """The topic to choose next, if one went below READ_BELOW."""
        weak = [topic for topic in self.topics if topic.score < READ_BELOW]
        return min(weak, key=lambda topic: (topic.score, topic.unprompted), default=None)


def report(
    interview: Interview,
    times: Sequence[Timing] = (),
    due: Mapping[str, float] | None = None,
    shelf: Shelf | None = None,
) -> Report:
    """The report of an interview, finished or not; open questions do not count.

    `times` are those of its questions in order, `due` says when a card comes back (clock, seconds), and the cards of
    `shelf` lead deeper.
    """
    back = due or {}
    results = tuple(
        _result(this, interview, times[place] if place < len(times) else None, back.get(this.asked.card_id))
        for place, this in enumerate(interview.rounds)
    )
    counted = [result for result in results if result.standing not in ("open", "ungraded")]
    return Report(
        results=results,
        topics=tuple(_topics(counted)),
        score=_mean(result.score or 0.0 for result in counted),
        unprompted=_mean(result.unprompted or 0.0 for result in counted),
        best=best(interview.rounds),
        weakest=weakest(interview.rounds),
        deeper=tuple(_deeper(counted, shelf, back.keys()))[:DEEPER] if shelf else (),
    )


def _deeper(results: Iterable[Result], shelf: Shelf, practised: Container[str]) -> Iterable[Deeper]:
    """What the strong answers lead to and was never asked, each once."""
    led: set[str] = set()
    for result in results:
        card = shelf.by_id.get(result.card_id)
        if card is None or (result.unprompted or 0.0) < READ_BELOW:
            continue
        for name in card.deeper:
            if name in shelf.by_id and name not in practised and name not in led:
                led.add(name)
                yield Deeper(result.number, name, shelf.by_id[name].question)


def _result(this: Round, interview: Interview, timing: Timing | None, due: float | None) -> Result:
    counted, unprompted = this.counted, this.unprompted
    latest = this.grade
    gaps = tuple(mark for mark in latest.marks if mark.verdict != "covered") if latest else ()
    return Result(
        number=this.asked.number,
        card_id=this.asked.card_id,
        topic=this.asked.topic,
        question=this.asked.question,
        standing=_standing(this, interview),
        score=counted.score if counted else None,
        unprompted=unprompted.score if unprompted else None,
        gaps=gaps,
        grade=counted or latest,
        sources=this.asked.sources,
        alone=unprompted,
        misconceptions=misconceptions(this),
        timing=timing,
        due=due,
    )


def _standing(this: Round, interview: Interview) -> Standing:
    if this.counted:
        return "graded"
    if this.given_away:
        return "after_showing"
    if this.said and not this.grades and (this.left or this is not interview.rounds[-1] or interview.ended):
        return "ungraded"
    return "skipped" if this.left or this is not interview.rounds[-1] else "open"


def _topics(results: list[Result]) -> Iterable[TopicScore]:
    for topic in dict.fromkeys(result.topic for result in results):
        own = [result for result in results if result.topic == topic]
        score, alone = _mean(r.score or 0.0 for r in own), _mean(r.unprompted or 0.0 for r in own)
        yield TopicScore(topic, score or 0.0, alone or 0.0, len(own))


def _mean(scores: Iterable[float]) -> float | None:
    known = list(scores)
    return round(sum(known) / len(known), 1) if known else None


def verdict_of(mark: Mark, language: Language, phrases: Phrases) -> str:
    """The verdict in words, and that it is disputed where judge and rubric contradict each other."""
    said = phrases(f"verdict.{mark.verdict}", language)
    return f"{said} ({phrases('verdict.disputed', language)})" if mark.disputed else said


def footnotes(grade: Grade, language: Language, phrases: Phrases) -> list[str]:
    """What a learner should know about how the grade came about."""
    notes = []
    if any(mark.verdict == "unsure" for mark in grade.marks):
        notes.append(phrases("block.unsure", language))
    if any(mark.disputed for mark in grade.marks):
        notes.append(phrases("block.disputed", language))
    if grade.rough:
        notes.append(phrases("block.rough", language))
    if grade.grader != RUBRIC:
        notes.append(phrases("block.judged", language, model=grade.grader))
    return notes


def band(score: float, language: Language, phrases: Phrases) -> str:
    """What a score of 10 means, in words."""
    reached = next(limit for limit in (9, 7, 5, 3, 0) if score >= limit)
    return phrases(f"band.{reached}", language)
