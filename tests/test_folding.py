"""Folding a transcript again and again while it grows gives what folding it once gives, and reads each message once."""

from concurrent.futures import ThreadPoolExecutor

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from tests.conftest import LEARNER, choices
from tutor.folding import KEPT, Folds
from tutor.interview import Interview
from tutor.tutor import Tutor


def _with(state: str, message: BaseMessage) -> str:
    return state + str(message.text)


def test_only_new_messages_are_read() -> None:
    read: list[str] = []

    def step(state: str, message: BaseMessage) -> str:
        read.append(str(message.text))
        return _with(state, message)

    folds = Folds("", step)
    messages = tuple(HumanMessage(text) for text in "abc")
    assert folds.of(messages[:2]) == "ab"
    assert folds.of(messages) == "abc"
    assert folds.of(messages) == "abc"
    assert folds.of(messages[:1]) == "a"
    assert "".join(read) == "abc"


def test_messages_that_were_replaced_are_read_again() -> None:
    folds = Folds("", _with)
    first, second = HumanMessage("a"), AIMessage("b")
    assert folds.of((first, second)) == "ab"
    assert folds.of((first, AIMessage("c"), second)) == "acb"
    assert folds.of((HumanMessage("x"), second)) == "xb"
    assert folds.of(()) == ""


def test_only_the_latest_transcripts_are_kept() -> None:
    folds = Folds("", _with)
    transcripts = [(HumanMessage(str(number)),) for number in range(3 * KEPT)]
    assert [folds.of(messages) for messages in transcripts] == [str(number) for number in range(3 * KEPT)]
    assert len(folds._kept) == KEPT


def test_many_threads_may_fold_at_once() -> None:
    folds = Folds("", _with)
    messages = tuple(HumanMessage(chr(97 + number % 26)) for number in range(200))
    whole = "".join(str(message.text) for message in messages)
    with ThreadPoolExecutor(8) as workers:
        found = list(workers.map(lambda length: folds.of(messages[:length]), [*range(1, 201)] * 3))
    assert found == [whole[:length] for length in range(1, 201)] * 3


def test_an_interview_is_the_same_folded_whole_or_as_it_grew(tutor: Tutor) -> None:
    session = tutor.start(LEARNER, choices())
    for text in ("keys and values of all past tokens", "hint", "the memory grows", "show", "skip"):
        tutor.reply(LEARNER, session, text)
    transcript = tutor.transcript(LEARNER, session)
    fresh = [message.model_copy() for message in transcript]
    assert Interview.of(transcript) == Interview.of(fresh)
    assert Interview.of(transcript[:5]) == Interview.of(fresh[:5])
