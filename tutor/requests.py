"""What of a transcript a provider's model is sent: the latest turns that fit, in a form that every endpoint takes.

Only the request is shortened; the transcript itself stays whole. However long an interview gets, a request does not.
"""

from collections.abc import Sequence

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage

from tutor.events import LanguageChosen, SessionStarted, event_of
from tutor.models.tokens import Counter, of_messages

CONTEXT = 2000
"""Tokens of the transcript that a model is sent, unless the running turn alone is longer."""
LONGEST = 3000
"""Characters of one message or one result of a tool that are sent; of longer ones the middle is left out."""
_LEFT_OUT = "\n[…]\n"


def recent(messages: Sequence[AnyMessage], count: Counter, started: str) -> list[AnyMessage]:
    """The latest whole turns within the context, and always the running one; `started` stands for a start's silence."""
    turns: list[list[AnyMessage]] = [[]]
    for message in messages:
        if isinstance(message, HumanMessage):
            turns.append([])
        turns[-1] += _sendable(message, started)
    kept: list[AnyMessage] = []
    for turn in reversed([_with_results(turn) for turn in turns]):
        if kept and of_messages([*turn, *kept], count) > CONTEXT:
            break
        kept = [*turn, *kept]
    return kept


def _sendable(message: AnyMessage, started: str) -> list[AnyMessage]:
    """The message as it is sent; nothing for one without words or calls, which endpoints refuse."""
    if isinstance(message, HumanMessage):
        event = event_of(message)
        if isinstance(event, LanguageChosen):
            return []
        text = started if isinstance(event, SessionStarted) else str(message.text)
        return [HumanMessage(_shortened(text))]
    if isinstance(message, ToolMessage):
        return [message.model_copy(update={"content": _shortened(str(message.text)), "artifact": None})]
    if isinstance(message, AIMessage) and (message.tool_calls or str(message.text).strip()):
        return [AIMessage(_shortened(str(message.text)), tool_calls=message.tool_calls)]
    return []


def _with_results(turn: Sequence[AnyMessage]) -> list[AnyMessage]:
    """The turn with its tool calls and their results in pairs; a turn that was broken off may lack one of the two."""
    asked = {call["id"] for message in turn if isinstance(message, AIMessage) for call in message.tool_calls}
    given = {message.tool_call_id for message in turn if isinstance(message, ToolMessage)}
    return [
        message
        for message in turn
        if (not isinstance(message, ToolMessage) or message.tool_call_id in asked)
        and (not isinstance(message, AIMessage) or all(call["id"] in given for call in message.tool_calls))
    ]


def _shortened(text: str) -> str:
    half = LONGEST // 2
    return text if len(text) <= LONGEST else f"{text[:half]}{_LEFT_OUT}{text[-half:]}"
