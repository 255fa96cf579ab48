"""Decides the next move of the tutor from where the interview stands: which tool, or words only."""

from dataclasses import dataclass

from tutor.cards import Card, KeyPoint, Verdict
from tutor.events import (
    AnswerGraded,
    AnswerShown,
    ExplanationGiven,
    FollowUpAsked,
    GradingFailed,
    QuestionAsked,
    SessionStarted,
    Step,
)
from tutor.grading import CENTRAL
from tutor.interview import Interview, Round

_NEARNESS = {"contradicted": 0, "partly": 1, "unsure": 2, "missed": 3, "covered": 9}


@dataclass(frozen=True)
class Move:
    """A tool that must run now, with its arguments."""

    tool: str
    arguments: dict[str, str]


def required_move(interview: Interview) -> Move | None:
    """The tool that the state itself calls for, or None where it is time to speak or a free choice."""
    done = interview.turn
    if any(isinstance(event, QuestionAsked | GradingFailed) for event in done):
        return None
    if interview.command and interview.command != "grade":
        return _for_command(interview)
    if interview.appeal:
        return _for_appeal(interview)
    if any(isinstance(event, SessionStarted) for event in done):
        return Move("ask_question", {})
    current = interview.rounds[-1] if interview.rounds else None
    if interview.finished or current is None or current.left:
        return None
    if current.ungraded:
        return Move("grade_answer", {})
    if not any(isinstance(event, AnswerGraded) for event in done) or any(
        isinstance(event, FollowUpAsked) for event in done
    ):
        return None
    if interview.follows_up(current):
        return Move("ask_follow_up", {})
    return Move("ask_question", {}) if interview.closed(current) else None


def _for_appeal(interview: Interview) -> Move | None:
    """The appeal is heard where anything is missing; a question that it completed makes room for the next."""
    about = interview.appealable
    missing = about and about.grade and any(mark.verdict != "covered" for mark in about.grade.marks)
    if missing and not any(isinstance(event, AnswerGraded) for event in interview.turn):
        return Move("grade_answer", {})
    over = interview.finished or not interview.rounds or interview.rounds[-1].left
    return Move("ask_question", {}) if not over and interview.closed(interview.rounds[-1]) else None


def _for_command(interview: Interview) -> Move | None:
    """One tool for the learner's command, where there is something for it to work on."""
    current, done = interview.current, interview.turn
    answered = any(isinstance(event, FollowUpAsked | ExplanationGiven | AnswerShown) for event in done)
    if interview.command == "skip":
        return None if interview.finished else Move("ask_question", {})
    if current is None or answered or interview.exam:
        return None
    if interview.command == "hint":
        return Move("ask_follow_up", {"step": "hint"})
    if interview.command == "show":
        return Move("retrieve_reference_answer", {})
    if interview.command == "explain" and attempted(current):
        return Move("explain", {})
    return None


def attempted(this: Round) -> bool:
    """Whether the learner has tried, or has asked to see the answer."""
    return bool(this.grades) or this.given_away


def follow_up(card: Card, this: Round, wanted: Step | None = None) -> tuple[KeyPoint, Step] | None:
    """The key point to go on with and the step to take there; None when nothing is open or every step was taken.

    Wrong comes before half said before missing, and central before all; whoever asks for more help (`wanted`) first
    gets it at the point that the tutor has just asked about.
    """
    taken = {(help_.key_point, help_.step) for help_ in this.helps}
    verdicts = {mark.key_point: mark.verdict for mark in this.grade.marks} if this.grade else {}
    last = this.helps[-1].key_point if this.helps and wanted else ""
    steps = _steps(this, wanted)
    options = [
        ((point.id != last, *_urgency(point, verdicts.get(point.id, "missed")), place, steps.index(step)), point, step)
        for place, point in enumerate(card.key_points)
        for step in steps
        if verdicts.get(point.id, "missed") != "covered" and (point.id, step) not in taken
    ]
    if not options:
        return None
    _, point, step = min(options, key=lambda option: option[0])
    return point, step


def _urgency(point: KeyPoint, verdict: Verdict) -> tuple[bool, int, int]:
    return point.weight < CENTRAL, _NEARNESS[verdict], -point.weight


def _steps(this: Round, wanted: Step | None) -> tuple[Step, Step]:
    """A hint first for who asks for one or does not know, else a pointed question."""
    grade = this.grade
    if wanted == "hint" or (grade and grade.gate == "dont_know"):
        return "hint", "probe"
    return "probe", "hint"
