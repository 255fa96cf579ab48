"""Every way in which a model can fail, through the real client over real HTTP, and what is kept.

Time limits are shortened here; `make faults` runs fifty turns of each fault with the real ones.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from tests.conftest import LEARNER, choices, tutor_with
from tests.faults import SECRET, WORDS, FaultServer, faults
from tests.free_port import free_port
from tutor.costs import lines
from tutor.events import AnswerGraded, ModelUsed, events
from tutor.history import Store
from tutor.models import make_engine
from tutor.models.breaker import Breaker
from tutor.models.failures import Kind
from tutor.models.joining import Joined
from tutor.models.metering import Limits
from tutor.models.provider import ProviderModel
from tutor.prompts import Phrases
from tutor.settings import Settings
from tutor.shown import Said, Spent, shown
from tutor.tools import Desk
from tutor.tutor import Tutor, Watcher

TURNS = 5
ROOM = 15.0
"""Seconds for a machine that is busy with other things; `make faults` prints what a turn really takes."""
AT_ONCE = 5
GOOD = "keys and values of all past tokens"
OFFLINE = f"This holds: “{GOOD}”."
SHORT = Limits(connect=2.0, first=1.5, idle=1.0, pause=0.5, turn=15.0)


class NeverResting(Breaker):
    """Lets every call through, so that each turn meets the fault."""

    def failed(self, kind: Kind, retry_after: float = 0.0) -> None:
        pass


Made = Callable[..., Tutor]


@pytest.fixture
def made(settings: Settings, desk: Desk, store: Store, phrases: Phrases) -> Iterator[Made]:
    """Makes tutors that talk to an address."""
    opened: list[Tutor] = []

    def make(address: str, limits: Limits = SHORT, *, resting: bool = False) -> Tutor:
        chosen = replace(settings, model="some-model", base_url=address, api_key="secret-key")
        engine = make_engine(chosen, phrases, limits)
        assert isinstance(engine.model, ProviderModel)
        if not resting:
            engine.model._breaker = NeverResting()
        opened.append(tutor_with(engine, chosen, desk, store, phrases))
        return opened[-1]

    yield make
    for tutor in opened:
        tutor.engine.close()


def begin(tutor: Tutor) -> str:
    return tutor.start(LEARNER, choices(topics=("memory",), questions=1))


def used(tutor: Tutor, session: str) -> ModelUsed:
    """What the last turn has cost."""
    return [event for event in events(tutor.transcript(LEARNER, session)) if isinstance(event, ModelUsed)][-1]


def words(tutor: Tutor, session: str) -> list[str]:
    """What the tutor has said since the learner's last words."""
    said = [item for item in shown(tutor.transcript(LEARNER, session)) if isinstance(item, Said)]
    last = max(place for place, item in enumerate(said) if item.by_learner)
    return [item.text for item in said[last + 1 :]]


@dataclass(frozen=True)
class Fault:
    """How the endpoint answers, what the turn then says of it, and at most how many requests a turn makes."""

    mode: str | Sequence[str]
    kind: str
    requests: int
    seconds: float = 2.0
    says: str = OFFLINE


FAULTS = {
    "F2 never answers": Fault("hang", "silent", 2),
    "F2 only keeps the connection open": Fault("comments", "silent", 2),
    "F3 asks for a pause each time": Fault("busy:0.2", "busy", 3),
    "F4 asks for too long a pause": Fault("busy:121", "busy", 1, 1.0),
    "F4 asks for a pause until a date": Fault("busy:+300", "busy", 1, 1.0),
    "F5 500": Fault("status:500", "server", 2),
    "F5 502": Fault("status:502", "server", 2),
    "F5 503": Fault("status:503", "server", 2),
    "key refused": Fault("status:401", "key", 1),
    "no such model": Fault("status:404", "request", 1),
    "too long for the model": Fault("too_long", "too_long", 1),
    "redirected elsewhere": Fault("redirect:http//127.0.0.1:9/v1", "unreadable", 2),
    "F6 reset before the first word": Fault("early_reset", "unreachable", 2),
    "F6 reset in mid-stream": Fault("reset", "broken_off", 1, says="A good …"),
    "F7 cut without a finish reason": Fault("cut", "broken_off", 1, says="A good …"),
    "F8 stalls in mid-stream": Fault("stall", "stalled", 1, says="A good …"),
    "F9 HTML": Fault("html", "unreadable", 2),
    "F9 a JSON list": Fault("json_list", "unreadable", 2),
    "F9 bytes": Fault("binary", "unreadable", 2),
    "F9 nothing": Fault("nothing", "unreadable", 2),
    "F9 no choices": Fault("choices_empty", "unreadable", 2),
    "F9 choices that are null": Fault("choices_null", "unreadable", 2),
    "F9 choices of another form": Fault("choices_odd", "unreadable", 2),
    "F9 broken events": Fault("broken_sse", "unreadable", 2),
    "F9 an error in the stream": Fault("error_in_stream", "server", 2),
    "F10 empty": Fault("empty", "empty", 2),
    "F10 white space": Fault("blank", "empty", 2),
    "F10 only reasoning": Fault("reasoning", "empty", 2),
    "F10 only thoughts": Fault("thoughts", "empty", 2),
    "F11 refusal": Fault("refusal", "refused", 1),
    "F11 content filter": Fault("filtered", "refused", 1),
    "F12 a tool call cut at the limit": Fault("length_in_call", "broken_off", 2),
    "F13 broken JSON": Fault("broken_call", "tools", 2),
    "F13 a list for arguments": Fault("list_call", "tools", 2),
    "F13 wrong types": Fault("wrong_types", "tools", 3),
    "F13 an unknown tool": Fault("unknown_tool", "tools", 3),
}


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_costs_no_words_and_no_grade(made: Made, phrases: Phrases, fault: Fault) -> None:
    with faults(fault.mode) as server:
        tutor = made(server.address)
        sessions = [begin(tutor) for _ in range(TURNS)]
        took = answered_by_all(tutor, sessions)
        assert len(took) == TURNS
        assert max(took) < fault.seconds + ROOM
        assert len(server.requests) <= fault.requests * TURNS
        for session in sessions:
            check_turn(tutor, session, fault, phrases)


def answered_by_all(tutor: Tutor, sessions: Sequence[str], text: str = GOOD) -> list[float]:
    """Sends an answer in every session, several at once; seconds that each turn took."""

    def answer(session: str) -> float:
        began = time.monotonic()
        tutor.reply(LEARNER, session, text)
        return time.monotonic() - began

    with ThreadPoolExecutor(AT_ONCE) as workers:
        return list(workers.map(answer, sessions))


def check_turn(tutor: Tutor, session: str, fault: Fault, phrases: Phrases) -> None:
    """The turn ended offline, says so, and has kept everything that it should."""
    transcript = tutor.transcript(LEARNER, session)
    assert [str(m.text) for m in transcript if isinstance(m, HumanMessage)][-1] == GOOD
    (grade,) = [event for event in events(transcript) if isinstance(event, AnswerGraded)]
    assert grade.grade.score == 4.3, "the grade that the answer deserves, whatever became of the model"
    event = used(tutor, session)
    assert (event.failure, event.offline, event.failed) == (fault.kind, True, "some-model")
    assert event.calls <= fault.requests
    said = words(tutor, session)
    assert said[0].startswith(fault.says), said
    assert all(text.strip() for text in said)
    seen = "\n".join(
        text
        for item in shown(transcript)
        for language in ("en", "zh")
        for text in (lines(item, phrases, language) if isinstance(item, Spent) else [str(item)])
    )
    assert SECRET not in seen
    assert "secret-key" not in seen
    assert SECRET not in str(transcript)


# F1


@pytest.mark.parametrize("address", ["refused", "http://nobody.invalid/v1"])
def test_f1_an_endpoint_that_cannot_be_reached_is_told_within_two_seconds(made: Made, address: str) -> None:
    tutor = made(f"http://127.0.0.1:{free_port()}/v1" if address == "refused" else address)
    for _ in range(TURNS if address == "refused" else 3):
        session = begin(tutor)
        began = time.monotonic()
        tutor.reply(LEARNER, session, GOOD)
        assert time.monotonic() - began < 2.0
        assert used(tutor, session).failure == "unreachable"
        assert words(tutor, session)[0].startswith(OFFLINE)


# What one more try mends


@pytest.mark.parametrize(
    "first",
    ["status:500", "busy:0.3", "early_reset", "html", "choices_null", "broken_sse", "empty", "thoughts", "broken_call",
     "hang", "unknown_parameter"],
)  # fmt: skip
def test_a_passing_fault_is_not_noticed(made: Made, first: str) -> None:
    with faults([first, "well"]) as server:
        tutor = made(server.address)
        session = begin(tutor)
        tutor.reply(LEARNER, session, GOOD)
        assert words(tutor, session) == [WORDS]
        assert used(tutor, session).failure == ""
        assert len(server.requests) == 2


def test_a_parameter_that_the_endpoint_does_not_know_is_left_out_from_then_on(made: Made) -> None:
    with faults("unknown_parameter") as server:
        tutor = made(server.address)
        for _ in range(2):
            tutor.reply(LEARNER, begin(tutor), GOOD)
        assert ["temperature" in request for request in server.requests] == [True, False, False]


def test_f3_a_short_pause_is_kept_and_told(made: Made) -> None:
    with faults(["busy:2", "well"]) as server:
        tutor = made(server.address, Limits())
        session = begin(tutor)
        pauses: list[float] = []
        tutor.reply(LEARNER, session, GOOD, watcher=Watcher(on_pause=pauses.append))
        first, second = server.times
        assert 2.0 <= second - first <= 3.5
        assert pauses == [2.0]
        assert words(tutor, session) == [WORDS]


def test_f4_an_endpoint_that_asks_for_a_long_pause_is_left_alone_until_then(made: Made) -> None:
    with faults(["busy:+120", "well"]) as server:
        tutor = made(server.address, resting=True)
        first, second = begin(tutor), begin(tutor)
        tutor.reply(LEARNER, first, GOOD)
        assert 100 < used(tutor, first).rests <= 121
        tutor.reply(LEARNER, second, GOOD)
        assert used(tutor, second).failure == "resting"
        assert len(server.requests) == 1


# Replies in parts


def test_f6_no_word_that_was_shown_vanishes_or_comes_twice(made: Made) -> None:
    with faults("reset") as server:
        tutor = made(server.address)
        session = begin(tutor)
        heard: list[str] = []
        tutor.reply(LEARNER, session, GOOD, watcher=Watcher(on_text=heard.append))
        assert "".join(heard).count("A good") == 1
        assert OFFLINE in "".join(heard)
        first, second = words(tutor, session)
        assert (first, second.startswith(OFFLINE)) == ("A good …", True)


@pytest.mark.parametrize(
    ("rest", "whole"),
    [
        (" the keys and values belong together.", "A good start with the keys and values belong together."),
        ("A good start with the keys and values. Well done.", "A good start with the keys and values. Well done."),
        ("values belong together.", "A good start with the keys and values belong together."),
        (", above all, values.", "A good start with the keys and, above all, values."),
    ],
    ids=["its last words again", "all of it again", "no word again", "no space belongs there"],
)
def test_f12_a_reply_that_reached_its_limit_is_gone_on_with(made: Made, rest: str, whole: str) -> None:
    with faults(["length", f"well:{rest}"]) as server:
        tutor = made(server.address)
        session = begin(tutor)
        heard: list[str] = []
        tutor.reply(LEARNER, session, GOOD, watcher=Watcher(on_text=heard.append))
        assert words(tutor, session) == ["".join(heard)] == [whole]
        event = used(tutor, session)
        assert (event.failure, event.calls, event.tokens) == ("", 2, 220)
        assert_can_be_sent(server.requests[1]["messages"])
        assert [message["role"] for message in server.requests[1]["messages"][-2:]] == ["assistant", "user"]
        assert "A good start with the keys and" in server.requests[1]["messages"][-1]["content"]


@pytest.mark.parametrize("then", ["length", "status:500", "hang", "refusal"])
def test_f12_a_reply_without_an_end_is_marked(made: Made, then: str) -> None:
    with faults(["length", then]) as server:
        tutor = made(server.address)
        session = begin(tutor)
        tutor.reply(LEARNER, session, GOOD)
        assert words(tutor, session) == ["A good start with the keys and …"]
        assert (used(tutor, session).failure, used(tutor, session).offline) == ("length", False)
        assert len(server.requests) == 2


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_what_is_joined_says_nothing_twice(size: int) -> None:
    def joined(said: str, rest: str) -> str:
        join = Joined(said)
        pieces = [join.after(rest[start : start + size]) for start in range(0, len(rest), size)]
        return said + "".join(pieces) + join.rest()

    assert (
        joined("The cache keeps the keys", "cache keeps the keys and values.") == "The cache keeps the keys and values."
    )
    assert (
        joined("缓存里保存的是过去所有", "保存的是过去所有 token 的键和值。")
        == "缓存里保存的是过去所有 token 的键和值。"
    )
    assert joined("缓存里保存的", "是键和值。") == "缓存里保存的是键和值。"
    assert joined("It is not a", "attention mask.") == "It is not a attention mask."
    assert joined("The end.", "") == "The end."


def test_f13_of_twenty_calls_with_one_id_one_runs(made: Made) -> None:
    for mode in ("twenty_calls", "same_ids"):
        with faults([mode, "well"]) as server:
            tutor = made(server.address)
            session = begin(tutor)
            tutor.reply(LEARNER, session, GOOD)
            kinds = [event.kind for event in events(tutor.transcript(LEARNER, session))]
            assert kinds.count("explanation_given") == 1
            assert words(tutor, session) == [WORDS]


def test_f14_endless_calls_end_after_six_with_our_words(made: Made) -> None:
    with faults('call:explain:{"about": "LoRA"}') as server:
        tutor = made(server.address)
        sessions = [begin(tutor) for _ in range(TURNS)]
        answered_by_all(tutor, sessions)
        assert len(server.requests) <= 6 * TURNS
        for session in sessions:
            assert words(tutor, session)[-1].startswith("I stop here for this turn.")


def test_f14_calls_that_never_end_elsewhere_count_too(made: Made) -> None:
    with faults('call:explain:{"about": "LoRA"}') as server:
        tutor = made(server.address, replace(SHORT, calls=2))
        session = begin(tutor)
        tutor.reply(LEARNER, session, GOOD)
        assert len(server.requests) == 2
        assert used(tutor, session).failure == "calls"
        assert words(tutor, session)[-1].startswith("I stop here for this turn.")


def test_f16_a_slow_model_is_heard_word_by_word_until_the_turn_must_end(made: Made) -> None:
    with faults("slowly", pace=0.1) as server:
        tutor = made(server.address, replace(SHORT, turn=1.0))
        session = begin(tutor)
        heard: list[str] = []
        began = time.monotonic()
        tutor.reply(LEARNER, session, GOOD, watcher=Watcher(on_text=heard.append))
        assert time.monotonic() - began < 2.0
        assert 5 <= heard.count("word ") <= 12
        assert used(tutor, session).failure == "time"
        assert words(tutor, session)[0].startswith("word word word")


@pytest.mark.parametrize("mode", ["hang", "stall", "slowly", "busy:5"])
def test_whoever_does_not_want_to_wait_goes_on_offline_at_once(made: Made, mode: str) -> None:
    with faults(mode, pace=0.05) as server:
        tutor = made(server.address, Limits())
        session = begin(tutor)
        turn = threading.Thread(target=tutor.reply, args=(LEARNER, session, GOOD))
        turn.start()
        while not server.requests:
            time.sleep(0.01)
        time.sleep(0.1)
        began = time.monotonic()
        assert tutor.hurry(LEARNER, session)
        turn.join()
        assert time.monotonic() - began < 2.0, "a moment, and room for a machine that is shared"
        assert used(tutor, session).failure == "cancelled"
        assert words(tutor, session)[-1].startswith(OFFLINE)
        assert not tutor.hurry(LEARNER, session), "there is nothing to wait for any more"
        while server.open and time.monotonic() - began < 1.0:
            time.sleep(0.01)
        assert server.open == 0, "the connection was dropped within a second"


def test_f17_a_megabyte_is_cut_at_a_readable_length(made: Made) -> None:
    with faults("megabyte") as server:
        tutor = made(server.address)
        session = begin(tutor)
        tutor.reply(LEARNER, session, GOOD)
        (said,) = words(tutor, session)
        assert 60_000 < len(said) <= 66_000
        assert said.endswith(" …")


def test_thoughts_are_not_part_of_a_reply(made: Made) -> None:
    with faults("thoughtful") as server:
        tutor = made(server.address)
        session = begin(tutor)
        heard: list[str] = []
        tutor.reply(LEARNER, session, GOOD, watcher=Watcher(on_text=heard.append))
        assert "".join(heard) == WORDS
        assert words(tutor, session) == [WORDS]


# After the fault


def test_the_model_is_tried_again_with_the_next_message(made: Made) -> None:
    with faults(["status:500", "status:500", "well"]) as server:
        tutor = made(server.address)
        session = begin(tutor)
        tutor.reply(LEARNER, session, GOOD)
        assert used(tutor, session).offline
        tutor.reply(LEARNER, session, "I do not know")
        assert not used(tutor, session).offline
        assert words(tutor, session) == [WORDS]
        assert_can_be_sent(server.requests[-1]["messages"])


def assert_can_be_sent(messages: Sequence[dict[str, object]]) -> None:
    """Every tool call has its result, and nobody speaks without words."""
    called = [call["id"] for m in messages for call in m.get("tool_calls") or []]  # type: ignore[attr-defined]
    assert called == [m["tool_call_id"] for m in messages if m["role"] == "tool"]
    assert all(m["content"] or m.get("tool_calls") for m in messages)


@contextmanager
def counting(server: FaultServer) -> Iterator[list[int]]:
    before = len(server.requests)
    made: list[int] = []
    yield made
    made.append(len(server.requests) - before)


def test_f5_an_ill_endpoint_is_left_alone_and_found_again(made: Made) -> None:
    clock = [1000.0]
    with faults("status:503") as server:
        tutor = made(server.address)
        assert isinstance(tutor.engine.model, ProviderModel)
        tutor.engine.model._breaker = Breaker(clock=lambda: clock[0])
        for _ in range(3):
            tutor.reply(LEARNER, begin(tutor), GOOD)
        assert len(server.requests) == 6, "five failures, and the second try of the third turn"
        with counting(server) as requests:
            session = begin(tutor)
            tutor.reply(LEARNER, session, GOOD)
        assert requests == [0]
        assert used(tutor, session).failure == "resting"
        clock[0] += 16.0
        with counting(server) as requests:
            tutor.reply(LEARNER, begin(tutor), GOOD)
        assert requests == [1], "one try after the rest, no second one"
        server.mode = "well"
        clock[0] += 16.0
        session = begin(tutor)
        tutor.reply(LEARNER, session, GOOD)
        assert words(tutor, session) == [WORDS], "recovery is noticed within 20 s"


def test_the_breaker_lets_one_call_try_and_the_others_wait() -> None:
    clock = [0.0]
    breaker = Breaker(clock=lambda: clock[0])
    breaker.failed("silent")
    assert breaker.admit() == 15.0
    clock[0] = 15.0
    assert breaker.admit() == 0.0
    assert breaker.admit() > 0, "somebody is trying already"
    breaker.failed("silent")
    assert breaker.admit() == 30.0, "each silence doubles the rest"
    clock[0] += 30.0
    assert breaker.admit() == 0.0
    breaker.failed("cancelled")
    assert breaker.admit() == 0.0, "a try that was broken off by the learner says nothing"
    breaker.succeeded()
    assert breaker.admit() == 0.0


def test_failures_that_say_nothing_about_health_do_not_rest_the_endpoint() -> None:
    breaker = Breaker(clock=lambda: 0.0)
    for _ in range(10):
        breaker.failed("refused")
        breaker.failed("empty")
    assert breaker.admit() == 0.0


def test_the_answer_of_the_model_is_the_last_word(made: Made) -> None:
    with faults("well") as server:
        tutor = made(server.address)
        session = begin(tutor)
        tutor.reply(LEARNER, session, GOOD)
        last = tutor.transcript(LEARNER, session)[-1]
        assert isinstance(last, AIMessage)
        event = used(tutor, session)
        assert (event.calls, event.input_tokens, event.output_tokens, event.estimated) == (1, 100, 10, False)
        assert event.engine == "some-model"
