"""Recordings played again: the same events and the same visible text, with nothing of the recording left over.

The files in `recordings/` say which model spoke. Those of the model "scripted" were written by hand, in SCRIPTS below;
after a change that was meant, run the tests with ACCEPT_RECORDINGS=1 and read what changed.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage

from tests.conftest import LEARNER, choices, tutor_with
from tests.faults import faults
from tests.replay import RecordedGrader, ReplayModel, played, said_in
from tutor.cards import Shelf
from tutor.events import Event, events, parsed
from tutor.history import Store
from tutor.models import Engine, make_engine
from tutor.models.failures import ModelFailure
from tutor.prompts import Phrases
from tutor.recording import REMOVED, recording, visible
from tutor.rubric import RubricGrader
from tutor.search import CardSearch
from tutor.settings import Settings
from tutor.tools import Desk
from tutor.tutor import Tutor

FOLDER = Path(__file__).parent / "recordings"
BEGAN = 1_760_000_000.0
Script = tuple[dict[str, Any], Sequence[str | AIMessage | ModelFailure]]


def call(name: str, **arguments: object) -> AIMessage:
    about = {"model_name": "scripted", "finish_reason": "tool_calls"}
    return AIMessage("", tool_calls=[{"name": name, "args": arguments, "id": f"call-{name}"}], response_metadata=about)


def says(text: str) -> AIMessage:
    return AIMessage(text, response_metadata={"model_name": "scripted", "finish_reason": "stop"})


ONE: dict[str, Any] = {"topics": ("memory",), "questions": 1}
SCRIPTS: dict[str, Script] = {
    "practice-en": (
        {"questions": 2, "seed": 0},
        ["hint", "it adds the product of two low-rank matrices BA", says("Right, two low-rank factors. One more step."),
         "the base weights are frozen and B starts at zero", says("Good: frozen weights and a zero start."),
         "no idea", says("That is honest. Here is a hint."),
         "they keep the keys and values of all past tokens", says("Yes, keys and values. Now think of its size."),
         "the memory grows with the length of the sequence", says("Exactly, linearly."),
         "explain", "show", "skip", "end"],
    ),
    "practice-zh": (
        {"language": "zh", "questions": 2, "seed": 0},
        ["提示", "冻结原权重，加两个低秩矩阵 BA，B 初始化为零，合并后没有额外延迟",
         says("冻结原权重、低秩矩阵，都说对了。我们看下一题。"),
         "不知道", says("坦白说不知道没关系，先看提示。"),
         "存之前所有 token 的 K 和 V", says("对，就是 K 和 V。那它有多大呢？"),
         "显存随长度线性增长", says("没错，线性增长。"), "讲解", "看答案", "重复", "跳过"],
    ),
    "exam-en": (
        {"mode": "exam", "questions": 2},
        ["two low-rank matrices, BA, are added to the frozen weight", "hint",
         "keys and values of all past tokens are stored and grow with the length"],
    ),
    "exam-zh": (
        {"language": "zh", "mode": "exam", "questions": 2},
        ["看答案", "两个低秩矩阵的乘积加到冻结的权重上", "缓存里存的是之前 token 的键和值"],
    ),
    "tools-en": (
        ONE,
        ["keys and values of all past tokens", call("ask_follow_up", step="hint"), says("Take this hint with you."),
         "what is an optimizer state?", call("clarify"), says("Back to the question."),
         "the memory grows with the length", call("grade_answer"), says("Graded."),
         "end", "tell me about LoRA", call("explain", about="LoRA"), says("Step by step, as you see."),
         "what is the right answer there?", call("retrieve_reference_answer", query="LoRA low rank adapters"),
         says("This is the reference answer."), "one more question please", call("ask_question"),
         says("All questions have been asked.")],
    ),
    "tools-zh": (
        {**ONE, "language": "zh"},
        ["存之前所有 token 的 K 和 V", says("对。"), "结束",
         "讲讲 LoRA", call("explain", about="LoRA 低秩"), says("请看讲解。"),
         "参考答案是什么样的？", call("retrieve_reference_answer", query="LoRA 低秩"), says("参考答案如上。")],
    ),
    "broken-calls-en": (
        ONE,
        ["keys and values of all past tokens", call("explain", about=["a", "list"]),
         call("no_such_tool", learner="bob"),
         says("I could not look that up, so let us go on."),
         "the memory grows with the length", call("ask_follow_up", step=7), call("ask_follow_up", step=8),
         call("ask_follow_up", step=9)],
    ),
    "failures-en": (
        ONE,
        ["keys and values of all past tokens", ModelFailure("refused", "scripted"),
         "the memory grows with the length", ModelFailure("broken_off", "scripted", said="Yes, it", message_id="part")],
    ),
}  # fmt: skip


def playing(
    recorded: dict[str, Any] | None,
    model: ReplayModel,
    settings: Settings,
    shelf: Shelf,
    store: Store,
    phrases: Phrases,
) -> Tutor:
    rubric = RubricGrader(shelf)
    grader = RecordedGrader(recorded, rubric) if recorded else rubric
    desk = Desk(shelf, grader, CardSearch(shelf, store), phrases)
    return tutor_with(Engine(model, "scripted"), replace(settings, model="scripted"), desk, store, phrases)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_is_recorded_as_it_stands_in_its_file(
    name: str, settings: Settings, shelf: Shelf, store: Store, phrases: Phrases
) -> None:
    start, lines = SCRIPTS[name]
    model = ReplayModel.of(*(line for line in lines if not isinstance(line, str)))
    tutor = playing(None, model, settings, shelf, store, phrases)
    session = tutor.start(LEARNER, choices(**{"seed": 7, **start}))
    for line in lines:
        if isinstance(line, str):
            tutor.reply(LEARNER, session, line)
    model.check_all_said()
    made = recording(tutor.transcript(LEARNER, session), "scripted", BEGAN)
    path = FOLDER / f"{name}.json"
    if os.environ.get("ACCEPT_RECORDINGS"):
        path.write_text(json.dumps(made, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    assert json.loads(path.read_text(encoding="utf-8")) == made


def happened(recorded: dict[str, Any]) -> list[list[Event]]:
    """The events of each turn; fields that came later have their defaults in older recordings."""
    return [[parsed(event) for event in turn["events"]] for turn in recorded["turns"]]


FILES = sorted(path.stem for path in FOLDER.glob("*.json"))


@pytest.mark.parametrize("name", FILES)
def test_a_recording_plays_again(name: str, settings: Settings, shelf: Shelf, store: Store, phrases: Phrases) -> None:
    recorded = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    model = said_in(recorded)
    tutor = playing(recorded, model, settings, shelf, store, phrases)
    session = played(recorded, tutor, LEARNER)
    model.check_all_said()
    transcript = tutor.transcript(LEARNER, session)
    again = recording(transcript, "again", BEGAN)
    assert happened(again) == happened(recorded)
    assert visible(transcript) == recorded["visible"]


def test_every_recording_says_who_spoke_and_when() -> None:
    for name in FILES:
        recorded = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
        assert recorded["format"] == 1
        assert (recorded["model"] == "scripted") == (name in SCRIPTS), name
        assert recorded["at"].startswith("20"), name
    assert set(SCRIPTS) <= set(FILES)


def test_each_tool_was_called_by_a_model_in_a_recording() -> None:
    called = {
        made["name"]
        for name in FILES
        for turn in json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))["turns"]
        for said in turn["model"]
        for made in said.get("tool_calls", ())
    }
    assert called >= {"ask_question", "grade_answer", "ask_follow_up", "explain", "retrieve_reference_answer"}


def test_keys_do_not_get_into_a_recording(settings: Settings, desk: Desk, store: Store, phrases: Phrases) -> None:
    with faults("well:My key is secret-key-1234 and sk-abcdefghijklmnop1234") as server:
        chosen = replace(settings, model="some-model", base_url=server.address, api_key="secret-key-1234")
        tutor = tutor_with(make_engine(chosen, phrases), chosen, desk, store, phrases)
        session = tutor.start(LEARNER, choices(**ONE))
        tutor.reply(LEARNER, session, "keys and values; Bearer abcdef is my token")
        tutor.engine.close()
    made = recording(tutor.transcript(LEARNER, session), "some-model", BEGAN, ["secret-key-1234", ""])
    text = json.dumps(made)
    for secret in ("secret-key-1234", "sk-abcdefghijklmnop1234", "Bearer abcdef", session, LEARNER + '"'):
        assert secret not in text
    assert text.count(REMOVED) >= 4
    assert made["turns"][1]["model"][0]["usage"] == {"input_tokens": 100, "output_tokens": 10, "total_tokens": 110}
    assert len(list(events(tutor.transcript(LEARNER, session)))) == 5
