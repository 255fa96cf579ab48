"""What a learner reads about the model of a turn: what it cost, and if it failed what happened and what comes next."""

from collections.abc import Iterator

from tutor.cards import Language
from tutor.events import ModelUsed
from tutor.prompts import Phrases
from tutor.shown import Spent


def lines(item: Spent, phrases: Phrases, language: Language) -> Iterator[str]:
    """One line for a failure, if there was one, and one for the cost, if there was any."""
    used = item.event
    if used.failure:
        yield failure(used, phrases, language)
    if used.tokens:
        yield phrases(
            "model.cost_about" if used.estimated else "model.cost",
            language,
            model=used.engine,
            calls=used.calls,
            tokens=f"{used.tokens:,}",
            seconds=f"{used.seconds:.1f}",
            all_calls=item.calls,
            all_tokens=f"{item.tokens:,}",
        )


def failure(used: ModelUsed, phrases: Phrases, language: Language) -> str:
    """What happened, what was kept, and what happens next."""
    whose = {} if used.failure.endswith("_tokens") else {"model": used.failed or used.engine}
    happened = phrases(f"failure.{used.failure}", language, **whose)
    kept = phrases(f"failure.{_kept(used)}", language)
    said = [happened, kept, _next(used, phrases, language)]
    return ("" if language == "zh" else " ").join(filter(None, said))


def _kept(used: ModelUsed) -> str:
    """What became of the turn: the offline engine ended it, only its grading failed, or it was whole but cut."""
    if used.offline:
        return "kept"
    return "kept_online" if used.failure in ("length", "calls") else "kept_graded"


def _next(used: ModelUsed, phrases: Phrases, language: Language) -> str:
    """When the model is tried again."""
    if used.failure in ("session_tokens", "day_tokens"):
        return phrases(f"failure.until_{used.failure}", language)
    if not used.offline:
        return ""
    if used.rests >= 90:
        return phrases("failure.again_minutes", language, minutes=round(used.rests / 60))
    if used.rests >= 1:
        return phrases("failure.again_seconds", language, seconds=round(used.rests))
    return phrases("failure.again_next", language)
