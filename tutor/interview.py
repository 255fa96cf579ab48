"""An interview is what its transcript says: the state is folded from the messages and stored nowhere else."""

import re
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
    SummaryGiven,
    event_of,
    time_of,
)
from tutor.folding import Folds
from tutor.grading import Grade

SHORT = 25
"""An exam answer of fewer words (two Chinese characters are one) is asked once whether there is more to add."""
_WORD = re.compile(r"[\u3400-\u9fff]|[^\W_\u3400-\u9fff]+")


@dataclass(frozen=True)
class Round:
    """One question and all that belongs to it; `awaiting` from a follow-up until the next grade.

    `graded` counts the messages that have their grade, `given_at` those before the answer was given away. Times are
    seconds.
    """

    asked: QuestionAsked
    said: tuple[str, ...] = ()
    helps: tuple[FollowUpAsked, ...] = ()
    grades: tuple[AnswerGraded, ...] = ()
    shown: bool = False
    explained: bool = False
    summary: SummaryGiven | None = None
    left: bool = False
    awaiting: bool = False
    graded: int = 0
    given_at: int = 0
    asked_at: float | None = None
    answered_at: float | None = None

    @property
    def answer(self) -> str:
        """All the learner said since the question, or since the answer was given away."""
        return "\n\n".join(self.said[self.given_at :])

    @property
    def grade(self) -> Grade | None:
        """The latest grade of what came before the answer was given away; where nothing did, the latest."""
        before = [graded.grade for graded in self.grades if not graded.after_showing]
        return before[-1] if before else self.grades[-1].grade if self.grades else None

    @property
    def counted(self) -> Grade | None:
        """The grade that counts: the latest that came in time and before the answer was given away."""
        return self.earned[-1].grade if self.earned else None

    @property
    def earned(self) -> tuple[AnswerGraded, ...]:
        """The grades that count, in order."""
        return tuple(graded for graded in self.grades if not graded.after_showing and not graded.late)

    @property
    def unprompted(self) -> Grade | None:
        """The grade of what came without any help."""
        alone = [graded for graded in self.grades if not (graded.after_showing or graded.late or graded.helps)]
        return alone[-1].grade if alone else None

    @property
    def given_away(self) -> bool:
        return self.shown or self.explained or self.summary is not None

    @property
    def ungraded(self) -> bool:
        """Whether something was said that no grade covers yet."""
        return len(self.said) > self.graded

    @property
    def whole(self) -> bool:
        """Whether the answer has every key point, and nobody pointed at one."""
        covered = self.grade is not None and all(mark.verdict == "covered" for mark in self.grade.marks)
        return covered and all(help_.step == "pump" for help_ in self.helps)

    @property
    def told(self) -> frozenset[str]:
        """The key points that the tutor has told."""
        return frozenset(help_.key_point for help_ in self.helps if help_.step == "tell")


@dataclass(frozen=True)
class Interview:
    """Where an interview stands.

    `with_answer` where the latest request came with an answer; `waiting` is one that leaves the question, until the
    answer has its grade.
    """

    started: SessionStarted | None = None
    language: Language = "en"
    rounds: tuple[Round, ...] = ()
    ended: bool = False
    command: Command | None = None
    with_answer: bool = False
    waiting: Command | None = None
    appeal: str = ""
    turn: tuple[Event, ...] = ()
    brief: bool = False
    easier: int = 0
    at: float | None = None
    started_at: float | None = None
    paused_since: float | None = None
    pauses: tuple[tuple[float, float], ...] = ()

    @staticmethod
    def of(transcript: Iterable[BaseMessage]) -> "Interview":
        """The interview that a transcript tells."""
        return _FOLDS.of(tuple(transcript))

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
        if self.ended or (self.time_up and not (self.rounds and self.rounds[-1].ungraded)):
            return True
        return self.started is not None and len(self.rounds) >= self.started.questions and self.current is None

    def closed(self, this: Round) -> bool:
        """Whether a question is done with: left, or graded with nothing more to follow up or to restate."""
        if this.left or this is not self.rounds[-1]:
            return True
        if this.summary and not this.summary.restate:
            return True
        if this.grade is None or this.ungraded or this.awaiting:
            return False
        if this.given_away:
            return _restated(this)
        return not self.follows_up(this)

    def follows_up(self, this: Round) -> bool:
        """Whether the tutor goes on at this question after its latest grade.

        In practice until it has been summed up. In an exam a short answer is asked once whether there is more: by the
        same rule for everybody, so that it tells nothing about the grade.
        """
        if this.grade is None or this.given_away or this.left:
            return False
        if self.exam:
            latest = this.grades[-1]
            return not this.helps and not latest.latest and not latest.late and words(this.answer) < SHORT
        return not this.whole

    @property
    def time_up(self) -> bool:
        """Whether the time for all questions is over, pauses not counted."""
        limit = self.started.total_seconds if self.started else 0
        return bool(limit) and self.seconds(self.started_at) > limit

    def seconds(self, since: float | None, until: float | None = None) -> float:
        """Seconds from `since` to `until` (to the latest message by default), pauses not counted."""
        until = self.at if until is None else until
        if since is None or until is None:
            return 0.0
        paused = [*self.pauses, *([(self.paused_since, until)] if self.paused_since is not None else [])]
        return max(0.0, until - since - sum(max(0.0, min(end, until) - max(start, since)) for start, end in paused))

    @property
    def asked_ids(self) -> frozenset[str]:
        return frozenset(this.asked.card_id for this in self.rounds)


def _restated(this: Round) -> bool:
    """Whether the whole was said once more: something of it, or twice nothing."""
    again = [graded for graded in this.grades if graded.after_showing]
    return len(again) > 1 or any(mark.verdict != "missed" for graded in again for mark in graded.grade.marks)


def words(text: str) -> float:
    """How long a text is, in words; two Chinese characters are one."""
    return sum(0.5 if word >= "\u3400" else 1.0 for word in _WORD.findall(text))


def _after_message(interview: Interview, message: BaseMessage) -> Interview:
    event = event_of(message)
    at = time_of(message)
    interview = replace(interview, at=at or interview.at)
    if isinstance(message, HumanMessage):
        interview = _resumed(replace(interview, command=None, with_answer=False, waiting=None, appeal="", turn=()))
        if isinstance(event, AppealMade):
            return after(_appealed(interview, str(message.text)), event)
        if event is None:
            return _heard(interview, str(message.text))
    return after(interview, event) if event else interview


def _resumed(interview: Interview) -> Interview:
    """Whatever the learner sends ends a pause."""
    if interview.paused_since is None or interview.at is None:
        return interview
    return replace(interview, paused_since=None, pauses=(*interview.pauses, (interview.paused_since, interview.at)))


def _heard(interview: Interview, text: str) -> Interview:
    current = interview.current
    if current is None or not text.strip():
        return interview
    return _with_round(interview, replace(current, said=(*current.said, text), answered_at=interview.at))


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
            return replace(interview, started=event, language=event.language, started_at=interview.at)
        case LanguageChosen():
            return replace(interview, language=event.language)
        case CommandGiven() if event.rest and event.command in ("skip", "end") and interview.current:
            waiting = replace(interview, command=event.command, waiting=event.command, with_answer=True)
            return _heard(waiting, event.rest)
        case CommandGiven():
            commanded = replace(_commanded(interview, event), with_answer=bool(event.rest))
            return _heard(commanded, event.rest)
        case QuestionAsked():
            return replace(interview, rounds=(*interview.rounds, Round(event, asked_at=interview.at)))
        case FollowUpAsked() if this and this.asked.card_id == event.card_id:
            return _with_round(interview, replace(this, helps=(*this.helps, event), awaiting=event.step != "tell"))
        case AnswerGraded():
            graded = _with_grade(interview, event)
            left = CommandGiven(command=graded.waiting) if graded.waiting else None
            return _commanded(replace(graded, waiting=None), left) if left else graded
        case SummaryGiven() if this and this.asked.card_id == event.card_id:
            return _with_round(interview, replace(this, summary=event, awaiting=False, given_at=len(this.said)))
        case AnswerShown() if this and this.asked.card_id == event.card_id:
            return _with_round(interview, replace(this, shown=True, given_at=len(this.said)))
        case ExplanationGiven() if this and this.asked.card_id == event.card_id:
            return _with_round(interview, replace(this, explained=True, given_at=len(this.said)))
        case _:
            return interview


def _with_grade(interview: Interview, event: AnswerGraded) -> Interview:
    """The grade at its question; an appeal leaves a follow-up open while its key point is missing."""
    this = next((this for this in reversed(interview.rounds) if this.asked.card_id == event.card_id), None)
    if this is None:
        return interview
    asked = this.helps[-1].key_point if this.helps else ""
    missing = any(mark.verdict != "covered" and asked in (mark.key_point, "") for mark in event.grade.marks)
    awaiting = this.awaiting and bool(event.appealed) and missing
    return _with_round(interview, replace(this, grades=(*this.grades, event), awaiting=awaiting, graded=len(this.said)))


def _commanded(interview: Interview, event: CommandGiven) -> Interview:
    command = event.command
    interview = replace(interview, command=command)
    if command == "end":
        return replace(interview, ended=True)
    if command == "pause" and interview.exam and not interview.finished:
        return replace(interview, paused_since=interview.at)
    if command == "shorter":
        return replace(interview, brief=True)
    if command == "longer":
        return replace(interview, brief=False)
    if command in ("easier", "harder"):
        return replace(interview, easier=interview.easier + (1 if command == "easier" else -1))
    if command in ("english", "chinese"):
        return replace(interview, language="en" if command == "english" else "zh")
    current = interview.current
    if command == "skip" and current:
        return _with_round(interview, replace(current, left=True))
    if command == "misread" and current and not interview.exam and not (event.rest and _just_won(current)):
        return _with_round(interview, _without_latest(current))
    return interview


def _just_won(this: Round) -> bool:
    """Whether the latest message was understood to the learner's credit, so that there is nothing to take back."""
    grades = [graded.grade for graded in this.grades[-2:]]
    covered = [sum(mark.verdict == "covered" for mark in grade.marks) for grade in grades]
    return len(this.said) == this.graded and bool(covered) and covered[-1] > (covered[0] if covered[1:] else 0)


def _without_latest(this: Round) -> Round:
    """The round without the learner's last message, which was understood differently from what was meant."""
    if len(this.said) == this.given_at:
        return this
    said = this.said[:-1]
    grades = this.grades[:-1] if this.graded == len(this.said) else this.grades
    return replace(this, said=said, grades=grades, graded=min(this.graded, len(said)))


_FOLDS = Folds(Interview(), _after_message)
