"""A report in words, for a page, a terminal or a file: Markdown, in the learner's language."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime

from tutor.cards import Language, Text
from tutor.prompts import Phrases
from tutor.report import Report, Result, band


def as_markdown(made: Report, language: Language, phrases: Phrases, topics: Mapping[str, Text]) -> str:
    """The report as a page to read or keep."""
    lines = [f"## {phrases('report.title', language)}", ""]
    if made.score is None:
        return "\n".join([*lines, phrases("report.none", language)])
    total = phrases("report.score", language, score=made.score, number=len(made.counted))
    lines += [f"**{total}** — {band(made.score, language, phrases)}", "", *_beside(made, language, phrases), ""]
    lines += [phrases("band.scale", language), ""]
    lines += _section("report.moments", moments(made, language, phrases), language, phrases)
    lines += _table("report.by_topic", "report.topic_row", _topic_rows(made, language, topics), language, phrases)
    lines += _table(
        "report.by_question", "report.question_row", _question_rows(made, language, phrases), language, phrases
    )
    lines += [f"### {phrases('report.gaps', language)}", "", *_gaps(made, language, phrases), ""]
    lines += _section("report.corrected", corrections(made, language), language, phrases)
    reading = (f"{source.title}, {source.authors} {source.year}: {source.address}" for source in made.reading)
    lines += _section("report.read", reading, language, phrases)
    lines += _section("report.plan", plan(made, language, phrases, topics), language, phrases)
    return "\n".join(lines).rstrip() + "\n"


def _beside(made: Report, language: Language, phrases: Phrases) -> list[str]:
    """Score without help and time, in one line."""
    parts = [phrases("report.alone", language, score=made.unprompted)]
    if made.seconds:
        parts.append(phrases("report.time", language, time=duration(made.seconds, language, phrases)))
    return [" · ".join(parts)]


def quoted(text: str) -> str:
    """A learner's words for Markdown: one line, in which nothing is mark-up, a formula or a link."""
    plain = re.sub(r"([\\`*_\[\]<>|#!&~])", r"\\\1", " ".join(text.split()))
    return plain.replace("$", "&#36;").replace("://", r":\/\/")


def duration(seconds: float, language: Language, phrases: Phrases) -> str:
    """Seconds in words: seconds below two minutes, minutes below two hours, else hours."""
    if seconds < 120:
        return phrases("time.seconds", language, number=round(seconds))
    if seconds < 7200:
        return phrases("time.minutes", language, number=round(seconds / 60))
    return phrases("time.hours", language, number=f"{seconds / 3600:.1f}")


def moments(made: Report, language: Language, phrases: Phrases) -> Iterable[str]:
    """The best and the weakest moment, one line each."""
    for key, moment in (("report.best", made.best), ("report.weakest", made.weakest)):
        if moment:
            number, about = moment.number, moment.about[language]
            yield phrases(key, language, number=number, quote=quoted(moment.quote), about=about)


def corrections(made: Report, language: Language) -> Iterable[str]:
    """Each misconception that was found: what was said, and what holds."""
    for result in made.results:
        for found in result.misconceptions if result.standing != "open" else ():
            yield f"“{quoted(found.quote)}” → {found.correction[language]}"


def plan(made: Report, language: Language, phrases: Phrases, topics: Mapping[str, Text]) -> Iterable[str]:
    """What to do next: which questions come back when, the topic to choose, and where strong answers lead."""
    days = [datetime.fromtimestamp(result.due or 0.0).date().isoformat() for result in made.plan]
    for day in dict.fromkeys(days):
        own = [str(result.number) for result, due in zip(made.plan, days, strict=True) if due == day]
        numbers = ("、" if language == "zh" else ", ").join(own)
        yield phrases("report.back", language, date=day, numbers=numbers)
    if weak := made.weakest_topic:
        yield phrases("report.next_topic", language, topic=named(weak.topic, language, topics), score=weak.score)
    for deeper in made.deeper:
        yield phrases("report.deeper", language, number=deeper.after, question=deeper.question[language])


def named(topic: str, language: Language, topics: Mapping[str, Text]) -> str:
    """The topic's name, or its slug where the cards no longer have it."""
    return topics[topic][language] if topic in topics else topic


def _section(title: str, lines: Iterable[str], language: Language, phrases: Phrases) -> list[str]:
    """A heading and a list, or nothing where the list is empty."""
    items = [f"- {line}" for line in lines]
    return [f"### {phrases(title, language)}", "", *items, ""] if items else []


def _table(title: str, head: str, rows: Iterable[str], language: Language, phrases: Phrases) -> list[str]:
    header = phrases(head, language)
    rule = "|".join("---" for _ in header.split("|"))
    return [f"### {phrases(title, language)}", "", f"| {header} |", f"|{rule}|", *rows, ""]


def _topic_rows(made: Report, language: Language, topics: Mapping[str, Text]) -> Iterable[str]:
    for topic in made.topics:
        name = named(topic.topic, language, topics)
        yield f"| {name} | {topic.score} | {topic.unprompted} | {topic.questions} |"


def _question_rows(made: Report, language: Language, phrases: Phrases) -> Iterable[str]:
    for result in made.results:
        question = result.question[language].replace("|", "\\|")
        cells = [
            f"{result.number}. {question}",
            standing(result, language, phrases),
            "–" if result.unprompted is None else str(result.unprompted),
            str(len(result.gaps)) if result.grade else "–",
            thinking(result, language, phrases),
        ]
        yield f"| {' | '.join(cells)} |"


def standing(result: Result, language: Language, phrases: Phrases) -> str:
    """The score that counts, or why there is none."""
    return str(result.score) if result.standing == "graded" else phrases(f"report.{result.standing}", language)


def thinking(result: Result, language: Language, phrases: Phrases) -> str:
    """The time of a question, marked where the learner was away in between."""
    if result.timing is None or not (result.timing.thinking or result.timing.pauses):
        return "–"
    time = duration(result.timing.thinking, language, phrases)
    return phrases("time.paused", language, time=time) if result.timing.pauses else time


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
