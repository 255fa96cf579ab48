"""Simulated learners through the real agent: every promise of the dialogue, and what a plan is worth, in small."""

from pathlib import Path

import pytest
from langchain_core.messages import AIMessage, BaseMessage

from tests.simulation import (
    MOST_TURNS,
    Learner,
    Talk,
    Wordings,
    checked,
    choices_of,
    course,
    interviewed,
    measured,
    open_tutor,
    run_dialogues,
)
from tutor.cards import Shelf, load_shelf
from tutor.dialogue import PATIENCE
from tutor.events import AnswerGraded, FollowUpAsked, events
from tutor.prompts import Phrases
from tutor.rubric import RubricGrader
from tutor.tools import Desk


@pytest.fixture(scope="module")
def cards() -> Shelf:
    return load_shelf(Path(__file__).parent / "learners" / "cards")


def test_every_dialogue_keeps_its_promises(cards: Shelf) -> None:
    done = run_dialogues(cards, 24, seed=7, questions=3)
    assert done.interviews == 24
    assert done.questions >= 60
    assert done.longest <= MOST_TURNS
    assert done.turns_per_question <= PATIENCE + 1
    assert 0.5 < done.steps_per_point < 2.5
    assert {"pump", "hint", "probe", "tell"} <= set(done.steps), "a step was never taken, so nothing was tried"


def test_a_broken_promise_is_noticed(shelf: Shelf, phrases: Phrases, tmp_path: Path) -> None:
    """The checks can fail: praise for what nobody said, a step taken twice."""
    tutor = open_tutor(shelf, tmp_path, phrases)
    learner = Learner.made(shelf, Wordings(shelf), 3)
    transcript = interviewed(tutor, learner, "ann", choices_of(learner, 3, 2))
    tutor.store.close()
    checked(transcript, phrases)
    invented: list[BaseMessage] = [*transcript, AIMessage(phrases("say.right", learner.language, quotes="“brilliant”"))]
    with pytest.raises(AssertionError, match="praise"):
        checked(invented, phrases)
    at = next(n for n, m in enumerate(transcript) if any(isinstance(e, FollowUpAsked) for e in events([m])))
    with pytest.raises(AssertionError, match=r"repeated|two questions"):
        checked([*transcript[: at + 1], *transcript[at:]], phrases)


@pytest.mark.parametrize("seed", [1, 2, 5])
def test_the_talk_without_the_agent_is_the_same_talk(
    shelf: Shelf, phrases: Phrases, desk: Desk, tmp_path: Path, seed: int
) -> None:
    tutor = open_tutor(shelf, tmp_path / "other", phrases)
    wordings = Wordings(shelf)
    learner = Learner.made(shelf, wordings, seed)
    through_agent = interviewed(tutor, learner, "ann", choices_of(learner, seed, 2))
    tutor.store.close()
    again = Learner.made(shelf, wordings, seed)
    talk = Talk(desk, choices_of(again, seed, 2))
    while not (interview := talk.interview).finished:
        talk.say(again.reply(shelf.by_id[interview.rounds[-1].asked.card_id], interview.turn))
    grades = [e.grade.score for e in events(through_agent) if isinstance(e, AnswerGraded)]
    assert [e.kind for e in events(talk.messages)] == [e.kind for e in events(through_agent)]
    assert [e.grade.score for e in events(talk.messages) if isinstance(e, AnswerGraded)] == grades
    assert measured([through_agent]).interviews == 1


@pytest.mark.parametrize("policy", ["the plan", "random choice", "fixed order"])
def test_a_course_of_days_teaches_and_is_repeatable(cards: Shelf, desk: Desk, policy: str) -> None:
    wordings = Wordings(cards)
    own = Desk(cards, RubricGrader(cards), desk.search, desk.phrases)
    first = course(cards, own, wordings, policy, seed=11, days=3)
    assert first == course(cards, own, wordings, policy, seed=11, days=3)
    assert first.questions == 15
    assert first.known_after > first.known_before
