"""What a person asks of the tutor on a chat platform, read from a slash command, a button or typed words."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from tutor.cards import LEVELS, Language, Level, Text
from tutor.events import Command, Mode
from tutor.matching import squeeze
from tutor.prompts import Phrases

MOST = 20
"""Questions that an interview has at most."""
Order = Literal["help", "report", "progress", "export", "unlink", "forget", "daily_off"]
ORDERS: tuple[Order, ...] = get_args(Order)


class _Wish(BaseModel):
    model_config = ConfigDict(frozen=True)


class Start(_Wish):
    """An interview with these choices."""

    kind: Literal["start"] = "start"
    language: Language | None = None
    topics: tuple[str, ...] = ()
    level: Level | None = None
    questions: int = 5
    mode: Mode = "practice"


class Again(_Wish):
    """An interview with the choices of that one."""

    kind: Literal["again"] = "again"
    session: str


class Say(_Wish):
    """An answer, or anything else that is said to the tutor; `session` where a form named it."""

    kind: Literal["say"] = "say"
    text: str
    session: str = ""


class Press(_Wish):
    """A button of that interview."""

    kind: Literal["press"] = "press"
    command: Command
    session: str = ""


class Link(_Wish):
    """A code to join accounts with, or the code itself."""

    kind: Literal["link"] = "link"
    code: str = ""


class Do(_Wish):
    """Something without more words; `forget` only asks, Confirm does it."""

    kind: Literal["do"] = "do"
    order: Order


class Confirm(_Wish):
    """The answer to the question whether everything is to be deleted."""

    kind: Literal["confirm"] = "confirm"
    forget: bool


class Daily(_Wish):
    """A question every day at this time ("09:30"), in this time zone ("" is the machine's)."""

    kind: Literal["daily"] = "daily"
    time: str
    zone: str = ""


class DailyDue(_Wish):
    """The daily question of that day is due; the clock asks for it, not a person."""

    kind: Literal["daily_due"] = "daily_due"
    day: str


class Unclear(_Wish):
    """Words that name no topic, level, language, number or kind of interview."""

    kind: Literal["unclear"] = "unclear"
    words: str


Wish = Annotated[
    Start | Again | Say | Press | Link | Do | Confirm | Daily | DailyDue | Unclear, Field(discriminator="kind")
]


class Words:
    """Reads wishes, in both languages."""

    def __init__(self, phrases: Phrases, topics: Mapping[str, Text]) -> None:
        self._phrases = phrases
        self._topics = topics

    def command(self, text: str) -> Wish:
        """What stands behind a slash command: an order, or the choices of an interview."""
        wish = self.order(text)
        return wish or self.start(self.without_prefix(text))

    def without_prefix(self, text: str) -> str:
        """The text without the word "interview" at its beginning."""
        rest = _after(text.strip(), self._phrases.words("chat.words.interview"))
        return text if rest is None else rest

    def order(self, text: str) -> Wish | None:
        """What the whole text orders, if it does: anything but an answer."""
        said = text.strip()
        for order in ORDERS:
            if _is(said, self._phrases.words(f"chat.words.{order}")):
                return Do(order=order)
        if (rest := _after(said, self._phrases.words("chat.words.link"))) is not None and len(rest.split()) <= 2:
            return Link(code=rest) if not rest or re.fullmatch(r"[A-Za-z0-9 -]{8,10}", rest) else None
        if rest := _after(said, self._phrases.words("chat.words.daily")):
            return _daily(rest)
        if (rest := _after(said, self._phrases.words("chat.words.interview"))) is not None:
            chosen = self.start(rest)
            return chosen if isinstance(chosen, Start) else None
        return None

    def start(self, text: str) -> Start | Unclear:
        """The choices that the words make, in any order: topics, level, language, number, exam."""
        chosen, rest = Start(), f" {_folded(text)} "
        for slug, name in sorted(self._names(), key=lambda pair: -len(pair[1])):
            if _has(rest, name):
                rest = rest.replace(name, " ", 1)
                chosen = chosen.model_copy(update={"topics": tuple(dict.fromkeys((*chosen.topics, slug)))})
        unknown = []
        for word in rest.replace(",", " ").replace("、", " ").replace("，", " ").split():
            update = self._choice(word)
            if update is not None:
                chosen = chosen.model_copy(update=update)
            elif topics := self._about(word):
                chosen = chosen.model_copy(update={"topics": tuple(dict.fromkeys((*chosen.topics, *topics)))})
            else:
                unknown.append(word)
        return Unclear(words=" ".join(unknown)) if unknown else chosen

    def _names(self) -> list[tuple[str, str]]:
        """Every topic under its slug and its names."""
        return [
            (slug, _folded(name))
            for slug, text in self._topics.items()
            for name in (slug, slug.replace("-", " "), text["en"], text["zh"])
        ]

    def _about(self, word: str) -> list[str]:
        """The topics in whose name the word stands."""
        return list(dict.fromkeys(slug for slug, name in self._names() if len(word) > 1 and _has(name, word)))

    def _choice(self, word: str) -> dict[str, object] | None:
        if word.isdigit():
            return {"questions": max(1, min(MOST, int(word[:4])))}
        for level in LEVELS:
            if word in self._spelled(f"level.{level}"):
                return {"level": level}
        for mode in ("exam", "practice"):
            if word in self._spelled(f"mode.{mode}_short"):
                return {"mode": mode}
        for language, name in (("en", "english"), ("zh", "chinese")):
            if word in self._spelled(f"chat.words.{name}"):
                return {"language": language}
        return {} if word in self._spelled("chat.words.filler") else None

    def _spelled(self, key: str) -> Sequence[str]:
        return [_folded(word) for word in self._phrases.words(key)]


def language_of(text: str) -> Language | None:
    """The language that a text is in, where its signs tell."""
    return "zh" if re.search(r"[\u3400-\u9fff]", text) else None


def _daily(rest: str) -> Wish | None:
    found = re.fullmatch(r"(\d{1,2})[:：.h点]?(\d{2})?\s*(\S+)?", rest.strip())
    if not found or int(found[1]) > 23 or int(found[2] or 0) > 59:
        return None
    return Daily(time=f"{int(found[1]):02}:{int(found[2] or 0):02}", zone=found[3] or "")


def _is(said: str, words: Sequence[str]) -> bool:
    return len(said) < 60 and squeeze(said) in [squeeze(word) for word in words]


def _after(said: str, words: Sequence[str]) -> str | None:
    """What stands behind one of the words at the beginning; None where none does."""
    folded = _folded(said)
    for word in sorted(words, key=len, reverse=True):
        own = _folded(word)
        if folded == own or (folded.startswith(own) and (folded[len(own)].isspace() or own[-1] > "\u2e80")):
            return unicodedata.normalize("NFKC", said)[len(own) :].strip()
    return None


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _has(text: str, name: str) -> bool:
    """Whether the name stands in the text, in Latin letters as words of their own."""
    if name[-1] > "\u2e80":
        return name in text
    return re.search(rf"(?<![a-z0-9]){re.escape(name)}(?![a-z0-9])", text) is not None
