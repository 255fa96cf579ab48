"""The best and the weakest moment of an interview, each with the words that the learner really said."""

from collections.abc import Iterable
from dataclasses import dataclass

from tutor.cards import Text
from tutor.grading import CENTRAL, Found, Grade
from tutor.interview import Round

LONGEST_EXCERPT = 160
"""Characters of an answer that are quoted where no part of it was evidence."""


@dataclass(frozen=True)
class Moment:
    """Words of the learner at one question, and what they were about: a key point said well, or what was missing."""

    number: int
    question: Text
    quote: str
    about: Text


def best(rounds: Iterable[Round]) -> Moment | None:
    """The weightiest key point that was covered, without help if there is one, in the question that went best."""
    candidates = []
    for this in rounds:
        for grade, alone in ((this.unprompted, True), (this.counted, False)):
            for mark in grade.marks if grade else ():
                if mark.verdict == "covered" and mark.quote:
                    order = (alone, mark.weight, grade.score if grade else 0.0, -this.asked.number)
                    candidates.append((order, _moment(this, mark.quote, mark.text)))
    return max(candidates, key=lambda candidate: candidate[0], default=(None, None))[1]


def weakest(rounds: Iterable[Round]) -> Moment | None:
    """A wrong belief first, then a key point turned round, then the central one missed where it went worst."""
    candidates = []
    for this in rounds:
        if (grade := this.counted) is None:
            continue
        for rank, quote, about in _weak(grade, said(this)):
            candidates.append(((rank, grade.score, this.asked.number), _moment(this, quote, about)))
    return min(candidates, key=lambda candidate: candidate[0], default=(None, None))[1]


def _weak(grade: Grade, answer: str) -> Iterable[tuple[int, str, Text]]:
    yield from ((0, found.quote, found.correction) for found in grade.misconceptions)
    for mark in grade.marks:
        if mark.verdict == "contradicted":
            yield 1, mark.quote or _excerpt(answer), mark.text
        elif mark.verdict in ("missed", "partly") and mark.weight == CENTRAL:
            yield 2, mark.quote or _excerpt(answer), mark.text


def misconceptions(this: Round) -> tuple[Found, ...]:
    """Every wrong belief found at a question, corrected later or not, each once."""
    found = (belief for graded in this.grades for belief in graded.grade.misconceptions)
    return tuple({belief.misconception: belief for belief in found}.values())


def said(this: Round) -> str:
    """What the learner said that counts."""
    return this.earned[-1].answer if this.earned else this.answer


def _moment(this: Round, quote: str, about: Text) -> Moment:
    return Moment(this.asked.number, this.asked.question, quote, about)


def _excerpt(answer: str) -> str:
    words = " ".join(answer.split())
    return words if len(words) <= LONGEST_EXCERPT else words[: LONGEST_EXCERPT - 1].rstrip() + "…"
