"""Grades an answer to a question that has only a reference answer: each of its sentences is taken for a key point.

What is compared is words, so the grade is rougher than one by signals, and says so. The score is the share of the
reference answer's words that were said; marks only show where.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from tutor.cards import LANGUAGES, Card, KeyPoint, Language, Text, Verdict
from tutor.grading import Grade, Mark, graded, marked
from tutor.likeness import passages, words
from tutor.matching import Reading
from tutor.wording import Wording

COVERED, HALF = 0.6, 0.3
"""Share of a sentence's words that a passage of the answer must have."""
ENOUGH = 0.5
"""Who has this share of the reference answer's words has said it: nobody says it in all the same words."""
MOST = 7
"""Key points at most; further sentences join the last one."""
_SENTENCE = re.compile(r"(?<=[.!?;。！？；])\s*|\n+")


def rough_grade(card: Card, reading: Reading) -> Grade:
    """The grade of an answer to a card whose key points have no signals."""
    asked = words(Wording(card.question.en)) | words(Wording(card.question.zh))
    points = derived(card)
    marks = [_mark(point, asked, reading) for point in points]
    grade = graded(card.model_copy(update={"key_points": points}), marks, ())
    open_points = [point for point in points if not _turned(point, asked, reading)]
    score = round(10 * min(1.0, _recalled(points, open_points, asked, reading) / ENOUGH), 1)
    return grade.model_copy(update={"rough": True, "score": score})


def _recalled(
    points: Sequence[KeyPoint], open_points: Sequence[KeyPoint], asked: frozenset[str], reading: Reading
) -> float:
    """The share of the reference answer's words that the answer has: mean of all words, and of those not asked."""
    said = words(reading.wording, _evident(reading))
    shares = []
    for language in LANGUAGES:
        wanted, counted = (
            frozenset[str]().union(*(words(Wording(point.text[language])) for point in some))
            for some in (points, open_points)
        )
        for aside in (frozenset[str](), asked if wanted - asked else frozenset[str]()):
            weight = _weight(wanted - aside)
            shares.append(_weight((counted & said) - aside) / weight if weight else 0.0)
    return max(sum(shares[:2]), sum(shares[2:])) / 2


def _evident(reading: Reading) -> list[int]:
    return [place for place in range(len(reading.wording.tokens)) if place not in reading.discounted]


def _weight(some: frozenset[str]) -> float:
    """How much words say together: a Chinese character alone half as much as a word."""
    return sum(0.5 if len(word) == 1 and not word.isascii() else 1.0 for word in some)


def _turned(point: KeyPoint, asked: frozenset[str], reading: Reading) -> bool:
    """Whether the passage that shares most words with the sentence denies it, or asserts what it denies."""
    best, turned = COVERED, False
    for text in {point.text.en, point.text.zh}:
        wanted = words(Wording(text)) - asked
        denials = len(Reading(Wording(text)).negations) % 2
        for place in passages(reading) if wanted else ():
            share = len(wanted & words(reading.wording, range(*place))) / len(wanted)
            if share > best:
                best = share
                turned = sum(place[0] <= negation < place[1] for negation in reading.negations) % 2 != denials
    return turned


def derived(card: Card) -> tuple[KeyPoint, ...]:
    """The sentences of the reference answer as key points of equal weight."""
    return card.key_points or _derived(card.answer)


@lru_cache(maxsize=256)
def _derived(answer: Text) -> tuple[KeyPoint, ...]:
    by_language = {language: _sentences(answer, language) for language in ("en", "zh")}
    number = min(map(len, by_language.values()))
    texts = [Text(en=by_language["en"][at], zh=by_language["zh"][at]) for at in range(number)]
    return tuple(
        KeyPoint(id=f"sentence-{at}", weight=2, text=text, hint=text, probe=text)
        for at, text in enumerate(texts, start=1)
    )


def _sentences(answer: Text, language: Language) -> list[str]:
    found = [part.strip() for part in _SENTENCE.split(answer[language]) if re.search(r"\w", part)]
    return [*found[: MOST - 1], " ".join(found[MOST - 1 :])] if len(found) > MOST else found or [answer[language]]


def _mark(point: KeyPoint, asked: frozenset[str], reading: Reading) -> Mark:
    """The mark by the passage that shares most words with the sentence, in whichever language it shares more."""
    best, where = 0.0, (0, 0)
    for text in {point.text.en, point.text.zh}:
        wanted = words(Wording(text)) - asked
        for place in passages(reading) if wanted else ():
            denied = sum(place[0] <= negation < place[1] for negation in reading.negations) % 2
            if denied != len(Reading(Wording(text)).negations) % 2:
                continue
            share = len(wanted & words(reading.wording, range(*place))) / len(wanted)
            if share > best:
                best, where = share, place
    verdict: Verdict = "covered" if best >= COVERED else "partly" if best >= HALF else "missed"
    return marked(point, verdict, reading.wording.quote(*where) if verdict != "missed" else "")
