"""Grades an answer against a card's rubric: a verdict and a quote per key point, and arithmetic for the score.

The rubric grader works without a model and gives the same answer the same grade, always.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict

from tutor.cards import LANGUAGES, Card, KeyPoint, Misconception, Shelf, Signal, Text, Verdict
from tutor.matching import Match, Reading, Term, Thesaurus, compiled
from tutor.statements import discounted_tokens, is_placeholder
from tutor.wording import Wording

Gate = Literal["empty", "dont_know", "question_copied", "keyword_list", "placeholder"]
"""Why an answer was not read against the rubric: nothing in it can be evidence."""

VALUE: dict[Verdict, float] = {"covered": 1.0, "partly": 0.5, "missed": 0.0, "contradicted": 0.0, "unsure": 0.0}
CENTRAL = 3
CONTRADICTION_CAP = 4.0
"""The highest score where a central key point is contradicted."""
MISCONCEPTION_COST = 1.0
"""Points of 10 for a misconception that is not already counted as a contradicted key point."""
LONGEST_QUOTE = 240
COPIED_RUN = 10.0
"""So many words in a row that the tutor said itself are no answer (two Chinese characters are one word)."""
COPIED_WHOLE = 4.0
"""An answer of so many words that is nothing else than a passage of the tutor's is no answer either."""


class Mark(BaseModel):
    """Verdict and quote for one key point; the quote stands in the answer word for word."""

    model_config = ConfigDict(frozen=True)

    key_point: str
    weight: int
    text: Text
    verdict: Verdict
    quote: str = ""


class Found(BaseModel):
    """A misconception found in an answer, with the words that show it."""

    model_config = ConfigDict(frozen=True)

    misconception: str
    text: Text
    correction: Text
    quote: str


class Grade(BaseModel):
    """Score 0 to 10 and the marks of one answer."""

    model_config = ConfigDict(frozen=True)

    score: float
    marks: tuple[Mark, ...]
    misconceptions: tuple[Found, ...] = ()
    gate: Gate | None = None


class Grader(Protocol):
    """Whoever can grade an answer to a card."""

    def grade(self, card: Card, answer: str) -> Grade:
        """The grade of all the learner said since the question."""
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


@dataclass(frozen=True, slots=True)
class _Rubric:
    """A card's signals, compiled, with the question and all else that the tutor says before an answer."""

    covered: dict[str, list[tuple[Term, ...]]]
    partly: dict[str, list[tuple[Term, ...]]]
    beliefs: dict[str, list[tuple[Term, ...]]]
    vocabulary: frozenset[str]
    question: tuple[Wording, ...]
    tutor_said: tuple[Wording, ...]


class RubricGrader:
    """Grades by the signals of the card: deterministic, without a model or a download."""

    def __init__(self, shelf: Shelf) -> None:
        self._thesaurus = Thesaurus(shelf.terms)
        self._rubrics: dict[str, tuple[Card, _Rubric]] = {}
        self._real_words = _english_words(shelf)

    def grade(self, card: Card, answer: str) -> Grade:
        rubric = self._rubric(card)
        wording = _read(answer).corrected(rubric.vocabulary, self._real_words)
        gate, discounted = _evidence(wording, rubric.tutor_said)
        if gate:
            return Grade(score=0.0, marks=tuple(_mark(point, "missed") for point in card.key_points), gate=gate)
        reading = Reading(wording, discounted)
        misconceptions = tuple(_found(card.misconceptions, rubric, reading))
        marks = tuple(_against(self._judged(point, rubric, reading), card, misconceptions) for point in card.key_points)
        contradicted = {mark.key_point for mark in marks if mark.verdict == "contradicted"}
        counted = {belief.id for belief in card.misconceptions if belief.contradicts in contradicted}
        return Grade(score=score(marks, misconceptions, counted), marks=marks, misconceptions=misconceptions)

    def _rubric(self, card: Card) -> _Rubric:
        known = self._rubrics.get(card.id)
        if known is None or known[0] is not card:
            known = (card, _rubric(card, self._thesaurus))
            self._rubrics[card.id] = known
        return known[1]

    def _judged(self, point: KeyPoint, rubric: _Rubric, reading: Reading) -> Mark:
        full = list(_said(rubric.covered[point.id], rubric, reading))
        if said := [match for match in full if not match.denied]:
            return _mark(point, "covered", reading, said)
        if against := [match for match in full if match.denied] or _opposed(rubric.covered[point.id], reading):
            return _mark(point, "contradicted", reading, against)
        half = _said(rubric.partly[point.id], rubric, reading)
        if said := [match for match in half if not match.denied]:
            return _mark(point, "partly", reading, said)
        return _mark(point, "missed")


@lru_cache(maxsize=512)
def _read(answer: str) -> Wording:
    return Wording(answer)


def _english_words(shelf: Shelf) -> frozenset[str]:
    """Words that the cards themselves use, and which are therefore not misspellings of other words."""
    texts = (
        text.en
        for card in shelf.cards
        for text in (card.question, card.answer, *card.explanation, *(point.text for point in card.key_points))
    )
    return frozenset(word for text in texts for word in re.findall(r"[a-z]{5,}", text.lower()))


def _rubric(card: Card, thesaurus: Thesaurus) -> _Rubric:
    question = (Wording(card.question.en), Wording(card.question.zh))

    def compile_all(signals: tuple[Signal, ...]) -> list[tuple[Term, ...]]:
        return [compiled(signal, thesaurus) for signal in signals]

    covered = {point.id: compile_all(point.signals) for point in card.key_points}
    partly = {point.id: compile_all(point.partly) for point in card.key_points}
    beliefs = {belief.id: compile_all(belief.signals) for belief in card.misconceptions}
    written = [
        word
        for signals in (*(p.signals + p.partly for p in card.key_points), *(b.signals for b in card.misconceptions))
        for signal in signals
        for term in signal
        for word in term.split("|")
    ]
    said = {same for word in written for same in thesaurus.same(word.strip())}
    vocabulary = frozenset(token.written for word in said for token in Wording(word).tokens if token.kind == "word")
    helps = [text for point in card.key_points for text in (point.hint, point.probe)]
    tutor_said = (*question, *(Wording(text[language]) for text in helps for language in LANGUAGES))
    return _Rubric(covered, partly, beliefs, vocabulary, question, tutor_said)


def _said(signals: Sequence[tuple[Term, ...]], rubric: _Rubric, reading: Reading) -> Iterable[Match]:
    """Where the signals stand, in words that are not all taken from the question."""
    for signal in signals:
        for match in reading.matches(signal):
            if not all(_stands_in(rubric.question, reading.wording, place) for place in match.ranges):
                yield match


def _stands_in(question: tuple[Wording, ...], wording: Wording, place: tuple[int, int]) -> bool:
    words = "".join(token.norm for token in wording.tokens[place[0] : place[1]])
    return any(asked.find(words) for asked in question)


def _evidence(wording: Wording, tutor_said: tuple[Wording, ...]) -> tuple[Gate | None, frozenset[int]]:
    """Why nothing in the answer can be evidence, or which of its tokens cannot."""
    if not wording.tokens:
        return "empty", frozenset()
    if gate := is_placeholder(wording):
        return gate, frozenset()
    copied = frozenset(_copied(wording, tutor_said))
    rest = len(wording.tokens) - len(copied)
    if copied and rest < max(3, len(wording.tokens) // 4):
        return "question_copied", frozenset()
    listed = discounted_tokens(wording)
    if listed and len(listed | copied) == len(wording.tokens):
        return "keyword_list", frozenset()
    return None, copied | listed


def _copied(wording: Wording, tutor_said: tuple[Wording, ...]) -> Iterable[int]:
    """Tokens in long runs of words that the tutor said just so."""
    units = wording.units
    first = 0
    while first < len(wording.tokens):
        last = first + 1
        sources = [said.squeezed for said in tutor_said if wording.tokens[first].norm in said.squeezed]
        while sources and last < len(wording.tokens):
            run = "".join(token.norm for token in wording.tokens[first : last + 1])
            sources = [said for said in sources if run in said]
            last += bool(sources)
        whole = first == 0 and last == len(wording.tokens) and units[last] >= COPIED_WHOLE
        if whole or units[last] - units[first] >= COPIED_RUN:
            yield from range(first, last)
            first = last
        else:
            first += 1


def _opposed(signals: Sequence[tuple[Term, ...]], reading: Reading) -> list[Match]:
    """Where a signal stands with one of its terms replaced by the opposite."""
    return [
        match
        for signal in signals
        if len(signal) > 1
        for index, term in enumerate(signal)
        if term.opposites
        for match in reading.matches(signal, opposed=index)
        if not match.denied
    ]


def _found(beliefs: Sequence[Misconception], rubric: _Rubric, reading: Reading) -> Iterable[Found]:
    for belief in beliefs:
        matches = (match for signal in rubric.beliefs[belief.id] for match in reading.matches(signal))
        if said := [match for match in matches if not match.denied]:
            quote = _quote(reading.wording, said)
            yield Found(misconception=belief.id, text=belief.text, correction=belief.correction, quote=quote)


def _against(mark: Mark, card: Card, misconceptions: Sequence[Found]) -> Mark:
    """The mark, seen together with misconceptions that deny its key point."""
    for found in misconceptions:
        belief = next(belief for belief in card.misconceptions if belief.id == found.misconception)
        if belief.contradicts == mark.key_point:
            verdict: Verdict = "partly" if mark.verdict == "covered" else "contradicted"
            return mark.model_copy(update={"verdict": verdict, "quote": mark.quote or found.quote})
    return mark


def _mark(point: KeyPoint, verdict: Verdict, reading: Reading | None = None, said: Sequence[Match] = ()) -> Mark:
    quote = _quote(reading.wording, said) if reading else ""
    return Mark(key_point=point.id, weight=point.weight, text=point.text, verdict=verdict, quote=quote)


def _quote(wording: Wording, matches: Sequence[Match]) -> str:
    """The shortest passage that shows it, in whole clauses where they are not too long."""
    best = min(matches, key=lambda match: wording.units[match.last] - wording.units[match.first])
    whole = wording.quote(*wording.clauses(best.first, best.last))
    return whole if len(whole) <= LONGEST_QUOTE else wording.quote(best.first, best.last)[:LONGEST_QUOTE]
