"""What a grade is: a verdict and a quote per key point, the misconceptions found, and arithmetic for the score."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict

from tutor.cards import Card, KeyPoint, Misconception, Text, Verdict
from tutor.wording import Wording

Gate = Literal["empty", "dont_know", "question_copied", "keyword_list", "placeholder"]
"""Why an answer was not read against the rubric: nothing in it can be evidence."""

RUBRIC = "rubric"
VALUE: dict[Verdict, float] = {"covered": 1.0, "partly": 0.5, "missed": 0.0, "contradicted": 0.0, "unsure": 0.0}
CENTRAL = 3
CONTRADICTION_CAP = 4.0
"""The highest score where a central key point is contradicted."""
MISCONCEPTION_COST = 1.0
"""Points of 10 for a misconception that is not already counted as a contradicted key point."""
LONGEST_QUOTE = 240


class Mark(BaseModel):
    """Verdict and quote for one key point; the quote stands in the answer word for word.

    `disputed` where the model judge and the rubric grader contradict each other on a central key point.
    """

    model_config = ConfigDict(frozen=True)

    key_point: str
    weight: int
    text: Text
    verdict: Verdict
    quote: str = ""
    disputed: bool = False


class Found(BaseModel):
    """A misconception found in an answer, with the words that show it."""

    model_config = ConfigDict(frozen=True)

    misconception: str
    text: Text
    correction: Text
    quote: str


class Grade(BaseModel):
    """Score 0 to 10 and the marks of one answer.

    `grader` is `rubric` or the name of the model that judged; `rough` where the card has no signals to grade by.
    """

    model_config = ConfigDict(frozen=True)

    score: float
    marks: tuple[Mark, ...]
    misconceptions: tuple[Found, ...] = ()
    gate: Gate | None = None
    rough: bool = False
    grader: str = RUBRIC


class Grader(Protocol):
    """Whoever can grade an answer to a card."""

    def grade(self, card: Card, answer: str) -> Grade:
        """The grade of all the learner said since the question; raises NotGraded when there is none."""
        ...

    def reconsidered(self, card: Card, answer: str, grade: Grade, key_point: str, argument: str) -> Grade:
        """The grade after an appeal: one key point judged once more, with the learner's argument."""
        ...


def score(marks: Sequence[Mark], misconceptions: Sequence[Found] = (), counted: Iterable[str] = ()) -> float:
    """The score of 10: weighted verdicts, less misconceptions, capped where a central key point is contradicted.

    `counted` names misconceptions that already show as a contradicted key point.
    """
    total = sum(mark.weight for mark in marks)
    earned = sum(mark.weight * VALUE[mark.verdict] for mark in marks)
    beside = {found.misconception for found in misconceptions} - set(counted)
    points = 10 * earned / total - MISCONCEPTION_COST * len(beside)
    if any(mark.verdict == "contradicted" and mark.weight == CENTRAL for mark in marks):
        points = min(points, CONTRADICTION_CAP)
    return round(max(0.0, points), 1)


def marked(point: KeyPoint, verdict: Verdict, quote: str = "") -> Mark:
    """The mark of a key point."""
    return Mark(key_point=point.id, weight=point.weight, text=point.text, verdict=verdict, quote=quote)


def found(belief: Misconception, quote: str) -> Found:
    """The misconception, found in these words."""
    return Found(misconception=belief.id, text=belief.text, correction=belief.correction, quote=quote)


def gated(card: Card, gate: Gate) -> Grade:
    """The grade of an answer in which nothing can be evidence."""
    return Grade(score=0.0, marks=tuple(marked(point, "missed") for point in card.key_points), gate=gate)


def graded(card: Card, marks: Iterable[Mark], misconceptions: Sequence[Found]) -> Grade:
    """The grade that marks and misconceptions add up to; a misconception that denies a key point shows there."""
    marks = tuple(_against(mark, card, misconceptions) for mark in marks)
    contradicted = {mark.key_point for mark in marks if mark.verdict == "contradicted"}
    counted = {belief.id for belief in card.misconceptions if belief.contradicts in contradicted}
    points = score(marks, misconceptions, counted)
    return Grade(score=points, marks=marks, misconceptions=tuple(misconceptions))


def replaced(card: Card, grade: Grade, again: Grade, key_point: str) -> Grade:
    """The grade with one key point, and the misconceptions that deny it, as they were judged again.

    Where no words of the learner stand behind the new verdict, the old one stays.
    """
    if not next(mark.quote for mark in again.marks if mark.key_point == key_point):
        return grade
    about = {belief.id for belief in card.misconceptions if belief.contradicts == key_point}
    marks = (new if new.key_point == key_point else old for old, new in zip(grade.marks, again.marks, strict=True))
    kept = [held for held in grade.misconceptions if held.misconception not in about]
    held_still = [held for held in again.misconceptions if held.misconception in about]
    renewed = graded(card, marks, kept + held_still)
    return renewed.model_copy(update={"rough": grade.rough, "grader": grade.grader})


def appealed(grade: Grade, card: Card, argument: str) -> Mark | None:
    """The mark that an appeal is about: of those not covered, the one whose words the argument shares most."""
    said = _words(argument)
    texts = {point.id: f"{point.text.en}\n{point.text.zh}" for point in card.key_points}
    open_marks = [mark for mark in grade.marks if mark.verdict != "covered"]
    return max(
        open_marks,
        key=lambda mark: (len(said & _words(f"{texts[mark.key_point]}\n{mark.quote}")), mark.weight),
        default=None,
    )


def _words(text: str) -> frozenset[str]:
    """Stems of the longer words, and Chinese characters in pairs."""
    tokens = Wording(text).tokens
    pairs = {one.norm + two.norm for one, two in pairwise(tokens) if one.kind == two.kind == "cjk"}
    return frozenset(pairs | {token.norm for token in tokens if token.kind != "cjk" and len(token.norm) > 3})


def _against(mark: Mark, card: Card, misconceptions: Sequence[Found]) -> Mark:
    """The mark, seen together with misconceptions that deny its key point."""
    for held in misconceptions:
        belief = next(belief for belief in card.misconceptions if belief.id == held.misconception)
        if belief.contradicts == mark.key_point:
            verdict: Verdict = "partly" if mark.verdict == "covered" else "contradicted"
            return mark.model_copy(update={"verdict": verdict, "quote": mark.quote or held.quote})
    return mark
