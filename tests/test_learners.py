"""Ten whole practice interviews, as people led them, word for word; what they found wrong is mended in them.

`learners/people.yaml` says who they are and what they typed. The cards are copies, so that a card can be improved
without ten dialogues changing. To accept changed dialogues after reading them, run with ACCEPT_DIALOGUES=1.
"""

import os
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from tests.conftest import LEARNER, tutor_with
from tests.simulation import checked
from tutor.cards import load_shelf
from tutor.events import SessionStarted
from tutor.history import Store
from tutor.models import make_engine
from tutor.prompts import Phrases
from tutor.rubric import RubricGrader
from tutor.search import CardSearch
from tutor.settings import Settings
from tutor.terminal import chat
from tutor.tools import Desk

FOLDER = Path(__file__).parent / "learners"
PEOPLE: dict[str, dict[str, Any]] = yaml.safe_load((FOLDER / "people.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", PEOPLE)
def test_a_person_practises(
    name: str, settings: Settings, store: Store, phrases: Phrases, monkeypatch: pytest.MonkeyPatch
) -> None:
    person, screen = PEOPLE[name], StringIO()
    shelf = load_shelf(FOLDER / "cards")
    desk = Desk(shelf, RubricGrader(shelf), CardSearch(shelf, store), phrases)
    tutor = tutor_with(make_engine(settings, phrases), settings, desk, store, phrases)
    console = Console(file=screen, width=100, highlight=False, color_system=None)
    monkeypatch.setattr("tutor.terminal.Console", lambda **_: console)
    start = SessionStarted(language=person["language"], topics=tuple(person["topics"]), questions=len(person["topics"]))
    session = chat(tutor, LEARNER, None, start, stdin=StringIO("\n".join(person["lines"]) + "\n"))
    seen = "\n".join(line.rstrip() for line in screen.getvalue().splitlines()) + "\n"
    seen = seen.replace(session, "SESSION")
    path = FOLDER / f"{name}.txt"
    if os.environ.get("ACCEPT_DIALOGUES"):
        path.write_text(seen, encoding="utf-8")
    assert seen == path.read_text(encoding="utf-8")
    checked(tutor.transcript(LEARNER, session), phrases)
