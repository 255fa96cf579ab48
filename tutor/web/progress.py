"""Progress as a page: what is due, what is known by topic, the trend, the days of practice, and what to take away."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from html import escape

from tutor.cards import Language, Shelf
from tutor.progress import CardProgress, Progress, Sitting, by_day
from tutor.prompts import Phrases
from tutor.reporting import duration, named
from tutor.sessions import about
from tutor.web.document import document, inline, link
from tutor.web.plots import bar, calendar, trend

LISTED = 10
"""Cards in each list; what is due later is told by day."""
SMOOTHED = 5
"""Interviews over which the line of the trend is the mean."""


class ProgressPage:
    """Writes the progress of a learner in one language; `told` is what has just come of something they did here."""

    def __init__(self, made: Progress, language: Language, phrases: Phrases, shelf: Shelf, told: str = "") -> None:
        self._made, self._language, self._phrases, self._shelf, self._told = made, language, phrases, shelf, told

    def html(self, navigation: str) -> str:
        """The whole page."""
        title = self._phrases("progress.title", self._language)
        return document(title, self._language, [navigation, f"<h1>{escape(title)}</h1>", *self._content()])

    def _say(self, key: str, **values: object) -> str:
        return escape(self._phrases(key, self._language, **values))

    def _content(self) -> Iterator[str]:
        if self._told:
            yield f'<p class="told" role="status">{escape(self._told)}</p>'
        if not self._made.sittings:
            yield f'<p class="score">{self._say("progress.none")}</p>'
        else:
            yield from self._figures()
        yield from self._due()
        yield from self._topics()
        if self._made.sittings:
            yield from self._trend()
            yield from self._calendar()
            yield from self._weak()
            yield from self._take_away()
        yield from self._restore()
        if self._made.sittings:
            yield from self._interviews()

    def _figures(self) -> Iterator[str]:
        made = self._made
        figures = [
            ("interviews", len(made.sittings)),
            ("questions", made.questions),
            ("time", duration(made.seconds, self._language, self._phrases)),
            ("streak", made.streak),
        ]
        items = "".join(
            f"<li><strong>{escape(str(figure))}</strong><small>{self._say(f'progress.{key}')}</small></li>"
            for key, figure in figures
        )
        yield f'<ul class="figures">{items}</ul>'

    def _due(self) -> Iterator[str]:
        made = self._made
        yield f'<section id="due"><h2>{self._say("progress.due", number=len(made.due))}</h2>'
        if made.due:
            yield f"<ul>{''.join(self._card(card) for card in made.due[:LISTED])}</ul>"
            if more := len(made.due) - LISTED:
                yield f"<p>{self._say('progress.more', number=more)}</p>" if more > 0 else ""
            yield f'<form method="post" action="review?language={self._language}">'
            yield f'<button id="review">{self._say("progress.review")}</button></form>'
        elif made.sittings:
            yield f"<p>{self._say('progress.none_due')}</p>"
        days = by_day(made.later)[:7]
        if days:
            told = [self._phrases("progress.day", self._language, date=day, number=len(own)) for day, own in days]
            yield f'<p class="soft">{self._say("progress.later", days=self._listed(told))}</p>'
        yield "</section>"

    def _listed(self, words: Sequence[str]) -> str:
        return ("；" if self._language == "zh" else "; ").join(words)

    def _card(self, card: CardProgress) -> str:
        topic = escape(named(card.card.topic, self._language, self._shelf.topics))
        known = self._say("progress.known", percent=round(100 * card.known))
        return f"<li>{inline(card.card.question[self._language])} <small>{topic} · {known}</small></li>"

    def _topics(self) -> Iterator[str]:
        yield f'<section id="topics"><h2>{self._say("progress.by_topic")}</h2>'
        yield f'<p class="soft">{self._say("progress.by_topic_note")}</p>'
        yield f'<p><small class="legend main">{self._say("progress.known_legend")}</small>'
        yield f'<small class="legend pale">{self._say("progress.asked_legend")}</small></p>'
        for topic in self._made.topics:
            name = named(topic.topic, self._language, self._shelf.topics)
            told = self._phrases(
                "progress.topic", self._language,
                percent=round(100 * topic.known), asked=topic.asked, cards=topic.cards, due=topic.due,
            )  # fmt: skip
            yield f'<p class="label"><span>{escape(name)}</span><span class="soft">{escape(told)}</span></p>'
            yield bar([(topic.asked / topic.cards, "pale"), (topic.known, "main")], f"{name}: {told}")
        yield "</section>"

    def _trend(self) -> Iterator[str]:
        scored = [(sitting, sitting.score) for sitting in self._made.sittings if sitting.score is not None]
        yield f'<section id="trend"><h2>{self._say("progress.trend")}</h2>'
        if len(scored) < 2:
            yield f"<p>{self._say('progress.trend_later')}</p></section>"
            return
        scores = [score for _, score in scored]
        smooth = [_mean(scores[max(0, end - SMOOTHED) : end]) for end in range(1, len(scores) + 1)]
        points = [(self._about(sitting), score) for sitting, score in scored]
        ends = (_date(scored[0][0].at), _date(scored[-1][0].at))
        yield trend(points, smooth, self._phrases("progress.trend", self._language), ends)
        yield f'<p class="soft">{self._say("progress.trend_note", number=SMOOTHED)}</p></section>'

    def _calendar(self) -> Iterator[str]:
        made = self._made
        titles = {
            day: self._phrases("progress.day", self._language, date=day, number=number)
            for day, number in made.days.items()
        }
        label = self._phrases("progress.calendar", self._language)
        yield f'<section id="calendar"><h2>{escape(label)}</h2>'
        yield f"{calendar(made.days, made.today, label, titles)}</section>"

    def _weak(self) -> Iterator[str]:
        if weak := self._made.weak:
            items = "".join(self._card(card) for card in weak[:LISTED])
            title = self._say("progress.weak", number=len(weak))
            yield f'<section id="weak"><h2>{title}</h2><ul>{items}</ul></section>'

    def _take_away(self) -> Iterator[str]:
        language = self._language
        yield f'<section class="screen" id="take"><h2>{self._say("progress.take")}</h2><nav>'
        for which in ("weak", "due") if self._made.weak or self._made.due else ():
            for kind in ("apkg", "md"):
                words = self._phrases(f"progress.{which}_{kind}", language)
                yield link(f"download/cards?which={which}&format={kind}&language={language}", words, download=True)
        yield link("download/all", self._phrases("progress.all_data", language), download=True)
        yield "</nav>"
        boxes = "".join(
            f'<label><input type="checkbox" name="card" value="{card.card.id}">'
            f"<span>{inline(card.card.question[language])}</span></label>"
            for card in self._made.cards
            if card.asked
        )
        yield f"<details><summary>{self._say('progress.choose')}</summary>"
        yield f'<form action="download/cards"><input type="hidden" name="language" value="{language}">{boxes}<p>'
        yield f'<button name="format" value="apkg">{self._say("progress.chosen_apkg")}</button> '
        yield f'<button class="second" name="format" value="md">{self._say("progress.chosen_md")}</button></p></form>'
        yield "</details></section>"

    def _restore(self) -> Iterator[str]:
        title = self._say("progress.restore")
        yield f'<section class="screen" id="restore"><details><summary>{title}</summary>'
        yield f'<p class="soft">{self._say("progress.restore_note")}</p>'
        yield f'<form method="post" action="restore?language={self._language}" enctype="multipart/form-data">'
        yield f'<p><input type="file" name="file" accept=".zip" aria-label="{title}" required></p>'
        yield f'<p><button class="second">{title}</button></p></form></details></section>'

    def _interviews(self) -> Iterator[str]:
        title = self._say("progress.all_interviews")
        yield f'<section class="screen"><details id="interviews"><summary>{title}</summary><ul>'
        for sitting in reversed(self._made.sittings):
            yield f"<li>{link(f'report/{sitting.session}?language={self._language}', self._about(sitting))}</li>"
        yield "</ul></details></section>"

    def _about(self, sitting: Sitting) -> str:
        told = about(sitting, self._shelf.topics, self._phrases, self._language)
        score = self._phrases("report.scored", self._language, score="–" if sitting.score is None else sitting.score)
        return f"{told} · {score}"


def _date(at: float) -> date:
    return datetime.fromtimestamp(at).date()


def _mean(scores: Sequence[float]) -> float:
    return sum(scores) / len(scores)
