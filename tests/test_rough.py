"""A question with nothing but a reference answer: graded by its sentences, and said to be rough."""

import pytest

from tutor.cards import Card, Shelf, Text
from tutor.rubric import RubricGrader

REFERENCE = "A stack returns the newest element first. A queue returns the oldest element first."


@pytest.fixture
def bare(shelf: Shelf) -> Card:
    card = shelf.by_id["kv-cache"]
    question = Text(en="What is the difference between a stack and a queue?", zh="栈和队列有什么区别？")
    answer = Text(en=REFERENCE, zh="栈先返回最新的元素。队列先返回最旧的元素。")
    return card.model_copy(
        update={"id": "bare", "question": question, "answer": answer, "key_points": (), "misconceptions": ()}
    )


@pytest.mark.parametrize(
    ("answer", "verdicts"),
    [
        (REFERENCE, ["covered", "covered"]),
        ("栈先返回最新的元素，队列先返回最旧的元素", ["covered", "covered"]),
        ("trees have leaves and branches", ["missed", "missed"]),
        ("a stack does not return the newest element first", ["missed", "missed"]),
    ],
)
def test_sentences_of_the_reference_answer_are_the_key_points(
    shelf: Shelf, bare: Card, answer: str, verdicts: list[str]
) -> None:
    grade = RubricGrader(shelf).grade(bare, answer)
    assert [mark.verdict for mark in grade.marks] == verdicts
    assert grade.rough


def test_the_question_earns_nothing(shelf: Shelf, bare: Card) -> None:
    assert RubricGrader(shelf).grade(bare, bare.question.en).score == 0.0
