"""An interview is what its transcript says: the state is folded from the messages and stored nowhere else."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from langchain_core.messages import BaseMessage, HumanMessage

from tutor.cards import Language
from tutor.events import (
    AnswerGraded,
    AnswerShown,
    AppealMade,
    Command,
    CommandGiven,
    Event,
    ExplanationGiven,
    FollowUpAsked,
    LanguageChosen,
    QuestionAsked,
    SessionStarted,
    event_of,
)
from tutor.grading import Grade

FOLLOW_UPS = 2
"""How many follow-ups the tutor asks of its own accord at one question."""


@dataclass(frozen=True)
class Round:
    """One question and all that belongs to it; `awaiting` from a follow-up until the next grade."""

    asked: QuestionAsked
    said: tuple[str, ...] = ()
    helps: tuple[FollowUpAsked, ...] = ()
    grades: tuple[AnswerGraded, ...] = ()
    shown: bool = False
    explained: bool = False
    left: bool = False
    awaiting: bool = False

    @property
    def answer(self) -> str:
        """All the learner said since the question."""
        return "\n\n".join(self.said)

    @property
    def grade(self) -> Grade | None:
        """The latest grade, whatever help came before it."""
        return self.grades[-1].grade if self.grades else None

    @property
    def counted(self) -> Grade | None:
        """The grade that counts: the latest before the reference answer or an explanation was given."""
        return self.earned[-1].grade if self.earned else None

    @property
    def earned(self) -> tuple[AnswerGraded, ...]:
        """The grades that count, in order."""
        return tuple(graded for graded in self.grades if not graded.after_showing)

    @property
    def unprompted(self) -> Grade | None:
        """The grade of what came without any help."""
        alone = [graded.grade for graded in self.grades if not graded.after_showing and not graded.helps]
        return alone[-1] if alone else None

    @property
    def given_away(self) -> bool:
        return self.shown or self.explained

    @property
    def ungraded(self) -> bool:
        """Whether something was said that no grade covers yet."""
        return bool(self.said) and (not self.grades or self.grades[-1].answer != self.answer)


@dataclass(frozen=True)
class Interview:
    """Where an interview stands."""

    started: SessionStarted | None = None
    language: Language = "en"
    rounds: tuple[Round, ...] = ()
    ended: bool = False
    command: Command | None = None
    appeal: str = ""
    turn: tuple[Event, ...] = ()

    @staticmethod
    def of(transcript: Iterable[BaseMessage]) -> "Interview":
        """The interview that a transcript tells."""
        interview = Interview()
        for message in transcript:
            interview = _after_message(interview, message)
        return interview

    @property
    def current(self) -> Round | None:
        """The open question: asked, and neither closed nor left."""
        if self.ended or not self.rounds or self.closed(self.rounds[-1]):
            return None
        return self.rounds[-1]

    @property
    def appealable(self) -> Round | None:
        """The question whose grade the learner can disagree with: the latest that has one they can see."""
        if self.exam and not self.finished:
            return None
        return next((this for this in reversed(self.rounds) if this.grades), None)

    @property
    def exam(self) -> bool:
        return self.started is not None and self.started.mode == "exam"

    @property
    def finished(self) -> bool:
        """Whether nothing more will be asked."""
        if self.ended:
            return True
        return self.started is not None and len(self.rounds) >= self.started.questions and self.current is None

    def closed(self, this: Round) -> bool:
        """Whether a question is done with: left, or graded with nothing more to follow up."""
        if this.left or this is not self.rounds[-1]:
            return True
        if this.grade is None or this.ungraded or this.awaiting:
            return False
        if this.given_away:
            return this.grades[-1].after_showing
        return not self.follows_up(this)

    def follows_up(self, this: Round) -> bool:
        """Whether the tutor goes on at this question after its latest grade."""
        if self.exam or this.grade is None or this.given_away:
            return False
        own = sum(not follow_up.requested for follow_up in this.helps)
        return own < FOLLOW_UPS and any(mark.verdict != "covered" for mark in this.grade.marks)

    @property
    def asked_ids(self) -> frozenset[str]:
        return frozenset(this.asked.card_id for this in self.rounds)


def _after_message(interview: Interview, message: BaseMessage) -> Interview:
    event = event_of(message)
    if isinstance(message, HumanMessage):
        interview = replace(interview, command=None, appeal="", turn=())
        if isinstance(event, AppealMade):
            return after(_appealed(interview, str(message.text)), event)
        if event is None:
            return _heard(interview, str(message.text))
    return after(interview, event) if event else interview


def _heard(interview: Interview, text: str) -> Interview:
    current = interview.current
    if current is None or not text.strip():
        return interview
    return _with_round(interview, replace(current, said=(*current.said, text)))


def _appealed(interview: Interview, text: str) -> Interview:
    """The argument belongs to what was said to the question it is about."""
    about = interview.appealable
    if about is None:
        return interview
    return replace(_with_round(interview, replace(about, said=(*about.said, text))), appeal=text)


def _with_round(interview: Interview, this: Round) -> Interview:
    """The interview with another state of the round that asks the same card."""
    same = this.asked.card_id
    return replace(interview, rounds=tuple(this if old.asked.card_id == same else old for old in interview.rounds))


def after(interview: Interview, event: Event) -> Interview:
    """The interview once the event has happened."""
    interview = replace(interview, turn=(*interview.turn, event))
    this = interview.rounds[-1] if interview.rounds else None
    match event:
        case SessionStarted():
            return replace(interview, started=event, language=event.language)
        case LanguageChosen():
            return replace(interview, language=event.language)
        case CommandGiven():
            return _commanded(interview, event.command)
        case QuestionAsked():
            return replace(interview, rounds=(*interview.rounds, Round(event)))
        case FollowUpAsked() if this and this.asked.card_id == event.card_id:
            return _with_round(interview, replace(this, helps=(*this.helps, event), awaiting=True))
        case AnswerGraded():
            return _with_grade(interview, event)
        case AnswerShown() if this and this.asked.card_id == event.card_id:
            return _with_round(interview, replace(this, shown=True))
        case ExplanationGiven() if this and this.asked.card_id == event.card_id:
            return _with_round(interview, replace(this, explained=True))
        case _:
            return interview


def _with_grade(interview: Interview, event: AnswerGraded) -> Interview:
    """The grade at its question; an appeal leaves a follow-up open unless nothing is missing any more."""
    this = next((this for this in reversed(interview.rounds) if this.asked.card_id == event.card_id), None)
    if this is None:
        return interview
    missing = any(mark.verdict != "covered" for mark in event.grade.marks)
    awaiting = this.awaiting and bool(event.appealed) and missing
    return _with_round(interview, replace(this, grades=(*this.grades, event), awaiting=awaiting))


def _commanded(interview: Interview, command: Command) -> Interview:
    interview = replace(interview, command=command)
    if command == "end":
        return replace(interview, ended=True)
    if command == "skip" and interview.current:
        return _with_round(interview, replace(interview.current, left=True))
    return interview
