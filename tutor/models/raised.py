"""What the client of an endpoint raises, read as one of the kinds of failure."""

import email.utils
import json
from datetime import UTC, datetime

import httpx
import openai
from langchain_core.exceptions import ContextOverflowError, LangChainException

from tutor.models.failures import Kind

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
