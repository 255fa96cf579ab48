"""Chooses what to ask next: from the chosen topics and level, in a mixed order that a seed makes repeatable."""

import random
from collections.abc import Sequence

from tutor.cards import LEVELS, Card, Level, Shelf
from tutor.interview import Interview


def eligible(shelf: Shelf, topics: Sequence[str] = (), level: Level | None = None) -> list[Card]:
    """The cards of the topics (all, if none is named) at the level (any, if none is named)."""
    return [
        card for card in shelf.cards if (not topics or card.topic in topics) and (level is None or card.level == level)
    ]


def next_card(shelf: Shelf, interview: Interview, topic: str | None = None) -> Card | None:
    """The next card to ask, or None when the plan has none left.

    Topics take turns; within a topic, easier cards come first; the seed decides among equals. When the chosen level
    has no card left, the nearest other level is taken. Cards that the interview names come in their order.
    """
    started = interview.started
    if started is None:
        return None
    if started.cards:
        named = (shelf.by_id[card_id] for card_id in started.cards if card_id in shelf.by_id)
        return next((card for card in named if card.id not in interview.asked_ids), None)
    topics = (topic,) if topic else started.topics
    left = [card for card in eligible(shelf, topics) if card.id not in interview.asked_ids]
    if not left:
        return None
    chance = random.Random(f"{started.seed}/{len(interview.rounds)}")
    order = {card.id: chance.random() for card in left}
    asked = [this.asked.topic for this in interview.rounds]
    return min(
        left,
        key=lambda card: (_off(card.level, started.level), asked.count(card.topic), order[card.id]),
    )


def _off(level: Level, wanted: Level | None) -> int:
    """How many levels lie between; 0 where any level will do."""
    return abs(LEVELS.index(level) - LEVELS.index(wanted)) if wanted else 0
