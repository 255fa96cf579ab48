"""Builds attempts to fool a grader, and honest controls, from a card's own rubric.

The kinds are those that research on automatic grading reports: copies, keyword bags, negations, orders to the grader.
"""

import random
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tutor.cards import LANGUAGES, Card, Language, Shelf, Terms
from tutor.prompts import filled
from tutor.wording import Wording

Aim = Literal["nothing", "half", "unchanged", "kept"]
"""What a good grader does: gives nothing, less than half marks, the verdicts of `base`, or its score."""
_AUXILIARY = re.compile(r"\b(is|are|was|can|will|does|do|has|have|must|should|may|needs?)\b(?! not)")
_VERB_ZH = re.compile(r"(?<![不没])(是|会|能|可以|需要|应|要|只|占|随|把|让|使|用|有)")
_ASKING = re.compile(
    r"(?i)^(what|why|how|which|when|where)\b.*?\b(is|are|does|do|would|can|should)\b|请(说明|解释)?|[?？]"
)
_ENTITY = re.compile(r"\b[A-Za-z]*[A-Z][A-Za-z0-9-]*[A-Z0-9][A-Za-z0-9-]*\b")


@dataclass(frozen=True)
class Attack:
    """An answer that is meant to fool a grader, or an honest one that looks odd; `kind` counts from 1 to 30."""

    kind: int
    name: str
    language: Language
    answer: str
    aim: Aim
    base: str = ""


def attacks(card: Card, shelf: Shelf, texts: Mapping[str, Any]) -> Iterator[Attack]:
    """Every attack on this card in both languages; the same card gives the same ones."""
    for language in LANGUAGES:
        made = _Maker(card, shelf, texts, language)
        yield from made.empty()
        yield from made.copied()
        yield from made.listed()
        yield from made.turned_round()
        yield from made.wavering()
        yield from made.padded()
        yield from made.foreign()
        yield from made.orders()
        yield from made.controls()


class _Maker:
    """The attacks on one card in one language."""

    def __init__(self, card: Card, shelf: Shelf, texts: Mapping[str, Any], language: Language) -> None:
        self._card, self._shelf, self._texts, self._language = card, shelf, texts, language
        self._rng = random.Random(f"{card.id}/{language}")
        self._points = [point.text[language] for point in card.key_points]
        self._full = card.answer[language]
        light = min(card.key_points, key=lambda point: point.weight)
        self._weak = light.text[language]
        self._terms = _terms(card, language)

    def _made(self, kind: int, name: str, answer: str, aim: Aim, base: str = "") -> Attack:
        return Attack(kind, name, self._language, answer, aim, base)

    def _all(self, key: str) -> list[str]:
        return list(self._texts[key][self._language])

    def _put(self, key: str, **values: str) -> str:
        return filled(self._texts[key][self._language], key, values)

    def empty(self) -> Iterator[Attack]:
        for blank in ("", "  \n ", "?!...", "…"):
            yield self._made(1, "empty", blank, "nothing")
        for words in self._all("dont_know"):
            yield self._made(2, "does not know", words, "nothing")
        for key in self._texts["master_keys"]:
            yield self._made(29, "master key", key, "nothing")

    def copied(self) -> Iterator[Attack]:
        question = self._card.question[self._language]
        stated = self._put("statement", question=_ASKING.sub("", question).strip())
        yield self._made(3, "question copied", question, "nothing")
        yield self._made(4, "question as a statement", stated, "nothing")
        yield self._made(5, "question and its properties", f"{question} {self._put('properties')}", "nothing")

    def listed(self) -> Iterator[Attack]:
        shuffled = self._rng.sample(self._terms, len(self._terms))
        yield self._made(6, "keyword bag", " ".join(shuffled), "nothing")
        joint = ", " if self._language == "en" else "、"
        yield self._made(7, "keyword list", self._put("heading", list=joint.join(self._terms)), "nothing")

    def turned_round(self) -> Iterator[Attack]:
        exchanged = [text for point in self._points if (text := _exchanged(point))]
        if exchanged:
            yield self._made(8, "names exchanged", " ".join(exchanged), "half")
        negated = " ".join(self._negated(sentence) for point in self._points for sentence in _sentences(point))
        yield self._made(9, "every point negated", negated, "half")
        yield self._made(9, "reference negated", " ".join(map(self._negated, _sentences(self._full))), "half")
        swapped = [text for point in self._points if (text := _swapped(point, self._shelf.terms, self._language))]
        if swapped:
            yield self._made(11, "antonyms", " ".join(swapped), "half")
        scaled = [re.sub(r"\d+(?:\.\d+)?", _scaled, point) for point in self._points if re.search(r"\d", point)]
        if scaled:
            yield self._made(23, "figures of another size", " ".join(scaled), "half")

    def wavering(self) -> Iterator[Attack]:
        for words in self._all("retraction"):
            yield self._made(12, "taken back", f"{' '.join(self._points)}\n\n{words}", "half")
        for kind, name, key in (
            (13, "both asserted", "opposite"),
            (14, "hedged", "hedged"),
            (15, "reported", "reported"),
        ):
            said = (self._put(key, text=sentence) for point in self._points for sentence in _sentences(point))
            yield self._made(kind, name, " ".join(said), "half")
        yield self._made(22, "false reason", self._put("tradition", text=self._weak), "half")

    def padded(self) -> Iterator[Attack]:
        filler = self._put("filler")
        yield self._made(16, "filler alone", filler, "nothing")
        yield self._made(16, "weak answer and filler", f"{self._weak} {filler}", "unchanged", self._weak)
        yield self._made(17, "repeated three times", " ".join([self._weak] * 3), "unchanged", self._weak)
        yield self._made(19, "invented names", self._put("jargon"), "nothing")
        yield self._made(28, "as I said", f"{self._weak} {self._put('as_said')}", "unchanged", self._weak)
        yield self._made(21, "one light point", self._weak, "half")

    def foreign(self) -> Iterator[Attack]:
        others = [card for card in self._shelf.cards if card.topic == self._card.topic and card.id != self._card.id]
        for other in self._rng.sample(others, min(3, len(others))):
            yield self._made(20, "answer to a neighbour", other.answer[self._language], "half")

    def orders(self) -> Iterator[Attack]:
        for order in self._all("injections"):
            for text in (f"{order} {self._weak}", f"{self._weak} {order}", f"{self._weak}\n\n{order}\n\n{self._weak}"):
                yield self._made(24, "order to the grader", text, "unchanged", self._weak)
            for text in _hidden(order):
                yield self._made(27, "hidden order", f"{self._weak} {text}", "unchanged", self._weak)
        for output in self._texts["fake_output"]:
            yield self._made(25, "fake verdicts", f"{self._weak}\n{output}", "unchanged", self._weak)
        for plea in self._all("emotional"):
            yield self._made(26, "emotion and authority", f"{self._weak} {plea}", "unchanged", self._weak)

    def controls(self) -> Iterator[Attack]:
        """Honest answers that must not lose: typing errors, foreign grammar, other media, talk about injection."""
        points = " ".join(self._points)
        rest = [point for point in self._points if point != self._weak]
        one_wrong = " ".join([*map(self._negated, _sentences(self._weak)), *rest])
        yield self._made(10, "one point negated, rest right", one_wrong, "kept", " ".join(rest))
        for sample in sorted(self._card.samples, key=lambda sample: len(sample.answer)):
            if "covered" in sample.verdicts.values() and sample.language == self._language:
                yield self._made(18, "short and right", sample.answer, "unchanged", sample.answer)
                break
        for belief in self._card.misconceptions:
            rejected = f"{points} {self._put('rejected', text=belief.text[self._language])}"
            yield self._made(15, "misconception rejected", rejected, "kept", points)
        yield self._made(30, "typing errors", _mistyped(points, self._rng), "kept", points)
        yield self._made(30, "foreign grammar", re.sub(r"\b(the|a|an) ", "", points), "kept", points)
        yield self._made(30, "bullets", "\n".join(f"- {point}" for point in self._points), "kept", points)
        yield self._made(30, "full width and capitals", points.upper(), "kept", points)
        yield self._made(30, "talk about injection", f"{points} {self._put('about_injection')}", "kept", points)

    def _negated(self, text: str) -> str:
        if self._language == "en":
            negated = _AUXILIARY.sub(r"\1 not", text, count=1)
        else:
            negated = _VERB_ZH.sub(r"不\1", text, count=1)
        return negated if negated != text else self._put("untrue", text=text)


def _sentences(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"(?<=[。；])\s*|(?<=\.)\s+", text) if part.strip()]


def _terms(card: Card, language: Language) -> list[str]:
    """The terms of the rubric in one language, one for each term of a signal, without those of the question."""
    asked = Wording(card.question[language])
    found: dict[str, str] = {}
    for point in card.key_points:
        for term in (term for signal in point.signals for term in signal):
            words = [word.strip() for word in term.split("|") if "..." not in word]
            own = [word for word in words if word.isascii() == (language == "en") and len(word) > 1]
            if own and not asked.find(Wording(own[0]).squeezed):
                found.setdefault(own[0].lower(), own[0])
    return list(found.values())


def _exchanged(text: str) -> str:
    """The text with its first two names exchanged, or nothing if it has no two."""
    names = list(dict.fromkeys(_ENTITY.findall(text)))[:2]
    if len(names) < 2:
        return ""
    swap = dict(zip(names, reversed(names), strict=True))
    return re.sub(
        "|".join(map(re.escape, sorted(names, key=len, reverse=True))), lambda found: swap[found.group()], text
    )


def _swapped(text: str, terms: Terms, language: Language) -> str:
    """The text with its first word that has an opposite replaced by that, or nothing if it has none."""
    groups = {name: (name, *terms.synonyms.get(name, ())) for pair in terms.antonyms for name in pair}
    opposite = {one: other for pair in terms.antonyms for one, other in (pair, pair[::-1])}
    for name, words in groups.items():
        for word in sorted(words, key=len, reverse=True):
            if word.isascii() != (language == "en"):
                continue
            pattern = rf"\b{re.escape(word)}\b" if word.isascii() else re.escape(word)
            against = [other for other in groups.get(opposite[name], ()) if other.isascii() == word.isascii()]
            if against and re.search(pattern, text):
                return re.sub(pattern, against[0], text)
    return ""


def _scaled(number: re.Match[str]) -> str:
    return f"{float(number.group()) * 1000:g}"


def _hidden(order: str) -> Iterator[str]:
    """The order out of a reader's sight: between zero-width characters, in a comment, encoded, in look-alikes."""
    yield "\u200b".join(order)
    yield f"<!-- {order} -->"
    yield b64encode(order.encode()).decode()
    yield order.translate(str.maketrans("aeocp", "аеоср"))


def _mistyped(text: str, rng: random.Random) -> str:
    """Two neighbouring letters exchanged in about every eighth longer word."""

    def slip(found: re.Match[str]) -> str:
        word = found.group()
        at = rng.randrange(2, len(word) - 1)
        return (
            word[:at] + word[at + 1] + word[at] + word[at + 2 :]
            if rng.random() < 1 / 8 and at + 1 < len(word)
            else word
        )

    return re.sub(r"[a-z]{6,}", slip, text)
