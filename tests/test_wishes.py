"""What learners wish for in words, and the clock of an exam, through the real agent."""

from collections.abc import Iterator

import pytest

from tests.conftest import LEARNER, choices
from tests.test_tutor import GOOD, MEMORY, begin, kinds, said
from tutor.clock import clock, late, minutes, spent
from tutor.events import AnswerGraded, CommandGiven, FollowUpAsked, SummaryGiven, events
from tutor.history import Store
from tutor.models import make_engine
from tutor.opening import tutor_prompts
from tutor.prompts import Phrases
from tutor.settings import Settings
from tutor.shown import Said, shown
from tutor.tools import Desk
from tutor.tutor import Tutor


@pytest.mark.parametrize(
    ("words", "command"),
    [("Too hard!", "easier"), ("this is too hard for me", "easier"), ("这题太难了吧", "easier"), ("太难了", "easier"),
     ("shorter please", "shorter"), ("Please keep it short", "shorter"), ("短一点吧", "shorter"),
     ("太啰嗦了", "shorter"), ("That's not what I meant.", "misread"), ("不是这个意思", "misread"),
     ("why this question?", "why"), ("为什么问这题？", "why"), ("ok, next", "skip"), ("嗯，下一题吧", "skip"),
     ("pause", "pause"), ("继续", "resume"),
     ("it is too hard to say without the numbers", None), ("the shorter prefix is shared", None),
     ("why softmax saturates: the scores are large", None), ("继续预训练会遗忘", None)],
)  # fmt: skip
def test_wishes_are_understood_in_both_languages(tutor: Tutor, words: str, command: str | None) -> None:
    assert tutor.command_in(words) == command


@pytest.mark.parametrize("language", ["en", "zh"])
def test_too_hard_goes_down_the_ladder_and_tells_after_an_attempt(tutor: Tutor, language: str) -> None:
    session = begin(tutor, language, **MEMORY)
    for words in ("too hard", "太难了"):
        tutor.reply(LEARNER, session, words)
    tutor.reply(LEARNER, session, "it makes decoding fast")
    tutor.reply(LEARNER, session, "太难了")
    steps = [e.step for e in events(tutor.transcript(LEARNER, session)) if isinstance(e, FollowUpAsked)]
    assert steps[:2] == ["hint", "probe"]
    assert "tell" in steps
    assert tutor.interview(LEARNER, session).easier == 3


def test_shorter_makes_feedback_one_sentence(tutor: Tutor) -> None:
    long, short = begin(tutor, **MEMORY), begin(tutor, **MEMORY)
    tutor.reply(LEARNER, short, "shorter please")
    for session in (long, short):
        tutor.reply(LEARNER, session, f"{GOOD}; it stores the attention matrix")
    assert len(said(tutor, short)) < len(said(tutor, long))


def test_not_what_i_meant_takes_the_words_that_follow(tutor: Tutor) -> None:
    session = begin(tutor, **MEMORY)
    tutor.reply(LEARNER, session, "it stores the attention matrix")
    tutor.reply(LEARNER, session, f"not what I meant: {GOOD}")
    given = [e for e in events(tutor.transcript(LEARNER, session)) if isinstance(e, CommandGiven)]
    assert [(e.command, e.rest) for e in given] == [("misread", GOOD)]
    grade = tutor.interview(LEARNER, session).rounds[0].grade
    assert grade is not None
    assert [mark.verdict for mark in grade.marks] == ["covered", "missed", "missed"]
    assert grade.misconceptions == ()


def test_the_tutor_says_why_it_holds_back(tutor: Tutor) -> None:
    session = begin(tutor, **MEMORY)
    tutor.reply(LEARNER, session, "explain")
    assert "“show”" in said(tutor, session)
    for _ in range(7):
        tutor.reply(LEARNER, session, "hint")
    assert "“show”" in said(tutor, session)
    assert "answer_shown" not in kinds(tutor, session)


def test_a_restatement_is_invited_and_continue_goes_on(tutor: Tutor) -> None:
    session = begin(tutor)
    for words in ("no idea", "no idea", "no idea"):
        tutor.reply(LEARNER, session, words)
    transcript = tutor.transcript(LEARNER, session)
    assert [e.restate for e in events(transcript) if isinstance(e, SummaryGiven)] == [True]
    tutor.reply(LEARNER, session, "continue")
    assert kinds(tutor, session).count("question_asked") == 2
    texts = [item.text for item in shown(tutor.transcript(LEARNER, session)) if isinstance(item, Said)]
    assert "Skipped" not in texts[-1]


# The clock


class Watch:
    """A clock that stands where it was put."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def timed(settings: Settings, desk: Desk, store: Store, phrases: Phrases) -> Iterator[tuple[Tutor, Watch]]:
    watch = Watch()
    engine = make_engine(settings, phrases)
    yield Tutor(settings, desk, engine, store, phrases, tutor_prompts(phrases), clock=watch), watch


def exam(tutor: Tutor, *, question_seconds: int = 60, total_seconds: int = 100) -> str:
    limits = {"question_seconds": question_seconds, "total_seconds": total_seconds}
    return tutor.start(LEARNER, choices("en", mode="exam", **limits))


LONG_ENOUGH = f"{GOOD}, " + "and so on and so forth, as every serving engineer knows from reading the code of it " * 2


def test_a_late_answer_is_kept_and_does_not_count(timed: tuple[Tutor, Watch]) -> None:
    tutor, watch = timed
    session = exam(tutor, total_seconds=0)
    watch.now += 70
    tutor.reply(LEARNER, session, LONG_ENOUGH)
    assert "does not count" in said(tutor, session)
    this = tutor.interview(LEARNER, session).rounds[0]
    assert this.grades[0].late
    assert this.counted is None
    assert this.answer == LONG_ENOUGH
    watch.now += 30
    tutor.reply(LEARNER, session, LONG_ENOUGH)
    interview = tutor.interview(LEARNER, session)
    assert not interview.rounds[1].grades[0].late
    assert [spent(interview, this) for this in interview.rounds] == [70.0, 30.0]


def test_pauses_stop_the_clock_and_are_named(timed: tuple[Tutor, Watch]) -> None:
    tutor, watch = timed
    session = exam(tutor)
    watch.now += 50
    tutor.reply(LEARNER, session, "pause")
    watch.now += 600
    interview = tutor.interview(LEARNER, session)
    now = clock(interview, watch.now)
    assert (now.paused, now.question_left, now.total_left, now.paused_for) == (True, 10.0, 50.0, 600.0)
    tutor.reply(LEARNER, session, "continue")
    assert "Time left: 0:50 in all" in said(tutor, session)
    watch.now += 5
    tutor.reply(LEARNER, session, LONG_ENOUGH)
    interview = tutor.interview(LEARNER, session)
    assert not interview.rounds[0].grades[0].late
    assert not late(interview, interview.rounds[0])
    tutor.reply(LEARNER, session, "end")
    assert "Pauses: 1, 10:00 in all; they are not in the time." in said(tutor, session)


def test_when_all_time_is_up_the_exam_is_over(timed: tuple[Tutor, Watch]) -> None:
    tutor, watch = timed
    session = exam(tutor, question_seconds=0)
    watch.now += 200
    tutor.reply(LEARNER, session, LONG_ENOUGH)
    interview = tutor.interview(LEARNER, session)
    assert interview.finished
    assert len(interview.rounds) == 1
    assert interview.rounds[0].grades[0].late
    assert "The time is up" in said(tutor, session)
    tutor.reply(LEARNER, session, "hello?")
    assert kinds(tutor, session).count("question_asked") == 1


def test_the_question_to_add_more_tells_nothing_about_the_grade(timed: tuple[Tutor, Watch]) -> None:
    tutor, _ = timed
    for answer in (GOOD, "it is the colour of the cache, and nothing else"):
        session = exam(tutor)
        tutor.reply(LEARNER, session, answer)
        asked = [e for e in events(tutor.transcript(LEARNER, session)) if isinstance(e, FollowUpAsked)]
        assert [(e.step, e.key_point) for e in asked] == [("pump", "")]
        tutor.reply(LEARNER, session, "next")
        assert kinds(tutor, session).count("question_asked") == 2
        graded = [e for e in events(tutor.transcript(LEARNER, session)) if isinstance(e, AnswerGraded)]
        assert [e.helps for e in graded] == [0]


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.4, "0:59"), (60, "1:00"), (3600, "60:00")])
def test_time_is_said_in_minutes_and_seconds(seconds: float, text: str) -> None:
    assert minutes(seconds) == text
