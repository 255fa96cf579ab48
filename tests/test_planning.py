"""The plan: which card comes next and why, what earlier interviews change, ready-made interviews."""

from pathlib import Path

import pytest

from tests.conftest import LEARNER
from tests.test_interview import Scene
from tutor.cards import Shelf, load_shelf
from tutor.errors import CardError
from tutor.events import QuestionAsked, SessionStarted, events, learner_message
from tutor.history import Store
from tutor.interview import Interview
from tutor.models import make_engine
from tutor.opening import tutor_prompts
from tutor.planning import choices, next_card, target_level, with_past
from tutor.prompts import Phrases
from tutor.resources import resource
from tutor.settings import Settings
from tutor.tools import Desk
from tutor.tutor import Tutor

FULL = "the product of two low-rank matrices BA is added, the base weights are frozen, B starts at zero"
FULL_CACHE = "keys and values of past tokens, memory grows with length; queries are not stored"


@pytest.fixture(scope="module")
def knowledge() -> Shelf:
    return load_shelf(resource("knowledge"))


def begun(**chosen: object) -> Interview:
    start = SessionStarted.model_validate({"language": "en", "questions": 5, **chosen})
    return Interview.of([learner_message("", "0", start)])


def test_the_same_seed_asks_the_same_and_another_one_differs(knowledge: Shelf) -> None:
    first = [next_card(knowledge, begun(seed=seed)) for seed in range(20)]
    assert first == [next_card(knowledge, begun(seed=seed)) for seed in range(20)]
    assert len({choice.card.id for choice in first if choice}) > 5


def test_due_cards_come_first_and_leave_room_for_new_ones(knowledge: Shelf) -> None:
    due = ("lora-idea", "rope-idea", "zero-stages", "paged-attention", "flash-attention")
    choice = next_card(knowledge, begun(due=due))
    assert choice is not None
    assert (choice.card.id in due, choice.reason) == (True, "due")
    asked = _ask_all(knowledge, begun(due=due), 5)
    assert sum(card in due for card in asked) == 2
    assert _ask_all(knowledge, begun(cards=due, topics=("peft",)), 5) == list(due), "a review asks just these"


def _ask_all(shelf: Shelf, interview: Interview, number: int) -> list[str]:
    """The cards that follow one another when every question is skipped."""
    from tutor.events import CommandGiven
    from tutor.interview import after

    asked: list[str] = []
    for _ in range(number):
        choice = next_card(shelf, interview)
        assert choice
        asked.append(choice.card.id)
        card = choice.card
        question = QuestionAsked(
            card_id=card.id, topic=card.topic, level=card.level, number=1, of=5, question=card.question
        )
        interview = after(after(interview, question), CommandGiven(command="skip"))
    return asked


def test_known_cards_wait_and_weak_topics_come_sooner(knowledge: Shelf) -> None:
    known = tuple(card.id for card in knowledge.cards if card.topic != "peft")
    choice = next_card(knowledge, begun(known=known))
    assert choice is not None
    assert choice.card.topic == "peft"
    weak = next_card(knowledge, begun(weak=("alignment-rlhf",), level="senior"))
    assert weak is not None
    assert (weak.card.topic, weak.reason) == ("alignment-rlhf", "weak")


def test_a_strong_answer_goes_deeper_and_a_weak_one_does_not(shelf: Shelf) -> None:
    scene = Scene(shelf).ask("kv-cache").say(FULL_CACHE).grade()
    choice = next_card(shelf, scene.interview)
    assert choice is not None
    assert (choice.card.id, choice.reason) == ("lora-rank", "deeper")
    scene = Scene(shelf).ask("kv-cache").say("keys of past tokens").grade().press("skip")
    choice = next_card(shelf, scene.interview)
    assert choice is not None
    assert choice.reason == "easier"


def test_the_level_follows_the_grades_and_the_wish(shelf: Shelf) -> None:
    scene = Scene(shelf)
    start = target_level(scene.interview)
    scene.ask("kv-cache").say(FULL_CACHE).grade()
    assert target_level(scene.interview) > start
    scene.press("easier")
    assert target_level(scene.interview) < start


def test_an_exam_asks_the_same_whatever_is_answered(shelf: Shelf) -> None:
    good, bad = Scene(shelf, mode="exam"), Scene(shelf, mode="exam")
    first = next_card(shelf, good.interview)
    assert first is not None
    answer = FULL if first.card.id == "lora-rank" else FULL_CACHE
    after_good = next_card(shelf, good.ask(first.card.id).say(answer).grade().interview)
    after_bad = next_card(shelf, bad.ask(first.card.id).press("skip").interview)
    assert after_good == after_bad
    assert after_good is not None
    assert after_good.reason == "exam"


def test_the_past_says_what_is_due_known_and_weak(shelf: Shelf) -> None:
    scores = {"lora-rank": 9.0, "kv-cache": 1.0, "gone": 3.0}
    chosen = with_past(SessionStarted(language="en"), shelf, scores, {}, now=100.0)
    assert (chosen.due, chosen.known, chosen.weak) == ((), ("lora-rank",), ("memory",))
    due = {"lora-rank": 50.0, "kv-cache": 200.0, "gone": 90.0}
    chosen = with_past(SessionStarted(language="en"), shelf, scores, due, now=100.0)
    assert (chosen.due, chosen.known) == (("gone", "lora-rank"), ("kv-cache",))
    for fixed in (SessionStarted(language="en", mode="exam"), SessionStarted(language="en", cards=("kv-cache",))):
        assert with_past(fixed, shelf, scores, due, now=100.0) == fixed


def test_a_new_interview_knows_the_earlier_ones(settings: Settings, desk: Desk, store: Store, phrases: Phrases) -> None:
    now = [1_750_000_000.0]
    tutor = Tutor(
        settings, desk, make_engine(settings, phrases), store, phrases, tutor_prompts(phrases), clock=lambda: now[0]
    )
    first = tutor.start(LEARNER, SessionStarted(language="en", topics=("adapters",), questions=1))
    tutor.reply(LEARNER, first, FULL)
    second = tutor.start(LEARNER, SessionStarted(language="en", questions=2))
    started = tutor.interview(LEARNER, second).started
    assert started is not None
    assert (started.known, started.due) == (("lora-rank",), ())
    now[0] += 200 * 86_400
    third = tutor.start(LEARNER, SessionStarted(language="en", questions=2))
    asked = next(e for e in events(tutor.transcript(LEARNER, third)) if isinstance(e, QuestionAsked))
    assert asked.card_id == "lora-rank"
    tutor.reply(LEARNER, third, "why this question?")
    assert "due for review" in str(tutor.transcript(LEARNER, third)[-1].text)


# Ready-made interviews


def test_a_preset_fills_what_was_not_chosen(shelf: Shelf) -> None:
    made = choices(shelf, "en", preset="memory-engineer")
    assert (made.preset, made.topics, made.level, made.questions) == (
        "memory-engineer",
        ("memory", "adapters"),
        "mid",
        2,
    )
    mine = choices(shelf, "en", preset="memory-engineer", topics=("memory",), level="junior", questions=1)
    assert (mine.topics, mine.level, mine.questions) == (("memory",), "junior", 1)
    free = choices(shelf, "zh", preset="no-such-preset", questions=50)
    assert (free.preset, free.topics, free.questions) == ("", (), 2)


def test_an_exam_gets_a_clock_unless_it_is_not_wanted(shelf: Shelf) -> None:
    exam = choices(shelf, "en", mode="exam", questions=2, minutes=5)
    assert (exam.question_seconds, exam.total_seconds) == (300, 480)
    assert choices(shelf, "en", mode="exam", minutes=0).total_seconds == 0
    assert choices(shelf, "en").question_seconds == 0


def test_every_preset_is_offered_with_cards_in_both_languages(knowledge: Shelf) -> None:
    offered = knowledge.offered()
    assert list(offered) == [
        "first-phone-screen", "llm-application-engineer", "training-alignment-engineer", "inference-engineer",
    ]  # fmt: skip
    for preset in offered.values():
        assert set(preset.topics) <= set(knowledge.counts())
        assert preset.name.en != preset.name.zh


def test_a_preset_of_an_unknown_topic_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "topics.yaml").write_text("memory: {en: Memory, zh: 显存}\n", encoding="utf-8")
    (tmp_path / "presets.yaml").write_text(
        "x: {name: {en: X, zh: X}, about: {en: x, zh: x}, topics: [nonsense], questions: 3}\n", encoding="utf-8"
    )
    with pytest.raises(CardError, match="x: there is no topic nonsense"):
        load_shelf(tmp_path)
