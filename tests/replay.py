"""A chat model that says recorded messages in their order, and fails loudly when it runs out or has some left.

And what plays a whole recording again: the learner's messages to a tutor, whose model says what was recorded.
"""

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
from pydantic import PrivateAttr, SkipValidation

from tutor.cards import Card
from tutor.errors import NotGraded
from tutor.events import AnswerGraded, AppealMade, CommandGiven, GradingFailed, LanguageChosen, SessionStarted, parsed
from tutor.grading import Grade
from tutor.models.failures import ModelFailure
from tutor.rubric import RubricGrader
from tutor.tutor import Tutor


class ReplayModel(BaseChatModel):
    """Says `recorded` one after another; what it was sent is kept in `requests`."""

    recorded: SkipValidation[list[AIMessage | ModelFailure]]
    model: str = "replay"
    _said: int = PrivateAttr(default=0)
    _requests: list[list[BaseMessage]] = PrivateAttr(default_factory=list)

    @staticmethod
    def of(*recorded: AIMessage | ModelFailure | str) -> "ReplayModel":
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
        said = self.recorded[self._said - 1]
        if isinstance(said, ModelFailure):
            raise said
        return said

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


class RecordedGrader:
    """Grades as was recorded where a model had judged; elsewhere by the rubric, which must come to the same again."""

    def __init__(self, recording: dict[str, Any], rubric: RubricGrader) -> None:
        happened = [parsed(event) for turn in recording["turns"] for event in turn["events"]]
        self._recorded = [event for event in happened if isinstance(event, AnswerGraded | GradingFailed)]
        self._rubric = rubric

    def grade(self, card: Card, answer: str) -> Grade:
        recorded = self._recorded.pop(0)
        if isinstance(recorded, GradingFailed):
            raise NotGraded("as was recorded")
        return self._rubric.grade(card, answer) if recorded.grader == "rubric" else recorded.grade

    def reconsidered(self, card: Card, answer: str, grade: Grade, key_point: str, argument: str) -> Grade:
        recorded = self._recorded.pop(0)
        if isinstance(recorded, GradingFailed):
            raise NotGraded("as was recorded")
        if recorded.grader == "rubric":
            return self._rubric.reconsidered(card, answer, grade, key_point, argument)
        return recorded.grade


def said_in(recording: dict[str, Any]) -> ReplayModel:
    """The model that says what was recorded."""
    return ReplayModel.of(*(_message(said) for turn in recording["turns"] for said in turn["model"]))


def _message(said: dict[str, Any]) -> AIMessage | ModelFailure:
    if "failure" in said:
        return ModelFailure(said["failure"], "recorded", said=said["said"], message_id="part")
    about = {"model_name": "recorded", "finish_reason": "tool_calls" if said["tool_calls"] else "stop"}
    return AIMessage(said["text"], tool_calls=said["tool_calls"], response_metadata=about)


def played(recording: dict[str, Any], tutor: Tutor, learner: str) -> str:
    """Sends all that the learner had sent, and gives the session in which that happened."""
    session = ""
    for turn in recording["turns"]:
        sent = turn["sent"]
        match parsed(sent["event"]) if sent["event"] else None:
            case SessionStarted() as started:
                session = tutor.start(learner, started)
            case LanguageChosen() as chosen:
                tutor.choose_language(learner, session, chosen.language)
            case CommandGiven() | AppealMade() | None:
                tutor.reply(learner, session, sent["text"])
            case other:
                raise AssertionError(f"nobody sends {other}")
    return session
