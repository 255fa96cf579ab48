"""Opens a tutor from the settings: cards, phrases, prompts, history, engine."""

import logging
from dataclasses import replace

from tutor.cards import LANGUAGES, Language, Shelf, load_shelf
from tutor.errors import CardError
from tutor.grading import RUBRIC, Grader
from tutor.history import Store
from tutor.judging import ModelJudge
from tutor.models import make_embedding_model, make_engine, make_judge_model
from tutor.prompts import Phrases, load_phrases, load_prompt
from tutor.resources import resource
from tutor.rubric import RubricGrader
from tutor.search import CardSearch
from tutor.settings import Settings, stay_silent
from tutor.shelving import shelf_of
from tutor.tools import Desk
from tutor.tutor import Tutor

_LOG = logging.getLogger(__name__)


def open_tutor(settings: Settings) -> Tutor:
    """A tutor that is ready to interview; raises TutorError with what to mend."""
    stay_silent(settings)
    shelf = open_shelf(settings)
    phrases = load_phrases(resource("prompts"))
    engine = make_engine(settings, phrases)
    store = Store(settings)
    search = CardSearch(shelf, store, make_embedding_model(settings))
    if search.meaning:
        search.meaning.start()
    desk = Desk(shelf, make_grader(settings, shelf), search, phrases)
    return Tutor(settings, desk, engine, store, phrases, tutor_prompts(phrases))


def make_grader(settings: Settings, shelf: Shelf, name: str = "") -> Grader:
    """The model that judges, where one is set or named, else the rubric grader; raises EngineError."""
    rubric = RubricGrader(shelf)
    if name and name != RUBRIC:
        settings = replace(settings, judge=replace(settings.judge, model=name))
    model = None if name == RUBRIC else make_judge_model(settings)
    return ModelJudge(model, settings.judging.model, rubric, resource("prompts")) if model else rubric


def tutor_prompts(phrases: Phrases) -> dict[Language, str]:
    """The prompt of the talking model for each language of an interview."""
    names = {"en": phrases("name.english", "en"), "zh": phrases("name.chinese", "zh")}
    return {
        language: load_prompt(resource("prompts"), "tutor", language_name=names[language]) for language in LANGUAGES
    }


def open_shelf(settings: Settings) -> Shelf:
    """The cards; damaged ones are left out with a warning only if the operator said so."""
    damaged: list[CardError] = []
    left_out = damaged if settings.skip_damaged else None
    if settings.cache:
        shelf = shelf_of(settings.cards, settings.cache, left_out)
    else:
        shelf = load_shelf(settings.cards, left_out)
    for error in damaged:
        _LOG.warning("left out: %s", error)
    if not shelf.cards:
        raise CardError(f"{settings.cards}: there are no cards; set TUTOR_CARDS to a folder of cards")
    return shelf
