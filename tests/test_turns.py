"""What kind of turn a message is, measured on what learners say, half of which was kept aside while the words grew."""

import json
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import pytest
import yaml

from tutor.cards import load_shelf
from tutor.prompts import Phrases
from tutor.resources import resource
from tutor.turns import Turn, TurnReader

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
        assert 1 - len(requests) / (len(every) - number) >= UNDERSTOOD, requests
        assert len(answers) / number <= SWALLOWED, answers


def test_graded_answers_are_never_taken_for_anything_else(reader: TurnReader) -> None:
    every = list(graded_answers())
    swallowed = [(reader.read(text), text) for text in every if reader.read(text) != Turn("answer")]
    assert len(every) > 500
    assert len(swallowed) / len(every) <= SWALLOWED, swallowed
