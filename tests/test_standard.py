"""LangChain's own standard tests for our chat models and for the history, as far as they apply.

They do not apply where a test needs a model that follows free instructions: choosing a tool by its meaning, filling a
schema from prose, continuing a conversation about a tool it does not know, or reading images and documents.
"""

from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from tests.replay import ReplayModel
from tutor.models.offline import OfflineEngine
from tutor.prompts import load_phrases
from tutor.resources import resource

UNDERSTANDING = "needs a model that follows free instructions; the offline engine knows only its own requests"


class TestOfflineEngineUnit(ChatModelUnitTests):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return OfflineEngine

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"phrases": load_phrases(resource("prompts"))}

    @property
    def has_structured_output(self) -> bool:
        return False


class TestOfflineEngine(ChatModelIntegrationTests):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return OfflineEngine

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"phrases": load_phrases(resource("prompts"))}

    @property
    def has_structured_output(self) -> bool:
        return False

    @pytest.mark.xfail(reason=UNDERSTANDING)
    def test_agent_loop(self, model: BaseChatModel) -> None:
        super().test_agent_loop(model)

    @pytest.mark.xfail(reason=UNDERSTANDING)
    def test_tool_calling(self, model: BaseChatModel) -> None:
        super().test_tool_calling(model)

    @pytest.mark.xfail(reason=UNDERSTANDING)
    async def test_tool_calling_async(self, model: BaseChatModel) -> None:
        await super().test_tool_calling_async(model)

    @pytest.mark.xfail(reason=UNDERSTANDING)
    def test_bind_runnables_as_tools(self, model: BaseChatModel) -> None:
        super().test_bind_runnables_as_tools(model)

    @pytest.mark.xfail(reason=UNDERSTANDING)
    def test_unicode_tool_call_integration(self, model: BaseChatModel, **_: Any) -> None:
        super().test_unicode_tool_call_integration(model)


class _Recorded:
    """A recording long enough for any one test; what is said does not depend on what was asked."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ReplayModel

    @property
    def chat_model_params(self) -> dict[str, Any]:
        usage = UsageMetadata(input_tokens=1, output_tokens=1, total_tokens=2)
        said = AIMessage("a recorded answer", usage_metadata=usage, response_metadata={"model_name": "replay"})
        return {"recorded": [said] * 50}

    @property
    def has_tool_calling(self) -> bool:
        return False

    @property
    def has_structured_output(self) -> bool:
        return False


class TestReplayModelUnit(_Recorded, ChatModelUnitTests):
    pass


class TestReplayModel(_Recorded, ChatModelIntegrationTests):
    pass


def test_streaming_gives_the_same_words_as_a_single_answer() -> None:
    engine = OfflineEngine(phrases=load_phrases(resource("prompts")))
    chunks = list(engine.stream([HumanMessage("what now")]))
    assert all(isinstance(chunk, AIMessageChunk) for chunk in chunks)
    assert "".join(str(chunk.text) for chunk in chunks) == engine.invoke([HumanMessage("what now")]).text
    assert chunks[-1].response_metadata["finish_reason"] == "stop"
