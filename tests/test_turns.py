"""What kind of turn a message is, measured on what learners say, half of which was kept aside while the words grew."""

import json
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import pytest
import yaml

from tests.conftest import LEARNER
from tests.test_tutor import GOOD, MEMORY, begin, kinds, said
from tutor.cards import load_shelf
from tutor.events import QuestionAsked
from tutor.history import Store
from tutor.interview import Interview, Round
from tutor.prompts import Phrases
from tutor.resources import resource
from tutor.rubric import RubricGrader
from tutor.search import CardSearch
from tutor.tools import Desk
from tutor.turns import Turn, TurnReader
from tutor.tutor import Tutor

HERE = Path(__file__).parent
UNDERSTOOD = 0.97
"""Requests of the kept half that are understood as what they are, at least."""
SWALLOWED = 0.005
"""Answers that are taken for something else, at most."""
NO_ANSWERS = {"dont_know", "off_topic", "filler", "injection"}
"""Tiers of the graded answers that say nothing to the question."""


def turns(language: str, *, kept: bool) -> Iterator[tuple[str, str, str]]:
    """Kind, message and the part of it that is an answer; the half that was kept aside, or the other."""
    listed = yaml.safe_load((HERE / "turns" / f"{language}.yaml").read_text(encoding="utf-8"))
    for kind, messages in listed.items():
        for message in messages:
            own, text, rest = message.split(" | ") if kind == "mixed" else (kind, message, "")
            if bool(crc32(text.encode()) & 1) == kept:
                yield own, text, rest


def graded_answers() -> Iterator[str]:
    """Real answers to our questions, which nobody may take for anything else."""
    for path in sorted((HERE / "graded").glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            answer = json.loads(line)
            if answer["tier"] not in NO_ANSWERS:
                yield answer["text"]


@pytest.fixture(scope="module")
def reader(phrases: Phrases) -> TurnReader:
    return TurnReader(phrases, load_shelf(resource("knowledge")))


def misread(reader: TurnReader, language: str, *, kept: bool) -> tuple[list[str], list[str]]:
    """Requests that were not understood as what they are, and answers that were taken for something else."""
    requests: list[str] = []
    answers: list[str] = []
    for kind, text, rest in turns(language, kept=kept):
        turn = reader.read(text)
        line = f"{kind} -> {turn.kind}: {text}"
        if turn.kind != kind:
            (answers if kind == "answer" else requests).append(line)
        elif rest and not turn.answer:
            answers.append(line)
    return requests, answers


@pytest.mark.parametrize("language", ["en", "zh"])
def test_requests_are_understood_and_answers_stay_answers(reader: TurnReader, language: str) -> None:
    for kept in (False, True):
        every = list(turns(language, kept=kept))
        number = sum(kind == "answer" for kind, _, _ in every)
        requests, answers = misread(reader, language, kept=kept)
        shown = f"{len(requests)} of the kept half" if kept else requests
        assert 1 - len(requests) / (len(every) - number) >= UNDERSTOOD, shown
        assert len(answers) / number <= SWALLOWED, answers


def test_graded_answers_are_never_taken_for_anything_else(reader: TurnReader) -> None:
    every = list(graded_answers())
    swallowed = [text for text in every if reader.read(text) != Turn("answer")]
    assert len(every) > 500
    assert len(swallowed) / len(every) <= SWALLOWED, swallowed


# What becomes of them, through the real agent

TALK = {
    "en": ["ok", "could you rephrase the question, please?", "what is softmax?", "pause please, I need a break",
           "ok I'm back. where were we?", "do you mind if I answer half in german?", "how many questions are left?",
           "thanks!", "too hard!", "give me something harder"],
    "zh": ["嗯", "不知道你在问什么", "softmax 是什么？", "先暂停一下，我去吃个饭", "我回来了，刚才说到哪了？",
           "可以用英文回答吗？", "还剩几道题？", "谢谢", "太难了，能简单点吗", "来点难的"],
}  # fmt: skip


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("mode", ["practice", "exam"])
def test_no_request_is_graded_or_uses_anything_up(tutor: Tutor, language: str, mode: str) -> None:
    session = begin(tutor, language, mode=mode, **MEMORY)
    before = tutor.interview(LEARNER, session).current
    for words in TALK[language]:
        tutor.reply(LEARNER, session, words)
        assert said(tutor, session), words
    this = tutor.interview(LEARNER, session).current
    assert before and this
    assert (this.said, this.grades) == ((), ())
    assert [help_.requested for help_ in this.helps] == [True] * len(this.helps), "only what was asked for"
    tutor.reply(LEARNER, session, GOOD)
    graded = tutor.interview(LEARNER, session).rounds[0].grades
    assert [event.answer for event in graded] == [GOOD]


def test_a_question_is_met_and_the_open_one_stands(tutor: Tutor) -> None:
    session = begin(tutor, **MEMORY)
    tutor.reply(LEARNER, session, "it makes decoding fast")
    before = tutor.interview(LEARNER, session).current
    tutor.reply(LEARNER, session, "what is a flux capacitor?")
    after = tutor.interview(LEARNER, session).current
    assert before and after
    assert "cannot answer that offline" in said(tutor, session)
    assert before.asked.question.en in said(tutor, session)
    assert before.helps[-1].text.en in said(tutor, session)
    assert (after.said, after.helps, after.grades) == (before.said, before.helps, before.grades)


def test_the_retelling_is_not_used_up_by_a_request(tutor: Tutor) -> None:
    session = begin(tutor)
    for words in ("no idea", "no idea", "no idea"):
        tutor.reply(LEARNER, session, words)
    this = tutor.interview(LEARNER, session).current
    assert this and this.given_away
    for words in ("hm, ok", "what is softmax?", "I need a break", "ok I'm back, where were we?"):
        tutor.reply(LEARNER, session, words)
        assert tutor.interview(LEARNER, session).current == this, words
    assert "in your own words" in said(tutor, session)


@pytest.mark.parametrize(
    ("words", "kinds_after"),
    [("Next question please.", ["answer_graded", "summary_given"]),
     ("Could you give me a hint?", ["answer_graded", "follow_up_asked"]),
     ("Show me the answer.", ["answer_graded", "answer_shown"]),
     ("I need a break.", ["answer_graded", "follow_up_asked"]),
     ("I'd like to stop here, thanks.", ["answer_graded"])],
)  # fmt: skip
def test_an_answer_with_a_request_is_graded_and_the_request_obeyed(
    tutor: Tutor, words: str, kinds_after: list[str]
) -> None:
    session = begin(tutor, **MEMORY)
    tutor.reply(LEARNER, session, f"{GOOD}. {words}")
    happened = [kind for kind in kinds(tutor, session) if kind not in ("session_started", "model_used")]
    assert happened == ["question_asked", "command_given", *kinds_after]
    interview = tutor.interview(LEARNER, session)
    assert [event.answer for event in interview.rounds[0].grades] == [f"{GOOD}."]
    assert interview.ended == ("stop" in words)
    assert interview.rounds[0].left == ("Next" in words)


def test_a_term_is_explained_unless_it_is_what_the_question_is_after(phrases: Phrases, store: Store) -> None:
    shelf = load_shelf(resource("knowledge"))
    desk = Desk(shelf, RubricGrader(shelf), CardSearch(shelf, store), phrases)
    card = shelf.by_id["gpu-memory-accounting"]
    asked = QuestionAsked(card_id=card.id, topic=card.topic, level=card.level, number=1, of=1, question=card.question)
    interview = Interview(rounds=(Round(asked),))
    told = desk.asides.answer("what does all-reduce mean?", interview, card)
    assert told.text and "sum" in told.text.en
    assert desk.asides.answer("what is a flux capacitor?", interview, card).text is None
    for open_card in shelf.cards[::60]:
        this = asked.model_copy(update={"card_id": open_card.id, "question": open_card.question})
        for term in shelf.glossary[::4]:
            met = desk.asides.answer(f"what is {term.words[0]}?", Interview(rounds=(Round(this),)), open_card)
            if met.text is None:
                continue
            marks = desk.grader.grade(open_card, met.text.en).marks
            assert all(mark.verdict not in ("covered", "partly") for mark in marks), (open_card.id, term.words[0])
