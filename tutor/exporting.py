"""A session to take away: the whole conversation with its grades and report, as Markdown or as data."""

from collections.abc import Iterator, Sequence
from typing import Any

from langchain_core.messages import BaseMessage, message_to_dict

from tutor.cards import Language, Source
from tutor.events import AnswerGraded, AnswerShown, ExplanationGiven, FollowUpAsked, QuestionAsked, SummaryGiven
from tutor.interview import Interview
from tutor.report import as_json, as_markdown, report, verdict_of
from tutor.shown import Block, Happened, Item, Said, shown
from tutor.tutor import Tutor


def markdown(tutor: Tutor, learner: str, session: str) -> str:
    """The session as Markdown: conversation, grades, report."""
    transcript = tutor.transcript(learner, session)
    interview = Interview.of(transcript)
    language = interview.language
    parts = [f"# {tutor.phrases('page.title', language)}", ""]
    for item in shown(transcript):
        parts += [*_item(tutor, item, language), ""]
    names = tutor.desk.shelf.topics
    return "\n".join(parts) + "\n" + as_markdown(report(interview), language, tutor.phrases, names)


def data(tutor: Tutor, learner: str, session: str) -> dict[str, Any]:
    """The session as plain JSON: every message with its event, and the report."""
    transcript: Sequence[BaseMessage] = tutor.transcript(learner, session)
    interview = Interview.of(transcript)
    return {
        "format": 1,
        "session": session,
        "report": as_json(report(interview), interview.language),
        "messages": [message_to_dict(message) for message in transcript],
    }


def _item(tutor: Tutor, item: Item, language: Language) -> Iterator[str]:
    if isinstance(item, Said):
        who = tutor.phrases("page.you" if item.by_learner else "name.tutor", language)
        yield f"**{who}**"
        yield ""
        yield from (f"> {line}" for line in item.text.splitlines()) if item.by_learner else (item.text,)
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
