"""The model client against llama.cpp's own server, which nobody here has written, with a tiny random model."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from tests.conftest import LEARNER, choices, tutor_with
from tests.test_recordings import FOLDER
from tutor.doctor import Sum, add
from tutor.events import AnswerGraded, ModelUsed, events
from tutor.history import Store
from tutor.models import Engine
from tutor.models.failures import ModelFailure
from tutor.models.metering import Limits, Meter, metered
from tutor.models.provider import ProviderModel
from tutor.prompts import Phrases
from tutor.recording import recording
from tutor.settings import Endpoint, Settings
from tutor.tools import Desk

pytest.importorskip("xllamacpp", reason="llama.cpp's server has no wheel for this machine")
pytest.importorskip("gguf")

NAME = "tiny-random"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    from tests.tiny_model import write

    path = tmp_path_factory.mktemp("model") / "tiny.gguf"
    write(path)
    command = [sys.executable, "-m", "tests.tiny_model", str(path)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=Path(__file__).parent.parent
    ) as server:
        assert server.stdout
        yield f"{server.stdout.readline().strip()}/v1"
        server.kill()


@pytest.fixture
def model(address: str) -> Iterator[ProviderModel]:
    made = ProviderModel.at(Endpoint(NAME, address), Limits(first=30.0), temperature=1.0, seed=3, max_tokens=400)
    yield made
    made.close()


def test_a_reply_is_streamed_and_counted(model: ProviderModel) -> None:
    with metered(Meter()) as turn:
        reply = model.invoke([HumanMessage("hello 你好")])
    assert reply.response_metadata["finish_reason"] in ("stop", "length")
    assert turn.used.calls == 1
    assert turn.used.input_tokens > 10
    assert not turn.used.estimated


def test_a_tool_is_called_and_its_result_is_taken(model: ProviderModel) -> None:
    with_tool = model.bind_tools([add], tool_choice="any")
    asked = with_tool.invoke([HumanMessage("add")])
    (call,) = asked.tool_calls
    assert call["name"] == "add"
    assert {type(value) for value in call["args"].values()} == {int}
    said = [HumanMessage("add"), AIMessage("", tool_calls=[call]), ToolMessage("5", tool_call_id=call["id"])]
    assert model.invoke(said).response_metadata["finish_reason"]


def test_a_schema_is_kept(model: ProviderModel) -> None:
    given = model.with_structured_output(Sum, method="json_schema").invoke([HumanMessage("a sum")])
    assert isinstance(given, Sum)


def test_more_than_fits_is_told(model: ProviderModel) -> None:
    with pytest.raises(ModelFailure) as caught:
        model.invoke([HumanMessage("x" * 40_000)])
    assert caught.value.kind in ("too_long", "request")


def test_turns_end_whatever_a_random_model_says(
    address: str, settings: Settings, desk: Desk, store: Store, phrases: Phrases
) -> None:
    limits = Limits(first=30.0)
    model = ProviderModel.at(Endpoint(NAME, address), limits, temperature=0.0, seed=1, max_tokens=60)
    tutor = tutor_with(Engine(model, NAME, limits), replace(settings, model=NAME), desk, store, phrases)
    session = tutor.start(LEARNER, choices(topics=("memory",), questions=1))
    for text in (
        "keys and values of all past tokens",
        "hint",
        "the memory grows with the length",
        "end",
        "explain LoRA",
    ):
        began = time.monotonic()
        tutor.reply(LEARNER, session, text)
        assert time.monotonic() - began < 60
    model.close()
    happened = list(events(tutor.transcript(LEARNER, session)))
    grades = [event.grade.score for event in happened if isinstance(event, AnswerGraded)]
    assert grades == [4.3, 8.6]
    used = [event for event in happened if isinstance(event, ModelUsed)]
    assert used
    assert all(0 < event.calls <= 6 for event in used)
    if os.environ.get("ACCEPT_RECORDINGS"):
        made = recording(tutor.transcript(LEARNER, session), f"{NAME}, llama.cpp server", time.time())
        text = json.dumps(made, ensure_ascii=False, indent=1) + "\n"
        (FOLDER / "llama-cpp-en.json").write_text(text, encoding="utf-8")
