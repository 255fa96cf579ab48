"""One interview summed up: scores by topic, what was missing, what to correct and what to read. Made by code."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tutor.cards import Language, Source, Text
from tutor.grading import RUBRIC, Grade, Mark
from tutor.interview import Interview, Round
from tutor.prompts import Phrases

Standing = Literal["graded", "skipped", "after_showing", "open"]
READ_BELOW = 8.0
"""Questions with a lower score name their sources as reading."""


@dataclass(frozen=True)
class Result:
    """One question of the report; the scores are None where nothing counts."""

    number: int
    card_id: str
    topic: str
    question: Text
    standing: Standing
    score: float | None
    unprompted: float | None
    gaps: tuple[Mark, ...]
    grade: Grade | None
    sources: tuple[Source, ...]


@dataclass(frozen=True)
class TopicScore:
    """Mean scores of 10 over the graded questions of one topic."""

    topic: str
    score: float
    unprompted: float
    questions: int


@dataclass(frozen=True)
class Report:
    """An interview summed up. Skipped questions and those whose answer was shown first count 0."""

    results: tuple[Result, ...]
    topics: tuple[TopicScore, ...]
    score: float | None

    @property
    def reading(self) -> tuple[Source, ...]:
        """Sources of the questions that went below READ_BELOW, each once."""
        weak = (result for result in self.results if (result.score or 0.0) < READ_BELOW and result.standing != "open")
        return tuple(dict.fromkeys(source for result in weak for source in result.sources))


def report(interview: Interview) -> Report:
    """The report of an interview, finished or not; open questions do not count."""
    results = tuple(_result(this, interview) for this in interview.rounds)
    counted = [result for result in results if result.standing != "open"]
    return Report(results, tuple(_topics(counted)), _mean(result.score or 0.0 for result in counted))


def _result(this: Round, interview: Interview) -> Result:
    counted, unprompted = this.counted, this.unprompted
    latest = this.grade
    gaps = tuple(mark for mark in latest.marks if mark.verdict != "covered") if latest else ()
    return Result(
        number=this.asked.number,
        card_id=this.asked.card_id,
        topic=this.asked.topic,
        question=this.asked.question,
        standing=_standing(this, interview),
        score=counted.score if counted else None,
        unprompted=unprompted.score if unprompted else None,
        gaps=gaps,
        grade=counted or latest,
        sources=this.asked.sources,
    )


def _standing(this: Round, interview: Interview) -> Standing:
    if this.counted:
        return "graded"
    if this.given_away:
        return "after_showing"
    return "skipped" if this.left or this is not interview.rounds[-1] else "open"


def _topics(results: list[Result]) -> Iterable[TopicScore]:
    for topic in dict.fromkeys(result.topic for result in results):
        own = [result for result in results if result.topic == topic]
        score, alone = _mean(r.score or 0.0 for r in own), _mean(r.unprompted or 0.0 for r in own)
        yield TopicScore(topic, score or 0.0, alone or 0.0, len(own))


def _mean(scores: Iterable[float]) -> float | None:
    known = list(scores)
    return round(sum(known) / len(known), 1) if known else None


def verdict_of(mark: Mark, language: Language, phrases: Phrases) -> str:
    """The verdict in words, and that it is disputed where judge and rubric contradict each other."""
    said = phrases(f"verdict.{mark.verdict}", language)
    return f"{said} ({phrases('verdict.disputed', language)})" if mark.disputed else said


def footnotes(grade: Grade, language: Language, phrases: Phrases) -> list[str]:
    """What a learner should know about how the grade came about."""
    notes = []
    if any(mark.verdict == "unsure" for mark in grade.marks):
        notes.append(phrases("block.unsure", language))
    if any(mark.disputed for mark in grade.marks):
        notes.append(phrases("block.disputed", language))
    if grade.rough:
        notes.append(phrases("block.rough", language))
    if grade.grader != RUBRIC:
        notes.append(phrases("block.judged", language, model=grade.grader))
    return notes


def band(score: float, language: Language, phrases: Phrases) -> str:
    """What a score of 10 means, in words."""
    reached = next(limit for limit in (9, 7, 5, 3, 0) if score >= limit)
    return phrases(f"band.{reached}", language)


def as_markdown(made: Report, language: Language, phrases: Phrases, topics: Mapping[str, Text]) -> str:
    """The report as a page to read or keep."""
    lines = [f"## {phrases('report.title', language)}", ""]
    if made.score is None:
        return "\n".join([*lines, phrases("report.none", language)])
    number = sum(result.standing != "open" for result in made.results)
    total = phrases("report.score", language, score=made.score, number=number)
    lines += [f"**{total}** — {band(made.score, language, phrases)}", "", phrases("band.scale", language), ""]
    lines += _table("report.by_topic", "report.topic_row", _topic_rows(made, language, topics), language, phrases)
    lines += _table(
        "report.by_question", "report.question_row", _question_rows(made, language, phrases), language, phrases
    )
    lines += [f"### {phrases('report.gaps', language)}", "", *_gaps(made, language, phrases), ""]
    if beliefs := list(_corrections(made, language)):
        lines += [f"### {phrases('report.corrected', language)}", "", *beliefs, ""]
    if made.reading:
        lines += [f"### {phrases('report.read', language)}", ""]
        lines += [f"- {source.title}, {source.authors} {source.year}: {source.address}" for source in made.reading]
    return "\n".join(lines).rstrip() + "\n"


def _table(title: str, head: str, rows: Iterable[str], language: Language, phrases: Phrases) -> list[str]:
    header = phrases(head, language)
    rule = "|".join("---" for _ in header.split("|"))
    return [f"### {phrases(title, language)}", "", f"| {header} |", f"|{rule}|", *rows, ""]


def _topic_rows(made: Report, language: Language, topics: Mapping[str, Text]) -> Iterable[str]:
    for topic in made.topics:
        name = topics[topic.topic][language] if topic.topic in topics else topic.topic
        yield f"| {name} | {topic.score} | {topic.unprompted} | {topic.questions} |"


def _question_rows(made: Report, language: Language, phrases: Phrases) -> Iterable[str]:
    for result in made.results:
        score = result.score if result.standing == "graded" else phrases(f"report.{result.standing}", language)
        question = result.question[language].replace("|", "\\|")
        yield f"| {result.number}. {question} | {score} | {len(result.gaps) if result.grade else '–'} |"


def _gaps(made: Report, language: Language, phrases: Phrases) -> list[str]:
    gaps = [
        "- "
        + phrases(
            "report.gap",
            language,
            point=mark.text[language],
            weight=phrases(f"weight.{mark.weight}", language),
            verdict=phrases(f"verdict.{mark.verdict}", language),
        )
        for result in made.results
        if result.standing == "graded"
        for mark in result.gaps
        if mark.weight > 1
    ]
    return gaps or [phrases("report.no_gaps", language)]


def _corrections(made: Report, language: Language) -> Iterable[str]:
    for result in made.results:
        for found in result.grade.misconceptions if result.grade and result.standing != "open" else ():
            yield f"- “{found.quote}” → {found.correction[language]}"


def as_json(made: Report, language: Language) -> dict[str, Any]:
    """The report as data."""
    return {
        "score": made.score,
        "topics": [_topic_data(topic) for topic in made.topics],
        "questions": [
            {
                "number": result.number,
                "card": result.card_id,
                "topic": result.topic,
                "question": result.question[language],
                "standing": result.standing,
                "score": result.score,
                "without_help": result.unprompted,
                "gaps": [mark.text[language] for mark in result.gaps],
            }
            for result in made.results
        ],
        "reading": [source.model_dump(mode="json") for source in made.reading],
    }


def _topic_data(topic: TopicScore) -> dict[str, Any]:
    return {
        "topic": topic.topic,
        "score": topic.score,
        "without_help": topic.unprompted,
        "questions": topic.questions,
    }
