"""Tells what kind of turn a message is: an answer, a request, a question to the tutor, small talk, or a mixture.

A clause is a request if nothing but words of politeness stands around the words that carry it, so that whatever says
something about the subject stays an answer. The words themselves are data (`turns.yaml`).
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from rapidfuzz.distance import OSA

from tutor.cards import Shelf
from tutor.events import Command
from tutor.prompts import Phrases
from tutor.wording import stem

Kind = Command | Literal["answer", "giving_up"]
FIRST: tuple[Kind, ...] = (
    "misread", "end", "skip", "show", "chinese", "english", "why", "repeat", "ask", "explain", "hint", "easier",
    "harder", "shorter", "longer", "rephrase", "pause", "resume", "giving_up", "talk",
)  # fmt: skip
"""What a message may be besides an answer; of several, the first is obeyed."""
STRONG: frozenset[Kind] = frozenset(("misread", "end", "skip", "show"))
"""What may share a sentence with an answer; anything else beside an answer needs a sentence of its own."""
LAST: frozenset[Kind] = frozenset(("pause", "resume", "repeat", "rephrase", "why", "explain"))
"""What is only meant behind an answer; before it, as in "let me think", it is a way of beginning."""
LONGEST = 400
"""Characters of a message that can be a request alone; a longer one is an answer."""
REMAINDER = 6
"""Words that may follow an unmistakable request, as in "give me a hint for the second half"."""
NAMED = 5
"""Words that a question without a question mark may be about, as in "what is an optimizer state"."""
SURE = 1.5
"""Words of "I don't know" before more may follow; two Chinese characters are one, and "不会" may only deny."""
SUBSTANCE = 2
"""Words foreign to any request that make a clause beside one an answer, even if none belongs to the subject."""
_END = re.compile(r"((?:\.(?=\s|$)|[,，。;；:：!！?？、…~～()（）\n]|\s-+\s)+)")
_TOKEN = re.compile(r"[^\W_\u3400-\u9fff]+|[\u3400-\u9fff]")
_COPULAS = frozenset(("is", "are", "was", "were", "be"))

Words = tuple[str, ...]


@dataclass(frozen=True)
class Turn:
    """What a message is; `answer` is what of a request's message is an answer all the same."""

    kind: Kind
    answer: str = ""


@dataclass(frozen=True)
class _Clause:
    """A part of a message between punctuation; `asks` where its sentence ends with a question mark."""

    text: str
    words: Words
    sentence: int
    asks: bool = False


class TurnReader:
    """Reads messages in both languages; `shelf` tells which words belong to the subject."""

    def __init__(self, phrases: Phrases, shelf: Shelf) -> None:
        self._phrases = phrases
        self._shelf = shelf
        self._mendings: dict[str, str] = {}

    def read(self, text: str) -> Turn:
        """What kind of turn the message is; where nothing else is certain, an answer."""
        clauses = self._clauses(text)
        found = self._whole_questions(clauses, [self._kinds(clause) for clause in clauses])
        read = list(zip(clauses, found, strict=True))
        if any(kinds is None and self._states(clause) for clause, kinds in read):
            return self._mixed(read)
        kind = _first(kinds for _, kinds in read)
        said = any(kinds is None or (not kinds and self._verdict(clause)) for clause, kinds in read)
        if kind is None or len(text) > LONGEST or (kind == "talk" and said):
            return Turn("answer")
        return Turn(kind)

    def subject(self, text: str) -> str:
        """What a question to the tutor asks about, as far as its form tells."""
        for clause in self._clauses(text):
            for pattern, about in self._readings(clause):
                if clause.asks or _names(pattern, about):
                    return " ".join(about)
        return ""

    def _mixed(self, read: Sequence[tuple[_Clause, frozenset[Kind] | None]]) -> Turn:
        """A request at the beginning or the end of an answer, or else all of it an answer."""
        told = [at for at, (_, kinds) in enumerate(read) if kinds is None or kinds - {"talk", "giving_up"}]
        for at in (told[0], told[-1]):
            clause, kinds = read[at]
            kind = _first([kinds])
            alone = all(k is not None for c, k in read if c.sentence == clause.sentence)
            meant = kind == "misread" or alone or (kind in STRONG and self._asked(clause.words))
            if kind in ("ask", "giving_up", "talk", None) or not meant:
                continue
            if at < told[-1] and kind in LAST:
                continue
            answer = "".join(c.text for c, k in read if not k or not (k & set(FIRST) - {"giving_up", "ask"}))
            return Turn(kind, answer.strip()) if kind else Turn("answer")
        return Turn("answer")

    def _clauses(self, text: str) -> list[_Clause]:
        """The parts of the message that have words, with slips of the pen mended."""
        pieces = [*_END.split(text), ""]
        clauses, sentence = [], 0
        for piece, end in zip(pieces[::2], pieces[1::2], strict=True):
            words = tuple(map(self._mended, _words(piece)))
            if words:
                clauses.append(_Clause(piece + end, words, sentence))
            if re.search(r"[.。;；!！?？\n]", end):
                asks = "?" in end or "？" in end or piece.rstrip().endswith("吗")
                clauses = [replace(c, asks=asks) if c.sentence == sentence else c for c in clauses]
                sentence += 1
        if clauses and clauses[-1].words[-1] == "吗":
            clauses[-1] = replace(clauses[-1], asks=True)
        return clauses

    def _kinds(self, clause: _Clause) -> frozenset[Kind] | None:
        """What the clause can be; nothing for mere filling, None where it says something of its own."""
        if alone := self._alone.get(self._plain(clause.words)):
            return frozenset((alone,))
        covered = self._covered(clause.words)
        if covered:
            return covered
        if self._asks(clause):
            return frozenset[Kind](("ask",))
        return covered if covered is not None else self._begun(clause)

    def _covered(self, words: Words) -> frozenset[Kind] | None:
        """The requests of which the words consist, words of politeness aside; the longest wordings decide."""
        best: list[tuple[int, tuple[tuple[int, Kind], ...]] | None] = [(0, ())] + [None] * len(words)
        for at in range(len(words)):
            here = best[at]
            if here is None:
                continue
            for phrase, kind in self._lexicon.get(words[at], ()):
                end = at + len(phrase)
                if words[at:end] != phrase:
                    continue
                carried = here[0] + len(phrase) ** 2 if kind else here[0]
                there = best[end]
                if there is None or carried > there[0]:
                    best[end] = carried, (*here[1], (len(phrase), kind)) if kind else here[1]
        if best[-1] is None:
            return None
        longest = max((length for length, _ in best[-1][1]), default=0)
        return frozenset(kind for length, kind in best[-1][1] if length == longest)

    def _begun(self, clause: _Clause) -> frozenset[Kind] | None:
        """A request, or "I don't know", that goes on with words which say nothing about the subject."""
        for at in range(len(clause.words) - 1, 0, -1):
            head, tail = clause.words[:at], clause.words[at:]
            kinds = self._covered(head)
            if not kinds or _length(tail) > REMAINDER or self._on_the_subject(tail):
                continue
            asked = self._asked(head)
            sure = _length(head) >= SURE
            kinds = frozenset(k for k in kinds if (sure if k == "giving_up" else asked and k not in ("talk", "ask")))
            return kinds or None
        return None

    def _asked(self, words: Words) -> bool:
        """Whether the words address the tutor."""
        return any(_find(words, phrase) >= 0 for phrase in self._listed("asking"))

    def _asks(self, clause: _Clause) -> bool:
        """Whether the clause is a question to the tutor."""
        return any(clause.asks or _names(pattern, about) for pattern, about in self._readings(clause))

    def _readings(self, clause: _Clause) -> Iterator[tuple[tuple[Words, ...], Words]]:
        """The question patterns that the clause fits, politeness at both ends aside, with what stands in their gaps."""
        words, around, open_words = clause.words, self._around, self._single("asides")
        for start in range(min(len(words), 8)):
            for end in range(len(words), max(start, len(words) - 4), -1):
                for pattern in self._questions:
                    about = _gap(pattern, words[start:end])
                    if about is not None:
                        yield pattern, about
                if words[end - 1] not in around:
                    break
            if words[start] not in around or (words[start] in open_words and not clause.asks):
                break

    def _whole_questions(
        self, clauses: Sequence[_Clause], found: list[frozenset[Kind] | None]
    ) -> list[frozenset[Kind] | None]:
        """The same, where a question that one clause has begun goes on to its question mark."""
        begun = {
            clause.sentence: at
            for at, clause in reversed([*enumerate(clauses)])
            if found[at] == frozenset[Kind](("ask",))
        }
        return [
            found[begun[clause.sentence]]
            if kinds is None and clause.asks and at > begun.get(clause.sentence, at)
            else kinds
            for at, (clause, kinds) in enumerate(zip(clauses, found, strict=True))
        ]

    def _states(self, clause: _Clause) -> bool:
        """Whether a clause that is no request is an answer: it is about the subject, or at least not about us two."""
        if clause.asks and any(_find(clause.words, wh) >= 0 for wh in self._listed("asides")):
            return False
        if self._on_the_subject(clause.words):
            return True
        new = tuple(word for word in clause.words if word not in self._known[0])
        return not (clause.asks or self._single("person") & set(clause.words)) and _length(new) >= SUBSTANCE

    def _on_the_subject(self, words: Words) -> bool:
        plain, pairs = self._subject
        own = any(stem(word) in plain or any(char.isdigit() for char in word) for word in words if word.isascii())
        return own or any(words[at : at + 2] in pairs for at in range(len(words) - 1))

    def _verdict(self, clause: _Clause) -> bool:
        """Whether the clause is a "yes" or a "no", which can answer a question."""
        return clause.words in self._listed("verdicts")

    def _mended(self, word: str) -> str:
        """The word, or the one of the lexicon that is a slip away from it."""
        known, close = self._known
        if word in known or len(word) < 3 or not word.isalpha() or not word.isascii():
            return word
        if stem(word) in self._subject[0]:
            return word
        if word not in self._mendings:
            slips = (other for other in close if OSA.distance(word, other, score_cutoff=1) <= 1)
            self._mendings[word] = next((other for other in slips if stem(other) != stem(word)), word)
        return self._mendings[word]

    @cached_property
    def _lexicon(self) -> dict[str, list[tuple[Words, Kind | None]]]:
        """All wordings by their first word; those of politeness carry no kind."""
        lexicon: dict[str, list[tuple[Words, Kind | None]]] = {}
        for kind in FIRST:
            whole = [wording for wording in self._phrases.words(f"turns.{kind}") if "..." not in wording]
            for words in map(_words, whole):
                lexicon.setdefault(words[0], []).append((words, kind))
        for words in self._listed("words"):
            lexicon.setdefault(words[0], []).append((words, None))
        return lexicon

    @cached_property
    def _alone(self) -> dict[Words, Kind]:
        """What is a request where it is all that a clause says."""
        keys = {f"{group}.{kind}": kind for group in ("turns_alone", "commands") for kind in FIRST}
        listed = {key: kind for key, kind in keys.items() if key in set(self._phrases.keys())}
        return {_words(wording): kind for key, kind in listed.items() for wording in self._phrases.words(key)}

    def _plain(self, words: Words) -> Words:
        """The words without politeness at either end."""
        polite = frozenset(word for phrase in self._phrases.words("asks.polite") for word in _words(phrase))
        while len(words) > 1 and words[0] in polite:
            words = words[1:]
        while len(words) > 1 and words[-1] in polite:
            words = words[:-1]
        return words

    @cached_property
    def _questions(self) -> tuple[tuple[Words, ...], ...]:
        """Questions with gaps, as the words before, between and behind the gaps."""
        wordings = [wording for wording in self._phrases.words("turns.ask") if "..." in wording]
        return tuple(tuple(_words(part) for part in wording.split("...")) for wording in wordings)

    @cached_property
    def _around(self) -> frozenset[str]:
        return frozenset(word for words in self._listed("words") for word in words if len(words) == 1)

    @cached_property
    def _known(self) -> tuple[frozenset[str], tuple[str, ...]]:
        """Every word of the lexicon, and those long enough for a slip."""
        known = {word for found in self._lexicon.values() for words, _ in found for word in words}
        return frozenset(known), tuple(sorted(word for word in known if len(word) > 3 and word.isascii()))

    @cached_property
    def _subject(self) -> tuple[frozenset[str], frozenset[Words]]:
        """The words that the cards listen for, as English stems and Chinese pairs, those of requests left out."""
        terms = self._shelf.terms.synonyms
        said = [word for name, others in terms.items() for word in (name, *others)]
        said += [t for card in self._shelf.cards for p in card.key_points for signal in p.signals for t in signal]
        known = self._known[0]
        requests = {pair for found in self._lexicon.values() for words, _ in found for pair in _pairs(words)}
        plain, pairs = set(), set[Words]()
        for words in map(_words, said):
            plain |= {stem(word) for word in words if word.isascii() and len(word) > 2 and word not in known}
            pairs |= set(_pairs(words)) - requests
        return frozenset(plain - {stem(word) for word in known}), frozenset(pairs)

    def _listed(self, name: str) -> tuple[Words, ...]:
        return tuple(map(_words, self._phrases.words(f"turns_around.{name}")))

    def _single(self, name: str) -> frozenset[str]:
        return frozenset(words[0] for words in self._listed(name) if len(words) == 1)


def _first(found: Iterable[frozenset[Kind] | None]) -> Kind | None:
    named = frozenset[Kind]().union(*(kinds for kinds in found if kinds))
    return next((kind for kind in FIRST if kind in named), None)


def _words(text: str) -> Words:
    """English words without apostrophes, and Chinese characters."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return tuple(_TOKEN.findall(re.sub(r"['’`]", "", folded)))


def _pairs(words: Words) -> Iterator[Words]:
    """Neighbouring Chinese characters."""
    return (words[at : at + 2] for at in range(len(words) - 1) if words[at] > "\u3400" < words[at + 1])


def _length(words: Words) -> float:
    """In words; two Chinese characters are one."""
    return sum(0.5 if word >= "\u3400" else 1.0 for word in words)


def _find(words: Words, part: Words, start: int = 0) -> int:
    """Where the part stands in the words; -1 if it does not."""
    places = range(start, len(words) - len(part) + 1)
    return next((at for at in places if words[at : at + len(part)] == part), -1)


def _gap(pattern: tuple[Words, ...], words: Words) -> Words | None:
    """What stands in the gaps of a pattern that covers all the words; None where it does not."""
    if words[: len(pattern[0])] != pattern[0]:
        return None
    at, about = len(pattern[0]), Words()
    for number, part in enumerate(pattern[1:], start=2):
        place = len(words) - len(part) if number == len(pattern) else _find(words, part, at)
        if place < at or words[place : place + len(part)] != part:
            return None
        about += words[at:place]
        at = place + len(part)
    return about


def _names(pattern: tuple[Words, ...], about: Words) -> bool:
    """Whether it is a question even without a question mark: what something is, in few words."""
    begins = pattern[0][:1] in (("what",), ("can",), ("could",), ("i",), ("dont",)) and len(pattern[0]) > 1
    defines = bool(pattern[-1]) or begins or pattern[0][:1] == ("whats",) or "什" in pattern[0]
    return defines and 0 < _length(about) <= NAMED and not _COPULAS & set(about)
