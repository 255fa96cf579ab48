"""Tries the models that the settings name, and says in one screen what works, what does not, and what to change."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from langchain_core.exceptions import LangChainException
from langchain_core.messages import AIMessageChunk, HumanMessage
from langchain_core.tools import tool
from pydantic import BaseModel, ValidationError

from tutor.cards import Language
from tutor.describing import described
from tutor.models import limits_of
from tutor.models.embedding import EmbeddingModel
from tutor.models.failures import ILL, Kind, ModelFailure
from tutor.models.metering import Meter, metered
from tutor.models.provider import ProviderModel
from tutor.prompts import Phrases
from tutor.settings import Endpoint, Settings

_COLON = {"en": ": ", "zh": "："}


class Sum(BaseModel):
    """The sum of two numbers."""

    total: int


@tool
def add(one: int, other: int) -> str:
    """Adds two numbers."""
    return str(one + other)


@dataclass(frozen=True)
class Finding:
    """One thing that was tried; `kind` is the failure, if it failed, `figure` what was measured."""

    what: str
    kind: Kind | None = None
    figure: str = ""


def examined(settings: Settings, phrases: Phrases, language: Language) -> Iterator[tuple[bool, str]]:
    """The lines of the report, each with whether all is well there. Asks no endpoint but those of the settings."""

    def say(key: str, **values: object) -> str:
        return phrases(f"doctor.{key}", language, **values)

    for name, value in described(settings, phrases, language):
        yield True, f"{name}{_COLON[language]}{value}"
    if (
        settings.file
        and settings.file.stat().st_mode & 0o077
        and any(e.api_key for e in (*_chatting(settings), settings.finding))
    ):
        yield False, say("readable", file=settings.file)
    if not settings.judging.model:
        yield True, say("offline")
    for endpoint, findings in _tried(settings):
        yield True, ""
        yield True, say("trying", model=endpoint.model, address=endpoint.host)
        for finding in findings:
            yield _line(finding, endpoint, settings, phrases, language)


def _tried(settings: Settings) -> Iterator[tuple[Endpoint, Iterator[Finding]]]:
    """Every model of the settings, with what is found out about it."""
    for endpoint in _chatting(settings):
        yield endpoint, _findings(endpoint, settings)
    if settings.finding.model:
        yield settings.finding, _embedding(settings.finding)


def _embedding(endpoint: Endpoint) -> Iterator[Finding]:
    model, began = EmbeddingModel(endpoint), time.monotonic()
    try:
        (vector,) = model.vectors(["ready"])
    except ModelFailure as failure:
        yield Finding("embedding", failure.kind)
    else:
        yield Finding("embedding", figure=f"({time.monotonic() - began:.1f} s, {len(vector)})")
    finally:
        model.close()


def _chatting(settings: Settings) -> list[Endpoint]:
    """The chat models of the settings, each once."""
    return list(dict.fromkeys(e for e in (settings.talking, settings.judging) if e.model))


def _line(
    finding: Finding, endpoint: Endpoint, settings: Settings, phrases: Phrases, language: Language
) -> tuple[bool, str]:
    what = phrases(f"doctor.{finding.what}", language)
    if finding.kind is None:
        return True, f"  ✓ {what} {finding.figure}".rstrip()
    happened = phrases(f"failure.{finding.kind}", language, model=endpoint.model)
    mend = phrases(f"doctor.mend_{finding.what if finding.kind not in _MENDS else finding.kind}", language,
                   **_names(endpoint, settings, finding))  # fmt: skip
    between = "" if language == "zh" else " "
    return False, f"  ✗ {what}{_COLON[language]}{happened}{between}{mend}"


_MENDS: frozenset[Kind] = ILL | {"key", "request"}
"""Failures that say by themselves what to change, whatever was tried."""


def _names(endpoint: Endpoint, settings: Settings, finding: Finding) -> dict[str, str]:
    """The variables to look at, as far as the advice names them."""
    judges = endpoint != settings.talking and settings.judge.model
    prefix = "TUTOR_EMBEDDING" if finding.what == "embedding" else "TUTOR_JUDGE" if judges else "TUTOR"
    wanted: dict[str, tuple[str, ...]] = {
        "unreachable": ("base_url",), "silent": ("patience",), "stalled": ("patience",), "key": ("api_key",),
        "request": ("model",), "unreadable": ("base_url",),
    }  # fmt: skip
    names = wanted.get(str(finding.kind), ()) if finding.kind in _MENDS else ()
    return {name: "TUTOR_PATIENCE" if name == "patience" else f"{prefix}_{name.upper()}" for name in names}


def _findings(endpoint: Endpoint, settings: Settings) -> Iterator[Finding]:
    """What was found at an endpoint; after a failure of its health nothing more is tried."""
    model = ProviderModel.at(endpoint, limits_of(settings), temperature=0.0)
    try:
        for name, attempt in (("reply", _reply), ("streaming", _streaming), ("tools", _tools), ("form", _form)):
            with metered(Meter(limits_of(settings))) as turn:
                began = time.monotonic()
                try:
                    kind = attempt(model)
                except ModelFailure as failure:
                    kind = failure.kind
                figure = f"({time.monotonic() - began:.1f} s)"
            yield Finding(name, kind, figure)
            if kind in ILL or kind in ("key", "request"):
                return
            if name == "reply":
                yield Finding("counting" if not turn.used.estimated else "estimating", figure=f"({turn.used.tokens})")
    finally:
        model.close()


def _reply(model: ProviderModel) -> Kind | None:
    return None if str(model.invoke([HumanMessage("Answer with one word: ready")]).text).strip() else "empty"


def _streaming(model: ProviderModel) -> Kind | None:
    pieces = [
        piece
        for piece in model.stream([HumanMessage("Count from one to ten in words.")])
        if isinstance(piece, AIMessageChunk) and piece.text
    ]
    return None if len(pieces) > 1 else "empty"


def _tools(model: ProviderModel) -> Kind | None:
    asked = model.bind_tools([add], tool_choice="any").invoke([HumanMessage("Call the tool: add 2 and 3.")])
    if not asked.tool_calls or asked.tool_calls[0]["name"] != "add":
        return "tools"
    return None if set(asked.tool_calls[0]["args"]) == {"one", "other"} else "tools"


def _form(model: ProviderModel) -> Kind | None:
    """The form in which a judge must answer."""
    formed = model.with_structured_output(Sum, method="function_calling", strict=True)
    try:
        return None if isinstance(formed.invoke([HumanMessage("What is the sum of 2 and 3?")]), Sum) else "tools"
    except (ValidationError, LangChainException) as error:
        if isinstance(error, ModelFailure):
            raise
        return "tools"
