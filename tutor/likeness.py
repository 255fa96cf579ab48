"""How like an answer is to what learners say about a key point: hears paraphrases that no signal foresees.

A card's examples are statements with the verdict that an examiner gives them. Passages of an answer are compared with
them word by word; what that means together with the signals was fitted on graded answers to cards (`make fit`).
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tutor.cards import LANGUAGES, Card, Examples, Verdict
from tutor.fitted import CONSTANT, DEVIATION, MEAN, WEIGHTS
from tutor.matching import Reading
from tutor.wording import Wording

LONGEST_PASSAGE = 45.0
"""Words of a passage at most (two Chinese characters are one word)."""
SHORTEST_PASSAGE = 4.0
"""Fewer words are no statement that could be compared."""
CLAUSES = 3
"""So many neighbouring clauses can be one passage."""
CHARACTER = 0.4
"""Weight of a Chinese character alone; it stands in its pairs as well."""
NEARLY = 0.7
"""So like an example is a passage that says the same but for a word."""
FAR = 0.15
"""Less than this in common is nothing in common: what is added beside a statement must not change how it is heard."""
VERDICTS: tuple[Verdict, ...] = ("covered", "partly", "missed", "contradicted")
SURE_OF_WRONG = 0.5
"""So probable must be that a learner denies a key point before he is told so; below, the grader is not sure."""
SURE_AGAINST_SIGNAL = 0.8
"""And so probable where a signal says that he is right."""
SURE_WITHOUT_SIGNAL = 0.42
"""So probable is covered where no signal says it; below, the grader is not sure."""
IMPROBABLE = 0.1
"""What a signal says stays at this probability."""
_NAMED: tuple[Verdict, ...] = ("covered", "partly", "contradicted")
_NEAREST = 3
_ASIDE = frozenset(
    "a an the of to is are it its and or in on for with that this as by at be so you i we they then than from".split()
)


@dataclass(frozen=True)
class Likeness:
    """What was measured for one key point, and the passages that are most like each verdict.

    `measures`, cosines of 0 to 1: nearest covered, partly and contradicted example; lead of covered over other key
    points there; mean of the three nearest examples of each verdict; lead of contradicted over covered there; and
    the share of Chinese in the answer, whose words have more in common by chance or less.
    `denied` where the passage is nearly a covered example, but for a negation.
    """

    measures: tuple[float, ...]
    passages: Mapping[Verdict, tuple[int, int]]
    denied: bool

    def probabilities(self, signs: Sequence[bool]) -> dict[Verdict, float]:
        """How probable each verdict is; `signs`: whether signals say covered, partly, contradicted, and whether a
        misconception was found that denies the key point.
        """
        scaled = [
            (value - mean) / spread
            for value, mean, spread in zip((*self.measures, *signs), MEAN, DEVIATION, strict=True)
        ]
        sums = [
            constant + sum(weight * value for weight, value in zip(weights, scaled, strict=True))
            for weights, constant in zip(WEIGHTS, CONSTANT, strict=True)
        ]
        highest = max(sums)
        powers = [math.exp(value - highest) for value in sums]
        return {verdict: power / sum(powers) for verdict, power in zip(VERDICTS, powers, strict=True)}

    def verdict(self, signs: Sequence[bool]) -> Verdict:
        """What a signal says, unless that is improbable; else the most probable verdict.

        Contradicted only where that is more probable than all else together; below, the grader is not sure.
        """
        probable = self.probabilities(signs)
        if probable["contradicted"] >= (SURE_AGAINST_SIGNAL if any(signs[:2]) else SURE_OF_WRONG):
            return "contradicted"
        for verdict, said in zip(VERDICTS[:2], signs, strict=False):
            if said and probable[verdict] >= IMPROBABLE:
                return verdict
        best = max(VERDICTS, key=lambda verdict: probable[verdict])
        doubtful = best == "covered" and (self.denied or probable[best] < SURE_WITHOUT_SIGNAL)
        return "unsure" if best == "contradicted" or doubtful else best


class Heard:
    """The examples of a card, ready to be compared with answers."""

    def __init__(self, card: Card, examples: Mapping[str, Examples]) -> None:
        self._points = [point.id for point in card.key_points if point.id in examples]
        texts: list[str] = []
        self._rows: dict[tuple[str, str], list[int]] = {}
        for point in self._points:
            for verdict in _NAMED:
                said = [text for language in LANGUAGES for text in examples[point].said(verdict, language)]
                said += _own(card, point, verdict)
                self._rows[point, verdict] = list(range(len(texts), len(texts) + len(said)))
                texts += said
        wordings = [Wording(text) for text in texts]
        counts = [_counts(wording, range(len(wording.tokens))) for wording in wordings]
        seen = Counter(word for count in counts for word in count)
        self._rarity = {word: math.log((len(texts) + 1) / (number + 0.5)) for word, number in seen.items()}
        self._unknown = math.log((len(texts) + 1) / 0.5)
        self._columns = {word: index for index, word in enumerate(seen)}
        self._matrix = np.zeros((len(seen), len(texts)), dtype=np.float32)
        for row, count in enumerate(counts):
            for word, weight in self._weights(count):
                self._matrix[self._columns[word], row] = weight
        self._denials = [len(Reading(wording).negations) % 2 for wording in wordings]

    def likeness(self, reading: Reading) -> dict[str, Likeness]:
        """The likeness of an answer to each key point that has examples."""
        places = list(passages(reading))
        if not places or not self._points:
            return {}
        near = self._near([_counts(reading.wording, range(*passage)) for passage in places])
        best = {key: near[:, rows].max(axis=1) if rows else np.zeros(len(places)) for key, rows in self._rows.items()}
        return {point: self._like(point, near, best, places, reading) for point in self._points}

    def _like(
        self, point: str, near: np.ndarray, best: Mapping[tuple[str, str], np.ndarray],
        places: Sequence[tuple[int, int]], reading: Reading,
    ) -> Likeness:  # fmt: skip
        by_verdict = {verdict: best[point, verdict] for verdict in _NAMED}
        covered, against = by_verdict["covered"], by_verdict["contradicted"]
        others = [best[other, verdict] for other in self._points if other != point for verdict in _NAMED[:2]]
        measures = (
            *(float(nearest.max()) for nearest in by_verdict.values()),
            float((covered - (np.max(others, axis=0) if others else 0.0))[covered.argmax()]),
            *(_mean_of_best(near[:, self._rows[point, verdict]]) for verdict in _NAMED),
            float((against - covered)[against.argmax()]),
            _share_of_chinese(reading.wording),
        )
        told = {verdict: places[int(nearest.argmax())] for verdict, nearest in by_verdict.items()}
        return Likeness(measures, told, self._denied(point, near, covered, told["covered"], reading))

    def _denied(
        self, point: str, near: np.ndarray, covered: np.ndarray, passage: tuple[int, int], reading: Reading
    ) -> bool:
        """Whether the passage nearest to a covered example is that example but for a negation."""
        rows, at = self._rows[point, "covered"], int(covered.argmax())
        if not rows or covered[at] < NEARLY:
            return False
        denials = sum(passage[0] <= negation < passage[1] for negation in reading.negations)
        return denials % 2 != self._denials[rows[int(near[at, rows].argmax())]]

    def _near(self, counts: Sequence[Mapping[str, int]]) -> np.ndarray:
        """Cosines of passages (rows) and examples (columns), over the words that occur in the passages."""
        here = {
            word: place
            for place, word in enumerate({word for count in counts for word in count} & self._columns.keys())
        }
        vectors = np.zeros((len(counts), len(here)), dtype=np.float32)
        for row, count in enumerate(counts):
            for word, weight in self._weights(count):
                if word in here:
                    vectors[row, here[word]] = weight
        near = vectors @ self._matrix[[self._columns[word] for word in here]]
        near[near < FAR] = 0.0
        return np.asarray(near)

    def _weights(self, counts: Mapping[str, int]) -> list[tuple[str, float]]:
        """The weight of every word in a vector of length 1, to which words that no example has add length."""
        weights = [(word, (1 + math.log(number)) * self._rarity_of(word)) for word, number in counts.items()]
        length = math.sqrt(sum(weight * weight for _, weight in weights)) or 1.0
        return [(word, weight / length) for word, weight in weights]

    def _rarity_of(self, word: str) -> float:
        rarity = self._rarity.get(word, self._unknown)
        return rarity * CHARACTER if len(word) == 1 and not word.isascii() else rarity


def _share_of_chinese(wording: Wording) -> float:
    return sum(token.kind == "cjk" for token in wording.tokens) / len(wording.tokens)


def _mean_of_best(near: np.ndarray) -> float:
    """The mean over the nearest examples, each with the passage that is most like it."""
    nearest = np.sort(near.max(axis=0))[-_NEAREST:] if near.size else near
    return float(nearest.mean()) if nearest.size else 0.0


def _own(card: Card, point: str, verdict: Verdict) -> list[str]:
    """The card's own words for the verdict: the key point itself, and misconceptions that deny it."""
    texts = {
        "covered": [known.text for known in card.key_points if known.id == point],
        "contradicted": [belief.text for belief in card.misconceptions if belief.contradicts == point],
    }
    return [text[language] for text in texts.get(verdict, ()) for language in LANGUAGES]


def words(wording: Wording, places: Iterable[int] | None = None) -> frozenset[str]:
    """The words of a text, or of a part of it, that can be compared."""
    return frozenset(_counts(wording, places if places is not None else range(len(wording.tokens))))


def _counts(wording: Wording, places: Iterable[int]) -> Counter[str]:
    """Stems, numbers, and Chinese characters alone and in pairs."""
    tokens = [wording.tokens[place] for place in places]
    words = [token.norm for token in tokens if token.kind != "operator" and token.norm not in _ASIDE]
    pairs = [one.norm + two.norm for one, two in pairwise(tokens) if one.kind == two.kind == "cjk"]
    return Counter(words + pairs)


def passages(reading: Reading) -> Iterator[tuple[int, int]]:
    """Token ranges of up to three neighbouring clauses, without those that count for nothing."""
    tokens, units = reading.wording.tokens, reading.wording.units
    clauses: list[list[int]] = []
    for place, token in enumerate(tokens):
        if place in reading.discounted:
            continue
        if clauses and clauses[-1][1] == place and tokens[place - 1].clause == token.clause:
            clauses[-1][1] = place + 1
        else:
            clauses.append([place, place + 1])
    for start in range(len(clauses)):
        for end in range(start, min(start + CLAUSES, len(clauses))):
            first, last = clauses[start][0], clauses[end][1]
            gapless = all(clauses[index][1] == clauses[index + 1][0] for index in range(start, end))
            length = units[last] - units[first]
            if gapless and length >= SHORTEST_PASSAGE and (end == start or length <= LONGEST_PASSAGE):
                yield first, last
