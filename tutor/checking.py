"""Holds every card to its promise: gradable in both languages, hard to fool, and giving nothing away."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median

from tutor.cards import LANGUAGES, Card, Language, Shelf
from tutor.errors import PromptError
from tutor.grading import Grade
from tutor.matching import squeeze
from tutor.prompts import load_phrases
from tutor.rubric import RubricGrader
from tutor.wording import Wording

LANGUAGE_GAP = 0.5
"""How far the scores of the two reference answers may lie apart, of 10."""
FOREIGN_MEDIAN = 2.5
"""The highest median score of the other cards' reference answers, of 10."""
FOREIGN_ANSWERS = 14
"""So many other cards are tried, evenly over the topics: all of them would take minutes and tell the same."""
TOLERATED = 0.125
"""Share of the verdicts on samples that may differ: what learners say is weighed too, and is no certainty."""
LONGEST_SHARED = 6.0
"""A hint shares fewer words in a row than this with its key point (two Chinese characters are one word)."""


def problems(shelf: Shelf, only: Sequence[str] = ()) -> list[str]:
    """What is wrong with the cards (all, or those named by `only`), one line each, starting with the card's id."""
    grader = RubricGrader(shelf)
    cards = [card for card in shelf.cards if not only or card.id in only]
    found = [f"{card.topic}/{card.id}: {problem}" for card in cards for problem in _problems(card, shelf, grader)]
    return [*found, *_asked_twice(cards, shelf)]


def _problems(card: Card, shelf: Shelf, grader: RubricGrader) -> Iterable[str]:
    yield from _form(card, shelf)
    yield from _reference_answers(card, grader)
    yield from _nothing_for_free(card, grader)
    yield from _foreign_answers(card, shelf, grader)
    yield from _beliefs(card, grader)
    yield from _samples(card, grader)
    yield from _hints(card)


def _form(card: Card, shelf: Shelf) -> Iterable[str]:
    if card.topic not in shelf.topics:
        yield f"the folder {card.topic} is not in topics.yaml"
    for deeper in card.deeper:
        if deeper not in shelf.by_id or deeper == card.id:
            yield f"deeper: there is no other card {deeper}"
    for point in card.key_points:
        if not point.signals:
            yield f"key point {point.id} has no signals"
    languages = {sample.language for sample in card.samples}
    for language in LANGUAGES:
        if language not in languages:
            yield f"samples: none in {language}"
    if not any(set(sample.verdicts.values()) <= {"missed", "contradicted"} for sample in card.samples):
        yield "samples: none is wrong from beginning to end"


def _asked_twice(cards: Iterable[Card], shelf: Shelf) -> Iterable[str]:
    """Wordings under which two cards could be meant."""
    asking: dict[str, set[str]] = {}
    for card in shelf.cards:
        for wording in _asked(card):
            asking.setdefault(squeeze(wording), set()).add(card.id)
    for card in cards:
        for wording in _asked(card):
            for other in sorted(asking[squeeze(wording)] - {card.id}):
                yield f"{card.topic}/{card.id}: asks what {other} asks: {wording}"


def _asked(card: Card) -> tuple[str, ...]:
    return (card.question.en, card.question.zh, *card.asked_as.en, *card.asked_as.zh)


def _reference_answers(card: Card, grader: RubricGrader) -> Iterable[str]:
    grades: dict[Language, Grade] = {language: grader.grade(card, card.answer[language]) for language in LANGUAGES}
    for language, grade in grades.items():
        for mark in grade.marks:
            if mark.verdict != "covered":
                yield f"answer ({language}): {mark.key_point} is {mark.verdict}, not covered {_said(mark.quote)}"
        for found in grade.misconceptions:
            yield f"answer ({language}): shows the misconception {found.misconception} {_said(found.quote)}"
    if abs(grades["en"].score - grades["zh"].score) > LANGUAGE_GAP:
        yield f"answer: {grades['en'].score} in en but {grades['zh'].score} in zh"


def _nothing_for_free(card: Card, grader: RubricGrader) -> Iterable[str]:
    """The question, and what the tutor says before an answer, earn nothing when they are sent back."""
    said = [(f"the question ({language})", card.question[language]) for language in LANGUAGES]
    for point in card.key_points:
        said += [(f"hint of {point.id} ({language})", point.hint[language]) for language in LANGUAGES]
        said += [(f"probe of {point.id} ({language})", point.probe[language]) for language in LANGUAGES]
    for what, text in said:
        for mark in grader.grade(card, text).marks:
            if mark.verdict in ("covered", "partly"):
                yield f"{what}, sent back as an answer, earns {mark.key_point} {_said(mark.quote)}"


def _foreign_answers(card: Card, shelf: Shelf, grader: RubricGrader) -> Iterable[str]:
    others = [other for other in shelf.cards if other.id != card.id]
    scores = [
        grader.grade(card, other.answer[language]).score
        for other in others[:: max(1, len(others) // FOREIGN_ANSWERS)]
        for language in LANGUAGES
    ]
    if scores and median(scores) > FOREIGN_MEDIAN:
        yield f"other cards' answers earn {median(scores)} here (median); at most {FOREIGN_MEDIAN} is right"


def _beliefs(card: Card, grader: RubricGrader) -> Iterable[str]:
    for belief in card.misconceptions:
        for language in LANGUAGES:
            found = {found.misconception for found in grader.grade(card, belief.text[language]).misconceptions}
            if belief.id not in found:
                yield f"misconception {belief.id}: its own text ({language}) is not recognised"
            if belief.id in {f.misconception for f in grader.grade(card, belief.correction[language]).misconceptions}:
                yield f"misconception {belief.id}: its correction ({language}) is taken for the misconception"


def _samples(card: Card, grader: RubricGrader) -> Iterable[str]:
    """Where samples are graded otherwise than their author would, if that is more than one in eight."""
    different: list[str] = []
    for number, sample in enumerate(card.samples, start=1):
        grade = grader.grade(card, sample.answer)
        for mark in grade.marks:
            wanted = sample.verdicts.get(mark.key_point, "missed")
            if mark.verdict != wanted and (mark.verdict, wanted) != ("unsure", "missed"):
                said = _said(mark.quote)
                different.append(f"sample {number}: {mark.key_point} is {mark.verdict}, should be {wanted} {said}")
        found = {found.misconception for found in grade.misconceptions}
        for belief in sorted(found ^ set(sample.misconceptions)):
            problem = "is found but not named" if belief in found else "is not found"
            yield f"sample {number}: misconception {belief} {problem}"
    if len(different) > TOLERATED * len(card.samples) * len(card.key_points):
        yield from different


def _hints(card: Card) -> Iterable[str]:
    for point in card.key_points:
        for language in LANGUAGES:
            shared = _longest_shared(point.hint[language], point.text[language])
            if shared:
                yield f"hint of {point.id} ({language}) gives away: {shared}"


def _longest_shared(hint: str, text: str) -> str:
    """The first run of words in the hint that is too long to share with the text, or nothing."""
    mine, theirs = Wording(hint), Wording(text)
    for first in range(len(mine.tokens)):
        last = first
        while last < len(mine.tokens) and mine.units[last] - mine.units[first] < LONGEST_SHARED:
            last += 1
        run = "".join(token.norm for token in mine.tokens[first:last])
        if mine.units[last] - mine.units[first] >= LONGEST_SHARED and run in theirs.squeezed:
            return mine.quote(first, last)
    return ""


def _said(quote: str) -> str:
    return f"(from: {quote[:90]})" if quote else ""


def prompt_problems(folder: Path) -> list[str]:
    """What is wrong with prompts and phrases, one line each."""
    try:
        load_phrases(folder)
    except PromptError as error:
        return [str(error)]
    return [
        f"{path}: {{{name}}} is not filled; placeholders are written $name"
        for path in sorted(folder.glob("*.md"))
        for name in re.findall(r"(?<!\$)\{([a-z_]+)\}", path.read_text(encoding="utf-8"))
    ]
