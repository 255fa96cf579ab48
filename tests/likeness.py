"""Fits when an answer is like enough to a card's examples (`make fit`), on the part of the graded answers to tune on.

Prints the constants for `tutor/likeness.py`, and what they find on cards that were left out while fitting.
"""

from pathlib import Path

import numpy as np

from tutor.cards import load_shelf
from tutor.evaluating import own_set
from tutor.likeness import Heard
from tutor.matching import Reading
from tutor.resources import resource
from tutor.rubric import RubricGrader

STEPS, RATE, PENALTY = 3000, 0.5, 1e-3


def main() -> None:
    """Gathers what signals do not find, fits, and prints."""
    measures, covered, cards = gathered()
    for name in sorted(set(cards)):
        others = cards != name
        print(f"{name:36} {_found(measures[~others], covered[~others], *fitted(measures[others], covered[others]))}")
    mean, deviation, weights = fitted(measures, covered)
    for constant, values in (("MEAN", mean), ("DEVIATION", deviation), ("WEIGHTS", weights)):
        print(f"{constant} = ({', '.join(f'{value:.4f}' for value in values)})")


def gathered() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Measures of all key points without a signal in the answer, whether examiners say covered, and their cards."""
    shelf = load_shelf(resource("knowledge"))
    grader = RubricGrader(shelf)
    measures, covered, cards = [], [], []
    for answer in own_set(Path(__file__).parent / "graded", "tune"):
        card = shelf.by_id[answer.card]
        heard = Heard(card, shelf.examples(card))
        evidence = grader.evidence(card, answer.text)
        if evidence.gate:
            continue
        likeness = heard.likeness(Reading(evidence.wording, evidence.discounted))
        signals = grader.by_signals(card, evidence)
        for point, like in likeness.items():
            if signals[point].verdict == "missed":
                measures.append(like.measures)
                covered.append(answer.verdicts[point] == "covered")
                cards.append(card.id)
    return np.array(measures), np.array(covered, dtype=float), np.array(cards)


def fitted(measures: np.ndarray, covered: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean and deviation of each measure, and the weights of a logistic regression, the constant last."""
    mean, deviation = measures.mean(axis=0), measures.std(axis=0)
    columns = np.c_[(measures - mean) / deviation, np.ones(len(measures))]
    weights = np.zeros(columns.shape[1])
    for _ in range(STEPS):
        probability = 1 / (1 + np.exp(-columns @ weights))
        weights -= RATE * (columns.T @ (probability - covered) / len(covered) + PENALTY * weights)
    return mean, deviation, weights


def _found(
    measures: np.ndarray, covered: np.ndarray, mean: np.ndarray, deviation: np.ndarray, weights: np.ndarray
) -> str:
    probability = 1 / (1 + np.exp(-np.c_[(measures - mean) / deviation, np.ones(len(measures))] @ weights))
    lines = []
    for least in (0.4, 0.5, 0.65, 0.8):
        said = probability >= least
        lines.append(f"{least}: {int(covered[said].sum())}/{int(said.sum())}")
    return f"of {int(covered.sum())} covered and {len(covered)}: " + ", ".join(lines)


if __name__ == "__main__":
    main()
