"""The dialogue about one question: which step follows which grade, when it is summed up, and what a wish changes."""

import pytest

from tests.test_interview import Scene
from tutor.cards import Shelf
from tutor.dialogue import PATIENCE, earned, needs_second_look, next_step, requested_step, summary
from tutor.events import AnswerGraded
from tutor.grading import Grade
from tutor.interview import Interview, Round, words
from tutor.rubric import RubricGrader


def this_grade(grade: Grade, this: Round) -> AnswerGraded:
    return AnswerGraded(card_id=this.asked.card_id, answer=this.answer, grade=grade, helps=1)


def at(scene: Scene) -> Round:
    return scene.interview.rounds[-1]


def test_who_has_begun_is_first_asked_what_else(shelf: Shelf) -> None:
    scene = Scene(shelf).ask("kv-cache").say("keys and values of past tokens").grade()
    assert next_step(at(scene)) == ("pump", "")
    scene.follow("", "pump").say("I think that is all").grade()
    assert next_step(at(scene)) == ("hint", "linear-memory")


def test_a_point_goes_from_hint_to_probe_to_telling(shelf: Shelf) -> None:
    scene = Scene(shelf).ask("kv-cache").say("it makes decoding fast").grade()
    assert next_step(at(scene)) == ("hint", "what-is-kept")
    scene.follow("what-is-kept", "hint").say("something about the past").grade()
    assert next_step(at(scene)) == ("probe", "what-is-kept")
    scene.follow("what-is-kept", "probe").say("the layers").grade()
    assert next_step(at(scene)) == ("tell", "what-is-kept")
    scene.follow("what-is-kept", "tell")
    assert next_step(at(scene)) == ("hint", "linear-memory"), "one turn: told, and the next point asked for"


def test_who_gives_up_is_not_asked_the_same_again(shelf: Shelf) -> None:
    scene = Scene(shelf).ask("kv-cache").say("I don't know").grade()
    assert next_step(at(scene)) == ("hint", "what-is-kept")
    scene.follow("what-is-kept", "hint").say("no idea").grade()
    assert next_step(at(scene)) == ("tell", "what-is-kept")


def test_what_is_wrong_comes_before_what_is_missing(shelf: Shelf) -> None:
    scene = Scene(shelf).ask("kv-cache").say("the memory does not grow with length").grade()
    assert next_step(at(scene)) == ("probe", "linear-memory")


def test_every_central_point_is_asked_for_before_patience_ends(shelf: Shelf) -> None:
    scene = Scene(shelf).ask("kv-cache").say("it makes decoding fast").grade()
    steps = []
    while step := next_step(at(scene)):
        steps.append(step)
        scene.follow(step[1], step[0])
        if step[0] != "tell":
            scene.say("hm, the speed").grade()
    assert len(steps) == len(set(steps)), "a step was taken twice"
    assert sum(step != "tell" for step, _ in steps) <= PATIENCE
    assert {point for _, point in steps} == {"what-is-kept", "linear-memory"}
    given = summary(at(scene))
    assert given.restate
    assert {mark.key_point for mark in given.missing} == {"what-is-kept", "linear-memory"}
    assert given.said == ()


def test_short_is_one_question_a_point(shelf: Shelf) -> None:
    scene = Scene(shelf).ask("kv-cache").say("keys and values of past tokens").grade()
    assert next_step(at(scene), brief=True) == ("hint", "linear-memory"), "no pump"
    scene.follow("linear-memory", "hint").say("it is faster").grade()
    assert next_step(at(scene), brief=True) is None


def test_a_detail_is_named_and_nothing_has_to_be_said_again(shelf: Shelf) -> None:
    scene = Scene(shelf).ask("kv-cache").say("keys and values of past tokens, the memory grows with the length").grade()
    assert next_step(at(scene)) is None
    given = summary(at(scene))
    assert not given.restate
    assert [mark.key_point for mark in given.missing] == ["no-queries"]
    assert all(mark.quote in at(scene).answer for mark in given.said)
    assert scene.sum_up().next_tool() == "ask_question"


def test_a_restatement_is_graded_by_itself_and_does_not_count(shelf: Shelf) -> None:
    scene = Scene(shelf).ask("kv-cache").say("keys and values of past tokens").grade()
    scene.follow("", "pump").say("no").grade().follow("linear-memory", "hint").say("no idea").grade().sum_up()
    before = at(scene).counted
    scene.say("keys and values of past tokens, the memory grows with the length")
    assert at(scene).answer.startswith("keys and values of past tokens, the memory"), "the first answer is left out"
    scene.grade()
    assert at(scene).counted == at(scene).grade == before
    assert at(scene).grades[-1].grade.score > 8
    assert scene.next_tool() == "ask_question"


def test_the_same_words_as_restatement_are_graded_again(shelf: Shelf) -> None:
    scene = Scene(shelf).ask("kv-cache").say("keys and values of past tokens").grade()
    scene.follow("linear-memory", "hint")
    scene.press("skip")
    again = Scene(shelf).ask("kv-cache").say("keys of past tokens").grade().sum_up().say("keys of past tokens")
    assert again.next_tool() == "grade_answer"


def test_what_was_told_earns_nothing_when_it_is_said_again(shelf: Shelf) -> None:
    card = shelf.by_id["kv-cache"]
    scene = Scene(shelf).ask("kv-cache").say("it makes decoding fast").grade()
    scene.follow("what-is-kept", "tell").follow("linear-memory", "hint")
    scene.say("so keys and values of earlier tokens are kept; the memory grows with the length")
    grade = RubricGrader(shelf).grade(card, at(scene).answer)
    kept = earned(card, grade, at(scene))
    assert [mark.verdict for mark in grade.marks] == ["covered", "covered", "missed"]
    assert [mark.verdict for mark in kept.marks] == ["missed", "covered", "missed"]
    assert kept.score < grade.score


def test_a_mistake_that_is_put_right_is_right_and_costs_its_point(shelf: Shelf) -> None:
    card, grader = shelf.by_id["kv-cache"], RubricGrader(shelf)
    scene = Scene(shelf).ask("kv-cache").say("it stores the attention matrix").grade().follow("what-is-kept", "probe")
    assert at(scene).grades[-1].grade.marks[0].verdict == "contradicted"
    scene.say("no, the keys and values of earlier tokens")
    this = at(scene)
    assert needs_second_look(this)
    whole, latest = grader.grade(card, this.answer), grader.grade(card, this.said[-1])
    assert whole.marks[0].verdict != "covered"
    kept = earned(card, whole, this, latest)
    assert kept.marks[0].verdict == "covered"
    assert kept.marks[0].quote in this.answer
    assert kept.score == pytest.approx(10 * 3 / 7 - 1, abs=0.05)
    scene.event(this_grade(kept, this)).say("the memory grows with the length")
    this = at(scene)
    whole, latest = grader.grade(card, this.answer), grader.grade(card, this.said[-1])
    assert [mark.verdict for mark in earned(card, whole, this, latest).marks] == ["covered", "covered", "missed"]
    scene.said_instead("the cache stores the attention matrix")
    this = at(scene)
    whole, latest = grader.grade(card, this.answer), grader.grade(card, this.said[-1])
    assert earned(card, whole, this, latest).marks[0].verdict != "covered", "wrong again"


def test_help_that_is_asked_for_goes_on_at_the_point_at_hand(shelf: Shelf) -> None:
    card = shelf.by_id["kv-cache"]
    scene = Scene(shelf).ask("kv-cache")
    assert requested_step(card, at(scene)) == ("hint", "what-is-kept")
    scene.follow("what-is-kept", "hint", True)
    assert requested_step(card, at(scene)) == ("probe", "what-is-kept")
    scene.follow("what-is-kept", "probe", True)
    assert requested_step(card, at(scene), easier=True) == ("hint", "linear-memory"), (
        "nothing is told before an attempt"
    )
    scene.say("it makes decoding fast").grade()
    assert requested_step(card, at(scene), easier=True) == ("tell", "what-is-kept")


def test_who_leaves_a_tried_question_is_told_what_was_missing(shelf: Shelf) -> None:
    scene = Scene(shelf).ask("kv-cache").say("keys and values of past tokens").grade().follow("linear-memory", "hint")
    assert scene.press("skip").next_tool() == "ask_follow_up"
    scene.sum_up()
    assert at(scene).summary is not None
    assert not summary(at(scene)).restate
    assert scene.next_tool() == "ask_question"
    assert Scene(shelf).ask("kv-cache").press("skip").next_tool() == "ask_question", "nothing was tried"


def test_what_was_not_meant_is_taken_back(shelf: Shelf) -> None:
    scene = Scene(shelf).ask("kv-cache").say("keys and values of past tokens").grade().follow("", "pump")
    scene.say("it stores the attention matrix").grade()
    assert at(scene).grade != at(scene).grades[0].grade
    scene.press("misread")
    assert at(scene).said == ("keys and values of past tokens",)
    assert [graded.answer for graded in at(scene).grades] == ["keys and values of past tokens"]
    assert scene.next_tool() is None
    assert scene.say("the memory grows with length").next_tool() == "grade_answer"


@pytest.mark.parametrize(
    ("text", "length"), [("", 0), ("KV cache grows", 3), ("显存随长度增长", 3.5), ("KV 缓存, 2 bytes", 4), ("!?", 0)]
)
def test_words_are_counted_alike_in_both_languages(text: str, length: float) -> None:
    assert words(text) == length


def test_an_interview_without_times_has_a_clock_that_stands_still() -> None:
    assert Interview().seconds(None) == 0.0
    assert not Interview().time_up
