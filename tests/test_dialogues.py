"""Whole dialogues in the terminal, word for word, in both languages.

Each file in `dialogues/` is what a person sees; lines that start with "> " are what the learner sends. To accept a
changed dialogue after reading it, run the tests with ACCEPT_DIALOGUES=1.
"""

import os
from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path

import pytest
import yaml
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from rich.console import Console

from tests.conftest import LEARNER
from tutor import planning
from tutor.events import (
    AnswerGraded,
    AnswerShown,
    AppealMade,
    CommandGiven,
    ExplanationGiven,
    FollowUpAsked,
    QuestionAsked,
    SessionStarted,
    SummaryGiven,
    event_of,
)
from tutor.interview import Interview
from tutor.opening import open_tutor
from tutor.resources import resource
from tutor.settings import Settings
from tutor.terminal import chat
from tutor.tutor import Tutor

FOLDER = Path(__file__).parent / "dialogues"
WIDTH = 100

PRACTICE_EN = """\
hint
They keep the attention matrix of the past tokens, I think.
why this question?
ok: the keys and values of all previous tokens, in every layer
repeat
vram rises with the number of tokens
per layer you keep keys and values of the past tokens, and that memory grows with the length
it adds the product of two low-rank matrices BA, but LoRA makes inference slower
shorter please
the base weights are frozen, and after merging there is no extra latency
explain
two low-rank matrices, their product is added, the base weights are frozen
"""
PRACTICE_ZH = """\
不知道
太难了
显存不随长度增长
不是这个意思，我是说长度翻倍，显存也跟着线性增长
跳过
冻结原权重，加两个低秩矩阵 BA
没有了
"""
EXAM_EN = "two low-rank matrices, BA, are added to the frozen weight\nhint\nnext\npause\nskip\n"
EXAM_ZH = "看答案\n两个低秩矩阵的乘积加到冻结的权重上\n下一题\n缓存里存的是注意力矩阵\n没有\n"
QUIT_EN = "show\nonly the two factors are trained, the original weight is frozen\nend\n"

DIALOGUES = [
    ("practice", "en", "practice", PRACTICE_EN),
    ("practice", "zh", "practice", PRACTICE_ZH),
    ("exam", "en", "exam", EXAM_EN),
    ("exam", "zh", "exam", EXAM_ZH),
    ("show-and-end", "en", "practice", QUIT_EN),
]


@pytest.mark.parametrize(("name", "language", "mode", "lines"), DIALOGUES, ids=[f"{d[0]}-{d[1]}" for d in DIALOGUES])
def test_dialogue(
    tutor: Tutor, name: str, language: str, mode: str, lines: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = StringIO()
    console = Console(file=screen, width=WIDTH, highlight=False, color_system=None)
    monkeypatch.setattr("tutor.terminal.Console", lambda **_: console)
    start = SessionStarted.model_validate({"language": language, "mode": mode, "questions": 2, "seed": 7})
    chat(tutor, LEARNER, None, start, stdin=StringIO(lines))
    seen = "\n".join(line.rstrip() for line in screen.getvalue().splitlines()) + "\n"
    path = FOLDER / f"{name}-{language}.txt"
    if os.environ.get("ACCEPT_DIALOGUES"):
        path.write_text(seen, encoding="utf-8")
    assert seen == path.read_text(encoding="utf-8")


PLAYED = sorted((FOLDER / "played").glob("*.yaml"))


@pytest.fixture(scope="module")
def all_cards(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tutor]:
    """A tutor with the cards of the product."""
    folder = tmp_path_factory.mktemp("played")
    tutor = open_tutor(Settings(data=folder / "data", cards=resource("knowledge"), cache=folder / "cache"))
    yield tutor
    tutor.store.close()


@pytest.mark.parametrize("path", PLAYED, ids=[path.stem for path in PLAYED])
def test_what_people_wrote_is_met_as_before(all_cards: Tutor, path: Path) -> None:
    """People who played learners wrote this: what the tutor heard in each line, and all that it said to it."""
    played = yaml.safe_load(path.read_text(encoding="utf-8"))
    start = planning.choices(all_cards.desk.shelf, **played["settings"])
    session = all_cards.start(path.stem, start)
    for line in played["lines"]:
        all_cards.reply(path.stem, session, line)
    seen = "\n".join(told(all_cards.transcript(path.stem, session))) + "\n"
    expected = path.with_suffix(".txt")
    if os.environ.get("ACCEPT_DIALOGUES"):
        expected.write_text(seen, encoding="utf-8")
    assert seen == expected.read_text(encoding="utf-8")


def told(transcript: Sequence[BaseMessage]) -> Iterator[str]:
    """Each line of the learner with what it was taken for, grades as verdicts, and the words of the tutor."""
    language = Interview.of(transcript).language
    for message in transcript:
        event = event_of(message)
        match event:
            case CommandGiven():
                yield f"\n> {message.text}   [{event.command}]"
            case AppealMade():
                yield f"\n> {message.text}   [appeal]"
            case QuestionAsked():
                yield f"\n  QUESTION {event.number}: {event.question[language]}"
            case AnswerGraded():
                marks = " ".join(f"{mark.key_point}:{mark.verdict}" for mark in event.grade.marks)
                yield f"  GRADE {event.grade.score}: {marks}"
            case FollowUpAsked():
                yield f"  {event.step.upper()}: {event.text[language]}"
            case SummaryGiven():
                yield f"  SUMMARY: {len(event.said)} said, {len(event.missing)} missing"
            case ExplanationGiven() | AnswerShown():
                yield f"  {event.kind}"
            case _ if isinstance(message, HumanMessage) and message.text:
                yield f"\n> {message.text}"
            case _ if isinstance(message, AIMessage) and message.text:
                yield f"  {message.text}"
