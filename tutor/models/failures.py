"""How a model can fail, in the few kinds that make a difference to what is done and said next."""

import email.utils
import json
from datetime import UTC, datetime
from typing import Literal

import httpx
import openai
from langchain_core.exceptions import ContextOverflowError, LangChainException, ModelError

from tutor.errors import EngineError

Kind = Literal[
    "unreachable",  # refused, no such host, no connection in time
    "silent",  # connected, but no first word in time
    "stalled",  # silence in the middle of a reply
    "broken_off",  # the reply ended without a finish reason
    "busy",  # 429: asked to wait
    "server",  # the endpoint's own error
    "key",  # key refused
    "request",  # request refused: model name, parameters
    "too_long",  # more than the model's context holds
    "unreadable",  # not the protocol
    "empty",  # no text and no tool call
    "refused",  # the model or a content filter declines
    "tools",  # tool calls that cannot be used
    "resting",  # it failed lately, or asked to be left alone for a while
    "cancelled",  # the learner did not want to wait
    "calls",  # a limit of the turn
    "time",
    "turn_tokens",
    "session_tokens",
    "day_tokens",
]
AGAIN: dict[Kind, int] = {
    "unreachable": 1, "silent": 1, "stalled": 1, "broken_off": 1, "busy": 2, "server": 1, "unreadable": 1, "empty": 1,
    "tools": 1,
}  # fmt: skip
"""How often a failed call is tried again, as long as nothing of its reply was shown."""
ILL: frozenset[Kind] = frozenset(("unreachable", "silent", "stalled", "broken_off", "busy", "server", "unreadable"))
"""Kinds that speak of the endpoint's health, not of one request."""

RAISED = (
    openai.OpenAIError,
    httpx.HTTPError,
    LangChainException,
    OSError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
)
"""What the client raises when an endpoint fails or answers with something that is no reply."""


class ModelFailure(EngineError, ModelError):
    """A model did not give a usable reply, after all tries that make sense.

    `said` is the text that was shown before it failed, `message_id` the id of that message; `retry_after` is for how
    many seconds the model should be left alone. No words of the provider are in it.
    """

    def __init__(
        self, kind: Kind, model: str = "", *, said: str = "", message_id: str = "", retry_after: float = 0.0
    ) -> None:
        super().__init__(f"the model {model} failed ({kind.replace('_', ' ')}); see: tutor doctor")
        self.kind: Kind = kind
        self.model = model
        self.said = said
        self.message_id = message_id
        self.retry_after = retry_after


def kind_of(error: BaseException, begun: bool) -> Kind:
    """The kind of what the client raised; `begun` says whether parts of a reply had come."""
    if isinstance(error, ContextOverflowError):
        return "too_long"
    if isinstance(error, openai.APIStatusError):
        return _of_status(error.status_code)
    if isinstance(error, json.JSONDecodeError):
        return "unreadable"
    if isinstance(error, openai.APITimeoutError | httpx.TimeoutException):
        return "stalled" if begun else "unreachable"
    if isinstance(error, openai.APIConnectionError | httpx.TransportError | OSError):
        return "broken_off" if begun else "unreachable"
    if isinstance(error, openai.ContentFilterFinishReasonError):
        return "refused"
    if isinstance(error, openai.LengthFinishReasonError):
        return "broken_off"
    return "server" if isinstance(error, openai.APIError) else "unreadable"


def _of_status(status: int) -> Kind:
    if status in (401, 403):
        return "key"
    if status == 413:
        return "too_long"
    if status == 429:
        return "busy"
    if status in (408, 409) or status >= 500:
        return "server"
    return "request" if status >= 400 else "unreadable"


def retry_after(error: BaseException) -> float:
    """For how many seconds the endpoint wants to be left alone; 0 where it does not say."""
    if not isinstance(error, openai.APIStatusError):
        return 0.0
    headers = error.response.headers
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name, "")
        try:
            return max(0.0, float(value) * unit)
        except ValueError:
            continue
    try:
        until = email.utils.parsedate_to_datetime(headers.get("retry-after", ""))
    except ValueError:
        return 0.0
    return max(0.0, (until.astimezone(UTC) - datetime.now(UTC)).total_seconds())
