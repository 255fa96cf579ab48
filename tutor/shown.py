"""What of a transcript a learner may see, in order: their own words, the tutor's words, events as blocks, and the cost.

Tool messages are never shown; they carry rubric and reference answers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from tutor.events import (
    AnswerGraded,
    AnswerShown,
    Event,
    ExplanationGiven,
    FollowUpAsked,
    LanguageChosen,
    ModelUsed,
    QuestionAsked,
    SessionStarted,
    SummaryGiven,
    event_of,
)
from tutor.interview import Interview, Round

Block = QuestionAsked | AnswerGraded | FollowUpAsked | SummaryGiven | ExplanationGiven | AnswerShown


@dataclass(frozen=True)
class Said:
    """Words of the learner or the tutor; `at` is the place of their message in the transcript."""

    by_learner: bool
    text: str
    at: int = 0


@dataclass(frozen=True)
class Happened:
    """An event to be shown; `revealed` says whether a grade names the key points that were not said.

    `withheld` where it must not, because the question is open; otherwise a summary names them better. `known` are the
    key points whose verdict is the same as in the grade before, and those of which nothing may be told yet.
    """

    event: Block
    revealed: bool = True
    at: int = 0
    withheld: bool = False
    known: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Spent:
    """What a turn cost on models, and what the session has cost up to then."""

    event: ModelUsed
    calls: int
    tokens: int
    at: int = 0


Item = Said | Happened | Spent


def shown(transcript: Sequence[BaseMessage]) -> list[Item]:
    """Everything to show, oldest first. In an exam, grades wait for the end."""
    interview = Interview.of(transcript)
    turns: list[list[Item]] = [[]]
    calls = tokens = 0
    for at, message in enumerate(transcript):
        if isinstance(message, HumanMessage):
            turns.append([])
        if item := _item(message, interview):
            turns[-1].append(replace(item, at=at))
        if isinstance(used := event_of(message), ModelUsed):
            calls, tokens = calls + used.calls, tokens + used.tokens
            turns[-1].append(Spent(used, calls, tokens, at))
    return [item for turn in turns for item in in_order(turn)]


def in_order(turn: Sequence[Item]) -> list[Item]:
    """One turn as it is read: what was said, grade or teaching, the tutor's words, its cost, and last what is asked."""
    return sorted(turn, key=_place)


def _place(item: Item) -> int:
    if isinstance(item, Said):
        return 0 if item.by_learner else 2
    if isinstance(item, Spent):
        return 3
    return 4 if asks(item.event) else 1


def asks(event: Event) -> bool:
    """Whether the event puts something to the learner, and so stands at the end of its turn."""
    return isinstance(event, QuestionAsked | FollowUpAsked | SummaryGiven)


def _item(message: BaseMessage, interview: Interview) -> Item | None:
    event = event_of(message)
    if isinstance(event, Block):
        return visible(event, interview)
    if isinstance(event, SessionStarted | LanguageChosen):
        return None
    if isinstance(message, HumanMessage):
        return Said(True, str(message.text))
    if isinstance(message, AIMessage) and str(message.text).strip():
        return Said(False, str(message.text))
    return None


def visible(event: Event, interview: Interview) -> Happened | None:
    """The event as it may be shown at this point of the interview."""
    if not isinstance(event, Block):
        return None
    if not isinstance(event, AnswerGraded):
        return Happened(event)
    if interview.exam:
        return Happened(event) if interview.finished else None
    restated = event.after_showing and not any(mark.verdict == "covered" for mark in event.grade.marks)
    if event.latest or restated:
        return None
    this = next((this for this in reversed(interview.rounds) if this.asked.card_id == event.card_id), None)
    withheld = this is not None and this is interview.current and not this.given_away
    summed_up = this is not None and this.summary is not None
    known = _known(event, this)
    if withheld:
        known |= {mark.key_point for mark in event.grade.marks if mark.verdict == "missed"}
    return Happened(_with_new_beliefs(event, this), not (withheld or summed_up), withheld=withheld, known=known)


def _known(event: AnswerGraded, this: Round | None) -> frozenset[str]:
    """The key points that the grade before this one judged the same way."""
    before = _before(event, this)
    if before is None or event.after_showing:
        return frozenset()
    verdicts = {mark.key_point: mark.verdict for mark in before.grade.marks}
    return frozenset(mark.key_point for mark in event.grade.marks if verdicts.get(mark.key_point) == mark.verdict)


def _with_new_beliefs(event: AnswerGraded, this: Round | None) -> AnswerGraded:
    """The grade with the wrong beliefs that were not corrected before: once is enough."""
    before = _before(event, this)
    told = {found.misconception for found in before.grade.misconceptions} if before else set()
    left = tuple(found for found in event.grade.misconceptions if found.misconception not in told)
    return event.model_copy(update={"grade": event.grade.model_copy(update={"misconceptions": left})})


def _before(event: AnswerGraded, this: Round | None) -> AnswerGraded | None:
    """The grade before this one."""
    grades = list(this.grades) if this else []
    at = grades.index(event) if event in grades else len(grades)
    return grades[at - 1] if at else None
