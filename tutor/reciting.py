"""Notices who recites a statement of the card with a word turned round: a negation, an opposite, a figure, two names.

Such a sentence shares nearly all its words with what is right, and says something else.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from tutor.matching import Reading, Thesaurus, squeeze
from tutor.wording import Wording

RECITED = 0.75
"""So large a share of words in common (Dice, of token multisets) makes a sentence a recitation."""
SHORTEST = 5.0
"""Words of a sentence at least (two Chinese characters are one word)."""
LONGEST_OPPOSITE = 4
"""Tokens of a word that has an opposite."""


@dataclass(frozen=True, slots=True)
class Known:
    """A sentence that the card holds right: its words, negations and names, and its key point if it has one."""

    words: list[str]
    counts: Counter[str]
    denials: int
    names: frozenset[str]
    key_point: str | None


def known_statements(texts: Iterable[tuple[str, str | None]]) -> list[Known]:
    """The sentences of the card's texts, each with its key point or None."""
    found: list[Known] = []
    for text, key_point in texts:
        reading = Reading(Wording(text))
        for first, last in reading.wording.sentences:
            if reading.wording.units[last] - reading.wording.units[first] >= SHORTEST:
                said = [token.norm for token in reading.wording.tokens[first:last]]
                names = _names(reading.wording, first, last)
                found.append(Known(said, Counter(said), _denials(reading, first, last), names, key_point))
    return found


@dataclass(frozen=True, slots=True)
class Recited:
    """A sentence of the answer, as a token range, that recites one of the card's; `turned` where it says otherwise."""

    first: int
    last: int
    key_point: str | None
    turned: bool


def recited(reading: Reading, known: Sequence[Known], thesaurus: Thesaurus) -> list[Recited]:
    """The sentences of an answer that recite a known one, in its sense or turned round."""
    wording = reading.wording
    found: list[Recited] = []
    for first, last in wording.sentences:
        if wording.units[last] - wording.units[first] < SHORTEST:
            continue
        words = [token.norm for token in wording.tokens[first:last]]
        counts = Counter(words)
        likest = max(known, key=lambda one: _common(counts, one.counts), default=None)
        if likest is None or _common(counts, likest.counts) < RECITED:
            continue
        turned = words != likest.words and (
            (_denials(reading, first, last) - likest.denials) % 2 == 1
            or _exchanged(words, likest, _names(wording, first, last), thesaurus)
        )
        found.append(Recited(first, last, likest.key_point, turned))
    return found


def _exchanged(said: Sequence[str], known: Known, names: frozenset[str], thesaurus: Thesaurus) -> bool:
    """Whether an opposite, another figure, or another of the sentence's own names stands where a word should."""
    removed: set[str] = set()
    added: set[str] = set()
    for change, i, j, k, m in SequenceMatcher(None, known.words, said, autojunk=False).get_opcodes():
        if change == "equal":
            continue
        removed.update(known.words[i:j])
        added.update(said[k:m])
        if _another_figure(known.words[i:j], said[k:m]):
            return True
        if change == "replace" and _opposite(
            known.words[max(0, i - 1) : j + 1], said[max(0, k - 1) : m + 1], thesaurus
        ):
            return True
    return len(known.names & removed & names & added) >= 2


def _another_figure(right: Sequence[str], said: Sequence[str]) -> bool:
    figures, given = ({word for word in words if word[0].isdigit()} for words in (right, said))
    return bool(figures and given) and not figures & given


def _opposite(right: Sequence[str], said: Sequence[str], thesaurus: Thesaurus) -> bool:
    """Whether a word, or a few characters in a row, became their opposite."""
    before, after = set(_runs(right)), set(_runs(said))
    return any(squeeze(other) in after - before for word in before - after for other in thesaurus.opposite(word))


def _runs(words: Sequence[str]) -> Iterator[str]:
    for first in range(len(words)):
        for last in range(first + 1, min(first + LONGEST_OPPOSITE, len(words)) + 1):
            yield "".join(words[first:last])


def _names(wording: Wording, first: int, last: int) -> frozenset[str]:
    """Words with a capital after their first letter, or with a digit: MQA, LoRA, FP16."""
    return frozenset(
        token.norm
        for token in wording.tokens[first:last]
        if token.kind == "word" and any(not letter.islower() for letter in wording.text[token.start + 1 : token.end])
    )


def _denials(reading: Reading, first: int, last: int) -> int:
    return sum(first <= negation < last for negation in reading.negations)


def _common(one: Counter[str], other: Counter[str]) -> float:
    """The share of words in common (Dice)."""
    return 2 * (one & other).total() / (one.total() + other.total())
