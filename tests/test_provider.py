"""A provider's model through the real client, over HTTP: what it is sent, what it says, and what that costs."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, get_args

import pytest
from langchain_core.messages import HumanMessage
from pydantic import BaseModel

from tests.conftest import LEARNER, choices, tutor_with
from tests.faults import WORDS, FaultServer, faults
from tutor.costs import failure
from tutor.errors import EngineError
from tutor.events import ModelUsed, events
from tutor.history import Store
from tutor.models import Engine, make_engine, make_judge_model
from tutor.models.failures import Kind
from tutor.prompts import Phrases
from tutor.settings import Endpoint, Settings
from tutor.shown import Spent, shown
from tutor.tools import Desk
from tutor.tutor import Tutor, Watcher

GOOD = "keys and values of all past tokens"


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with faults() as running:
        yield running


@pytest.fixture
def talking(server: FaultServer, settings: Settings, desk: Desk, store: Store, phrases: Phrases) -> Iterator[Tutor]:
    chosen = replace(settings, model="some-model", base_url=server.address, api_key="secret-key")
    tutor = tutor_with(make_engine(chosen, phrases), chosen, desk, store, phrases)
    yield tutor
    tutor.engine.close()


def begin(tutor: Tutor, **more: Any) -> str:
    return tutor.start(LEARNER, choices(**{"topics": ("memory",), "questions": 1, **more}))


def test_a_configured_model_finds_the_words_and_nothing_else(server: FaultServer, talking: Tutor) -> None:
    session = begin(talking)
    heard: list[str] = []
    talking.reply(LEARNER, session, GOOD, watcher=Watcher(on_text=heard.append))
    assert "".join(heard) == WORDS
    assert str(talking.transcript(LEARNER, session)[-1].text) == WORDS
    (request,) = server.requests
    assert request["model"] == "some-model"
    assert {tool["function"]["name"] for tool in request["tools"]} == {
        "ask_question", "grade_answer", "ask_follow_up", "explain", "retrieve_reference_answer", "clarify",
    }  # fmt: skip
    assert request["messages"][0]["content"].startswith("You are an interviewer and tutor")
    assert server.keys == ["Bearer secret-key"]
    assert "secret-key" not in repr(talking.settings) + repr(talking.engine)


def test_a_model_without_key_and_address_is_a_clear_error(settings: Settings, phrases: Phrases) -> None:
    with pytest.raises(EngineError, match="TUTOR_MODEL is set but TUTOR_API_KEY is not"):
        make_engine(replace(settings, model="some-model"), phrases)


class Verdict(BaseModel):
    """One verdict."""

    verdict: str
    quote: str


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_the_judge_is_asked_at_temperature_0_and_gives_what_the_schema_says(
    server: FaultServer, settings: Settings, method: Any
) -> None:
    said = '{"verdict": "covered", "quote": "keys"}'
    server.mode = f"well:{said}" if method == "json_schema" else f"call:Verdict:{said}"
    judge = Endpoint("judge-model", server.address, "other-key")
    model = make_judge_model(replace(settings, model="some-model", judge=judge))
    assert model is not None
    given = model.with_structured_output(Verdict, method=method).invoke([HumanMessage("grade this")])
    assert given == Verdict(verdict="covered", quote="keys")
    (request,) = server.requests
    assert (request["model"], request["temperature"]) == ("judge-model", 0.0)
    assert server.keys == ["Bearer other-key"]
    Engine(model, "judge").close()


def test_without_a_model_there_is_no_judge(settings: Settings) -> None:
    assert make_judge_model(settings) is None


# Ceilings


def told(tutor: Tutor, session: str) -> tuple[str, bool]:
    """The failure of the last turn, and whether it was finished offline."""
    found = [event for event in events(tutor.transcript(LEARNER, session)) if isinstance(event, ModelUsed)]
    return found[-1].failure, found[-1].offline


def test_the_cost_of_turns_adds_up_to_that_of_the_interview(talking: Tutor) -> None:
    session = begin(talking)
    for text in (GOOD, "the memory grows with the length"):
        talking.reply(LEARNER, session, text)
    spent = [item for item in shown(talking.transcript(LEARNER, session)) if isinstance(item, Spent)]
    assert [(item.event.tokens, item.calls, item.tokens) for item in spent] == [(110, 1, 110), (110, 2, 220)]


@pytest.mark.parametrize(
    ("ceiling", "first", "second"),
    [("turn_tokens", ("turn_tokens", True), ("turn_tokens", True)),
     ("session_tokens", ("", False), ("session_tokens", True)),
     ("day_tokens", ("", False), ("day_tokens", True))],
)  # fmt: skip
def test_beyond_a_ceiling_the_offline_engine_goes_on(
    server: FaultServer, settings: Settings, desk: Desk, store: Store, phrases: Phrases, ceiling: str,
    first: tuple[str, bool], second: tuple[str, bool],
) -> None:  # fmt: skip
    server.mode = "costly"
    tokens = {"turn_tokens": 100, "session_tokens": 2500, "day_tokens": 2500}[ceiling]
    chosen = replace(settings, model="some-model", base_url=server.address, **{ceiling: tokens})  # type: ignore[arg-type]
    tutor = tutor_with(make_engine(chosen, phrases), chosen, desk, store, phrases)
    session = begin(tutor)
    tutor.reply(LEARNER, session, GOOD)
    assert told(tutor, session) == first
    requests = len(server.requests)
    after = begin(tutor) if ceiling == "day_tokens" else session
    tutor.reply(LEARNER, after, "the memory grows with the length")
    assert told(tutor, after) == second
    assert len(server.requests) == requests
    if ceiling == "day_tokens":
        again = tutor_with(tutor.engine, chosen, desk, store, phrases)
        later = begin(again)
        again.reply(LEARNER, later, GOOD)
        assert told(again, later) == second, "a restart does not forget what was spent today"
    tutor.engine.close()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_failure_has_words_in_both_languages(phrases: Phrases, language: Any) -> None:
    for kind in get_args(Kind):
        for offline in (True, False):
            for rests in (0.0, 15.0, 120.0):
                used = ModelUsed(engine="m", failure=kind, failed="m", offline=offline, rests=rests)
                assert len(failure(used, phrases, language)) > 10
