"""The report of an interview as a page: to look at, to print, and to keep as one file."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from html import escape

from tutor.cards import Language, Text
from tutor.grading import Mark
from tutor.highlights import Moment
from tutor.prompts import Phrases
from tutor.report import Report, Result, band, verdict_of
from tutor.reporting import duration, named, plan, standing, thinking
from tutor.web.document import document, inline, sources
from tutor.web.plots import bar


class ReportPage:
    """Writes a report in one language; `topics` are their names."""

    def __init__(self, made: Report, language: Language, phrases: Phrases, topics: Mapping[str, Text]) -> None:
        self._made, self._language, self._phrases, self._topics = made, language, phrases, topics

    def html(self, about: str, navigation: str = "") -> str:
        """The whole page; `about` says which interview it was, `navigation` is HTML that only the served page has."""
        title = self._phrases("report.title", self._language)
        body = [navigation, f'<h1>{escape(title)}</h1><p class="soft">{escape(about)}</p>', *self._content()]
        return document(f"{title} · {about}", self._language, body)

    def _say(self, key: str, **values: object) -> str:
        return escape(self._phrases(key, self._language, **values))

    def _content(self) -> Iterator[str]:
        made, language, phrases = self._made, self._language, self._phrases
        if made.score is None:
            yield f'<p class="score">{self._say("report.none")}</p>'
            return
        total = self._say("report.score", score=made.score, number=len(made.counted))
        yield f'<p class="score">{total}</p><p>{escape(band(made.score, language, phrases))}</p>'
        yield f"<p>{self._say('report.alone', score=made.unprompted)}"
        if made.seconds:
            yield f" · {self._say('report.time', time=duration(made.seconds, language, phrases))}"
        yield f'</p><p class="soft">{self._say("band.scale")}</p>'
        yield from self._moments()
        yield from self._by_topic()
        yield from self._by_question()
        yield from self._list("report.corrected", self._corrections())
        if made.reading:
            yield f"<section><h2>{self._say('report.read')}</h2>{sources(made.reading)}</section>"
        yield from self._list("report.plan", map(escape, plan(made, language, phrases, self._topics)))

    def _list(self, title: str, items: Iterator[str]) -> Iterator[str]:
        """A heading and a list, or nothing where there is nothing to list."""
        lines = [f"<li>{item}</li>" for item in items]
        if lines:
            yield f"<section><h2>{self._say(title)}</h2><ul>{''.join(lines)}</ul></section>"

    def _moments(self) -> Iterator[str]:
        moments = [("best", self._made.best), ("weakest", self._made.weakest)]
        if any(moment for _, moment in moments):
            yield f"<h2>{self._say('report.moments')}</h2>"
            yield from (self._moment(kind, moment) for kind, moment in moments if moment)

    def _moment(self, kind: str, moment: Moment) -> str:
        title = self._say(f"report.{kind}_title", number=moment.number)
        about = inline(moment.about[self._language])
        quote = f"<q>{escape(moment.quote)}</q>" if moment.quote else ""
        return f'<blockquote class="{kind}"><small>{title}</small><p>{quote}</p><p>{about}</p></blockquote>'

    def _by_topic(self) -> Iterator[str]:
        yield f"<section><h2>{self._say('report.by_topic')}</h2>"
        yield f'<p><small class="legend main">{self._say("report.unprompted")}</small>'
        yield f'<small class="legend pale">{self._say("report.prompted")}</small></p>'
        for topic in self._made.topics:
            name = named(topic.topic, self._language, self._topics)
            scores = self._phrases("report.topic_scores", self._language, score=topic.score, alone=topic.unprompted)
            yield f'<p class="label"><span>{escape(name)}</span><span>{escape(scores)}</span></p>'
            yield bar([(topic.score / 10, "pale"), (topic.unprompted / 10, "main")], f"{name}: {scores}")
        yield "</section>"

    def _by_question(self) -> Iterator[str]:
        yield f"<h2>{self._say('report.by_question')}</h2>"
        for result in self._made.results:
            yield f"<section><h3>{result.number}. {inline(result.question[self._language])}</h3>"
            yield f'<p class="soft">{" · ".join(self._facts(result))}</p>'
            if result.grade and result.standing != "open":
                marks = "".join(self._mark(mark, result) for mark in result.grade.marks)
                yield f'<ul class="marks">{marks}</ul>'
            yield "</section>"

    def _facts(self, result: Result) -> Iterator[str]:
        yield escape(named(result.topic, self._language, self._topics))
        yield self._say("report.scored", score=standing(result, self._language, self._phrases))
        if result.unprompted is not None:
            yield self._say("report.alone", score=result.unprompted)
        if result.timing:
            yield self._say("report.took", time=thinking(result, self._language, self._phrases))
        if result.due is not None:
            yield self._say("report.due", date=datetime.fromtimestamp(result.due).date().isoformat())

    def _mark(self, mark: Mark, result: Result) -> str:
        verdict, weight = escape(verdict_of(mark, self._language, self._phrases)), self._say(f"weight.{mark.weight}")
        first = result.verdicts_alone.get(mark.key_point)
        before = self._say("report.before", verdict=self._say(f"verdict.{first}")) if first else ""
        changed = f" · {before}" if first != mark.verdict and before else ""
        quote = f"<q>{escape(mark.quote)}</q>" if mark.quote else ""
        text = inline(mark.text[self._language])
        return (
            f'<li class="{mark.verdict}"><strong>{verdict}</strong> <small>{weight}{changed}</small> {text}{quote}</li>'
        )

    def _corrections(self) -> Iterator[str]:
        for result in self._made.counted:
            for found in result.misconceptions:
                yield f"<q>{escape(found.quote)}</q><br>{inline(found.correction[self._language])}"
