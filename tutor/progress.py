"""All interviews of a learner summed up: what is known, what is due, when was practised. Folded anew from transcripts.

Nothing here is stored. Memory is FSRS (`spacing`) over the recorded grades, one memory per key point.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from itertools import groupby

from fsrs import Card as Memory
from fsrs import Rating
from langchain_core.messages import BaseMessage

from tutor.cards import Card, Language, Shelf
from tutor.clock import timings
from tutor.events import Mode, SessionStarted
from tutor.interview import Interview
from tutor.report import Result, Standing, report
from tutor.spacing import WHOLE, ratings, recall, replayed

REVIEWED_AT_ONCE = 10
"""Questions in one interview of what is due."""
MATTERS = 2
"""Key points of this weight or more decide when a card is due; those that are good to have do not."""
WEAK = 0.6
"""A card of which less is known counts as weak."""
_KNOWN = {Rating.Again: 0.0, Rating.Hard: 0.5, Rating.Good: 1.0, Rating.Easy: 1.0}


@dataclass(frozen=True)
class Practised:
    """One question of one interview: its scores (of 10), the rating of each key point, and when (clock, seconds)."""

    card_id: str
    topic: str
    at: float
    standing: Standing
    score: float | None
    unprompted: float | None
    ratings: Mapping[str, Rating]


@dataclass(frozen=True)
class Sitting:
    """One interview as progress sees it; `seconds` is the learner's thinking time."""

    session: str
    at: float
    mode: Mode
    topics: tuple[str, ...]
    score: float | None
    unprompted: float | None
    seconds: float
    questions: tuple[Practised, ...]


@dataclass(frozen=True)
class CardProgress:
    """One card: how much of it is known now (0 to 1), how often it was asked, when it is due (clock, seconds)."""

    card: Card
    known: float
    asked: int
    due: float | None


@dataclass(frozen=True)
class TopicProgress:
    """One topic: how much of all its cards is known now (0 to 1), how many there are, were asked, and are due."""

    topic: str
    known: float
    cards: int
    asked: int
    due: int


@dataclass(frozen=True)
class Progress:
    """Where a learner stands at the time `now`."""

    now: float
    sittings: tuple[Sitting, ...]
    cards: tuple[CardProgress, ...]
    topics: tuple[TopicProgress, ...]
    due: tuple[CardProgress, ...]
    later: tuple[CardProgress, ...]
    days: Mapping[date, int]
    today: date

    @property
    def questions(self) -> int:
        return sum(self.days.values())

    @property
    def seconds(self) -> float:
        return sum(sitting.seconds for sitting in self.sittings)

    @property
    def weak(self) -> tuple[CardProgress, ...]:
        """Cards that were asked and are not known well, the weakest first."""
        return tuple(sorted((c for c in self.cards if c.asked and c.known < WEAK), key=lambda c: (c.known, c.card.id)))

    @property
    def streak(self) -> int:
        """Days in a row with practice, up to today or yesterday."""
        day = self.today if self.days.get(self.today) else self.today - timedelta(days=1)
        length = 0
        while self.days.get(day - timedelta(days=length)):
            length += 1
        return length


def sitting(session: str, transcript: Sequence[BaseMessage]) -> Sitting | None:
    """The interview of a session from its transcript; None where nothing was started."""
    interview = Interview.of(transcript)
    if interview.started is None:
        return None
    times = timings(transcript)
    made = report(interview, times)
    return Sitting(
        session=session,
        at=interview.started_at or 0.0,
        mode=interview.started.mode,
        topics=tuple(topic.topic for topic in made.topics),
        score=made.score,
        unprompted=made.unprompted,
        seconds=sum(timing.thinking for timing in times),
        questions=tuple(
            _practised(result, ratings(this, timing.first, left=result.standing == "skipped"), timing.ended)
            for result, this, timing in zip(made.results, interview.rounds, times, strict=True)
            if result.standing not in ("open", "ungraded")
        ),
    )


def _practised(result: Result, rated: Mapping[str, Rating], at: float) -> Practised:
    return Practised(
        card_id=result.card_id,
        topic=result.topic,
        at=at,
        standing=result.standing,
        score=result.score,
        unprompted=result.unprompted,
        ratings=rated,
    )


def progress(sittings: Iterable[Sitting], shelf: Shelf, now: float, zone: tzinfo | None = None) -> Progress:
    """Where the learner stands; days are those of `zone` (this machine's by default)."""
    ordered = tuple(sorted(sittings, key=lambda sitting: (sitting.at, sitting.session)))
    questions = [question for sitting in ordered for question in sitting.questions]
    asked = Counter(question.card_id for question in questions)
    memories = _memories(questions, shelf)
    cards = tuple(_card(card, memories, asked[card.id], now) for card in shelf.cards)
    today = _day(now, zone)
    planned = sorted((c for c in cards if c.due is not None), key=lambda c: (c.due or 0.0, c.card.id))
    due_now = tuple(card for card in planned if _day(card.due or 0.0, zone) <= today)
    return Progress(
        now=now,
        sittings=ordered,
        cards=cards,
        topics=tuple(_topic(topic, cards, due_now) for topic in shelf.counts()),
        due=due_now,
        later=tuple(planned[len(due_now) :]),
        days=Counter(_day(question.at, zone) for question in questions),
        today=today,
    )


def due(sittings: Iterable[Sitting], shelf: Shelf) -> dict[str, float]:
    """When each practised card is due (clock, seconds), by card id: as soon as half of what matters on it is."""
    questions = [question for sitting in sittings for question in sitting.questions]
    memories = _memories(questions, shelf)
    times = ((card.id, _due(card, memories)) for card in shelf.cards)
    return {card_id: at for card_id, at in times if at is not None}


def latest_scores(sittings: Iterable[Sitting]) -> dict[str, float]:
    """The latest score of each card (0 to 10): the mean of what came with help and what came without."""
    return {
        question.card_id: ((question.score or 0.0) + (question.unprompted or 0.0)) / 2
        for sitting in sittings
        for question in sitting.questions
    }


def review(made: Progress, language: Language) -> SessionStarted | None:
    """An interview of what is due, topics mixed, the most overdue first; None when nothing is."""
    chosen = _mixed([due.card for due in made.due[:REVIEWED_AT_ONCE]])
    if not chosen:
        return None
    return SessionStarted(language=language, questions=len(chosen), cards=tuple(card.id for card in chosen))


def _mixed(cards: Sequence[Card]) -> list[Card]:
    """The cards with their topics taking turns; within a topic the order stays."""
    seen: Counter[str] = Counter()
    turns = []
    for place, card in enumerate(cards):
        turns.append((seen[card.topic], place, card))
        seen[card.topic] += 1
    return [card for _, _, card in sorted(turns, key=lambda turn: turn[:2])]


Memories = Mapping[tuple[str, str], tuple[Memory, Rating]]
"""The memory and the last rating by card and key point."""


def _memories(questions: Iterable[Practised], shelf: Shelf) -> Memories:
    reviews: defaultdict[tuple[str, str], list[tuple[float, Rating]]] = defaultdict(list)
    for question in sorted(questions, key=lambda question: question.at):
        card = shelf.by_id.get(question.card_id)
        for point in card.key_points if card else ():
            rating = question.ratings.get(point.id, question.ratings.get(WHOLE))
            if rating is not None:
                reviews[question.card_id, point.id].append((question.at, rating))
    kept = ((key, replayed(history), history[-1][1]) for key, history in reviews.items())
    return {key: (memory, rating) for key, memory, rating in kept if memory is not None}


def _card(card: Card, memories: Memories, asked: int, now: float) -> CardProgress:
    total = sum(point.weight for point in card.key_points)
    known = 0.0
    for point in card.key_points:
        if kept := memories.get((card.id, point.id)):
            memory, rating = kept
            known += point.weight * _KNOWN[rating] * recall(memory, now)
    return CardProgress(card, known / total, asked, _due(card, memories))


def _due(card: Card, memories: Memories) -> float | None:
    """When half of what matters on the card is due, by weight: one hard point alone does not bring it back each day."""
    points = [point for point in card.key_points if point.weight >= MATTERS and (card.id, point.id) in memories]
    dues = sorted((memories[card.id, point.id][0].due.timestamp(), point.weight) for point in points)
    half, reached = sum(weight for _, weight in dues) / 2, 0
    for at, weight in dues:
        reached += weight
        if reached >= half:
            return at
    return None


def _topic(topic: str, cards: Iterable[CardProgress], due_now: Iterable[CardProgress]) -> TopicProgress:
    own = [card for card in cards if card.card.topic == topic]
    return TopicProgress(
        topic=topic,
        known=sum(card.known for card in own) / len(own),
        cards=len(own),
        asked=sum(bool(card.asked) for card in own),
        due=sum(card.card.topic == topic for card in due_now),
    )


def by_day(cards: Iterable[CardProgress], zone: tzinfo | None = None) -> list[tuple[date, list[CardProgress]]]:
    """Cards that are due later, by the day on which they are; they come in the order of time."""
    return [(day, list(own)) for day, own in groupby(cards, key=lambda card: _day(card.due or 0.0, zone))]


def _day(at: float, zone: tzinfo | None) -> date:
    return datetime.fromtimestamp(at, zone).date()
