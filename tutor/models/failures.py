"""How a model can fail, in the few kinds that make a difference to what is done and said next."""

from typing import Literal

from langchain_core.exceptions import ModelError

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
    "length",  # cut at the limit of its length
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
