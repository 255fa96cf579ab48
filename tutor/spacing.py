"""When a key point should come back: FSRS with its default parameters, replayed over the grades of all interviews.

A key point is what is remembered; nothing about it is stored, its memory is what the recorded grades say.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from fsrs import Card as Memory
from fsrs import Rating, Scheduler

from tutor.events import AnswerGraded
from tutor.grading import Mark
from tutor.interview import Round

FAST = 120.0
"""Seconds to the first answer up to which a key point said without help was easy."""
WHOLE = ""
"""Stands for every key point of a card, where the answer was shown or the question left before anything was graded."""
_AFTER: Mapping[str, Rating] = {"hint": Rating.Hard, "probe": Rating.Hard, "tell": Rating.Again}
"""How well a key point was remembered that was said after such help for it; a pump gives nothing away."""
LONGEST = 180
"""Days after which everything comes back: who prepares for an interview has no use for years."""
_SCHEDULER = Scheduler(learning_steps=(), relearning_steps=(), maximum_interval=LONGEST, enable_fuzzing=False)
"""No steps within a day: an interview asks a question once, so the shortest interval is a day."""


def ratings(this: Round, first: float | None, *, left: bool) -> Mapping[str, Rating]:
    """How well each key point was remembered in this round, by id; nothing for a question that is still open.

    Said without help is Good, and Easy where the first answer took no longer than FAST; said after a hint or a pointed
    question for it, or half said, is Hard; all else is Again, and so is a whole card whose answer was shown first.
    An unsure verdict is no rating.
    """
    earned = this.earned
    if not earned:
        return {WHOLE: Rating.Again} if this.given_away or left else {}
    fast = first is not None and first <= FAST
    found = {mark.key_point: _rating(mark, this, earned, fast) for mark in earned[-1].grade.marks}
    return {point: rating for point, rating in found.items() if rating is not None}


def _rating(mark: Mark, this: Round, earned: Sequence[AnswerGraded], fast: bool) -> Rating | None:
    if mark.verdict == "unsure":
        return None
    if mark.verdict == "partly":
        return Rating.Hard
    if mark.verdict != "covered":
        return Rating.Again
    said = next(graded for graded in earned if _covers(graded, mark.key_point))
    helps = [help_ for help_ in this.helps if help_.step != "pump"][: said.helps]
    needed = [_AFTER[help_.step] for help_ in helps if help_.key_point == mark.key_point]
    return min(needed, default=Rating.Easy if fast and said is earned[0] else Rating.Good)


def _covers(graded: AnswerGraded, key_point: str) -> bool:
    return any(mark.key_point == key_point and mark.verdict == "covered" for mark in graded.grade.marks)


def replayed(reviews: Iterable[tuple[float, Rating]]) -> Memory | None:
    """The memory that reviews leave (clock seconds and rating, in order of time); None without any."""
    memory: Memory | None = None
    for at, rating in reviews:
        memory, _ = _SCHEDULER.review_card(memory or Memory(card_id=0), rating, _moment(at))
    return memory


def recall(memory: Memory, now: float) -> float:
    """The probability, 0 to 1, that what was remembered would be remembered now."""
    return float(_SCHEDULER.get_card_retrievability(memory, _moment(now)))


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
