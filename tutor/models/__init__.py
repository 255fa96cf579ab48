"""The one seam that thinks: the chat model behind the agent, a provider's or the offline engine."""

from dataclasses import dataclass

from langchain_core.language_models import BaseChatModel

from tutor.errors import EngineError
from tutor.models.offline import OFFLINE, OfflineEngine
from tutor.prompts import Phrases
from tutor.settings import Settings

TIMEOUT = 60.0
"""Seconds that one call to a provider may take."""


@dataclass(frozen=True)
class Engine:
    """The chat model in use and its name; the name `offline` is the engine that needs no model."""

    model: BaseChatModel
    name: str

    @property
    def offline(self) -> bool:
        return self.name == OFFLINE


def make_engine(settings: Settings, phrases: Phrases) -> Engine:
    """The engine that the settings name; raises EngineError when a model cannot be set up."""
    if not settings.model:
        return Engine(OfflineEngine(phrases=phrases), OFFLINE)
    from langchain_openai import ChatOpenAI

    if not settings.api_key and not settings.base_url:
        raise EngineError("TUTOR_MODEL is set but TUTOR_API_KEY is not; set it, or unset TUTOR_MODEL to go offline")
    model = ChatOpenAI(
        model=settings.model,
        base_url=settings.base_url or None,
        api_key=lambda: settings.api_key or "none",
        timeout=TIMEOUT,
        max_retries=1,
        temperature=0.3,
    )
    return Engine(model, settings.model)
