"""Measures against worked examples, attacks of every kind, and `tutor eval` from end to end."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import CARDS
from tutor import measures
from tutor.__main__ import main
from tutor.attacks import attacks
from tutor.cards import LANGUAGES, Shelf, load_shelf
from tutor.evaluating import Answer, Runner, examiners_score, own_set
from tutor.resources import resource
from tutor.rubric import RubricGrader

GRADED = Path(__file__).parent / "graded"
TEXTS: dict[str, Any] = yaml.safe_load((resource("prompts") / "attacks.yaml").read_text(encoding="utf-8"))


def test_measures_of_worked_examples() -> None:
    pairs = [("a", "a"), ("a", "b"), ("b", "b"), ("b", "b")]
    assert measures.f1_by_class(pairs) == {"a": pytest.approx(2 / 3), "b": pytest.approx(4 / 5)}
    assert measures.macro_f1(pairs, ("a", "b")) == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert measures.kappa(pairs) == pytest.approx((0.75 - 0.5) / 0.5)
    assert measures.weighted_kappa([(0, 0), (10, 10)]) == 1.0
    assert measures.weighted_kappa([(0, 10), (10, 0)]) == -1.0
    assert measures.mean_error([(1, 2), (4, 1)]) == 2.0
    assert measures.root_mean_square([(0, 3), (0, 4)]) == pytest.approx(12.5**0.5)
    assert measures.pearson([(1, 2), (2, 4), (3, 6)]) == pytest.approx(1.0)
    assert measures.pearson([(1, 5), (2, 5)]) == 0.0


def test_an_interval_holds_the_measure_and_is_the_same_again() -> None:
    groups = {name: [(float(name), float(name) + (1 if name > "4" else 2))] for name in "123456789"}
    low, high = measures.interval(groups, measures.mean_error)
    assert 1 <= low <= measures.mean_error([pair for group in groups.values() for pair in group]) <= high <= 2
    assert (low, high) == measures.interval(groups, measures.mean_error)


def test_a_line_is_fitted_on_the_other_questions_only() -> None:
    groups = {"a": [(0.0, 1.0), (1.0, 3.0)], "b": [(0.0, 1.0), (1.0, 3.0)], "c": [(0.5, 2.0)]}
    assert measures.fitted(groups) == [pytest.approx(pair) for pair in ((0, 0), (1, 1), (0, 0), (1, 1), (0.5, 0.5))]


def test_the_graded_answers_are_whole() -> None:
    shelf = load_shelf(resource("knowledge"))
    answers = own_set(GRADED, None)
    parts = json.loads((GRADED / "parts.json").read_text(encoding="utf-8"))
    assert len(answers) >= 600
    assert len({answer.id for answer in answers}) == len(answers)
    assert not set(parts["tune"]) & set(parts["final"])
    by_card: dict[str, list[Answer]] = {}
    for answer in answers:
        by_card.setdefault(answer.card, []).append(answer)
        assert set(answer.verdicts) == {point.id for point in shelf.by_id[answer.card].key_points}
        assert set(answer.misconceptions) <= {belief.id for belief in shelf.by_id[answer.card].misconceptions}
        assert 0 <= examiners_score(shelf.by_id[answer.card], answer) <= 10
    assert len(by_card) >= 40
    assert all(len(some) >= 15 for some in by_card.values())
    assert sum(3 <= answer.overall <= 7 for answer in answers) >= len(answers) / 3
    assert sum(answer.language == "en" for answer in answers) == len(answers) / 2


def test_attacks_of_every_kind_are_built_and_the_same_again() -> None:
    real = load_shelf(resource("knowledge"))
    card = real.by_id["attention-scaling-sqrt-dk"]
    made = list(attacks(card, real, TEXTS))
    every = {attack.kind for card in real.cards[:12] for attack in attacks(card, real, TEXTS)}
    assert every == set(range(1, 31))
    assert {attack.language for attack in made} == set(LANGUAGES)
    assert made == list(attacks(card, real, TEXTS))
    assert all(attack.base for attack in made if attack.aim in ("unchanged", "kept"))


@pytest.mark.parametrize("name", ["kv-cache", "lora-rank"])
def test_no_order_changes_a_verdict_and_nothing_earns_nothing(shelf: Shelf, name: str) -> None:
    grader, card = RubricGrader(shelf), shelf.by_id[name]
    for attack in attacks(card, shelf, TEXTS):
        grade = grader.grade(card, attack.answer)
        if attack.kind in (24, 25, 26, 27, 28):
            base = grader.grade(card, attack.base)
            assert [mark.verdict for mark in grade.marks] == [mark.verdict for mark in base.marks], attack
        if attack.aim == "nothing" and attack.kind not in (6, 7):
            assert grade.score <= 1.0, attack


def test_a_grader_that_was_stopped_goes_on_where_it_was(tmp_path: Path, shelf: Shelf) -> None:
    card, kept = shelf.by_id["kv-cache"], tmp_path / "kept.jsonl"
    first = Runner(RubricGrader(shelf), kept)
    grade = first.grade("one", card, "keys and values of past tokens")
    again = Runner(RubricGrader(shelf), kept)
    assert again.grade("one", card, "another text, which is not graded") == grade
    assert (len(first.seconds), len(again.seconds)) == (1, 0)


def test_eval_prints_a_table_and_writes_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = {
        "id": "kv-1", "card": "kv-cache", "language": "en", "tier": "full", "text": "keys and values of past tokens",
        "verdicts": {"what-is-kept": "covered", "linear-memory": "missed", "no-queries": "missed"}, "overall": 4.0,
    }  # fmt: skip
    (tmp_path / "kv-cache.jsonl").write_text(json.dumps(answer) + "\n", encoding="utf-8")
    (tmp_path / "parts.json").write_text('{"tune": ["kv-cache"], "final": []}', encoding="utf-8")
    row = {
        "lang": "en", "question": "What is LoRA?", "reference_answer": "A low-rank update of frozen weights.",
        "max_score": 5,
    }  # fmt: skip
    rows = [
        {**row, "id": str(number), "qid": str(number % 2), "student_answer": text, "score": mark}
        for number, (text, mark) in enumerate([("a low-rank update of frozen weights", 5), ("no clue", 0)] * 2)
    ]
    public = tmp_path / "public.jsonl"
    public.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    out = tmp_path / "out.json"
    monkeypatch.setenv("TUTOR_CARDS", str(CARDS))
    monkeypatch.setenv("TUTOR_DATA", str(tmp_path / "data"))
    arguments = ["eval", "--graded", str(tmp_path), "--public", str(public), "--attacks", "--json", str(out)]
    assert main(arguments) == 0
    result = json.loads(out.read_text(encoding="utf-8"))
    assert result["graded"]["QWK of the score"][0] == 1.0
    assert result["graded"]["same grade twice"] == 1.0
    assert result["public"]["questions"] == 2
    assert result["attacks"]["attacks"] > 100
    assert "macro F1" in capsys.readouterr().out


def test_eval_says_what_it_wants(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["eval"]) == 2
    assert main(["eval", "--graded", str(tmp_path)]) == 1
    assert "no parts.json" in capsys.readouterr().err
