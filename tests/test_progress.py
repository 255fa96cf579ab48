"""Progress over weeks: ratings from grades and help, memory replayed, what is due, days, trend, and its cost."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from fsrs import Card as Memory
from fsrs import Rating, Scheduler
from langchain_core.messages import BaseMessage, ToolMessage

from tests.conftest import LEARNER, choices
from tests.many import stamped
from tests.test_interview import Scene
from tutor import archive
from tutor.archive import Archive
from tutor.cards import Shelf, Verdict
from tutor.clock import PAUSE, timings
from tutor.errors import HistoryError
from tutor.events import QuestionAsked, learner_message, to_json
from tutor.history import ChromaHistory, Record, Store, digest, facts
from tutor.planning import next_card
from tutor.progress import Sitting, _mixed, by_day, due, progress, review, sitting
from tutor.prompts import Phrases
from tutor.report import report
from tutor.reporting import plan
from tutor.spacing import WHOLE, ratings
from tutor.summaries import kept
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
    made = sitting(name, stamped(scene.messages, (at + place * gap for place in range(len(scene.messages)))))
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
    (timing,) = timings(stamped(scene.messages, times))
    assert (timing.asked, timing.ended) == (1.0, 70.0 + PAUSE)
    assert (timing.first, timing.thinking, timing.pauses) == (60.0, 60.0, 1)
    scene.press("explain")
    later = [*times, 75.0 + PAUSE]
    assert timings(stamped(scene.messages, later)) == (timing,), "what follows the last grade is not timed"


def test_a_pause_that_was_asked_for_is_none_of_the_thinking(shelf: Shelf) -> None:
    scene = Scene(shelf, mode="exam").ask("kv-cache").press("pause").press("resume").say("keys").grade()
    (timing,) = timings(stamped(scene.messages, [0.0, 0.0, 10.0, 310.0, 330.0, 331.0]))
    assert (timing.thinking, timing.pauses, timing.first) == (30.0, 1, None)


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
    made = sitting("y", stamped(scene.messages, [NOON] * len(scene.messages)))
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
    made = sitting("s", stamped(messages, [NOON] * len(messages)))
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


def answered(tutor: Tutor) -> str:
    """A finished interview of one question."""
    session = tutor.start(LEARNER, choices(topics=["memory"], questions=1))
    tutor.reply(LEARNER, session, "keys and values of all past tokens")
    tutor.reply(LEARNER, session, "end")
    return session


def test_a_fresh_process_reads_no_transcript_that_has_a_summary(
    tutor: Tutor, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered(tutor)
    known = tutor.sittings(LEARNER)
    read: list[Sequence[str]] = []

    def reading(store: Store, learner: str, sessions: Sequence[str]) -> Iterator[tuple[str, list[Record]]]:
        read.append(sessions)
        return facts(store, learner, sessions)

    monkeypatch.setattr(archive, "facts", reading)
    assert Archive(store).sittings(LEARNER) == known
    assert not read
    second = answered(tutor)
    assert len(Archive(store).sittings(LEARNER)) == 2
    assert second in read[0]
    assert len(read) == 1, "the first one was read again"


@pytest.mark.parametrize("change", [{"documents": ["{"]}, {"documents": ["{}"]}, {"metadatas": [{"fold": "older"}]}])
def test_a_summary_that_cannot_be_used_is_made_again(tutor: Tutor, store: Store, change: dict[str, list[str]]) -> None:
    session = answered(tutor)
    known = tutor.sittings(LEARNER)
    collection = store.collection(f"sittings-{digest(LEARNER)}")
    collection.update(ids=[session], embeddings=[[0.0]], **change)  # type: ignore[arg-type]
    assert not list(kept(store, LEARNER))
    assert Archive(store).sittings(LEARNER) == known
    (summary,) = kept(store, LEARNER)
    assert summary.sitting == known[0]


def test_summaries_hold_no_words_of_the_learner_and_are_forgotten_with_them(tutor: Tutor, store: Store) -> None:
    answered(tutor)
    tutor.sittings(LEARNER)
    name = f"sittings-{digest(LEARNER)}"
    ((document, meta),) = store.select(name, None)
    assert "values" not in f"{document}{meta}"
    tutor.people.forget(LEARNER)
    assert store.names("sittings-") == []
    assert tutor.sittings(LEARNER) == ()


def test_progress_is_seen_where_no_summary_can_be_written(
    tutor: Tutor, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise HistoryError("the disk is full")

    answered(tutor)
    monkeypatch.setattr(archive, "keep", full)
    assert len(Archive(store).sittings(LEARNER)) == 1


def test_a_strong_answer_leads_deeper_in_the_report(shelf: Shelf, phrases: Phrases) -> None:
    assert shelf.by_id["kv-cache"].deeper == ("lora-rank",)
    question = shelf.by_id["lora-rank"].question.zh
    strong = Scene(shelf).ask("kv-cache").say(GOOD).grade().interview
    weak = Scene(shelf).ask("kv-cache").say("keys of past tokens").grade().interview
    made = report(strong, shelf=shelf)
    assert [(deeper.after, deeper.card_id) for deeper in made.deeper] == [(1, "lora-rank")]
    assert any(question in line for line in plan(made, "zh", phrases, shelf.topics))
    assert report(weak, shelf=shelf).deeper == ()
    assert report(strong, due={"lora-rank": NOON}, shelf=shelf).deeper == (), "it was asked before"
