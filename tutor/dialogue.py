"""Decides the next move of the tutor from where the interview stands: which tool, or words only.

In practice the dialogue follows the gap: for the best uncovered key point a hint, a pointed question, then telling, one
step a turn; last a summary, and the learner says the whole answer. Each step is taken once.
"""

from dataclasses import dataclass

from tutor.cards import Card
from tutor.events import (
    AnswerGraded,
    AnswerShown,
    Clarified,
    ExplanationGiven,
    FollowUpAsked,
    GradingFailed,
    QuestionAsked,
    SessionStarted,
    Step,
    SummaryGiven,
)
from tutor.grading import CENTRAL, Gate, Grade, Mark, score
from tutor.interview import Interview, Round
from tutor.statements import is_placeholder
from tutor.wording import Wording

IMPORTANT = 2
"""Key points of less weight are not asked for; the summary names them."""
PATIENCE = 5
"""How often the tutor asks of its own accord at one question; each central key point is asked for once all the same."""
READY = 9.0
"""From this score on (of 10) nobody is asked to say the whole answer once more."""
_NEARNESS = {"contradicted": 0, "partly": 1, "unsure": 2, "missed": 3, "covered": 9}


@dataclass(frozen=True)
class Move:
    """A tool that must run now, with its arguments."""

    tool: str
    arguments: dict[str, str]


def required_move(interview: Interview) -> Move | None:
    """The tool that the state itself calls for, or None where it is time to speak or a free choice."""
    done = interview.turn
    if any(isinstance(event, QuestionAsked | GradingFailed) or _asks(event) for event in done):
        return None
    if interview.with_answer and interview.command != "misread":
        return _for_both(interview)
    if interview.command and interview.command != "grade" and not _reworded(interview):
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
    return _after_grading(interview, current) if any(isinstance(event, AnswerGraded) for event in done) else None


def _reworded(interview: Interview) -> bool:
    """Whether "not what I meant" came with what was meant, which is an answer like any other."""
    current = interview.rounds[-1] if interview.rounds else None
    graded = any(isinstance(event, AnswerGraded) for event in interview.turn)
    return interview.command == "misread" and current is not None and (current.ungraded or graded)


def _for_both(interview: Interview) -> Move | None:
    """An answer and a request in one message: the answer is graded, then the request obeyed."""
    current = interview.rounds[-1] if interview.rounds else None
    if current is None or current.ungraded:
        return Move("grade_answer", {}) if interview.current else None
    if current.left or interview.command in ("hint", "easier", "show", "explain"):
        obeying = _for_command(interview)
        if obeying or current.left:
            return obeying
    return None if interview.finished else _after_grading(interview, current)


def _after_grading(interview: Interview, current: Round) -> Move | None:
    """What follows the grade of this turn, or a key point that was told in it."""
    if interview.follows_up(current):
        return Move("ask_follow_up", {})
    return Move("ask_question", {}) if interview.closed(current) else None


def _asks(event: object) -> bool:
    """Whether the event waits for the learner's words."""
    return (isinstance(event, FollowUpAsked) and event.step != "tell") or (
        isinstance(event, SummaryGiven) and event.restate
    )


def _for_appeal(interview: Interview) -> Move | None:
    """The appeal is heard where anything is missing; a question that it completed is brought to its end."""
    about = interview.appealable
    missing = about and about.grade and any(mark.verdict != "covered" for mark in about.grade.marks)
    if missing and not any(isinstance(event, AnswerGraded) for event in interview.turn):
        return Move("grade_answer", {})
    current = interview.rounds[-1] if interview.rounds else None
    if interview.finished or current is None or current.left or current.awaiting:
        return None
    return _after_grading(interview, current)


def _for_command(interview: Interview) -> Move | None:
    """One tool for the learner's command, where there is something for it to work on."""
    current, done = interview.current, interview.turn
    if interview.command == "skip":
        return _leaving(interview)
    if current is None or interview.exam or any(isinstance(event, ExplanationGiven | AnswerShown) for event in done):
        return None
    if interview.command in ("hint", "easier"):
        if current.given_away:
            return None
        told = any(isinstance(event, FollowUpAsked) for event in done)
        return _after_grading(interview, current) if told else Move("ask_follow_up", {"step": interview.command})
    if interview.command == "show":
        return Move("retrieve_reference_answer", {})
    if interview.command == "explain" and attempted(current):
        return Move("explain", {})
    if interview.command in ("ask", "rephrase") and not any(isinstance(event, Clarified) for event in done):
        return Move("clarify", {})
    return None


def _leaving(interview: Interview) -> Move | None:
    """Who leaves a question that they have tried is told what was missing, then the next one is asked."""
    left = interview.rounds[-1] if interview.rounds else None
    now = any(isinstance(event, SummaryGiven) for event in interview.turn)
    if left and left.left and left.grade and not (now or interview.exam or left.given_away or left.whole):
        return Move("ask_follow_up", {"step": "summary"})
    return None if interview.finished else Move("ask_question", {})


def attempted(this: Round) -> bool:
    """Whether the learner has tried, or has asked to see the answer."""
    return bool(this.grades) or this.given_away


def next_step(this: Round, *, brief: bool = False) -> tuple[Step, str] | None:
    """The step to take after a grade, with its key point (none for a pump); None when it is time to sum up.

    Central key points come first, and among them the one nearest to what was said. Where the learner gave up, no second
    question is asked about the same point. A point that nothing more would follow is left to the summary.
    """
    missing = _open_points(this)
    grade = this.grade
    if grade is None or not missing:
        return None
    if not this.helps and not brief and _worth_a_pump(grade, missing):
        return "pump", ""
    at_hand = next((mark for mark in missing if mark.key_point == _asked_last(this)), None)
    rest = [mark for mark in missing if mark is not at_hand]
    if at_hand and (step := _further(this, at_hand, rest, brief)):
        return step, at_hand.key_point
    following = _opening(this, rest, brief)
    if at_hand and at_hand.weight >= CENTRAL and following:
        return "tell", at_hand.key_point
    return following


def _open_points(this: Round) -> list[Mark]:
    """The key points still worth asking for, the best one first."""
    marks = this.grade.marks if this.grade else ()
    wanted = [mark for mark in marks if mark.verdict != "covered" and mark.weight >= IMPORTANT]
    return sorted((mark for mark in wanted if mark.key_point not in this.told), key=_urgency)


def _urgency(mark: Mark) -> tuple[bool, int, int]:
    return mark.weight < CENTRAL, _NEARNESS[mark.verdict], -mark.weight


def _worth_a_pump(grade: Grade, missing: list[Mark]) -> bool:
    """Whether "what else?" can bring more: something is right, nothing is wrong."""
    begun = any(mark.verdict in ("covered", "partly") for mark in grade.marks)
    wrong = grade.misconceptions or any(mark.verdict == "contradicted" for mark in missing)
    return begun and not wrong


def _asked_last(this: Round) -> str:
    return next((help_.key_point for help_ in reversed(this.helps) if help_.step in ("hint", "probe")), "")


def _asked(this: Round, mark: Mark) -> list[Step]:
    return [help_.step for help_ in this.helps if help_.key_point == mark.key_point]


def _gave_up(this: Round) -> bool:
    return bool(this.grades and this.grades[-1].latest)


def _patience(this: Round) -> int:
    """How often the tutor may still ask of its own accord."""
    return PATIENCE - sum(help_.step != "tell" and not help_.requested for help_ in this.helps)


def _further(this: Round, mark: Mark, rest: list[Mark], brief: bool) -> Step | None:
    """The second question at a point, if there is one left and patience for it besides the central points to come."""
    asked = _asked(this, mark)
    if _gave_up(this) or brief or len(asked) > 1 or mark.weight < CENTRAL:
        return None
    to_come = sum(other.weight >= CENTRAL and not _asked(this, other) for other in rest)
    return ("probe" if "hint" in asked else "hint") if _patience(this) > to_come else None


def _opening(this: Round, rest: list[Mark], brief: bool) -> tuple[Step, str] | None:
    """The first question at a point that has had none: a hint, or a pointed question where a part of it was said."""
    mark = next((mark for mark in rest if not _asked(this, mark)), None)
    if mark is None:
        return None
    if mark.weight < CENTRAL and (brief or _gave_up(this) or _patience(this) <= 0):
        return None
    return ("hint" if mark.verdict == "missed" and mark.weight >= CENTRAL else "probe"), mark.key_point


def requested_step(card: Card, this: Round, *, easier: bool = False) -> tuple[Step, str] | None:
    """The step for who asks for help: a hint, then a pointed question, at the point at hand first.

    "Too hard" is answered by telling the point at hand where both have been taken and the learner has tried. None when
    there is nothing left to say.
    """
    verdicts = {mark.key_point: mark.verdict for mark in this.grade.marks} if this.grade else {}
    marks = [
        Mark(key_point=point.id, weight=point.weight, text=point.text, verdict=verdicts.get(point.id, "missed"))
        for point in card.key_points
    ]
    last = _asked_last(this)
    missing = [mark for mark in marks if mark.verdict != "covered" and mark.key_point not in this.told]
    for mark in sorted(missing, key=lambda mark: (mark.key_point != last, *_urgency(mark))):
        for step in ("hint", "probe"):
            if step not in _asked(this, mark):
                return step, mark.key_point
        if easier and this.grade:
            return "tell", mark.key_point
    return None


def gate(text: str, *, gives_up: bool = False) -> Gate | None:
    """Why a message alone is no answer, if it is none; `gives_up` where it says no more than "I don't know"."""
    wording = Wording(text)
    if not wording.tokens:
        return "empty"
    return is_placeholder(wording) or ("dont_know" if gives_up else None)


def summary(this: Round, *, brief: bool = False) -> SummaryGiven:
    """What the learner said themselves and what belongs to the answer besides; details only where nothing else does.

    Saying it all once more is worth the time where something central was missing or helped along. Who has answered
    well, has left the question, or wants it short, is spared; who has left it is told the central points only.
    """
    marks = sorted(this.grade.marks if this.grade else (), key=lambda mark: -mark.weight)
    said = tuple(mark for mark in marks if mark.verdict == "covered" and mark.key_point not in this.told)
    rest = [mark for mark in marks if mark not in said]
    if this.left:
        missing = tuple(mark for mark in rest if mark.weight >= CENTRAL and mark.key_point not in this.told)
    else:
        missing = tuple(mark for mark in rest if mark.weight >= IMPORTANT) or tuple(rest)
    helped = {help_.key_point for help_ in this.helps}
    central = any(mark.weight >= CENTRAL and (mark in rest or mark.key_point in helped) for mark in marks)
    strong = this.grade is not None and this.grade.score >= READY
    restate = central and not (this.left or brief or strong)
    return SummaryGiven(card_id=this.asked.card_id, said=said, missing=missing, restate=restate)


def needs_second_look(this: Round) -> bool:
    """Whether something wrong stands in the answer that the latest message may have put right."""
    before = this.grade if len(this.said) - this.given_at > 1 else None
    wrong = before and (before.misconceptions or any(mark.verdict == "contradicted" for mark in before.marks))
    return bool(wrong) and not this.given_away


def earned(card: Card, grade: Grade, this: Round, latest: Grade | None = None) -> Grade:
    """The grade that the dialogue has earned.

    Told points keep their earlier mark: saying them again earns nothing. A point that the latest message by itself gets
    right (`latest`) is right, even if an earlier one had it wrong; the misconception still costs its point.
    """
    if this.grade is None or this.given_away or grade.gate:
        return grade
    before = {mark.key_point: mark for mark in this.grade.marks if mark.key_point in this.told}
    right = _right_by_now(this.grade, latest) if latest else {}
    marks = tuple(before.get(mark.key_point) or _righted(mark, right.get(mark.key_point)) for mark in grade.marks)
    if marks == grade.marks:
        return grade
    contradicted = {mark.key_point for mark in marks if mark.verdict == "contradicted"}
    counted = {belief.id for belief in card.misconceptions if belief.contradicts in contradicted}
    return grade.model_copy(update={"marks": marks, "score": score(marks, grade.misconceptions, counted)})


def _right_by_now(before: Grade, latest: Grade) -> dict[str, Mark]:
    """What the latest message gets right, and what was right before and it does not deny."""
    denied = {mark.key_point for mark in latest.marks if mark.verdict == "contradicted"}
    kept = {mark.key_point: mark for mark in before.marks if mark.key_point not in denied}
    now = {mark.key_point: mark for mark in latest.marks}
    return {point: mark for marks in (kept, now) for point, mark in marks.items() if mark.verdict == "covered"}


def newly_covered(grade: Grade, before: Grade | None) -> frozenset[str]:
    """The key points that are covered now and were not before."""
    had = {mark.key_point for mark in before.marks if mark.verdict == "covered"} if before else set()
    return frozenset(mark.key_point for mark in grade.marks if mark.verdict == "covered") - had


def _righted(mark: Mark, right: Mark | None) -> Mark:
    return right if right and mark.verdict in ("contradicted", "partly") else mark
