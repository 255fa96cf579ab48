"""The offline engine: a chat model without a network, which drives the same agent and tools as any other model.

It chooses a tool by the words of the request and speaks in phrases about what the tools have found. It knows nothing of
its own: what it teaches stands on the cards, what it says in the phrases.
"""

import json
import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, ToolMessage
from langchain_core.messages.tool import ToolCall
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from tutor import speech
from tutor.cards import LANGUAGES, Language
from tutor.events import last_turn
from tutor.interview import Interview
from tutor.matching import squeeze
from tutor.prompts import Phrases

OFFLINE = "offline"
_PIECE = re.compile(r"[^,.;:!?，。；：！？]*[,.;:!?，。；：！？]*\s*", re.DOTALL)


class OfflineEngine(BaseChatModel):
    """A LangChain chat model that answers from the transcript alone."""

    phrases: Phrases
    model: str = OFFLINE

    @property
    def _llm_type(self) -> str:
        return OFFLINE

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_name": OFFLINE}

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The engine with tools in OpenAI's form; `tool_choice` names one that must be called, or "any"."""
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], tool_choice=tool_choice, **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self._answer(messages, stop, **kwargs))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        answer = self._answer(messages, stop, **kwargs)
        calls = [
            {"name": call["name"], "args": json.dumps(call["args"]), "id": call["id"], "index": index}
            for index, call in enumerate(answer.tool_calls)
        ]
        pieces = [*filter(None, _PIECE.findall(str(answer.text))), ""]
        for number, piece in enumerate(pieces, start=1):
            last = number == len(pieces)
            chunk = ChatGenerationChunk(
                message=AIMessageChunk(
                    content=piece,
                    tool_call_chunks=calls if last else [],  # type: ignore[arg-type]
                    usage_metadata=answer.usage_metadata if last else None,
                    response_metadata=answer.response_metadata if last else {},
                    chunk_position="last" if last else None,
                )
            )
            if run_manager:
                run_manager.on_llm_new_token(piece, chunk=chunk)
            yield chunk

    def _answer(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        tools: Sequence[dict[str, Any]] = (),
        tool_choice: str | None = None,
        **_: Any,
    ) -> AIMessage:
        call = self._call(messages, {tool["function"]["name"]: tool for tool in tools}, tool_choice)
        text = "" if call else _until(self._text(messages), stop)
        return AIMessage(
            content=text,
            tool_calls=[call] if call else [],
            response_metadata={"model_name": OFFLINE, "finish_reason": "tool_calls" if call else "stop"},
            usage_metadata={"input_tokens": 0, "output_tokens": 0, "total_tokens": 0},
        )

    def _call(
        self, messages: Sequence[BaseMessage], tools: dict[str, dict[str, Any]], tool_choice: str | None
    ) -> ToolCall | None:
        """The tool call that the request is about, if there is one."""
        if not tools or isinstance(messages[-1], ToolMessage):
            return None
        wanted = _wanted(messages[-1], self.phrases)
        forced = tool_choice if tool_choice in tools else None
        if forced or tool_choice in ("any", "required", "tool"):
            name = forced or next(iter(tools))
            arguments = wanted[1] if wanted and wanted[0] == name else _some_arguments(tools[name])
            return ToolCall(name=name, args=arguments, id=f"call_{uuid.uuid4().hex}", type="tool_call")
        if wanted and wanted[0] in tools:
            return ToolCall(name=wanted[0], args=wanted[1], id=f"call_{uuid.uuid4().hex}", type="tool_call")
        return None

    def _text(self, messages: Sequence[BaseMessage]) -> str:
        interview = Interview.of(messages)
        language = interview.language if interview.started else _language_of(messages)
        turn = last_turn(messages)
        if speech.graded(interview.turn):
            return speech.feedback(interview, self.phrases)
        if interview.command == "ask" and interview.current and not interview.exam:
            return speech.aside(interview, self.phrases)
        if any(isinstance(message, ToolMessage) and message.status == "error" for message in turn):
            return self.phrases(_refusal(turn, interview), language)
        if any(isinstance(message, ToolMessage) for message in turn):
            return self.phrases("say.taught", language)
        return self.phrases("say.over" if interview.finished else "say.not_understood", language)


def _wanted(message: BaseMessage, phrases: Phrases) -> tuple[str, dict[str, Any]] | None:
    """Tool and arguments for a request in words: an explanation, or a reference answer."""
    if not isinstance(message, HumanMessage):
        return None
    text = str(message.text).strip()
    said = squeeze(text)
    for tool, key, argument in (
        ("retrieve_reference_answer", "asks.show", "query"),
        ("explain", "asks.explain", "about"),
    ):
        if any(squeeze(word) in said for word in phrases.words(key)):
            return tool, {argument: text[:300]}
    return None


def _some_arguments(tool: dict[str, Any]) -> dict[str, Any]:
    """Arguments of the right types for a tool that must be called whatever was said."""
    samples = {"string": "", "integer": 0, "number": 0.0, "boolean": False, "array": [], "object": {}}
    parameters = tool["function"].get("parameters", {})
    required = parameters.get("required", [])
    return {
        name: schema.get("enum", [samples.get(schema.get("type", "string"), "")])[0]
        for name, schema in parameters.get("properties", {}).items()
        if name in required
    }


def _refusal(turn: Sequence[BaseMessage], interview: Interview) -> str:
    """The phrase for a tool's refusal; the tool's own words are meant for a model."""
    refused = next(message.name for message in turn if isinstance(message, ToolMessage) and message.status == "error")
    if interview.exam and interview.current:
        return "say.exam_no_help"
    if refused == "ask_question":
        return "say.no_cards"
    if refused == "ask_follow_up":
        return "say.no_more_hints"
    return "say.explain_later" if interview.current else "say.not_found"


def _language_of(messages: Sequence[BaseMessage]) -> Language:
    said = next((str(message.text) for message in reversed(messages) if isinstance(message, HumanMessage)), "")
    return LANGUAGES[1] if re.search(r"[\u3400-\u9fff]", said) else LANGUAGES[0]


def _until(text: str, stop: Sequence[str] | None) -> str:
    """The text up to the first stop word."""
    places = [place for word in stop or () if (place := text.find(word)) >= 0]
    return text[: min(places)] if places else text
