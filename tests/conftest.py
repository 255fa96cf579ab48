"""Real cards of the tests, a real Chroma in a temporary folder, no network and no keys."""

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from pytest_socket import socket_allow_hosts

from tests.replay import ReplayModel
from tutor.cards import Shelf, load_shelf
from tutor.events import SessionStarted
from tutor.history import Store
from tutor.models import Engine, make_engine
from tutor.opening import tutor_prompts
from tutor.prompts import Phrases, load_phrases
from tutor.resources import resource
from tutor.rubric import RubricGrader
from tutor.search import CardSearch
from tutor.settings import Settings
from tutor.tools import Desk
from tutor.tutor import Tutor

CARDS = Path(__file__).parent / "cards"
LEARNER = "ann"


@pytest.fixture(autouse=True)
def nobody_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only loopback can be reached, and no setting or key of the person at this machine is seen."""
    socket_allow_hosts(["127.0.0.1", "::1"], allow_unix_socket=True)
    for name in list(os.environ):
        if name.startswith(("TUTOR_", "OPENAI_", "LANGCHAIN_", "LANGSMITH_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LANGSMITH_TRACING_V2", "false")


@pytest.fixture(autouse=True)
def one_time_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Days begin at midnight UTC, whatever the machine's zone is."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


@pytest.fixture(scope="session")
def shelf() -> Shelf:
    """Two small cards that belong to the tests."""
    return load_shelf(CARDS)


@pytest.fixture(scope="session")
def phrases() -> Phrases:
    return load_phrases(resource("prompts"))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path / "data", cards=CARDS, learner=LEARNER)


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    opened = Store(settings)
    yield opened
    opened.close()


@pytest.fixture
def desk(shelf: Shelf, store: Store, phrases: Phrases) -> Desk:
    return Desk(shelf, RubricGrader(shelf), CardSearch(shelf, store), phrases)


@pytest.fixture
def tutor(settings: Settings, desk: Desk, store: Store, phrases: Phrases) -> Tutor:
    """A tutor with the offline engine and a clock that ticks a second at every look."""
    return tutor_with(make_engine(settings, phrases), settings, desk, store, phrases)


def tutor_with(engine: Engine, settings: Settings, desk: Desk, store: Store, phrases: Phrases) -> Tutor:
    ticks = count(1_750_000_000)
    return Tutor(settings, desk, engine, store, phrases, tutor_prompts(phrases), clock=lambda: float(next(ticks)))


@pytest.fixture
def replaying(
    settings: Settings, desk: Desk, store: Store, phrases: Phrases, request: pytest.FixtureRequest
) -> Iterator[tuple[Tutor, ReplayModel]]:
    """A tutor whose model says the messages of the test's `says` marker, all of them and no more."""
    marker = request.node.get_closest_marker("says")
    model = ReplayModel.of(*(marker.args if marker else ()))
    engine = Engine(model, "scripted")
    yield tutor_with(engine, replace(settings, model="scripted"), desk, store, phrases), model
    model.check_all_said()


def choices(language: str = "en", **more: object) -> SessionStarted:
    """An interview over the two test cards."""
    return SessionStarted.model_validate({"language": language, "questions": 2, "seed": 1, **more})
