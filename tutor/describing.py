"""Which models are set, where they are and what they may cost, in words; never a key."""

from collections.abc import Iterator

from tutor.cards import Language
from tutor.prompts import Phrases
from tutor.settings import Endpoint, Settings

CEILINGS = ("turn_tokens", "session_tokens", "day_tokens")


def described(settings: Settings, phrases: Phrases, language: Language) -> Iterator[tuple[str, str]]:
    """Name and value of every setting that concerns models.

    Where several people share the page, they learn which models there are, but not where.
    """

    def say(key: str, **values: object) -> str:
        return phrases(f"settings.{key}", language, **values)

    def endpoint(which: Endpoint) -> str:
        if settings.shared:
            return which.model
        return say("endpoint" if which.api_key else "endpoint_no_key", model=which.model, address=which.host)

    if not settings.model:
        yield say("talking"), phrases("engine.offline", language)
    else:
        yield say("talking"), endpoint(settings.talking)
    if settings.judging.model:
        same = settings.judging == settings.talking
        yield say("judging"), say("same") if same else endpoint(settings.judging)
    if settings.finding.model:
        yield say("finding"), endpoint(settings.finding)
    if settings.judging.model:
        yield say("patience"), say("seconds", seconds=f"{settings.patience:g}")
        for name in CEILINGS:
            tokens = getattr(settings, name)
            yield say(name), say("tokens", tokens=f"{tokens:,}") if tokens else say("none")
    if settings.file and not settings.shared:
        yield say("file"), str(settings.file)
