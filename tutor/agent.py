"""The agent behind a turn: a LangChain agent with the tutor's tools, and the middleware that keeps it to the interview.

Where a provider's model fails, the offline engine finishes the turn.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import (
    AgentMiddleware,
    AgentState,
    ModelRequest,
    ModelResponse,
)
from langchain_core.exceptions import ModelError
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, SystemMessage
from langgraph.graph.state import CompiledStateGraph

from tutor import dialogue, speech
from tutor.cards import Language
from tutor.events import events, last_turn
from tutor.hygiene import harmless
from tutor.interview import Interview
from tutor.models.failures import ModelFailure
from tutor.models.metering import meter
from tutor.models.offline import OFFLINE, OfflineEngine
from tutor.models.tokens import counter
from tutor.prompts import Phrases
from tutor.requests import recent
from tutor.tools import TOOLS, Desk

CALLS = 6
"""Model calls and steps of ours in one turn, at most."""
STEPS = 2 * CALLS
"""The same for the graph, in which a call and a tool are a step each: a limit without middleware of its own."""
REPAIRS = 2
"""How often a model may call a tool again in one turn after a refusal."""


class Steering(AgentMiddleware[AgentState[Any], Any]):
    """Takes the steps that the state itself calls for, and speaks fixed words, without asking the model."""

    def __init__(self, phrases: Phrases) -> None:
        super().__init__()
        self._phrases = phrases

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelResponse[Any] | AIMessage:
        interview = Interview.of(request.state["messages"])
        move = None if _refused(request.messages) else dialogue.required_move(interview)
        if move:
            call_id = f"{move.tool}-{len(request.messages)}"
            return AIMessage("", tool_calls=[{"name": move.tool, "args": move.arguments, "id": call_id}])
        words = None if _refused(request.messages) else speech.fixed(interview, self._phrases)
        return AIMessage(words) if words else _usable(handler(request), request.messages)


class Fallback(AgentMiddleware[AgentState[Any], Any]):
    """Lets the offline engine finish a turn in which the model has failed, and ends a turn that has no end."""

    def __init__(self, phrases: Phrases) -> None:
        super().__init__()
        self._phrases = phrases
        self._offline = OfflineEngine(phrases=phrases)

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelResponse[Any] | AIMessage:
        turn, said = meter(), ""
        if not turn.offline and _misused(request.messages):
            turn.failed(ModelFailure("tools", getattr(request.model, "model_name", "")), "")
            turn.offline = True
        if not turn.offline:
            try:
                return handler(request)
            except ModelError as error:
                failure = _failure(error)
                turn.failed(failure, "")
                if failure.kind == "calls":
                    return AIMessage(self._phrases("say.limit", Interview.of(request.state["messages"]).language))
                said, said_id, turn.offline = failure.said.rstrip(), failure.message_id, True
        response = handler(request.override(model=self._offline))
        if said:
            response.result.insert(0, AIMessage(f"{said} …", id=said_id))
        return response


class Briefing(AgentMiddleware[AgentState[Any], Any]):
    """Gives a provider's model its prompt in the interview's language, which stands first, and the latest turns."""

    def __init__(self, prompts: Mapping[Language, str], phrases: Phrases) -> None:
        super().__init__()
        self._prompts = prompts
        self._phrases = phrases

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelResponse[Any] | AIMessage:
        if request.model._llm_type == OFFLINE:
            return handler(request)
        language = Interview.of(request.state["messages"]).language
        count = counter(getattr(request.model, "model_name", ""))
        messages = recent(request.messages, count, self._phrases("page.start", language))
        return handler(request.override(system_message=SystemMessage(self._prompts[language]), messages=messages))


def build_agent(
    model: BaseChatModel, prompts: Mapping[Language, str], phrases: Phrases
) -> CompiledStateGraph[Any, Any, Any, Any]:
    """The agent; one serves all sessions, since a session is its transcript."""
    return create_agent(
        model,
        list(TOOLS),
        middleware=[Steering(phrases), Fallback(phrases), Briefing(prompts, phrases)],
        context_schema=Desk,
    )


def _usable(response: ModelResponse[Any], messages: Sequence[BaseMessage]) -> ModelResponse[Any]:
    """The response with the first of its tool calls only, since several would run on the same state, and harmless."""
    response.result = [
        message.model_copy(
            update={
                "content": _harmless(str(message.text), messages),
                "tool_calls": message.tool_calls[:1],
                "invalid_tool_calls": [],
            }
        )
        if isinstance(message, AIMessage)
        else message
        for message in response.result
    ]
    return response


def _harmless(text: str, messages: Sequence[BaseMessage]) -> str:
    """The text without links, but for the sources of the cards that were talked about."""
    if harmless(text) == text:
        return text
    return harmless(text, {source.address for event in events(messages) for source in getattr(event, "sources", ())})


def _failure(error: ModelError) -> ModelFailure:
    return error if isinstance(error, ModelFailure) else ModelFailure("unreachable")


def _misused(messages: Sequence[BaseMessage]) -> bool:
    """Whether the model has called tools in vain in this turn, more often than it may mend."""
    refusals = [message for message in last_turn(messages) if getattr(message, "status", "") == "error"]
    return len(refusals) > REPAIRS


def _refused(messages: Sequence[BaseMessage]) -> bool:
    """Whether the last thing that happened is a tool's refusal, which wants words."""
    return getattr(messages[-1], "status", "") == "error"
