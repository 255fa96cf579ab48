"""Fits how probable each verdict is (`make fit`), on the part of the graded answers to tune on.

Learns from the answers of all cards but one what it is tried on with that one, and prints how it did; then fits on all
of them and writes `tutor/fitted.py`. Reference answers of neighbouring cards are added as answers that miss everything.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tutor.cards import Shelf, load_shelf
from tutor.evaluating import own_set
from tutor.likeness import VERDICTS, Heard
from tutor.measures import f1_by_class, macro_f1
from tutor.resources import resource
from tutor.rubric import RubricGrader

STEPS, RATE, PENALTY = 2000, 0.5, 1e-3
EMPHASIS = np.array([1.0, 1.6, 0.8, 1.6])
"""Weights of the verdicts while fitting: partly and contradicted are rare, and matter."""
FOREIGN = 0.2
"""Weight of a neighbour's reference answer, which now and then does say something right."""
NEIGHBOURS = 3


def main() -> None:
    """Gathers, tries with cards left out, fits, and writes."""
    shelf = load_shelf(resource("knowledge"))
    rows, verdicts, weights, cards = gathered(shelf)
    given = np.zeros(len(verdicts), dtype=int)
    for name in sorted(set(cards)):
        others = cards != name
        given[~others] = predicted(rows[~others], fitted(rows[others], verdicts[others], weights[others]))
    own = weights == 1.0
    pairs = [(VERDICTS[one], VERDICTS[other]) for one, other in zip(verdicts[own], given[own], strict=True)]
    print(f"cards left out: macro F1 {macro_f1(pairs, VERDICTS):.3f}, {f1_by_class(pairs)}")
    foreign = given[~own]
    print(f"key points given to a neighbour's reference answer: {(foreign == 0).mean():.3f} of {len(foreign)}")
    target = Path(__file__).parent.parent / "tutor" / "fitted.py"
    target.write_text(_module(fitted(rows, verdicts, weights)), encoding="utf-8")


def gathered(shelf: Shelf) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """What is measured for each key point of each answer, the examiners' verdict, its weight and its card."""
    grader = RubricGrader(shelf)
    rows: list[list[float]] = []
    verdicts: list[int] = []
    weights: list[float] = []
    cards: list[str] = []
    answers = own_set(Path(__file__).parent / "graded", "tune")
    heard = {
        name: Heard(shelf.by_id[name], shelf.examples(shelf.by_id[name])) for name in {one.card for one in answers}
    }
    said: list[tuple[str, str, Mapping[str, str], float]] = [(one.card, one.text, one.verdicts, 1.0) for one in answers]
    for name in sorted(heard):
        card = shelf.by_id[name]
        near = [other for other in shelf.cards if other.topic == card.topic and other.id != name][:NEIGHBOURS]
        missed = {point.id: "missed" for point in card.key_points}
        said += [(name, text, missed, FOREIGN) for other in near for text in (other.answer.en, other.answer.zh)]
    for name, text, wanted, weight in said:
        card = shelf.by_id[name]
        evidence = grader.evidence(card, text)
        if evidence.gate:
            continue
        signs = grader.signs(card, evidence)
        for point, like in heard[name].likeness(evidence.reading).items():
            if point not in evidence.denied:
                rows.append([*like.measures, *map(float, signs[point])])
                verdicts.append(VERDICTS.index(wanted[point]))
                weights.append(weight)
                cards.append(name)
    return np.array(rows), np.array(verdicts), np.array(weights), np.array(cards)


Fit = tuple[np.ndarray, np.ndarray, np.ndarray]


def fitted(rows: np.ndarray, verdicts: np.ndarray, weights: np.ndarray) -> Fit:
    """Mean and deviation of each measure, and the weights of a multinomial logistic regression, the constant last."""
    mean, deviation = rows.mean(axis=0), rows.std(axis=0) + 1e-6
    columns = np.c_[(rows - mean) / deviation, np.ones(len(rows))]
    emphasis = weights * EMPHASIS[verdicts]
    emphasis /= emphasis.mean()
    wanted = np.eye(len(VERDICTS))[verdicts]
    found = np.zeros((columns.shape[1], len(VERDICTS)))
    for _ in range(STEPS):
        slope = columns.T @ ((_probable(columns @ found) - wanted) * emphasis[:, None]) / len(rows)
        found -= RATE * (slope + PENALTY * found)
    return mean, deviation, found


def predicted(rows: np.ndarray, fit: Fit) -> np.ndarray:
    mean, deviation, found = fit
    return np.asarray((np.c_[(rows - mean) / deviation, np.ones(len(rows))] @ found).argmax(axis=1))


def _probable(sums: np.ndarray) -> np.ndarray:
    powers = np.exp(sums - sums.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _module(fit: Fit) -> str:
    mean, deviation, found = fit
    by_verdict = ",\n".join(f"    ({_listed(found[:-1, index])})" for index in range(len(VERDICTS)))
    return (
        '"""How probable each verdict is, given what was measured; written by `make fit`."""\n\n'
        f"MEAN = ({_listed(mean)})\nDEVIATION = ({_listed(deviation)})\n"
        f"WEIGHTS = (\n{by_verdict},\n)  # fmt: skip\nCONSTANT = ({_listed(found[-1])})\n"
    )


def _listed(values: np.ndarray) -> str:
    return ", ".join(f"{value:.3f}" for value in values)


if __name__ == "__main__":
    main()
