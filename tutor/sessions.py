"""Earlier interviews as one line each: when, about what, how."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from tutor.cards import Language, Text
from tutor.events import Mode, SessionStarted, event_of
from tutor.history import SessionLine
from tutor.progress import Sitting
from tutor.prompts import Phrases
from tutor.reporting import named


def line(entry: SessionLine, topics: Mapping[str, Text], phrases: Phrases, language: Language) -> str:
    """The session in words, in the local time of this machine."""
    started = event_of(entry.first)
    if not isinstance(started, SessionStarted):
        return _date(entry.at)
    chosen = _listed(started.topics, topics, language)
    if not chosen:
        chosen = phrases("page.review" if started.cards else "page.all_topics", language)
    return _told(entry.at, chosen, started.mode, started.questions, phrases, language)


def about(sitting: Sitting, topics: Mapping[str, Text], phrases: Phrases, language: Language) -> str:
    """An interview in words, with the topics that it really came to."""
    chosen = _listed(sitting.topics, topics, language) or phrases("page.all_topics", language)
    return _told(sitting.at, chosen, sitting.mode, len(sitting.questions), phrases, language)


def _told(at: float, topics: str, mode: Mode, number: int, phrases: Phrases, language: Language) -> str:
    kind = phrases(f"mode.{mode}_short", language)
    return phrases("page.session_line", language, date=_date(at), topics=topics, mode=kind, number=number)


def _listed(slugs: Iterable[str], topics: Mapping[str, Text], language: Language) -> str:
    return ("、" if language == "zh" else ", ").join(named(slug, language, topics) for slug in slugs)


def _date(at: float) -> str:
    return datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M")
