"""Wrong beliefs that circulate are recognised however they are worded, and what only sounds like them is not."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tutor.cards import LANGUAGES, Shelf, load_shelf
from tutor.resources import resource
from tutor.rubric import RubricGrader

WORDINGS: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "beliefs.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def real() -> Shelf:
    return load_shelf(resource("knowledge"))


@pytest.fixture(scope="module")
def grader(real: Shelf) -> RubricGrader:
    return RubricGrader(real)


def beliefs(real: Shelf, grader: RubricGrader, card: str, answer: str) -> set[str]:
    return {found.misconception for found in grader.grade(real.by_id[card], answer).misconceptions}


@pytest.mark.parametrize("card", WORDINGS["held"])
def test_a_belief_is_recognised_in_every_wording(real: Shelf, grader: RubricGrader, card: str) -> None:
    missed = [
        (belief, answer)
        for belief, answers in WORDINGS["held"][card].items()
        for language in LANGUAGES
        for answer in answers[language]
        if belief not in beliefs(real, grader, card, answer)
    ]
    assert missed == []


@pytest.mark.parametrize("card", WORDINGS["right"])
def test_what_is_right_shows_no_misconception(real: Shelf, grader: RubricGrader, card: str) -> None:
    taken = {answer: beliefs(real, grader, card, answer) for answer in WORDINGS["right"][card]}
    assert {answer: found for answer, found in taken.items() if found} == {}
