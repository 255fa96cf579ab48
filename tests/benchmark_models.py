"""What a model costs a turn besides its own time, and how each fault ends with the real limits; prints figures.

python -m tests.benchmark_models            own time of turns, one learner and twenty
python -m tests.benchmark_models faults     fifty turns of every fault, with the limits of the product
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tests.conftest import CARDS, LEARNER, choices
from tests.faults import elsewhere, faults
from tests.test_faults import FAULTS, GOOD, Fault, NeverResting, used
from tutor.events import ModelUsed, events
from tutor.models.provider import ProviderModel
from tutor.opening import open_tutor
from tutor.settings import Settings
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


def every_fault() -> None:
    print(f"{TURNS} turns each, {LEARNERS} at once     most seconds   requests a turn   failure")
    for name, fault in FAULTS.items():
        with faults(fault.mode, pace=1.0) as server, tutor_at(server.address) as tutor:
            assert isinstance(tutor.engine.model, ProviderModel)
            tutor.engine.model._breaker = NeverResting()
            _one_fault(name, fault, tutor)
            print(f"{len(server.requests) / TURNS:8.1f}            {fault.kind}", flush=True)


def _one_fault(name: str, fault: Fault, tutor: Tutor) -> None:
    sessions = [tutor.start(LEARNER, choices(topics=("memory",), questions=1)) for _ in range(TURNS)]

    def answer(session: str) -> float:
        began = time.perf_counter()
        tutor.reply(LEARNER, session, GOOD)
        took = time.perf_counter() - began
        kinds = [event.kind for event in events(tutor.transcript(LEARNER, session))]
        assert kinds.count("answer_graded") == 1, kinds
        assert used(tutor, session).offline
        return took

    with ThreadPoolExecutor(LEARNERS) as learners:
        took = list(learners.map(answer, sessions))
    print(f"{name:42} {max(took):8.2f}", end="   ", flush=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["faults"]:
        every_fault()
    else:
        own_time()
        twenty()
