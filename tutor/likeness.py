"""How like an answer is to what learners say about a key point: hears paraphrases that no signal foresees.

A card's examples are statements with the verdict that an examiner gives them. Passages of an answer are compared with
them word by word; how near they must be was fitted on graded answers to other cards (`make fit`).
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tutor.cards import LANGUAGES, Card, Examples, Verdict
from tutor.matching import Reading
from tutor.wording import Wording

LONGEST_PASSAGE = 45.0
"""Words of a passage at most (two Chinese characters are one word)."""
SHORTEST_PASSAGE = 4.0
"""Fewer words are no statement that could be compared."""
CLAUSES = 3
"""So many neighbouring clauses can be one passage."""
SURE, UNSURE = 0.88, 0.6
"""From here on a key point counts as covered, and from here on the grader says that it is not sure."""
MEAN = (0.1959, 0.1679, 0.0489, 0.1709, 0.1424)
DEVIATION = (0.1250, 0.1139, 0.1265, 0.1116, 0.0947)
WEIGHTS = (-0.8660, 0.3371, 1.2692, 1.5344, -0.9601, -1.5749)
"""Logistic regression on the measures of `Likeness`, standardised; the last weight is the constant."""
_NAMED = ("covered", "partly", "contradicted")
_ASIDE = frozenset(
    "a an the of to is are it its and or in on for with that this as by at be so you i we they then than from".split()
)


@dataclass(frozen=True)
class Likeness:
    """What was measured for one key point, and the passage that is most like a covered one.

    `measures`: nearest covered and contradicted example, lead of covered over other key points, mean of the three
    nearest covered and contradicted ones; cosines, 0 to 1.
    """

    measures: tuple[float, float, float, float, float]
    passage: tuple[int, int]
    denied: bool

    @property
    def probability(self) -> float:
        """That an examiner would say covered."""
        scaled = ((value - mean) / spread for value, mean, spread in zip(self.measures, MEAN, DEVIATION, strict=True))
        return 1 / (1 + math.exp(-sum(weight * value for weight, value in zip(WEIGHTS, (*scaled, 1.0), strict=True))))

    @property
    def verdict(self) -> Verdict:
        """Covered, unsure or missed; a passage that denies what its example says is unsure at best."""
        if self.probability < UNSURE:
            return "missed"
        return "covered" if self.probability >= SURE and not self.denied else "unsure"


class Heard:
    """The examples of a card, ready to be compared with answers."""

    def __init__(self, card: Card, examples: Mapping[str, Examples]) -> None:
        self._points = [point.id for point in card.key_points if point.id in examples]
        texts: list[str] = []
        self._rows: dict[tuple[str, str], list[int]] = {}
        for point in self._points:
            for verdict in _NAMED:
                said = [text for language in LANGUAGES for text in examples[point].said(verdict, language)]
                self._rows[point, verdict] = list(range(len(texts), len(texts) + len(said)))
                texts += said
        wordings = [Wording(text) for text in texts]
        counts = [_counts(wording, range(len(wording.tokens))) for wording in wordings]
        seen = Counter(word for count in counts for word in count)
        self._rarity = {word: math.log((len(texts) + 1) / (number + 0.5)) for word, number in seen.items()}
        self._unknown = math.log((len(texts) + 1) / 0.5)
        self._columns = {word: index for index, word in enumerate(seen)}
        self._matrix = np.array([self._vector(count) for count in counts]) if counts else np.zeros((0, 0))
        self._negations = [len(Reading(wording).negations) % 2 for wording in wordings]

    def likeness(self, reading: Reading) -> dict[str, Likeness]:
        """The likeness of an answer to each key point that has examples."""
        places = list(passages(reading))
        if not places or not self._points:
            return {}
        vectors = np.array([self._vector(_counts(reading.wording, range(*passage))) for passage in places])
        near = vectors @ self._matrix.T
        best = {key: near[:, rows].max(axis=1) if rows else np.zeros(len(places)) for key, rows in self._rows.items()}
        return {point: self._like(point, near, best, places, reading) for point in self._points}

    def _like(
        self, point: str, near: np.ndarray, best: Mapping[tuple[str, str], np.ndarray],
        places: Sequence[tuple[int, int]], reading: Reading,
    ) -> Likeness:  # fmt: skip
        covered, against = self._rows[point, "covered"], self._rows[point, "contradicted"]
        others = [best[other, verdict] for other in self._points if other != point for verdict in _NAMED[:2]]
        lead = best[point, "covered"] - (np.max(others, axis=0) if others else 0.0)
        at = int(best[point, "covered"].argmax())
        example = covered[int(near[at, covered].argmax())] if covered else 0
        measures = (
            float(best[point, "covered"].max()),
            float(best[point, "contradicted"].max()),
            float(lead.max()),
            _mean_of_best(near[:, covered]),
            _mean_of_best(near[:, against]),
        )
        first, last = places[at]
        negations = sum(first <= negation < last for negation in reading.negations) % 2
        return Likeness(measures, places[at], negations != self._negations[example])

    def _vector(self, counts: Mapping[str, int]) -> np.ndarray:
        """Weighted words of length 1; words that no example has lengthen the vector and match nothing."""
        vector, square = np.zeros(len(self._columns), dtype=np.float32), 0.0
        for word, number in counts.items():
            rarity = self._rarity.get(word, self._unknown) * (0.4 if len(word) == 1 and not word.isascii() else 1.0)
            weight = (1 + math.log(number)) * rarity
            square += weight * weight
            if word in self._columns:
                vector[self._columns[word]] = weight
        return vector / math.sqrt(square) if square else vector


def _mean_of_best(near: np.ndarray, number: int = 3) -> float:
    flat = np.sort(near, axis=None)[::-1][:number]
    return float(flat.mean()) if flat.size else 0.0


def words(wording: Wording, places: range | None = None) -> frozenset[str]:
    """The words of a text, or of a part of it, that can be compared."""
    return frozenset(_counts(wording, places if places is not None else range(len(wording.tokens))))


def _counts(wording: Wording, places: range) -> Counter[str]:
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
