"""Progress over weeks: ratings from grades and help, memory replayed, what is due, days, trend, and its cost."""

from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import count

import pytest
from fsrs import Card as Memory
from fsrs import Rating, Scheduler
from langchain_core.messages import BaseMessage, ToolMessage

from tests.conftest import LEARNER, choices
from tests.test_interview import Scene
from tutor.archive import Archive
from tutor.cards import Shelf, Verdict
from tutor.events import QuestionAsked, learner_message, to_json
from tutor.history import ChromaHistory, Store
from tutor.planning import next_card
from tutor.progress import Sitting, _mixed, by_day, due, progress, review, sitting
from tutor.spacing import WHOLE, ratings
from tutor.timing import PAUSE, timings
from tutor.tutor import Tutor

DAY = 86400.0
NOON = 20_000 * DAY + DAY / 2
GOOD = "keys and values of all past tokens; the memory grows with the length; a query is used once"


def rated(scene: Scene, first: float | None = 300.0, left: bool = False) -> dict[str, Rating]:
    return dict(ratings(scene.interview.rounds[-1], first, left=left))


def held(shelf: Shelf, at: float, *answers: str, name: str = "s", gap: float = 200.0) -> Sitting:
    """An interview of one question, with so many seconds between messages."""
    scene = Scene(shelf).ask("kv-cache")
    for answer in answers:
        scene.say(answer).grade()
    clock = count()
    made = sitting(name, [(at + next(clock) * gap, message) for message in scene.messages])
    assert made
    return made


def test_ratings_say_what_help_was_needed(shelf: Shelf) -> None:
    scene = Scene(shelf).ask("kv-cache").say("keys of past tokens").grade()
    assert rated(scene) == {"what-is-kept": Rating.Good, "linear-memory": Rating.Again, "no-queries": Rating.Again}
    scene.follow("linear-memory", "pump").say("the memory grows with the length").grade()
    assert rated(scene)["linear-memory"] == Rating.Good, "a pump gives nothing away"
    scene.follow("no-queries", "hint").say("a query is used once").grade()
    assert rated(scene)["no-queries"] == Rating.Hard, "a hint was needed"


@pytest.mark.parametrize(
    ("verdict", "rating"), [("partly", Rating.Hard), ("contradicted", Rating.Again), ("unsure", None)]
)
def test_a_verdict_is_a_rating(shelf: Shelf, verdict: Verdict, rating: Rating | None) -> None:
    this = Scene(shelf).ask("kv-cache").say("keys of past tokens").grade().interview.rounds[-1]
    graded = this.grades[0]
    marks = tuple(mark.model_copy(update={"verdict": verdict}) for mark in graded.grade.marks)
    changed = graded.model_copy(update={"grade": graded.grade.model_copy(update={"marks": marks})})
    found = ratings(replace(this, grades=(changed,)), 1.0, left=False)
    assert found == ({mark.key_point: rating for mark in marks} if rating else {})


def test_a_quick_full_answer_is_easy_and_only_then(shelf: Shelf) -> None:
    scene = Scene(shelf).ask("kv-cache").say("keys and values of all past tokens").grade()
    assert rated(scene, 30.0)["what-is-kept"] == Rating.Easy
    assert rated(scene, None)["what-is-kept"] == Rating.Good, "the time is not known"
    scene.say("the memory grows with the length").grade()
    assert rated(scene, 30.0)["linear-memory"] == Rating.Good, "it came in a second answer"


def test_showing_is_a_lapse_and_so_is_leaving(shelf: Shelf) -> None:
    shown = Scene(shelf).ask("kv-cache").press("show").show().say(GOOD).grade()
    assert rated(shown) == {WHOLE: Rating.Again}
    tried = Scene(shelf).ask("kv-cache").say("keys and values of all past tokens").grade().show().say(GOOD).grade()
    assert rated(tried) == {"what-is-kept": Rating.Good, "linear-memory": Rating.Again, "no-queries": Rating.Again}
    assert rated(Scene(shelf).ask("kv-cache").press("skip"), left=True) == {WHOLE: Rating.Again}
    assert rated(Scene(shelf).ask("kv-cache")) == {}


def test_the_clock_counts_thinking_and_not_pauses(shelf: Shelf) -> None:
    scene = Scene(shelf).ask("kv-cache").say("keys").grade().follow("linear-memory").say("grows").grade()
    times = [0.0, 1.0, 61.0, 65.0, 65.0, 66.0 + PAUSE, 70.0 + PAUSE]
    (timing,) = timings(zip(times, scene.messages, strict=True))
    assert (timing.asked, timing.ended) == (1.0, 70.0 + PAUSE)
    assert (timing.first, timing.thinking, timing.pauses) == (60.0, 60.0, 1)
    scene.press("explain")
    later = [*times, 75.0 + PAUSE]
    assert timings(zip(later, scene.messages, strict=True)) == (timing,), "what follows the last grade is not timed"


def test_memory_is_what_fsrs_makes_of_the_same_reviews(shelf: Shelf) -> None:
    sittings = [
        held(shelf, NOON, GOOD, name="a"),
        held(shelf, NOON + 3 * DAY, "keys and values of past tokens", name="b"),
    ]
    scheduler = Scheduler(learning_steps=(), relearning_steps=(), enable_fuzzing=False)
    expected = []
    for second in (Rating.Good, Rating.Again):
        memory = Memory(card_id=1)
        for at, rating in ((sittings[0].questions[0].at, Rating.Good), (sittings[1].questions[0].at, second)):
            memory, _ = scheduler.review_card(memory, rating, datetime.fromtimestamp(at, UTC))
        expected.append(memory.due.timestamp())
    assert due(sittings, shelf) == {"kv-cache": min(expected)}
    assert due(reversed(sittings), shelf) == {"kv-cache": min(expected)}, "the order of reading does not matter"


def test_what_is_good_to_have_makes_nothing_due(shelf: Shelf) -> None:
    full = held(shelf, NOON, "product of two low-rank matrices BA, the base weight is frozen", name="x")
    assert full.questions[0].ratings["what-is-kept"] == Rating.Again
    light = next(point for point in shelf.by_id["lora-rank"].key_points if point.weight == 1)
    scene = Scene(shelf).ask("lora-rank").say("product of two low-rank matrices BA, the base weight is frozen").grade()
    made = sitting("y", [(NOON, message) for message in scene.messages])
    assert made
    assert made.questions[0].ratings[light.id] == Rating.Again
    assert due([made], shelf)["lora-rank"] > NOON + 2 * DAY


def test_progress_of_two_weeks(shelf: Shelf) -> None:
    sittings = [
        held(shelf, NOON, "I don't know", name="a"),
        held(shelf, NOON + DAY, "keys and values of all past tokens", name="b"),
        held(shelf, NOON + 2 * DAY, GOOD, name="c"),
    ]
    made = progress(sittings, shelf, NOON + 2 * DAY + 3600, UTC)
    assert [sitting.score for sitting in made.sittings] == [0.0, 4.3, 10.0]
    assert made.days == {date(2024, 10, 4): 1, date(2024, 10, 5): 1, date(2024, 10, 6): 1}
    assert (made.today, made.streak, made.questions) == (date(2024, 10, 6), 3, 3)
    assert made.seconds == 600.0
    memory, adapters = made.topics
    assert (memory.topic, memory.cards, memory.asked) == ("memory", 1, 1)
    assert (adapters.asked, adapters.known, adapters.due) == (0, 0.0, 0)
    assert memory.known > 0.9
    assert made.due == ()
    assert [card.card.id for card in made.later] == ["kv-cache"]
    after = progress(sittings, shelf, made.later[0].due or 0.0, UTC)
    assert [card.card.id for card in after.due] == ["kv-cache"]
    assert after.topics[0].known < memory.known, "memory fades"
    assert after.streak == 3, "practised yesterday"
    assert progress(sittings, shelf, NOON + 5 * DAY, UTC).streak == 0
    assert by_day(made.later, UTC)[0][0] == after.today


def test_nothing_practised_is_a_state_like_any_other(shelf: Shelf) -> None:
    made = progress([], shelf, NOON, UTC)
    assert (made.due, made.later, made.weak, made.streak, made.questions, made.seconds) == ((), (), (), 0, 0, 0)
    assert [topic.cards for topic in made.topics] == [1, 1]
    assert review(made, "en") is None


def test_a_review_asks_what_is_due_in_its_order(shelf: Shelf) -> None:
    made = progress([held(shelf, NOON, "I don't know")], shelf, NOON + 2 * DAY, UTC)
    start = review(made, "zh")
    assert start
    assert (start.cards, start.questions, start.language, start.mode) == (("kv-cache",), 1, "zh", "practice")
    scene = Scene(shelf)
    both = choices(cards=["lora-rank", "gone", "kv-cache"])
    scene.messages = [learner_message("", "0", both)]
    asked = []
    while choice := next_card(shelf, scene.interview):
        asked.append(choice.card.id)
        scene.ask(choice.card.id)
    assert asked == ["lora-rank", "kv-cache"]


def test_a_card_that_is_gone_does_not_disturb(shelf: Shelf) -> None:
    asked = QuestionAsked(card_id="gone", topic="old", level="mid", number=1, of=1, question=shelf.cards[0].question)
    messages: list[BaseMessage] = [learner_message("", "0", choices())]
    messages.append(ToolMessage("x", tool_call_id="c", artifact=to_json(asked)))
    messages.append(learner_message("skip", "1"))
    made = sitting("s", [(NOON, message) for message in messages])
    assert made
    state = progress([made], shelf, NOON, UTC)
    assert [topic.topic for topic in state.topics] == ["memory", "adapters"]
    assert due([made], shelf) == {}


def test_the_archive_reads_what_has_grown_and_forgets_what_is_gone(tutor: Tutor, store: Store) -> None:
    assert tutor.sittings(LEARNER) == ()
    session = tutor.start(LEARNER, choices(topics=["memory"], questions=1))
    tutor.reply(LEARNER, session, "keys and values of all past tokens")
    (first,) = tutor.sittings(LEARNER)
    assert [question.card_id for question in first.questions] == ["kv-cache"]
    assert tutor.sittings(LEARNER)[0] is first, "what has not grown is not read again"
    tutor.reply(LEARNER, session, "the memory grows with the length")
    (grown,) = tutor.sittings(LEARNER)
    assert (first.score, grown.score) == (4.3, 8.6)
    other = tutor.start(LEARNER, choices(topics=["adapters"], questions=1))
    assert len(tutor.sittings(LEARNER)) == 2
    assert Archive(store).sittings(LEARNER) == tutor.sittings(LEARNER), "a fresh process comes to the same"
    ChromaHistory(store, LEARNER, other).clear()
    assert tutor.sittings(LEARNER) == (grown,)
    assert tutor.sittings("somebody else") == ()


def test_a_report_says_when_its_questions_come_back(tutor: Tutor, shelf: Shelf) -> None:
    session = tutor.start(LEARNER, choices(topics=["memory"], questions=1))
    tutor.reply(LEARNER, session, "it stores the attention matrix; the memory grows with the length")
    tutor.reply(LEARNER, session, "end")
    made = tutor.report(LEARNER, session)
    (result,) = made.results
    assert result.due == tutor.progress(LEARNER).later[0].due
    assert made.plan == (result,)
    assert result.timing
    assert (made.seconds, result.timing.pauses) == (result.timing.thinking, 0)
    assert made.best
    assert made.best.quote == "memory grows with the length"
    assert made.weakest
    assert "attention matrix" in made.weakest.quote
    assert [found.misconception for found in result.misconceptions] == ["stores-scores"]


@pytest.mark.parametrize(("cards", "order"), [(["a", "b", "c"], ["a", "b", "c"]), (["a", "a2", "b"], ["a", "b", "a2"])])
def test_topics_take_turns_in_a_review(shelf: Shelf, cards: list[str], order: list[str]) -> None:
    made = [shelf.cards[0].model_copy(update={"id": name, "topic": name[0]}) for name in cards]
    assert [card.id for card in _mixed(made)] == order
