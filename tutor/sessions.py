"""Earlier interviews as one line each: when, about what, how."""

from collections.abc import Mapping
from datetime import datetime

from tutor.cards import Language, Text
from tutor.events import SessionStarted, event_of
from tutor.history import SessionLine
from tutor.prompts import Phrases


def line(entry: SessionLine, topics: Mapping[str, Text], phrases: Phrases, language: Language) -> str:
    """The session in words, in the local time of this machine."""
    started = event_of(entry.first)
    date = datetime.fromtimestamp(entry.at).strftime("%Y-%m-%d %H:%M")
    if not isinstance(started, SessionStarted):
        return date
    names = [topics[slug][language] if slug in topics else slug for slug in started.topics]
    chosen = ("、" if language == "zh" else ", ").join(names) or phrases("page.all_topics", language)
    mode = phrases(f"mode.{started.mode}_short", language)
    return phrases("page.session_line", language, date=date, topics=chosen, mode=mode, number=started.questions)
