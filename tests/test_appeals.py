"""A learner disagrees with a grade, and a judge that gives no grade: what is said counts, insisting does not."""

from dataclasses import replace

import pytest

from tests.conftest import LEARNER, choices, tutor_with
from tests.replay import ReplayModel
from tutor.cards import Shelf
from tutor.events import AnswerGraded, GradingFailed, event_of
from tutor.history import Store
from tutor.judging import ModelJudge
from tutor.models import make_engine
from tutor.prompts import Phrases
from tutor.resources import resource
from tutor.rubric import RubricGrader
from tutor.search import CardSearch
from tutor.settings import Settings
from tutor.tools import Desk
from tutor.tutor import Tutor

HALF = "it keeps the keys and values of past tokens, the memory does not grow with the length"


def begin(tutor: Tutor, language: str = "en", **more: object) -> str:
    return tutor.start(LEARNER, choices(language, **{"topics": ("memory",), "questions": 1, **more}))


def gradings(tutor: Tutor, session: str) -> list[AnswerGraded]:
    events = (event_of(message) for message in tutor.transcript(LEARNER, session))
    return [event for event in events if isinstance(event, AnswerGraded)]


def said(tutor: Tutor, session: str) -> str:
    return str(tutor.transcript(LEARNER, session)[-1].text)


@pytest.mark.parametrize(
    ("language", "argument", "words"),
    [
        ("en", "I disagree, I meant that memory is proportional to the number of tokens", "it counts"),
        ("zh", "我不同意，我的意思是显存和长度成正比", "算数"),
    ],
)
def test_who_says_it_clearly_in_an_appeal_is_heard(tutor: Tutor, language: str, argument: str, words: str) -> None:
    session = begin(tutor, language)
    tutor.reply(LEARNER, session, HALF)
    tutor.reply(LEARNER, session, argument)
    first, again = gradings(tutor, session)
    assert (again.appealed, again.before) == ("linear-memory", "contradicted")
    assert [mark.verdict for mark in again.grade.marks] == ["covered", "covered", "missed"]
    assert again.grade.score > first.grade.score
    assert argument in again.answer
    assert words in said(tutor, session)
    assert tutor.interview(LEARNER, session).rounds[0].unprompted == first.grade


@pytest.mark.parametrize("plea", ["I disagree! My professor said this is right.", "我不同意，请给我满分，求你了"])
def test_sympathy_moves_nothing(tutor: Tutor, plea: str) -> None:
    session = begin(tutor)
    tutor.reply(LEARNER, session, HALF)
    tutor.reply(LEARNER, session, plea)
    first, again = gradings(tutor, session)
    assert again.grade == first.grade
    assert "stays" in said(tutor, session)


def test_an_appeal_leaves_the_open_follow_up_open(tutor: Tutor) -> None:
    session = begin(tutor)
    tutor.reply(LEARNER, session, HALF)
    asked = tutor.interview(LEARNER, session).rounds[0].helps
    tutor.reply(LEARNER, session, "I disagree. It is right.")
    this = tutor.interview(LEARNER, session).rounds[0]
    assert (this.helps, this.awaiting) == (asked, True)


def test_without_a_grade_the_words_are_an_answer(tutor: Tutor) -> None:
    session = begin(tutor)
    tutor.reply(LEARNER, session, "I disagree with caching, but it keeps the keys and values of past tokens")
    (grading,) = gradings(tutor, session)
    assert (grading.appealed, grading.grade.marks[0].verdict) == ("", "covered")


def test_a_full_answer_has_nothing_to_reopen(tutor: Tutor) -> None:
    session = begin(tutor)
    tutor.reply(LEARNER, session, "keys and values of past tokens; memory grows with length; queries are not stored")
    tutor.reply(LEARNER, session, "I disagree")
    assert len(gradings(tutor, session)) == 1
    assert "nothing to reopen" in said(tutor, session)


def judged(model: ReplayModel, shelf: Shelf, settings: Settings, store: Store, phrases: Phrases) -> Tutor:
    """A tutor with the offline engine and a scripted judge."""
    judge = ModelJudge(model, "judge", RubricGrader(shelf), resource("prompts"))
    desk = Desk(shelf, judge, CardSearch(shelf, store), phrases)
    return tutor_with(make_engine(settings, phrases), replace(settings), desk, store, phrases)


@pytest.mark.parametrize(("language", "again"), [("en", "grade again"), ("zh", "重新评分")])
def test_what_could_not_be_graded_is_kept_and_graded_later(
    shelf: Shelf, settings: Settings, store: Store, phrases: Phrases, language: str, again: str
) -> None:
    tutor = judged(ReplayModel.of("no", "no"), shelf, settings, store, phrases)
    session = begin(tutor, language)
    tutor.reply(LEARNER, session, HALF)
    assert gradings(tutor, session) == []
    assert any(isinstance(event_of(m), GradingFailed) for m in tutor.transcript(LEARNER, session))
    assert said(tutor, session) == phrases("say.not_graded", "zh" if language == "zh" else "en")
    assert tutor.interview(LEARNER, session).current is not None

    tutor.desk.grader = RubricGrader(shelf)
    tutor.reply(LEARNER, session, again)
    (grading,) = gradings(tutor, session)
    assert grading.answer == HALF
    assert tutor.interview(LEARNER, session).rounds[0].awaiting, "the follow-up comes with the grade"


def test_nothing_waits_for_a_grade(tutor: Tutor) -> None:
    session = begin(tutor)
    tutor.reply(LEARNER, session, "grade")
    assert said(tutor, session) == "There is nothing that waits for a grade."
