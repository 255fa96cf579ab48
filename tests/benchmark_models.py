"""What a model costs a turn besides its own time, and how each fault ends with the real limits; prints figures.

python -m tests.benchmark_models            own time of turns, one learner and twenty
python -m tests.benchmark_models faults     fifty turns of every fault, with shorter limits
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

from langchain_core.messages import AIMessage

from tests.conftest import CARDS, LEARNER, choices
from tests.faults import SECRET, FaultServer, elsewhere, faults
from tests.free_port import free_port
from tests.test_faults import FAULTS, GOOD
from tutor.costs import failure
from tutor.events import AnswerGraded, ModelUsed, events
from tutor.models.breaker import Breaker
from tutor.models.metering import Limits
from tutor.opening import open_tutor
from tutor.settings import Settings
from tutor.shown import Item, Said, Spent, shown
from tutor.tutor import Tutor

LEARNERS = 20
PAUSE = 2.0
"""Seconds that the slow model takes for each call."""
TURNS = 50


@contextmanager
def tutor_at(address: str) -> Iterator[Tutor]:
    """A tutor with a folder of its own, which talks to the address."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data=Path(folder) / "data", cards=CARDS, learner=LEARNER, model="some-model")
        tutor = open_tutor(replace(settings, base_url=address))
        try:
            yield tutor
        finally:
            tutor.engine.close()
            tutor.store.close()


def answered(tutor: Tutor) -> tuple[float, ModelUsed]:
    """Seconds of one answered question, and what it used."""
    return _answer(tutor, tutor.start(LEARNER, choices(topics=("memory",), questions=1)), LEARNER)


def _answer(tutor: Tutor, session: str, learner: str) -> tuple[float, ModelUsed]:
    began = time.perf_counter()
    tutor.reply(learner, session, GOOD)
    took = time.perf_counter() - began
    return took, [event for event in events(tutor.transcript(learner, session)) if isinstance(event, ModelUsed)][-1]


def own_time() -> None:
    with elsewhere("well") as (address, longest), tutor_at(address) as tutor:
        answered(tutor)
        sessions = [tutor.start(LEARNER, choices(topics=("memory",), questions=1)) for _ in range(100)]
        began = time.process_time()
        turns = [_answer(tutor, session, LEARNER) for session in sessions]
        processor = (time.process_time() - began) / len(turns)
        whole = sorted(took for took, _ in turns)
        own = sorted(took - event.seconds for took, event in turns)
        calls = statistics.mean(event.calls for _, event in turns)
        print(f"model that answers at once: calls a turn {calls:.1f}")
        print(f"  whole turn  p50 {whole[50] * 1000:4.0f} ms  p95 {whole[95] * 1000:4.0f} ms")
        print(f"  own time    p50 {own[50] * 1000:4.0f} ms  p95 {own[95] * 1000:4.0f} ms   (aim p50 below 40 ms)")
        print(f"  processor   mean {processor * 1000:3.0f} ms, of all threads, the model's client included")
        print(f"  bytes sent  {longest():,} a call at most")


def twenty() -> None:
    with elsewhere(f"after:{PAUSE}") as (address, _), tutor_at(address) as tutor:
        answered(tutor)
        sessions = [tutor.start(f"l{n}", choices(topics=("memory",), questions=1)) for n in range(LEARNERS)]

        def answer(number: int) -> tuple[float, int]:
            took, event = _answer(tutor, sessions[number], f"l{number}")
            return took, event.calls

        with ThreadPoolExecutor(LEARNERS) as learners:
            turns = list(learners.map(answer, range(LEARNERS)))
    over = sorted(took - calls * PAUSE for took, calls in turns)
    print(f"{LEARNERS} learners at once, {PAUSE:.0f} s a call, calls a turn {turns[0][1]}: over the calls' own time")
    print(f"  p50 {over[len(over) // 2] * 1000:.0f} ms  most {over[-1] * 1000:.0f} ms   (aim: at most 500 ms)")


@dataclass(frozen=True)
class Case:
    """How the endpoint answers; `address` where there is none that does."""

    mode: str | Sequence[str]
    address: str = ""


REFUSED = f"http://127.0.0.1:{free_port()}/v1"
CASES = {
    "F1 refuses": Case("well", REFUSED),
    "F1 no such host": Case("well", "http://nobody.invalid/v1"),
    "F3 asks for a pause of 1 s": Case(["busy:1", "well"]),
    **{name: Case(fault.mode) for name, fault in FAULTS.items()},
    "F12 the length is reached": Case("length"),
    "F13 the same id twice": Case("same_ids"),
    "F13 twenty calls at once": Case("twenty_calls"),
    "F14 calls without end": Case('call:explain:{"about": "LoRA"}'),
    "F16 a word a second": Case("slowly"),
    "F17 1 MB of text": Case("megabyte"),
}
SHORTER = Limits(connect=2.0, first=4.0, idle=3.0, pause=2.0, turn=15.0)
"""The limits of the product are 5, 15, 10, 5 and 60 s; they are shortened here so that all ends in minutes."""
RIGHT = 4.3
"""The grade that the answer deserves, by the rubric and by the judge of the tests."""


def every_fault() -> None:
    print(f"{TURNS} turns each, {LEARNERS} at once; limits in seconds: {SHORTER}")
    print(
        "| fault | ended | slowest | requests a turn | words kept | grades made up | not graded | read by the learner |"
    )
    print("|---|--:|--:|--:|--:|--:|--:|---|")
    never_resting = patch.object(Breaker, "failed", lambda self, kind, retry_after=0.0: None)
    for name, case in CASES.items():
        with (
            faults(case.mode, pace=1.0) as server,
            patch("tutor.models.limits_of", return_value=SHORTER),
            never_resting,
            tutor_at(case.address or server.address) as tutor,
        ):
            print(f"| {name} {_fifty(tutor, server)} |", flush=True)


def _fifty(tutor: Tutor, server: FaultServer) -> str:
    """The figures of fifty answered questions."""
    sessions = [tutor.start(LEARNER, choices(topics=("memory",), questions=1)) for _ in range(TURNS)]

    def answer(session: str) -> float:
        began = time.perf_counter()
        tutor.reply(LEARNER, session, GOOD)
        return time.perf_counter() - began

    with ThreadPoolExecutor(LEARNERS) as learners:
        took = list(learners.map(answer, sessions))
    transcripts = [tutor.transcript(LEARNER, session) for session in sessions]
    grades = [[e.grade.score for e in events(messages) if isinstance(e, AnswerGraded)] for messages in transcripts]
    seen = [shown(messages) for messages in transcripts]
    kept = sum(
        any(isinstance(item, Said) and item.by_learner and item.text == GOOD for item in items) for items in seen
    )
    ended = sum(
        isinstance(messages[-1], AIMessage) and bool(str(messages[-1].text).strip()) for messages in transcripts
    )
    told = {_told(items, tutor) for items in seen}
    assert not any(SECRET in str(item) for items in seen for item in items)
    made_up = sum(score != RIGHT for scores in grades for score in scores)
    ungraded = sum(not scores for scores in grades)
    requests, read = len(server.requests) / TURNS, " / ".join(sorted(told))
    return f"| {ended} | {max(took):.1f} s | {requests:.1f} | {kept} | {made_up} | {ungraded} | {read}"


def _told(items: Sequence[Item], tutor: Tutor) -> str:
    """The first sentence about the model, or of the tutor where there is none."""
    failed = [item.event for item in items if isinstance(item, Spent) and item.event.failure]
    said = [item.text for item in items if isinstance(item, Said) and not item.by_learner]
    return (failure(failed[-1], tutor.phrases, "en") if failed else said[-1]).split(". ")[0].rstrip(".")[:90]


if __name__ == "__main__":
    if sys.argv[1:] == ["faults"]:
        every_fault()
    else:
        own_time()
        twenty()
