"""Paraphrases that no signal foresees are heard through a card's examples; what is not sure is said to be unsure."""

from pathlib import Path

import pytest

from tutor.cards import LANGUAGES, Shelf, examples_file, load_examples, load_shelf
from tutor.errors import CardError
from tutor.likeness import VERDICTS, Heard
from tutor.matching import Reading
from tutor.resources import resource
from tutor.rubric import RubricGrader
from tutor.wording import Wording

NO_SIGNAL = (False, False, False, False)
REAL = load_shelf(resource("knowledge"))
WITH_EXAMPLES = [card.id for card in REAL.cards if REAL.examples(card)]


def test_examples_belong_to_key_points_in_both_languages() -> None:
    assert len(WITH_EXAMPLES) == len(REAL.cards)
    for name in WITH_EXAMPLES:
        card = REAL.by_id[name]
        examples = REAL.examples(card)
        assert set(examples) == {point.id for point in card.key_points}
        for said in examples.values():
            for verdict, least in (("covered", 7), ("partly", 3), ("contradicted", 3)):
                assert all(len(said.said(verdict, language)) >= least for language in LANGUAGES), name


def test_every_examples_file_has_a_card() -> None:
    known = {examples_file(resource("knowledge"), card) for card in REAL.cards}
    assert set(resource("knowledge").glob("*/said/*.yaml")) <= known


def test_an_example_that_was_left_out_is_heard_as_its_own_key_point() -> None:
    name = "llama-adapter-stability"
    card = REAL.by_id[name]
    examples = REAL.examples(card)
    right = asked = 0
    for point, said in examples.items():
        for text in said.covered.en[:2] + said.covered.zh[:2]:
            less = {
                other: kept.model_copy(
                    update={
                        "covered": kept.covered.model_copy(
                            update={"en": kept.covered.en[2:], "zh": kept.covered.zh[2:]}
                        )
                    }
                )
                for other, kept in examples.items()
            }
            likeness = Heard(card, less).likeness(Reading(Wording(text)))
            right += max(likeness, key=lambda other: likeness[other].probabilities(NO_SIGNAL)["covered"]) == point
            asked += 1
    assert right / asked >= 2.5 / len(examples), "well above chance"


def test_a_paraphrase_is_covered_with_the_learners_words() -> None:
    card = REAL.by_id["llama-adapter-stability"]
    point, said = next(iter(REAL.examples(card).items()))
    grade = RubricGrader(REAL).grade(card, said.covered.en[0])
    mark = next(mark for mark in grade.marks if mark.key_point == point)
    assert mark.verdict == "covered"
    assert mark.quote in said.covered.en[0]


def test_what_is_denied_is_never_sure() -> None:
    card = REAL.by_id["llama-adapter-stability"]
    point, said = next(iter(REAL.examples(card).items()))
    likeness = Heard(card, REAL.examples(card)).likeness(Reading(Wording(f"It is not true that {said.covered.en[0]}")))
    assert likeness[point].denied
    assert likeness[point].verdict((True, False, False, False)) != "covered"


def test_a_card_without_examples_is_graded_by_its_signals(shelf: Shelf) -> None:
    card = shelf.by_id["kv-cache"]
    assert shelf.examples(card) == {}
    assert Heard(card, {}).likeness(Reading(Wording("keys and values of past tokens"))) == {}


def test_signals_make_their_verdict_more_probable() -> None:
    card = REAL.by_id["llama-adapter-stability"]
    likeness = Heard(card, REAL.examples(card)).likeness(Reading(Wording("the gate opens slowly while it trains")))
    for like in likeness.values():
        without = like.probabilities(NO_SIGNAL)
        assert sum(without.values()) == pytest.approx(1)
        assert set(without) == set(VERDICTS)
        assert like.probabilities((True, False, False, False))["covered"] > without["covered"]
        assert like.probabilities((False, False, False, True))["contradicted"] > without["contradicted"]


def test_examples_of_an_unknown_key_point_are_a_clear_error(tmp_path: Path, shelf: Shelf) -> None:
    path = tmp_path / "kv-cache.yaml"
    path.write_text("no-such-point: {covered: {en: [x]}}", encoding="utf-8")
    with pytest.raises(CardError, match="mapping of its key points: linear-memory"):
        load_examples(path, shelf.by_id["kv-cache"])
