"""The one seam that thinks: the chat model behind the agent, a provider's or the offline engine; and the judge's."""

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from langchain_core.language_models import BaseChatModel

from tutor.errors import EngineError
from tutor.models.metering import Limits
from tutor.models.offline import OFFLINE, OfflineEngine
from tutor.prompts import Phrases
from tutor.settings import Endpoint, Settings

if TYPE_CHECKING:
    from tutor.models.embedding import EmbeddingModel

NO_STREAM = "nostream"
"""LangGraph's tag for a model whose words are not those of the tutor and must not be streamed to the learner."""


@dataclass(frozen=True)
class Engine:
    """The chat model in use and its name; the name `offline` is the engine that needs no model."""

    model: BaseChatModel
    name: str
    limits: Limits = field(default_factory=Limits)

    @property
    def offline(self) -> bool:
        return self.name == OFFLINE

    def close(self) -> None:
        """Closes the connections that the model holds."""
        if close := getattr(self.model, "close", None):
            close()


def make_engine(settings: Settings, phrases: Phrases, limits: Limits | None = None) -> Engine:
    """The engine that the settings name; raises EngineError when a model cannot be set up."""
    limits = limits or limits_of(settings)
    if not settings.model:
        return Engine(OfflineEngine(phrases=phrases), OFFLINE, limits)
    return Engine(_provider(settings.talking, limits, "TUTOR", temperature=0.3), settings.model, limits)


def make_judge_model(settings: Settings, limits: Limits | None = None) -> BaseChatModel | None:
    """The chat model that grades, at temperature 0: the judge's own endpoint, or that of the talking model.

    None where no model is set. Its calls count on the turn's meter, are retried and end in time like all others, and
    raise nothing but ModelFailure (an EngineError): then there is no verdict. Its words never reach the learner's page.
    """
    if not settings.judging.model:
        return None
    name = "TUTOR_JUDGE" if settings.judge.base_url else "TUTOR"
    return _provider(settings.judging, limits or limits_of(settings), name, temperature=0.0, tags=[NO_STREAM])


def make_embedding_model(settings: Settings) -> "EmbeddingModel | None":
    """The embedding model that helps to find cards, where one is set; raises EngineError when it has no key."""
    if not settings.finding.model:
        return None
    from tutor.models.embedding import EmbeddingModel

    _check_key(settings.finding, "TUTOR_EMBEDDING")
    return EmbeddingModel(settings.finding)


def limits_of(settings: Settings) -> Limits:
    """The limits of a turn as far as the settings name them."""
    return Limits(
        first=settings.patience,
        turn_tokens=settings.turn_tokens,
        session_tokens=settings.session_tokens,
        day_tokens=settings.day_tokens,
    )


def _provider(endpoint: Endpoint, limits: Limits, name: str, **more: object) -> BaseChatModel:
    """The client of an endpoint; `name` begins the names of its variables."""
    from tutor.models.provider import ProviderModel
    from tutor.models.tokens import counter

    _check_key(endpoint, name)
    threading.Thread(target=counter(endpoint.model), args=("",), daemon=True).start()
    return ProviderModel.at(endpoint, limits, **more)


def _check_key(endpoint: Endpoint, name: str) -> None:
    if not endpoint.api_key and not endpoint.base_url:
        raise EngineError(f"{name}_MODEL is set but {name}_API_KEY is not; set it, or unset {name}_MODEL to go offline")
