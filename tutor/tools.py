"""The tools: each looks at the transcript, does one thing, and leaves words for the model and an event.

Who learns and in which session comes from the server, never from a tool's arguments; tools reach nothing outside it.
"""

import json
from collections.abc import Callable
from typing import Any, Literal, cast

from langchain.tools import ToolRuntime
from langchain_core.messages import HumanMessage
from langchain_core.tools import BaseTool, ToolException, tool

from tutor import clock, dialogue, planning
from tutor.asides import Asides
from tutor.cards import Card, Shelf, Source, Text
from tutor.errors import NotGraded
from tutor.events import (
    AnswerGraded,
    AnswerShown,
    Event,
    ExplanationGiven,
    FollowUpAsked,
    GradingFailed,
    QuestionAsked,
    Step,
    to_json,
)
from tutor.grading import Grader, appealed
from tutor.interview import Interview, Round
from tutor.prompts import Phrases
from tutor.search import CardSearch
from tutor.turns import TurnReader


class Desk:
    """What the tools work with besides the transcript.

    A plain class on purpose: LangChain copies every argument of a tool through pydantic, and would copy all cards.
    """

    __slots__ = ("asides", "grader", "phrases", "search", "shelf", "turns")

    def __init__(self, shelf: Shelf, grader: Grader, search: CardSearch, phrases: Phrases) -> None:
        self.shelf = shelf
        self.grader = grader
        self.search = search
        self.phrases = phrases
        self.turns = TurnReader(phrases, shelf)
        self.asides = Asides(shelf, search, phrases, self.turns)


Runtime = ToolRuntime[Any, Any]
"""Its context is a Desk; named so, LangChain would have pydantic check the whole desk at every call."""
Result = tuple[str, dict[str, Any]]


def _tool(work: Callable[..., Result]) -> BaseTool:
    """A tool whose refusals (ToolException) are told to the model; anything else that goes wrong rises."""
    made = tool(response_format="content_and_artifact")(work)
    made.handle_tool_error = True
    return made


def _desk(runtime: Runtime) -> Desk:
    return cast(Desk, runtime.context)


def _interview(runtime: Runtime) -> Interview:
    return Interview.of(runtime.state["messages"])


def _result(event: Event, **words: object) -> Result:
    """Words for the model as JSON, and the event for the transcript."""
    return json.dumps(words, ensure_ascii=False), to_json(event)


def _sources(sources: tuple[Source, ...]) -> list[str]:
    return [f"{source.title} ({source.authors}, {source.year}) {source.address}" for source in sources]


def _open_round(interview: Interview, shelf: Shelf) -> tuple[Round, Card]:
    if interview.current is None:
        raise ToolException("No question is open. Call ask_question first.")
    card = shelf.by_id.get(interview.current.asked.card_id)
    if card is None:
        raise ToolException("The card of the open question is gone. Say so and call ask_question for another one.")
    return interview.current, card


@_tool
def ask_question(runtime: Runtime, topic: str = "") -> Result:
    """Ask the next question of the interview. The page shows it word for word.

    Args:
        topic: slug of one topic, only when the learner asked for that topic; otherwise leave it empty.
    """
    interview, shelf = _interview(runtime), _desk(runtime).shelf
    if interview.started is None:
        raise ToolException("No interview has been started. Ask the learner to start one on the page.")
    if interview.finished:
        raise ToolException("All questions have been asked. Sum up; the page shows the report.")
    if interview.current is not None:
        raise ToolException("A question is open. Wait for the answer, or let the learner say skip.")
    if topic and topic not in shelf.counts():
        raise ToolException(f"There is no topic {topic}. Topics: {', '.join(shelf.counts())}.")
    chosen = planning.next_card(shelf, interview, topic or None)
    if chosen is None:
        raise ToolException("There are no more cards for these choices. Say so and end the interview.")
    card = chosen.card
    asked = QuestionAsked(
        card_id=card.id,
        topic=card.topic,
        level=card.level,
        number=len(interview.rounds) + 1,
        of=interview.started.questions,
        question=card.question,
        sources=card.sources,
        why=_both(_desk(runtime).phrases, f"why.{chosen.reason}"),
    )
    return _result(asked, question=card.question[interview.language], number=asked.number, of=asked.of)


@_tool
def grade_answer(runtime: Runtime) -> Result:
    """Grade all that the learner has said since the open question, or judge a key point again after an appeal."""
    interview, desk = _interview(runtime), _desk(runtime)
    if interview.appeal:
        return _heard_appeal(interview, desk)
    this, card = _open_round(interview, desk.shelf)
    if not this.answer.strip():
        raise ToolException("The learner has not answered yet. Wait for the answer.")
    try:
        latest = desk.grader.grade(card, this.said[-1]) if dialogue.needs_second_look(this) else None
        whole = desk.grader.grade(card, this.answer)
    except NotGraded:
        return _not_graded(card)
    grade = dialogue.earned(card, whole, this, latest)
    won = dialogue.newly_covered(grade, this.grade) or this.given_away
    graded = AnswerGraded(
        card_id=card.id,
        answer=this.answer,
        grade=grade,
        helps=sum(help_.step != "pump" for help_ in this.helps),
        after_showing=this.given_away,
        grader=grade.grader,
        latest=None
        if won
        else dialogue.gate(this.said[-1], gives_up=desk.turns.read(this.said[-1]).kind == "giving_up"),
        repeated=tuple(sorted(this.told & dialogue.newly_covered(whole, None))) if grade != whole else (),
        late=clock.late(interview, this),
    )
    return _graded(interview, graded)


def _heard_appeal(interview: Interview, desk: Desk) -> Result:
    """One key point of the latest grade, judged once more with the learner's argument."""
    this = interview.appealable
    card = desk.shelf.by_id.get(this.asked.card_id) if this else None
    if this is None or card is None:
        raise ToolException("There is no grade to disagree with. Say so and go on with the interview.")
    last = this.grades[-1]
    mark = appealed(last.grade, card, interview.appeal)
    if mark is None:
        raise ToolException("Every key point of that answer is covered; there is nothing to reopen. Say so.")
    answer = "\n\n".join(this.said[this.given_at if last.after_showing else 0 : -1])
    try:
        grade = desk.grader.reconsidered(card, answer, last.grade, mark.key_point, interview.appeal)
    except NotGraded:
        return _not_graded(card)
    graded = AnswerGraded(
        card_id=card.id,
        answer=this.answer,
        grade=grade,
        helps=last.helps + 1,
        after_showing=last.after_showing,
        grader=grade.grader,
        appealed=mark.key_point,
        before=mark.verdict,
    )
    return _graded(interview, graded)


def _not_graded(card: Card) -> Result:
    failed = GradingFailed(card_id=card.id)
    return _result(failed, not_graded="The answer is kept. The learner can say grade to try again, or go on.")


def _graded(interview: Interview, graded: AnswerGraded) -> Result:
    """The words for the model: what was right, half said and wrong, never what is missing."""
    grade = graded.grade
    right = [mark.quote for mark in grade.marks if mark.verdict == "covered"]
    half = [mark.quote for mark in grade.marks if mark.verdict == "partly"]
    wrong = [found.correction[interview.language] for found in grade.misconceptions]
    still_open = sum(mark.verdict != "covered" for mark in grade.marks)
    return _result(graded, right=right, half_said=half, corrections=wrong, key_points_still_open=still_open)


@_tool
def ask_follow_up(runtime: Runtime, step: Literal["", "hint", "easier", "summary"] = "") -> Result:
    """Take the next step of the dialogue about the open question: what else, a hint, a pointed question, the key point
    itself, at last the summary.

    Args:
        step: "hint" when the learner wants help, "easier" when it is too hard for them; otherwise leave it empty and
            the right step is chosen.
    """
    interview, desk = _interview(runtime), _desk(runtime)
    if step == "summary" and interview.rounds and interview.rounds[-1].left:
        return _summed_up(interview.rounds[-1], brief=interview.brief)
    this, card = _open_round(interview, desk.shelf)
    if interview.exam and not interview.follows_up(this):
        raise ToolException("This is an exam: no help and no follow-ups. Say that answers come after the end.")
    if this.given_away:
        raise ToolException("The answer has been given. Let the learner say it in their own words, or say skip.")
    wanted = step in ("hint", "easier")
    if wanted:
        taken = dialogue.requested_step(card, this, easier=step == "easier")
    elif this.grade is None:
        raise ToolException("The learner has not answered yet. Wait for the answer.")
    elif interview.exam:
        taken = "pump", ""
    else:
        taken = dialogue.next_step(this, brief=interview.brief)
        if taken is None:
            return _summed_up(this, brief=interview.brief)
    if taken is None:
        raise ToolException("There is nothing left to hint at or ask about here. Let the learner go on or say skip.")
    text = _step_text(card, desk.phrases, *taken, exam=interview.exam)
    asked = FollowUpAsked(card_id=card.id, key_point=taken[1], step=taken[0], text=text, requested=wanted)
    return _result(asked, step=taken[0], text=text[interview.language])


def _step_text(card: Card, phrases: Phrases, step: Step, key_point: str, *, exam: bool) -> Text:
    if step == "pump":
        return _both(phrases, "say.pump_exam" if exam else "say.pump")
    point = next(point for point in card.key_points if point.id == key_point)
    return {"hint": point.hint, "probe": point.probe, "tell": point.text}[step]


def _summed_up(this: Round, *, brief: bool) -> Result:
    given = dialogue.summary(this, brief=brief)
    return _result(given, step="summary", restate=given.restate, key_points_said=len(given.said))


def _both(phrases: Phrases, key: str) -> Text:
    return Text(en=phrases(key, "en"), zh=phrases(key, "zh"))


@_tool
def explain(runtime: Runtime, about: str = "") -> Result:
    """Explain step by step, as a chain of thought that the learner can derive again. The page shows the steps.

    Args:
        about: what to explain, in the learner's words; leave it empty for the question that was just answered.
    """
    interview, desk = _interview(runtime), _desk(runtime)
    card = _found(desk, about) if about else _open_round(interview, desk.shelf)[1]
    _guard(interview, card)
    given = ExplanationGiven(card_id=card.id, question=card.question, steps=card.explanation, sources=card.sources)
    steps = [f"{number}. {step[interview.language]}" for number, step in enumerate(card.explanation, start=1)]
    return _result(given, explained=card.question[interview.language], steps=steps, sources=_sources(card.sources))


@_tool
def retrieve_reference_answer(runtime: Runtime, query: str = "") -> Result:
    """Retrieve the reference answer and its sources, after an attempt or when the learner said "show".

    Args:
        query: the question it is wanted for, in the learner's words; leave it empty for the open question.
    """
    interview, desk = _interview(runtime), _desk(runtime)
    card = _found(desk, query) if query else _open_round(interview, desk.shelf)[1]
    if interview.command != "show":
        _guard(interview, card)
    elif interview.exam:
        raise ToolException("This is an exam: answers come after the end. Say so.")
    shown = AnswerShown(card_id=card.id, question=card.question, answer=card.answer, sources=card.sources)
    return _result(
        shown,
        question=card.question[interview.language],
        reference_answer=card.answer[interview.language],
        sources=_sources(card.sources),
    )


@_tool
def clarify(runtime: Runtime) -> Result:
    """Meet a question that the learner asks you while a question is open, or say the open question in other words.

    Nothing is graded and nothing given away. Answer in one or two sentences with what the tool has found, then lead
    back to the open question; where it has found nothing, say so.
    """
    interview, desk = _interview(runtime), _desk(runtime)
    _, card = _open_round(interview, desk.shelf)
    if interview.exam:
        raise ToolException("This is an exam: no help before the end. Say so.")
    asked = str(runtime.state["messages"][_last_of_learner(runtime)].text)
    if interview.command == "rephrase":
        met = desk.asides.other_words(interview, card)
    else:
        met = desk.asides.answer(asked, interview, card)
    return _result(met, found=met.text[interview.language] if met.text else "", held_back=met.held_back)


def _last_of_learner(runtime: Runtime) -> int:
    messages = runtime.state["messages"]
    return max(at for at, message in enumerate(messages) if isinstance(message, HumanMessage))


def _found(desk: Desk, query: str) -> Card:
    hits = desk.search.find(query, limit=1)
    if not hits:
        raise ToolException("Nothing on the cards is about that. Say so; do not make an answer up.")
    return hits[0].card


def _guard(interview: Interview, card: Card) -> None:
    """Refuses to give away a question that is open and untried, or anything during an exam."""
    current = interview.current
    if current is None:
        return
    if interview.exam:
        raise ToolException("This is an exam: explanations and answers come after the end. Say so.")
    if current.asked.card_id == card.id and not _tried(interview, current):
        raise ToolException("The open question has not been tried yet. Offer a hint; the learner may say show.")


def _tried(interview: Interview, this: Round) -> bool:
    """Whether the question was tried; a request to have it answered is graded like any message, and is no attempt."""
    if this.given_away or interview.command == "explain":
        return dialogue.attempted(this)
    grades = [graded.grade for graded in this.grades]
    return any(grade.misconceptions or any(mark.verdict != "missed" for mark in grade.marks) for grade in grades)


TOOLS: tuple[BaseTool, ...] = (
    ask_question, grade_answer, ask_follow_up, explain, retrieve_reference_answer, clarify,
)  # fmt: skip
