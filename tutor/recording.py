"""Keeps a session so that it can be played again without a model: what was sent, said by the model, and done.

A recording names the model that spoke and when. Keys never get into it, nor who the learner is or which session it was.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from tutor.agent import REPAIRS
from tutor.events import ModelUsed, event_of, events, to_json
from tutor.interview import Interview
from tutor.models.offline import OFFLINE
from tutor.shown import Said, Spent, shown

FORMAT = 1
REMOVED = "[removed]"
_LOOKS_SECRET = re.compile(r"\b(?:sk|pk|xox[a-z]|ghp|hf|key)[-_][A-Za-z0-9_-]{16,}|\bBearer\s+\S+")


def recording(
    transcript: Sequence[BaseMessage], model: str, at: float, secrets: Collection[str] = ()
) -> dict[str, Any]:
    """The session as JSON; `at` is when it began (seconds), `secrets` are the keys in use."""
    spoke = any(isinstance(event, ModelUsed) for event in events(transcript))
    made: dict[str, Any] = {
        "format": FORMAT,
        "model": model,
        "at": datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds"),
        "turns": [_turn(turn, transcript[:end], spoke) for turn, end in _turns(transcript)],
        "visible": visible(transcript),
    }
    kept: dict[str, Any] = _without(made, [secret for secret in secrets if secret])
    return kept


def visible(transcript: Sequence[BaseMessage]) -> list[str]:
    """What the learner saw, as text: words as they are, blocks by what they were about."""
    seen = []
    for item in shown(transcript):
        if isinstance(item, Said):
            seen.append(f"{'learner' if item.by_learner else 'tutor'}: {item.text}")
        elif not isinstance(item, Spent):
            seen.append(f"{item.event.kind}: {item.event.card_id}{'' if item.revealed else ' (open)'}")
    return seen


def _turns(transcript: Sequence[BaseMessage]) -> Iterator[tuple[Sequence[BaseMessage], int]]:
    """Each message of the learner with what followed it, and the place where that ends."""
    starts = [place for place, message in enumerate(transcript) if isinstance(message, HumanMessage)]
    for start, end in zip(starts, [*starts[1:], len(transcript)], strict=True):
        yield transcript[start:end], end


def _turn(turn: Sequence[BaseMessage], until: Sequence[BaseMessage], spoke: bool) -> dict[str, Any]:
    event = event_of(turn[0])
    happened = [caused for message in turn[1:] if (caused := event_of(message))]
    return {
        "sent": {"text": str(turn[0].text), "event": to_json(event) if event else None},
        "language": Interview.of(until).language,
        "model": list(_said(turn, spoke)),
        "events": [to_json(caused) for caused in happened if not isinstance(caused, ModelUsed)],
        "used": [to_json(caused) for caused in happened if isinstance(caused, ModelUsed)],
    }


def _said(turn: Sequence[BaseMessage], spoke: bool) -> Iterator[dict[str, Any]]:
    """What the model said in a turn, in its order; last its failure, if it failed."""
    whole = {"", OFFLINE} if spoke else {""}
    for message in turn:
        if isinstance(message, AIMessage) and _model_of(message) not in whole:
            calls = [{"name": call["name"], "args": call["args"], "id": call["id"]} for call in message.tool_calls]
            usage = cast(dict[str, int], message.usage_metadata or {})
            yield {
                "text": str(message.text),
                "tool_calls": calls,
                "usage": {k: usage[k] for k in _COUNTED if k in usage},
            }
    used = next((event for message in turn if isinstance(event := event_of(message), ModelUsed)), None)
    if used and (used.offline or used.failure == "calls") and not _misused(turn):
        broken_off = [message for message in turn if isinstance(message, AIMessage) and _is_part(message)]
        yield {"failure": used.failure, "said": str(broken_off[0].text).removesuffix(" …") if broken_off else ""}


def _misused(turn: Sequence[BaseMessage]) -> bool:
    """Whether the turn was ended for the model's useless tool calls, which are recorded, not for a failure."""
    refused = [message for message in turn if getattr(message, "status", "") == "error"]
    return len(refused) > REPAIRS


_COUNTED = ("input_tokens", "output_tokens", "total_tokens")


def _model_of(message: BaseMessage) -> str:
    """The model that finished this message; nothing for messages of our own and for parts of broken-off replies."""
    return str(message.response_metadata.get("model_name", "")) if isinstance(message, AIMessage) else ""


def _is_part(message: AIMessage) -> bool:
    return not message.response_metadata and not message.tool_calls and str(message.text).endswith(" …")


def _without(data: Any, secrets: Collection[str]) -> Any:
    """The data without anything that is or looks like a key."""
    if isinstance(data, dict):
        return {name: _without(value, secrets) for name, value in data.items()}
    if isinstance(data, list):
        return [_without(value, secrets) for value in data]
    if isinstance(data, str):
        for secret in secrets:
            data = data.replace(secret, REMOVED)
        return _LOOKS_SECRET.sub(REMOVED, data)
    return data
