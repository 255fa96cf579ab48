"""Measures a grader against examiners: our own graded answers, public graded sets, attacks; resumable, as data.

An own set is a folder with one `<card>.jsonl` a card and `parts.json`; a public set is a `.jsonl` file of answers to
questions with a reference answer, each with a score.
"""

import json
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from tutor import measures
from tutor.attacks import Attack, attacks
from tutor.cards import Card, Shelf, Text, Verdict, Wordings
from tutor.errors import CardError, NotGraded
from tutor.grading import Grade, Grader, found, marked, score

VERDICTS: tuple[Verdict, ...] = ("covered", "partly", "missed", "contradicted")
HALF = 5.0
LIST_SHARE = 1.0
"""What a list of keywords may earn, of 10."""
Part = Literal["tune", "final"]


class Answer(BaseModel):
    """A graded answer of the own set; `twin` names the pair that says the same in the other language."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    card: str
    language: str
    tier: str
    text: str
    verdicts: dict[str, Verdict]
    misconceptions: tuple[str, ...] = ()
    overall: float
    twin: str | None = None


class Row(BaseModel):
    """An answer of a public set, with the score that people gave."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    lang: str
    qid: str
    question: str
    reference_answer: str
    student_answer: str
    score: float
    max_score: float


@dataclass
class Runner:
    """Grades answers one by one; what is already in `kept` is not graded again."""

    grader: Grader
    kept: Path | None = None
    on_step: Callable[[int], None] = lambda done: None
    _known: dict[str, dict[str, Any] | None] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.kept and self.kept.exists():
            lines = self.kept.read_text(encoding="utf-8").splitlines()
            self._known = {row["id"]: row["grade"] for row in map(json.loads, lines)}

    def grade(self, name: str, card: Card, answer: str) -> Grade | None:
        """The grade, or None where the grader gave none."""
        if name not in self._known:
            started = time.perf_counter()
            try:
                grade = self.grader.grade(card, answer)
                self._known[name] = grade.model_dump(mode="json", include={"score", "marks", "misconceptions", "gate"})
            except NotGraded:
                self._known[name] = None
            self.seconds.append(time.perf_counter() - started)
            if self.kept:
                with self.kept.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"id": name, "grade": self._known[name]}, ensure_ascii=False) + "\n")
        self.on_step(1)
        data = self._known[name]
        return Grade.model_validate(data) if data is not None else None


def own_set(folder: Path, part: Part | None) -> list[Answer]:
    """The graded answers of a part; raises CardError where the folder is not such a set."""
    parts = folder / "parts.json"
    if not parts.is_file():
        raise CardError(f"{folder}: there is no parts.json; name a folder of graded answers")
    wanted: dict[str, list[str]] = json.loads(parts.read_text(encoding="utf-8"))
    cards = [card for name, cards in wanted.items() if part in (None, name) for card in cards]
    return [
        Answer.model_validate_json(line)
        for card in cards
        for line in (folder / f"{card}.jsonl").read_text(encoding="utf-8").splitlines()
    ]


def measured_own(answers: Sequence[Answer], shelf: Shelf, runner: Runner) -> dict[str, Any]:
    """Verdicts and scores against the examiners', with intervals; `not_graded` answers are counted, not scored."""
    verdicts: dict[str, list[tuple[str, str]]] = defaultdict(list)
    scores: dict[str, list[tuple[float, float]]] = defaultdict(list)
    tiers: dict[str, list[tuple[float, float]]] = defaultdict(list)
    twins: dict[str, dict[str, float]] = defaultdict(dict)
    misses, identical, not_graded = [], [], 0
    for answer in answers:
        card = shelf.by_id[answer.card]
        grade = runner.grade(answer.id, card, answer.text)
        if grade is None:
            not_graded += 1
            continue
        if runner.kept is None:
            identical.append(runner.grader.grade(card, answer.text) == runner.grader.grade(card, answer.text))
        wanted = examiners_score(card, answer)
        scores[card.id].append((wanted, grade.score))
        tiers[answer.tier].append((wanted, grade.score))
        if answer.twin:
            twins[f"{card.id}/{answer.twin}"][answer.language] = grade.score - wanted
        for mark in grade.marks:
            verdicts[card.id].append((answer.verdicts[mark.key_point], mark.verdict))
            if answer.verdicts[mark.key_point] != mark.verdict:
                misses.append([answer.id, mark.key_point, answer.verdicts[mark.key_point], mark.verdict])
    pairs = [pair for group in verdicts.values() for pair in group]
    points = [pair for group in scores.values() for pair in group]
    gaps = [twin["zh"] - twin["en"] for twin in twins.values() if len(twin) == 2]
    by_class = measures.f1_by_class(pairs)
    return {
        "answers": len(points),
        "cards": len(scores),
        "not graded": not_graded,
        "macro F1 of the verdicts": _with_interval(verdicts, lambda some: measures.macro_f1(some, VERDICTS)),
        "F1 by verdict": {name: round(by_class.get(name, 0.0), 3) for name in VERDICTS},
        "share of verdicts given as unsure": _rounded(fmean(given == "unsure" for _, given in pairs)),
        "QWK of the score": _with_interval(scores, measures.weighted_kappa),
        "mean error of the score": _with_interval(scores, measures.mean_error),
        "zh minus en, same content": _rounded(fmean(gaps) if gaps else 0.0),
        "same grade twice": _rounded(fmean(identical)) if identical else None,
        "by tier, wanted and given": {
            tier: [_rounded(fmean(one for one, _ in some)), _rounded(fmean(other for _, other in some))]
            for tier, some in sorted(tiers.items())
        },
        "misses": misses,
    }


def examiners_score(card: Card, answer: Answer) -> float:
    """The score of 10 that the examiners' verdicts add up to."""
    marks = [marked(point, answer.verdicts[point.id]) for point in card.key_points]
    held = [belief for belief in card.misconceptions if belief.id in answer.misconceptions]
    counted = [belief.id for belief in held if answer.verdicts.get(belief.contradicts or "") == "contradicted"]
    return score(marks, [found(belief, "") for belief in held], counted)


def public_set(path: Path) -> list[Row]:
    """The scored answers of a public set; raises CardError where the file is no such set."""
    try:
        return [Row.model_validate_json(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
    except (OSError, ValidationError) as error:
        raise CardError(f"{path}: not a set of scored answers ({type(error).__name__})") from None


def measured_public(rows: Sequence[Row], runner: Runner) -> dict[str, Any]:
    """Scores against people's on questions that the grader knows only by their reference answer.

    Errors are on a scale of 0 to 1, after a straight line fitted on the other questions.
    """
    groups: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for row in rows:
        grade = runner.grade(row.id, bare_card(row), row.student_answer)
        if grade:
            groups[row.qid].append((row.score / row.max_score, grade.score / 10))
    pairs = [pair for group in groups.values() for pair in group]
    fitted = measures.fitted(groups)
    return {
        "answers": len(pairs),
        "questions": len(groups),
        "r": _with_interval(groups, measures.pearson),
        "r within a question": _rounded(measures.within(groups)),
        "QWK, fitted": _rounded(measures.weighted_kappa([(10 * one, 10 * other) for one, other in fitted])),
        "RMSE, fitted": _rounded(measures.root_mean_square(fitted)),
    }


def bare_card(row: Row) -> Card:
    """A card with nothing but question and reference answer; its key points are derived from that."""
    text = Text(en=row.question, zh=row.question)
    answer = Text(en=row.reference_answer, zh=row.reference_answer)
    return Card.model_construct(
        id=f"public-{row.qid}", topic="public", level="mid", kind="concept", question=text, asked_as=Wordings(),
        key_points=(), misconceptions=(), answer=answer, explanation=(), deeper=(), sources=(), samples=(),
    )  # fmt: skip


def measured_attacks(shelf: Shelf, texts: Mapping[str, Any], runner: Runner) -> dict[str, Any]:
    """How often each kind of attack fools the grader, and what honest controls lose, of their score."""
    outcomes: dict[str, list[float]] = defaultdict(list)
    fooled: list[list[Any]] = []
    for card in shelf.cards:
        bases: dict[str, Grade | None] = {}
        for number, attack in enumerate(attacks(card, shelf, texts)):
            grade = runner.grade(f"{card.id}/{number}", card, attack.answer)
            if attack.base and attack.base not in bases:
                bases[attack.base] = runner.grade(f"{card.id}/{number}/base", card, attack.base)
            if grade is None:
                continue
            outcome = _outcome(attack, grade, bases.get(attack.base))
            outcomes[f"{attack.kind:02d} {attack.name} ({attack.aim})"].append(outcome)
            if outcome > 0:
                fooled.append([card.id, attack.language, attack.kind, attack.name, grade.score, attack.answer])
    return {
        "attacks": sum(map(len, outcomes.values())),
        "share fooled, or score lost; number": {
            name: [_rounded(fmean(some)), len(some)] for name, some in sorted(outcomes.items())
        },
        "fooled": fooled,
    }


def _outcome(attack: Attack, grade: Grade, base: Grade | None) -> float:
    """1 where the attack fooled the grader, else 0; for controls the share of the score that is lost."""
    if attack.aim in ("nothing", "half"):
        limit = LIST_SHARE if attack.name == "keyword list" else HALF
        return float(grade.score > limit if attack.name == "keyword list" else grade.score >= limit)
    if base is None:
        return 0.0
    if attack.aim == "unchanged":
        return float([mark.verdict for mark in grade.marks] != [mark.verdict for mark in base.marks])
    return max(0.0, base.score - grade.score) / base.score if base.score else 0.0


def speed(runner: Runner) -> dict[str, float]:
    """Milliseconds that grading one answer took: median and 99th percentile."""
    times = sorted(runner.seconds) or [0.0]
    return {"p50 ms": round(1000 * median(times), 2), "p99 ms": round(1000 * times[int(0.99 * (len(times) - 1))], 2)}


def _with_interval(
    groups: Mapping[str, Sequence[tuple[Any, Any]]], measure: Callable[[Sequence[tuple[Any, Any]]], float]
) -> list[float]:
    """The measure and the ends of its interval."""
    value = measure([pair for group in groups.values() for pair in group])
    return [_rounded(value), *map(_rounded, measures.interval(groups, measure))]


def _rounded(value: float) -> float:
    return round(value, 3)
