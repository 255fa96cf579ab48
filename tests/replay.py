"""A chat model that says recorded messages in their order, and fails loudly when it runs out or has some left."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import PrivateAttr


class ReplayModel(BaseChatModel):
    """Says `recorded` one after another; what it was sent is kept in `requests`."""

    recorded: list[AIMessage]
    model: str = "replay"
    _said: int = PrivateAttr(default=0)
    _requests: list[list[BaseMessage]] = PrivateAttr(default_factory=list)

    @staticmethod
    def of(*recorded: AIMessage | str) -> "ReplayModel":
        return ReplayModel(recorded=[AIMessage(said) if isinstance(said, str) else said for said in recorded])

    @property
    def requests(self) -> list[list[BaseMessage]]:
        return self._requests

    @property
    def _llm_type(self) -> str:
        return "replay"

    def check_all_said(self) -> None:
        """Fails when recorded messages are left over."""
        left = len(self.recorded) - self._said
        assert not left, f"{left} of {len(self.recorded)} recorded messages were never asked for"

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], tool_choice=tool_choice, **kwargs)

    def _next(self, messages: list[BaseMessage]) -> AIMessage:
        self._requests.append(list(messages))
        if self._said >= len(self.recorded):
            raise AssertionError(f"the recording has only {len(self.recorded)} messages, another one was asked for")
        self._said += 1
        return self.recorded[self._said - 1]

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self._next(messages))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        said = self._next(messages)
        text = str(said.text)
        for piece in (text[: len(text) // 2], text[len(text) // 2 :]):
            if piece:
                chunk = ChatGenerationChunk(message=AIMessageChunk(content=piece))
                if run_manager:
                    run_manager.on_llm_new_token(piece, chunk=chunk)
                yield chunk
        calls = [
            {"name": call["name"], "args": json.dumps(call["args"]), "id": call["id"], "index": index}
            for index, call in enumerate(said.tool_calls)
        ]
        yield ChatGenerationChunk(
            message=AIMessageChunk(
                content="",
                tool_call_chunks=calls,  # type: ignore[arg-type]
                usage_metadata=said.usage_metadata,
                response_metadata=said.response_metadata,
                chunk_position="last",
            )
        )
