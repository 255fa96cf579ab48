"""Hears what a message is besides an answer: a command, a wish put into a sentence, or a question to the tutor.

What a learner says about the interview is not graded. An answer is never taken for a wish: whoever calls asks the
rubric first whether the words earn anything.
"""

import re
import unicodedata
from functools import lru_cache

from tutor.events import COMMANDS, AppealMade, Command, CommandGiven
from tutor.interview import Interview, words
from tutor.matching import squeeze
from tutor.prompts import Phrases

WISHED: tuple[Command, ...] = (
    "misread", "standing", "pause", "resume", "end", "skip", "show", "repeat", "shorter", "easier", "explain", "why",
    "hint",
)  # fmt: skip
"""Wishes in the order in which they are looked for: the first one that a sentence has is meant."""
IN_EXAMS: tuple[Command, ...] = ("pause", "resume", "repeat")
LONGEST = 30
"""Words that a wish or a question to the tutor has at most (two Chinese characters are one); more is an answer."""
SUBSTANCE = 10
"""Words beside a wish or a question from which a message is an answer, too, and is taken as one."""
_SENTENCE = re.compile(r"[^.!?。！？；;\n]+[.!?。！？；;\n]*")
_PERSON = re.compile(r"\b(?:i|i'm|i'd|you|u|we|me|let's)\b|[我你您咱]", re.IGNORECASE)
_QUESTION = re.compile(r"[?？]\s*\W*$|[吗呢么啥]\W*$", re.MULTILINE)


def command_in(text: str, phrases: Phrases) -> Command | None:
    """The command that the whole text is, in either language, politeness aside."""
    if len(text) >= 100:
        return None
    said = {squeeze(text), _plain(text, phrases)} - {""}
    for command in COMMANDS:
        if any(squeeze(word) in said for word in phrases.words(f"commands.{command}")):
            return command
    return None


def caused(text: str, interview: Interview, phrases: Phrases) -> CommandGiven | AppealMade | None:
    """A command or an appeal against a grade, where the message is one beyond doubt.

    "Not what I meant" may be followed by what was meant. "Continue" means the next question where an answer was
    given and nothing but a restatement is asked for.
    """
    command = command_in(text, phrases)
    if command == "resume" and not interview.exam and interview.current and interview.current.given_away:
        command = "skip"
    if command:
        return CommandGiven(command=command)
    said = squeeze(text[:100])
    if interview.appealable and any(said.startswith(squeeze(word)) for word in phrases.words("asks.appeal")):
        return AppealMade()
    head, mark, rest = _first_clause(text)
    if mark and command_in(head, phrases) == "misread":
        return CommandGiven(command="misread", rest=rest)
    return None


def wished(text: str, interview: Interview, phrases: Phrases) -> Command | None:
    """What a sentence asks for while a question is open, if it may be about the interview and no answer."""
    current = interview.current
    if current is None or words(text) > LONGEST:
        return None
    found = next((wish for wish in WISHED if _has(text, wish, phrases)), None)
    if _substance(text, found, phrases) > SUBSTANCE:
        return None
    if interview.exam:
        return found if found in IN_EXAMS else None
    if found in ("hint", "easier") and current.given_away:
        found = "aside" if current.explained else "explain"
    return found or ("aside" if _is_aside(text, phrases) else None)


def _substance(text: str, wish: Command | None, phrases: Phrases) -> float:
    """Words in sentences that neither wish, nor ask, nor speak of the learner or the tutor."""
    sentences = (sentence for sentence in _SENTENCE.findall(text) if not _PERSON.search(sentence))
    return sum(
        words(sentence)
        for sentence in sentences
        if not (wish and _has(sentence, wish, phrases)) and not _asks(sentence, phrases)
    )


def _asks(sentence: str, phrases: Phrases) -> bool:
    return bool(_QUESTION.search(sentence)) and _has(sentence, "asking", phrases)


def _has(text: str, wish: str, phrases: Phrases) -> bool:
    said = _folded(text)
    return any(pattern.search(said) for pattern in map(_pattern, phrases.words(f"wishes.{wish}")))


@lru_cache(maxsize=1024)
def _pattern(phrase: str) -> re.Pattern[str]:
    """The phrase as whole words where it is in Latin letters; Chinese has no spaces between words."""
    found = re.escape(_folded(phrase))
    return re.compile(rf"(?<![a-z0-9]){found}(?![a-z0-9])" if phrase.isascii() else found)


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().replace("’", "'").split())


def _is_aside(text: str, phrases: Phrases) -> bool:
    """Whether the tutor is asked something, or is told nothing at all."""
    said = squeeze(text)
    nothing = {squeeze(word) for word in phrases.words("wishes.nothing")}
    if (said and not _plain(text, phrases)) or said in nothing - {""}:
        return True
    return _has(text, "talk", phrases) or _asks(text, phrases)


def _plain(text: str, phrases: Phrases) -> str:
    """The text without the politeness around it, squeezed."""
    said = squeeze(text)
    for word in phrases.words("asks.polite"):
        polite = squeeze(word)
        said = (said.removeprefix(polite) or said).removesuffix(polite) or said
    return said


def _first_clause(text: str) -> tuple[str, str, str]:
    """The words up to the first comma, full stop or the like, that mark, and the rest."""
    found = re.search(r"[,.;:!，。；：！、\n]+\s*", text)
    return (text[: found.start()], found.group(), text[found.end() :].strip()) if found else (text, "", "")
