"""A session to take away: the whole conversation with its grades and report, as Markdown or as data."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from langchain_core.messages import BaseMessage, message_to_dict

from tutor.cards import Language, Source
from tutor.costs import lines
from tutor.events import AnswerGraded, AnswerShown, ExplanationGiven, FollowUpAsked, QuestionAsked, SummaryGiven
from tutor.highlights import Moment
from tutor.interview import Interview
from tutor.report import Report, Result, TopicScore, verdict_of
from tutor.reporting import as_markdown, quoted
from tutor.shown import Block, Happened, Item, Said, Spent, shown
from tutor.tutor import Tutor


def markdown(tutor: Tutor, learner: str, session: str) -> str:
    """The session as Markdown: conversation, grades, and the report as soon as it gives no open question away."""
    transcript = tutor.transcript(learner, session)
    interview = Interview.of(transcript)
    language = interview.language
    parts = [f"# {tutor.phrases('page.title', language)}", ""]
    for item in shown(transcript):
        parts += [*_item(tutor, item, language), ""]
    open_still = interview.current is not None or (interview.exam and not interview.finished)
    told = "" if open_still else report_markdown(tutor, tutor.report(learner, session), language)
    return "\n".join(parts) + "\n" + told


def report_markdown(tutor: Tutor, made: Report, language: Language) -> str:
    """The report with every key point, as Markdown."""
    text = as_markdown(made, language, tutor.phrases, tutor.desk.shelf.topics)
    points = [line for result in made.results for line in _key_points(tutor, result, language)]
    heading = ["", f"### {tutor.phrases('report.by_point', language)}", ""] if points else []
    return "\n".join([text.rstrip(), *heading, *points]).rstrip() + "\n"


def _key_points(tutor: Tutor, result: Result, language: Language) -> Iterator[str]:
    phrases = tutor.phrases
    if result.grade is None or result.standing == "open":
        return
    yield f"**{result.number}. {result.question[language]}**"
    yield ""
    alone = result.verdicts_alone
    for mark in result.grade.marks:
        final = verdict_of(mark, language, phrases)
        first = alone.get(mark.key_point)
        before = phrases("report.before", language, verdict=phrases(f"verdict.{first}", language)) if first else ""
        changed = f" ({before})" if first and first != mark.verdict else ""
        said = f" “{quoted(mark.quote)}”" if mark.quote else ""
        yield f"- {final}{changed} — {mark.text[language]}{said}"
    yield ""


def data(tutor: Tutor, learner: str, session: str) -> dict[str, Any]:
    """The session as plain JSON: every message with its event, and the report."""
    transcript: Sequence[BaseMessage] = tutor.transcript(learner, session)
    interview = Interview.of(transcript)
    return {
        "format": 1,
        "session": session,
        "report": as_json(tutor.report(learner, session), interview.language),
        "messages": [message_to_dict(message) for message in transcript],
    }


def _item(tutor: Tutor, item: Item, language: Language) -> Iterator[str]:
    if isinstance(item, Said):
        who = tutor.phrases("page.you" if item.by_learner else "name.tutor", language)
        yield f"**{who}**"
        yield ""
        yield from (f"> {line}" for line in item.text.splitlines()) if item.by_learner else (item.text,)
    elif isinstance(item, Spent):
        yield from (f"*{line}*" for line in lines(item, tutor.phrases, language))
    else:
        yield from _block(tutor, item, item.event, language)


def _block(tutor: Tutor, item: Happened, event: Block, language: Language) -> Iterator[str]:
    phrases = tutor.phrases
    match event:
        case QuestionAsked():
            yield f"## {phrases('block.question', language, number=event.number, of=event.of)}"
            yield ""
            yield event.question[language]
        case FollowUpAsked():
            yield f"**{phrases(f'block.{event.step}', language)}**: {event.text[language]}"
        case AnswerGraded():
            yield f"**{phrases('block.grade', language, score=event.grade.score)}**"
            yield ""
            for mark in event.grade.marks:
                said = f" “{mark.quote}”" if mark.quote else ""
                known = item.revealed or mark.verdict == "covered"
                text = f" — {mark.text[language]}" if known else ""
                yield f"- {verdict_of(mark, language, phrases)}{text}{said}"
            for found in event.grade.misconceptions:
                yield f"- {phrases('block.misconception', language)}: {found.correction[language]}"
        case SummaryGiven():
            for key, lines in (
                ("block.summary_said", [f"“{quote}”" for quote in event.quotes]),
                ("block.summary_missing", [mark.text[language] for mark in event.missing]),
            ):
                if lines:
                    yield f"**{phrases(key, language)}**"
                    yield ""
                    yield from (f"- {line}" for line in lines)
                    yield ""
        case ExplanationGiven():
            yield f"**{phrases('block.explanation', language, question=event.question[language])}**"
            yield ""
            yield from (f"{number}. {step[language]}" for number, step in enumerate(event.steps, start=1))
            yield from _sources(event.sources)
        case AnswerShown():
            yield f"**{phrases('block.reference', language, question=event.question[language])}**"
            yield ""
            yield event.answer[language]
            yield from _sources(event.sources)


def _sources(sources: Sequence[Source]) -> Iterator[str]:
    yield ""
    yield from (f"- {source.title}, {source.authors} {source.year}: {source.address}" for source in sources)


def as_json(made: Report, language: Language) -> dict[str, Any]:
    """The report as data; times in seconds, dates in UTC."""
    return {
        "score": made.score,
        "without_help": made.unprompted,
        "thinking_seconds": made.seconds,
        "best": _moment(made.best, language),
        "weakest": _moment(made.weakest, language),
        "topics": [_topic(topic) for topic in made.topics],
        "questions": [_question(result, language) for result in made.results],
        "reading": [source.model_dump(mode="json") for source in made.reading],
        "plan": [
            {"card": result.card_id, "question": result.question[language], "due": _date(result.due)}
            for result in made.plan
        ],
        "deeper": [
            {"after": deeper.after, "card": deeper.card_id, "question": deeper.question[language]}
            for deeper in made.deeper
        ],
        "weakest_topic": made.weakest_topic.topic if made.weakest_topic else None,
    }


def _question(result: Result, language: Language) -> dict[str, Any]:
    timing, alone = result.timing, result.verdicts_alone
    return {
        "number": result.number,
        "card": result.card_id,
        "topic": result.topic,
        "question": result.question[language],
        "standing": result.standing,
        "score": result.score,
        "without_help": result.unprompted,
        "thinking_seconds": timing.thinking if timing else None,
        "pauses": timing.pauses if timing else None,
        "due": _date(result.due),
        "gaps": [mark.text[language] for mark in result.gaps],
        "key_points": [
            {
                "key_point": mark.key_point,
                "weight": mark.weight,
                "text": mark.text[language],
                "verdict": mark.verdict,
                "without_help": alone.get(mark.key_point),
                "quote": mark.quote,
            }
            for mark in (result.grade.marks if result.grade else ())
        ],
        "misconceptions": [
            {"misconception": found.misconception, "quote": found.quote, "correction": found.correction[language]}
            for found in result.misconceptions
        ],
    }


def _moment(moment: Moment | None, language: Language) -> dict[str, Any] | None:
    if moment is None:
        return None
    return {"question": moment.number, "quote": moment.quote, "about": moment.about[language]}


def _topic(topic: TopicScore) -> dict[str, Any]:
    return {
        "topic": topic.topic,
        "score": topic.score,
        "without_help": topic.unprompted,
        "questions": topic.questions,
    }


def _date(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
