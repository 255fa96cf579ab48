"""Grades an answer with a chat model that judges key point by key point; the code checks every quote and adds up.

The model is not believed: a verdict stands only with words that are in the answer and that the tutor did not say first,
and what the answer says to the judge is data. Where model and rubric grader contradict each other, the mark says so.
"""

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, cast

from langchain_core.exceptions import ModelError
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage
from pydantic import BaseModel, ConfigDict, ValidationError

from tutor.cards import Card, Verdict
from tutor.errors import NotGraded
from tutor.grading import CENTRAL, Grade, found, gated, graded, marked, replaced
from tutor.prompts import load_prompt
from tutor.rubric import Evidence, RubricGrader
from tutor.wording import Wording, passage

_LOG = logging.getLogger(__name__)
OPENING, CLOSING = "<answer>", "</answer>"
SHORTEST_QUOTE = 2.0
"""Words of a quote at least, unless it is the whole answer (two Chinese characters are one word)."""
_ANGLES = str.maketrans("<>＜＞﹤﹥", "‹›‹›‹›")
_GAP = re.compile(r"\.{3,}|…+|\[\.\.\.\]")
_FOR = frozenset({"covered", "partly"})


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Opinion(_Strict):
    """The verdict on one key point of the rubric, with the words of the answer that show it."""

    key_point: str
    verdict: Literal["covered", "partly", "missed", "contradicted"]
    quote: str


class Belief(_Strict):
    """A misconception of the rubric that the answer holds, with the words that show it."""

    misconception: str
    quote: str


class Judgement(_Strict):
    """One opinion for each key point of the rubric, and the misconceptions that the answer holds."""

    opinions: list[Opinion]
    misconceptions: list[Belief]


class ModelJudge:
    """Grades by one structured call to a chat model, with one more try if its reply cannot be used."""

    def __init__(self, model: BaseChatModel, name: str, rubric: RubricGrader, prompts: Path) -> None:
        self.name = name
        self._model = model.with_structured_output(Judgement, method="function_calling", strict=True, include_raw=True)
        self._rubric = rubric
        self._prompts = prompts

    def grade(self, card: Card, answer: str) -> Grade:
        evidence = self._rubric.evidence(card, answer)
        if evidence.gate:
            return gated(card, evidence.gate)
        by_rubric = self._rubric.grade(card, answer)
        try:
            judgement = self._judgement(card, [HumanMessage(fenced(answer))])
        except ModelError as error:
            _LOG.warning("%s could not be asked (%s); graded by the rubric", self.name, type(error).__name__)
            return by_rubric
        grade = _disputed(_checked(card, judgement, [evidence]), by_rubric)
        return grade.model_copy(update={"grader": self.name})

    def reconsidered(self, card: Card, answer: str, grade: Grade, key_point: str, argument: str) -> Grade:
        point = next(point for point in card.key_points if point.id == key_point)
        before = next(mark.verdict for mark in grade.marks if mark.key_point == key_point)
        appeal = load_prompt(
            self._prompts, "appeal", key_point=point.text.en, verdict=before, argument=fenced(argument)
        )
        try:
            judgement = self._judgement(card, [HumanMessage(f"{fenced(answer)}\n\n{appeal}")])
        except ModelError as error:
            raise NotGraded(f"{self.name} could not be asked: {type(error).__name__}") from error
        sources = [self._rubric.evidence(card, text) for text in (answer, argument)]
        return replaced(card, grade, _checked(card, judgement, sources), key_point)

    def _judgement(self, card: Card, request: Sequence[BaseMessage]) -> Judgement:
        """What the model says of every key point; raises NotGraded after a second reply that cannot be used."""
        rules = load_prompt(
            self._prompts, "judge", question=card.question.en, rubric=written(card), opening=OPENING, closing=CLOSING
        )
        messages = [SystemMessage(rules), *request]
        said = self._asked(messages)
        problem = _problem(said, card)
        if problem:
            again = load_prompt(self._prompts, "judge-again", problem=problem)
            said = self._asked([*messages, HumanMessage(again)])
            problem = _problem(said, card)
        if problem or said is None:
            raise NotGraded(f"{self.name} gave no grade that can be used: {problem}")
        return said

    def _asked(self, messages: Sequence[BaseMessage]) -> Judgement | None:
        """The model's judgement, or None for a reply that is none."""
        try:
            reply = cast(dict[str, Any], self._model.invoke(messages))
        except ValidationError:
            # LangChain builds the message first, and cannot where the arguments are no JSON object.
            return None
        return reply["parsed"] if isinstance(reply["parsed"], Judgement) else None


def fenced(answer: str) -> str:
    """The answer between its fences; with other angle brackets inside, so that nothing in it looks like a fence."""
    return f"{OPENING}\n{answer.translate(_ANGLES)}\n{CLOSING}"


def written(card: Card) -> str:
    """The rubric as the model reads it."""
    points = [f"- {point.id}: {point.text.en}" for point in card.key_points]
    beliefs = [f"- {belief.id}: {belief.text.en}" for belief in card.misconceptions]
    return "\n".join(["Key points:", *points, "", "Misconceptions:", *beliefs])


def _problem(judgement: Judgement | None, card: Card) -> str:
    """Why a reply cannot be used, or nothing."""
    if judgement is None:
        return "it is no call of Judgement with the fields of its schema"
    named = sorted(opinion.key_point for opinion in judgement.opinions)
    wanted = sorted(point.id for point in card.key_points)
    if named != wanted:
        return f"it must give one opinion for each of {', '.join(wanted)}; it gave {', '.join(named) or 'none'}"
    known = {belief.id for belief in card.misconceptions}
    if unknown := {belief.misconception for belief in judgement.misconceptions} - known:
        return f"there is no misconception {sorted(unknown)[0]}"
    return ""


def _checked(card: Card, judgement: Judgement, sources: Sequence[Evidence]) -> Grade:
    """The grade of a judgement: what has no words of the learner's behind it counts as not said."""
    opinions = {opinion.key_point: opinion for opinion in judgement.opinions}
    marks = []
    for point in card.key_points:
        opinion = opinions[point.id]
        quote = _quoted(opinion.quote, sources) if opinion.verdict != "missed" else ""
        marks.append(marked(point, opinion.verdict if quote else "missed", quote))
    quotes = {belief.misconception: _quoted(belief.quote, sources) for belief in judgement.misconceptions}
    held = [found(belief, quotes[belief.id]) for belief in card.misconceptions if quotes.get(belief.id)]
    return graded(card, marks, held)


def _quoted(quote: str, sources: Sequence[Evidence]) -> str:
    """The learner's words that the quote gives, as they wrote them; nothing where they did not say them."""
    for evidence in sources:
        parts = [passage(part, evidence.wording.text) for part in _GAP.split(quote) if part.strip()]
        if parts and all(evidence.admits(part) for part in parts):
            long_enough = sum(Wording(part).units[-1] for part in parts) >= SHORTEST_QUOTE
            if long_enough or parts == [evidence.wording.text.strip()]:
                return max(parts, key=len)
    return ""


def _disputed(grade: Grade, other: Grade) -> Grade:
    """The grade, with every central mark disputed that the other grade contradicts."""
    marks = tuple(
        mark.model_copy(update={"disputed": mark.weight == CENTRAL and _opposed(mark.verdict, its.verdict)})
        for mark, its in zip(grade.marks, other.marks, strict=True)
    )
    return grade.model_copy(update={"marks": marks})


def _opposed(one: Verdict, other: Verdict) -> bool:
    """Whether one verdict finds the key point said and the other finds it denied."""
    return {one in _FOR, other in _FOR} == {True, False} and "contradicted" in (one, other)
