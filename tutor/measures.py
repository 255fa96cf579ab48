"""How far a grader agrees with an examiner: measures of verdicts and scores, with intervals by resampling questions."""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import sqrt
from statistics import correlation, fmean
from typing import TypeVar

T = TypeVar("T")

RESAMPLES = 1000
COVERAGE = 0.95


def f1_by_class(pairs: Sequence[tuple[str, str]]) -> dict[str, float]:
    """F1 of every class that the examiner (first of a pair) or the grader (second) gives."""
    classes = sorted({name for pair in pairs for name in pair})
    return {
        name: 2
        * sum(one == other == name for one, other in pairs)
        / sum((pair[0] == name) + (pair[1] == name) for pair in pairs)
        for name in classes
    }


def macro_f1(pairs: Sequence[tuple[str, str]], classes: Sequence[str]) -> float:
    """Mean F1 over `classes`; one that the grader gives beyond them (unsure) counts as wrong, not as a class."""
    found = f1_by_class(pairs)
    return fmean(found[name] for name in classes if name in found)


def kappa(pairs: Sequence[tuple[str, str]]) -> float:
    """Cohen's kappa: agreement beyond chance."""
    classes = {name for pair in pairs for name in pair}
    agreed = fmean(one == other for one, other in pairs)
    chance = sum(
        fmean(one == name for one, _ in pairs) * fmean(other == name for _, other in pairs) for name in classes
    )
    return 1.0 if chance == 1 else (agreed - chance) / (1 - chance)


def weighted_kappa(pairs: Sequence[tuple[float, float]], steps: int = 10) -> float:
    """Quadratic weighted kappa (Cohen 1968) of scores rounded to 0, 1, ... `steps`."""
    rounded = [(min(steps, round(one)), min(steps, round(other))) for one, other in pairs]
    ones, others = [one for one, _ in rounded], [other for _, other in rounded]
    observed = fmean((one - other) ** 2 for one, other in rounded)
    expected = fmean((one - other) ** 2 for one in ones for other in others)
    return 1.0 if expected == 0 else float(1 - observed / expected)


def mean_error(pairs: Sequence[tuple[float, float]]) -> float:
    return fmean(abs(one - other) for one, other in pairs)


def root_mean_square(pairs: Sequence[tuple[float, float]]) -> float:
    return sqrt(fmean((one - other) ** 2 for one, other in pairs))


def pearson(pairs: Sequence[tuple[float, float]]) -> float:
    """Correlation; 0 where one side is constant."""
    ones, others = [one for one, _ in pairs], [other for _, other in pairs]
    return correlation(ones, others) if len(set(ones)) > 1 and len(set(others)) > 1 else 0.0


def within(groups: Mapping[str, Sequence[tuple[float, float]]], smallest: int = 3) -> float:
    """Mean correlation inside a question, over questions where the examiner's scores differ."""
    kept = [pairs for pairs in groups.values() if len(pairs) >= smallest and len({one for one, _ in pairs}) > 1]
    return fmean(pearson(pairs) for pairs in kept) if kept else 0.0


def fitted(groups: Mapping[str, Sequence[tuple[float, float]]]) -> list[tuple[float, float]]:
    """Pairs with the grader's scores on the examiner's scale: a straight line fitted on all other questions."""
    out: list[tuple[float, float]] = []
    for name, pairs in groups.items():
        others = [pair for other, their in groups.items() if other != name for pair in their]
        mean_x, mean_y = fmean(x for _, x in others), fmean(y for y, _ in others)
        spread = sum((x - mean_x) ** 2 for _, x in others)
        slope = sum((x - mean_x) * (y - mean_y) for y, x in others) / spread if spread else 0.0
        out += [(y, mean_y + slope * (x - mean_x)) for y, x in pairs]
    return out


def interval(
    groups: Mapping[str, Sequence[T]], measure: Callable[[Sequence[T]], float], seed: int = 0
) -> tuple[float, float]:
    """The 95 % interval of a measure by resampling questions (the groups) with replacement; seeded."""
    rng, names = random.Random(seed), sorted(groups)
    drawn = sorted(measure(_drawn(groups, rng.choices(names, k=len(names)))) for _ in range(RESAMPLES))
    cut = round(RESAMPLES * (1 - COVERAGE) / 2)
    return drawn[cut], drawn[-cut - 1]


def _drawn(groups: Mapping[str, Sequence[T]], names: Iterable[str]) -> list[T]:
    return [item for name in names for item in groups[name]]
