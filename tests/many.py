"""A history of many interviews in a data folder, made from one real one: for tests and the benchmark."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from langchain_core.messages import BaseMessage

from tutor.events import SessionStarted
from tutor.history import restore, stored
from tutor.opening import open_tutor
from tutor.settings import Settings
from tutor.tutor import Tutor

DAY = 86400.0
SPAN = 150
"""Days over which the interviews are spread, the last one yesterday."""


@contextmanager
def practised(settings: Settings, interviews: int, questions: int) -> Iterator[Tutor]:
    """A tutor whose learner has had so many interviews; the data folder is given back at the end."""
    tutor = open_tutor(replace(settings, learner="me"))
    try:
        session = _interview(tutor, questions)
        rows = stored(tutor.store, "me", [session])[session]
        for number in range(interviews - 1):
            back = DAY * (1 + SPAN * number / max(1, interviews - 1))
            earlier = [(document, {**meta, "at": meta["at"] - back}) for document, meta in rows]
            restore(tutor.store, "me", f"interview-{number}", earlier)
        yield tutor
    finally:
        tutor.store.close()


def _interview(tutor: Tutor, questions: int) -> str:
    """A whole interview offline: every third answer is a good one, the others say one key point each."""
    session = tutor.start("me", SessionStarted(language="en", questions=questions, seed=3))
    turns = 0
    while (interview := tutor.interview("me", session)).current:
        assert interview.current
        card = tutor.desk.shelf.by_id[interview.current.asked.card_id]
        answer = card.answer.en if turns % 3 == 0 else card.key_points[turns % 3].text.en
        tutor.reply("me", session, answer)
        turns += 1
        assert turns < 20 * questions, "the interview does not end"
    return session


def seconds(work: object) -> float:
    """How long a call takes."""
    began = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - began


def settings_for(folder: Path, cards: Path) -> Settings:
    return Settings(data=folder / "data", cards=cards, learner="me")


def stamped(messages: Sequence[BaseMessage], times: Iterable[float]) -> list[BaseMessage]:
    """The messages as if each had been stored at its time (seconds)."""
    return [
        message.model_copy(update={"additional_kwargs": {**message.additional_kwargs, "at": at}})
        for message, at in zip(messages, times, strict=True)
    ]
