"""Turns items of an interview into messages of the page's conversation, as HTML that only our own code has written.

Whatever a learner or a model wrote is shown as text: no HTML, link or image of theirs reaches the browser.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from html import escape
from typing import Any

from markdown_it import MarkdownIt

from tutor.cards import Language, Source, Text
from tutor.costs import lines
from tutor.events import AnswerGraded, AnswerShown, ExplanationGiven, FollowUpAsked, QuestionAsked, SummaryGiven
from tutor.grading import Found, Mark
from tutor.html import inline, markdown
from tutor.prompts import Phrases
from tutor.report import Report, band, footnotes, verdict_of
from tutor.reporting import as_markdown
from tutor.shown import Happened, Item, Said, Spent

Message = dict[str, Any]

_OWN = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
_ADDRESS = re.compile(r"(?<![(\[<])https://[^\s|)<>]+")


class Renderer:
    """Renders in one language with the names of the topics."""

    def __init__(self, phrases: Phrases, topics: Mapping[str, Text], language: Language) -> None:
        self._phrases = phrases
        self._topics = topics
        self._language = language

    def message(self, item: Item) -> Message:
        """One item as a message of the conversation; items never change, so each is rendered once."""
        return dict(_rendered(self, item))

    def __hash__(self) -> int:
        return hash((id(self._phrases), self._language))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Renderer) and hash(self) == hash(other)

    def rendered(self, item: Item) -> Message:
        """The message of an item, made anew."""
        if isinstance(item, Said):
            return learner_said(item.text) if item.by_learner else tutor_said(markdown(item.text))
        if isinstance(item, Spent):
            said = "<br>".join(escape(line) for line in lines(item, self._phrases, self._language))
            return tutor_said(f'<p class="{"failure" if item.event.failure else "cost"}">{said}</p>')
        return tutor_said("".join(self._block(item)))

    def report(self, made: Report, session: str) -> Message:
        """The report of a finished interview, with the way to the whole of it."""
        text = as_markdown(made, self._language, self._phrases, self._topics)
        linked = _ADDRESS.sub(lambda found: f"<{found.group()}>", text)
        whole = f'<a href="report/{session}?language={self._language}">{self._say("report.whole")}</a>'
        return tutor_said(f'<section class="report">{markdown(linked, _OWN)}<p>{whole}</p></section>')

    def _say(self, key: str, **values: object) -> str:
        return escape(self._phrases(key, self._language, **values))

    def _block(self, item: Happened) -> Iterator[str]:
        event, language = item.event, self._language
        match event:
            case QuestionAsked():
                name = self._topics[event.topic][language] if event.topic in self._topics else event.topic
                level = self._phrases(f"level.{event.level}", language)
                yield f'<section class="question"><h2>{self._say("block.question", number=event.number, of=event.of)}'
                yield f"<small>{self._say('block.question_meta', topic=name, level=level)}</small></h2>"
                yield f"{markdown(event.question[language])}</section>"
            case FollowUpAsked():
                yield f'<section class="{event.step}"><h3>{self._say(f"block.{event.step}")}</h3>'
                yield f"{markdown(event.text[language])}</section>"
            case AnswerGraded():
                yield from self._grade(event, item)
            case SummaryGiven():
                yield f'<section class="summary"><h3>{self._say("block.summary")}</h3>'
                if event.quotes:
                    quotes = "".join(f"<li><q>{escape(quote)}</q></li>" for quote in event.quotes)
                    yield f"<h4>{self._say('block.summary_said')}</h4><ul>{quotes}</ul>"
                if event.missing:
                    texts = "".join(f"<li>{inline(mark.text[language])}</li>" for mark in event.missing)
                    yield f"<h4>{self._say('block.summary_missing')}</h4><ul>{texts}</ul>"
                yield "</section>"
            case ExplanationGiven():
                steps = "".join(f"<li>{markdown(step[language])}</li>" for step in event.steps)
                title = self._inline("block.explanation", event.question)
                yield f'<section class="teaching"><h3>{title}</h3><ol>{steps}</ol>'
                yield f"{self._sources(event.sources)}</section>"
            case AnswerShown():
                title = self._inline("block.reference", event.question)
                yield f'<section class="teaching"><h3>{title}</h3>{markdown(event.answer[language])}'
                yield f"{self._sources(event.sources)}</section>"

    def _inline(self, key: str, question: Text) -> str:
        return self._phrases(key, self._language, question=inline(question[self._language]))

    def _sources(self, sources: Sequence[Source]) -> str:
        listed = "".join(
            f"<li>{escape(source.title)}, {escape(source.authors)} {source.year}: "
            f'<a href="{escape(source.address)}" target="_blank" rel="noopener noreferrer">'
            f"{escape(source.address)}</a></li>"
            for source in sources
        )
        return f"<h4>{self._say('block.sources')}</h4><ul>{listed}</ul>"

    def _grade(self, event: AnswerGraded, item: Happened) -> Iterator[str]:
        grade, language, revealed = event.grade, self._language, item.revealed
        score = self._say("block.grade", score=grade.score)
        meaning = escape(band(grade.score, language, self._phrases))
        yield f'<section class="grade"><h3>{score} <small>{meaning}</small></h3>'
        if any(mark.quote for mark in grade.marks) or grade.misconceptions:
            yield f"<h4>{self._say('block.evidence')}</h4><blockquote>{self._evidence(event)}</blockquote>"
        yield f'<h4>{self._say("block.key_points")}</h4><ul class="marks{"" if revealed else " open"}">'
        yield from (self._mark(mark, revealed) for mark in grade.marks if revealed or mark.key_point not in item.known)
        yield "</ul>"
        if item.withheld:
            yield f'<p class="note">{self._say("block.open_points")}</p>'
        for found in grade.misconceptions:
            heading = self._say("block.misconception")
            yield f'<p class="wrong"><strong>{heading}</strong> {inline(found.correction[language])}</p>'
        yield from (f'<p class="note">{escape(note)}</p>' for note in footnotes(grade, language, self._phrases))
        yield "</section>"

    def _mark(self, mark: Mark, revealed: bool) -> str:
        verdict, weight = escape(verdict_of(mark, self._language, self._phrases)), self._say(f"weight.{mark.weight}")
        known = revealed or mark.verdict == "covered"
        text = f" {inline(mark.text[self._language])}" if known else ""
        quote = f"<q>{escape(mark.quote)}</q>" if mark.quote else ""
        return f'<li class="{mark.verdict}"><strong>{verdict}</strong> <small>{weight}</small>{text}{quote}</li>'

    def _evidence(self, event: AnswerGraded) -> str:
        """The answer with the quoted words marked by their verdict."""
        spans = sorted(_spans(event.answer, event.grade.marks, event.grade.misconceptions))
        parts, at = [], 0
        for start, end, verdict in spans:
            if start < at:
                continue
            label = self._say(f"verdict.{verdict}")
            parts += [_text(event.answer[at:start])]
            parts += [f'<mark class="{verdict}" title="{label}">{_text(event.answer[start:end])}</mark>']
            at = end
        return "".join([*parts, _text(event.answer[at:])])


@lru_cache(maxsize=4096)
def _rendered(renderer: Renderer, item: Item) -> Message:
    return renderer.rendered(item)


def _spans(answer: str, marks: Sequence[Mark], found: Sequence[Found]) -> Iterator[tuple[int, int, str]]:
    quoted = [(mark.quote, mark.verdict) for mark in marks if mark.quote]
    quoted += [(belief.quote, "contradicted") for belief in found]
    for quote, verdict in quoted:
        start = answer.find(quote)
        if start >= 0:
            yield start, start + len(quote), verdict


def learner_said(text: str) -> Message:
    """The learner's words, exactly as they were sent."""
    return {"role": "user", "content": f'<div class="said">{_text(text)}</div>'}


def tutor_said(html: str) -> Message:
    return {"role": "assistant", "content": f"<div>{_one_block(html)}</div>"}


def _text(text: str) -> str:
    """Text as it is: nothing in it is mark-up, and nothing in it can end the block that it stands in."""
    safe = escape(text.replace("\r\n", "\n"))
    return re.sub(r"[$*_`~\[\]()!#|\\]", lambda found: f"&#{ord(found.group())};", safe).replace("\n", "<br>")


def _one_block(html: str) -> str:
    """HTML without empty lines, which would end it for the page's Markdown."""
    kept = re.sub(r"(<pre>.*?</pre>)", lambda found: found.group().replace("\n", "&#10;"), html, flags=re.DOTALL)
    return re.sub(r"\n\s*", "\n", kept).strip()
