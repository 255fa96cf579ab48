"""Chooses what to ask next, and says why: due reviews, depth after a strong answer, weak topics, level and variety.

In practice the plan adapts to the grades; in an exam it is fixed before the first answer. A seed makes both repeatable:
all that a plan depends on stands in the transcript.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from tutor.cards import LEVELS, Card, Language, Level, Shelf
from tutor.events import Mode, SessionStarted
from tutor.interview import Interview, Round

Reason = Literal["plan", "due", "deeper", "weak", "harder", "easier", "fresh", "chosen", "exam"]

STRONG, WEAK = 8.0, 5.0
"""Scores of 10 from which an answer is strong, and below which it is weak."""
DEPTH = 2
"""How often in a row a strong answer leads on to a deeper card."""
REVIEWS = 0.3
"""The share of an interview that due reviews take at most, so that new cards come up, too."""
_DUE, _DEEPER, _TOPIC, _LEVEL, _REPEATED, _SAME, _KNOWN, _CHANCE = 4.0, 3.0, 2.0, 1.2, 0.8, 0.6, 4.0, 0.5


QUESTIONS = 5
"""How many questions an interview has unless the learner or a preset says otherwise."""
MINUTES = 5
"""Minutes for a question of an exam, unless the learner says otherwise; all together have four fifths of the sum."""


@dataclass(frozen=True)
class Choice:
    """The next card, and the main reason for it."""

    card: Card
    reason: Reason


def eligible(shelf: Shelf, topics: Sequence[str] = (), level: Level | None = None) -> list[Card]:
    """The cards of the topics (all, if none is named) at the level (any, if none is named)."""
    return [
        card for card in shelf.cards if (not topics or card.topic in topics) and (level is None or card.level == level)
    ]


def choices(
    shelf: Shelf,
    language: Language,
    *,
    preset: str = "",
    topics: Sequence[str] = (),
    level: Level | None = None,
    questions: int | None = None,
    mode: Mode = "practice",
    minutes: float = MINUTES,
    seed: int = 0,
) -> SessionStarted:
    """The learner's choices, filled up from the preset where they chose nothing; an exam gets its clock.

    There are at most as many questions as cards. `minutes` 0 means no clock.
    """
    ready = shelf.offered().get(preset)
    topics = tuple(topics) or (ready.topics if ready else ())
    wanted = questions or (ready.questions if ready else QUESTIONS)
    number = min(wanted, len(eligible(shelf, topics)))
    seconds = round(60 * minutes) if mode == "exam" else 0
    return SessionStarted(
        language=language,
        topics=topics,
        level=level or (ready.level if ready else None),
        questions=number,
        mode=mode,
        seed=seed,
        preset=preset if ready else "",
        question_seconds=seconds,
        total_seconds=seconds * number * 4 // 5 if number > 1 else seconds,
    )


def next_card(shelf: Shelf, interview: Interview, topic: str | None = None) -> Choice | None:
    """The next card to ask and why, or None when the plan has none left."""
    started = interview.started
    if started is None:
        return None
    if started.cards:
        named = (shelf.by_id[card_id] for card_id in started.cards if card_id in shelf.by_id)
        card = next((card for card in named if card.id not in interview.asked_ids), None)
        return Choice(card, "due" if not interview.exam else "exam") if card else None
    left = [
        card for card in eligible(shelf, (topic,) if topic else started.topics) if card.id not in interview.asked_ids
    ]
    if not left:
        return None
    chance = random.Random(f"{started.seed}/{len(interview.rounds)}")
    order = {card.id: chance.random() for card in left}
    if interview.exam:
        return Choice(_fixed(left, interview, order), "exam")
    view = _View(shelf, interview, started)
    card = max(left, key=lambda card: view.value(card) + _CHANCE * order[card.id])
    return Choice(card, "chosen" if topic else view.reason(card))


def _fixed(left: Sequence[Card], interview: Interview, order: Mapping[str, float]) -> Card:
    """Topics take turns, the nearest level first; what was answered plays no part."""
    level = interview.started.level if interview.started else None
    asked = [this.asked.topic for this in interview.rounds]
    return min(left, key=lambda card: (_off(card.level, level), asked.count(card.topic), order[card.id]))


def _off(level: Level, wanted: Level | None) -> int:
    """How many levels lie between; 0 where any level will do."""
    return abs(LEVELS.index(level) - LEVELS.index(wanted)) if wanted else 0


class _View:
    """What an interview so far says about the cards that could come next."""

    def __init__(self, shelf: Shelf, interview: Interview, started: SessionStarted) -> None:
        self._started = started
        self._asked = [this.asked.topic for this in interview.rounds]
        self._due = {card_id: place for place, card_id in enumerate(started.due)}
        reviewed = sum(this.asked.card_id in self._due for this in interview.rounds)
        self._reviews = reviewed < REVIEWS * started.questions
        self._deeper = frozenset(_deeper(shelf, interview.rounds))
        self._topics = _topic_scores(interview.rounds)
        self._known = frozenset(started.known)
        self._several = len(started.topics) != 1
        self._level = target_level(interview)
        self._last = interview.rounds[-1].asked.level if interview.rounds else None

    def value(self, card: Card) -> float:
        """How much speaks for a card."""
        asked = self._asked.count(card.topic)
        return (
            (_DUE - 0.01 * self._due[card.id] if self._is_due(card) else 0.0)
            + _DEEPER * (card.id in self._deeper)
            + _TOPIC * self._weakness(card.topic)
            - _LEVEL * abs(LEVELS.index(card.level) - self._level)
            - _REPEATED * asked
            - _SAME * (self._asked[-1:] == [card.topic] and card.id not in self._deeper)
            - _KNOWN * (card.id in self._known)
        )

    def reason(self, card: Card) -> Reason:
        """The reason that a person would give for the card."""
        if self._is_due(card):
            return "due"
        if card.id in self._deeper:
            return "deeper"
        if self._several and self._weakness(card.topic) > 1 - WEAK / 10:
            return "weak"
        if self._last and LEVELS.index(card.level) != LEVELS.index(self._last):
            return "harder" if LEVELS.index(card.level) > LEVELS.index(self._last) else "easier"
        return "plan" if card.topic in self._asked else "fresh"

    def _is_due(self, card: Card) -> bool:
        return self._reviews and card.id in self._due

    def _weakness(self, topic: str) -> float:
        """0 (mastered) to 1; a topic that nothing is known about stands in the middle."""
        if topic in self._topics:
            return 1 - self._topics[topic] / 10
        return 0.8 if topic in self._started.weak else 0.5


def target_level(interview: Interview) -> float:
    """The level to ask at, as a place in LEVELS: the chosen one, moved by the last two grades and by "too hard"."""
    level = interview.started.level if interview.started else None
    base = LEVELS.index(level) if level else 0.5
    scores = [score(this) for this in interview.rounds if this.left or this.grade][-2:]
    moved = sum(0.5 * (points >= STRONG) - 0.5 * (points < WEAK) for points in scores) - interview.easier
    return min(len(LEVELS) - 1.0, max(0.0, base + min(1.0, max(-1.0, moved))))


def score(this: Round) -> float:
    """The score of a question for the plan, 0 to 10: the mean of what came with help and what came without."""
    counted, alone = this.counted, this.unprompted
    return fmean((counted.score if counted else 0.0, alone.score if alone else 0.0))


def _deeper(shelf: Shelf, rounds: Sequence[Round]) -> tuple[str, ...]:
    """The cards to go on to after a strong answer, unless the last questions have gone deeper already."""
    if not rounds or score(rounds[-1]) < STRONG:
        return ()
    chain = 0
    for before, this in zip(reversed(rounds[:-1]), reversed(rounds), strict=False):
        card = shelf.by_id.get(before.asked.card_id)
        if card is None or this.asked.card_id not in card.deeper:
            break
        chain += 1
    last = shelf.by_id.get(rounds[-1].asked.card_id)
    return last.deeper if last and chain < DEPTH else ()


def _topic_scores(rounds: Iterable[Round]) -> dict[str, float]:
    scores: dict[str, list[float]] = {}
    for this in rounds:
        if this.left or this.grade:
            scores.setdefault(this.asked.topic, []).append(score(this))
    return {topic: fmean(known) for topic, known in scores.items()}


def with_past(
    choices: SessionStarted, shelf: Shelf, scores: Mapping[str, float], due: Mapping[str, float], now: float
) -> SessionStarted:
    """The choices of a practice interview with what earlier interviews say about cards and topics.

    `scores` has the latest score (of 10) of each card that was asked, `due` the time of its next review in seconds.
    What has just become due comes first: it can still be recalled, where a backlog may be lost already. Of a card
    without a time, a strong score is taken as known.
    """
    if choices.mode == "exam" or choices.cards:
        return choices
    reviews = sorted((card_id for card_id, at in due.items() if at <= now), key=lambda card_id: -due[card_id])
    known = [
        card_id
        for card_id in dict.fromkeys([*due, *scores])
        if (due[card_id] > now if card_id in due else scores[card_id] >= STRONG)
    ]
    topics: dict[str, list[float]] = {}
    for card_id, points in scores.items():
        if card := shelf.by_id.get(card_id):
            topics.setdefault(card.topic, []).append(points)
    means = {topic: fmean(points) for topic, points in topics.items()}
    weak = sorted((topic for topic, points in means.items() if points < WEAK), key=lambda topic: means[topic])
    return choices.model_copy(update={"due": tuple(reviews), "weak": tuple(weak), "known": tuple(known)})
