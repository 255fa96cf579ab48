"""What the tutor says by itself, from phrases: feedback on a grade, and a word on every button."""

from collections.abc import Sequence

from tutor.cards import Language
from tutor.events import (
    AnswerGraded,
    AnswerShown,
    Event,
    ExplanationGiven,
    FollowUpAsked,
    GradingFailed,
    QuestionAsked,
    SessionStarted,
)
from tutor.grading import Grade
from tutor.interview import Interview, Round
from tutor.prompts import Phrases

QUOTED = 3
"""How many quotes feedback names at most."""


def fixed(interview: Interview, phrases: Phrases) -> str | None:
    """What is said without a model: to a command or a start; None where a model should find the words."""
    done = interview.turn
    if any(isinstance(event, GradingFailed) for event in done):
        return phrases("say.not_graded", interview.language)
    if interview.appeal:
        return _to_appeal(interview, phrases)
    if graded(done) and not interview.exam:
        return None
    if interview.command:
        return _to_command(interview, phrases)
    if any(isinstance(event, SessionStarted) for event in done):
        return _welcome(interview, phrases)
    if graded(done):
        return _joined([phrases("say.noted", interview.language), _lead(interview, phrases)], interview.language)
    return None


def graded(turn: Sequence[Event]) -> AnswerGraded | None:
    """The grading of this turn, if there was one."""
    return next((event for event in turn if isinstance(event, AnswerGraded)), None)


def _to_appeal(interview: Interview, phrases: Phrases) -> str:
    """What came of it: the verdict follows what was said, and says so either way."""
    language, heard = interview.language, graded(interview.turn)
    if heard is None:
        return phrases("say.nothing_open", language)
    mark = next(mark for mark in heard.grade.marks if mark.key_point == heard.appealed)
    key = "upheld" if mark.verdict == "covered" else "raised"
    if mark.verdict == heard.before or mark.verdict not in ("covered", "partly"):
        said = phrases("say.stays", language)
    else:
        said = phrases(f"say.{key}", language, quotes=_quotes([mark.quote], language))
    lead = any(isinstance(event, QuestionAsked) for event in interview.turn) or interview.finished
    return _joined([said, _lead(interview, phrases)] if lead else [said], language)


def _welcome(interview: Interview, phrases: Phrases) -> str:
    language, started = interview.language, interview.started
    assert started is not None
    key = "say.welcome_exam" if interview.exam else "say.welcome"
    mode = phrases(f"mode.{started.mode}_short", language)
    return phrases(key, language, number=started.questions, mode=mode)


def _to_command(interview: Interview, phrases: Phrases) -> str:
    language, current, done = interview.language, interview.current, interview.turn
    if interview.command == "end":
        return phrases("say.ended", language)
    if interview.command == "skip":
        return _joined([phrases("say.skipped", language), _lead(interview, phrases)], language)
    if interview.command == "grade" and not interview.exam:
        return phrases("say.nothing_to_grade", language)
    if current is None:
        return phrases("say.over" if interview.finished else "say.no_question", language)
    if interview.command == "repeat":
        return _repeated(interview, current, phrases)
    if interview.exam:
        return phrases("say.exam_no_help", language)
    if any(isinstance(event, ExplanationGiven) for event in done):
        return phrases("say.explained", language)
    if any(isinstance(event, AnswerShown) for event in done):
        return phrases("say.shown", language)
    if any(isinstance(event, FollowUpAsked) for event in done):
        return phrases("say.hinted", language)
    return phrases("say.explain_later" if interview.command == "explain" else "say.no_more_hints", language)


def _repeated(interview: Interview, current: Round, phrases: Phrases) -> str:
    language = interview.language
    question = current.asked.question[language]
    if not current.helps:
        return phrases("say.repeat", language, question=question)
    return phrases("say.repeat_follow_up", language, question=question, follow_up=current.helps[-1].text[language])


def _lead(interview: Interview, phrases: Phrases) -> str:
    """The words that lead on: to a follow-up, the next question or the report."""
    language = interview.language
    if any(isinstance(event, FollowUpAsked) for event in interview.turn):
        return phrases("say.follow", language)
    if any(isinstance(event, QuestionAsked) for event in interview.turn):
        return phrases("say.next", language)
    return phrases("say.last" if interview.finished else "say.no_cards", language)


def feedback(interview: Interview, phrases: Phrases) -> str:
    """Short, honest feedback on the latest grade: what came new, in the learner's own words, and what leads on."""
    this = next(this for this in reversed(interview.rounds) if this.grades)
    before = this.grades[-2].grade if len(this.grades) > 1 else None
    language = interview.language
    return _joined([*_verdicts(this.grades[-1].grade, before, language, phrases), _lead(interview, phrases)], language)


def _verdicts(grade: Grade, before: Grade | None, language: Language, phrases: Phrases) -> list[str]:
    if grade.gate:
        return [phrases(f"gate.{grade.gate}", language)]
    known = {(mark.key_point, mark.verdict) for mark in before.marks} if before else set()
    new = {
        verdict: _quotes(
            [m.quote for m in grade.marks if m.verdict == verdict and (m.key_point, verdict) not in known], language
        )
        for verdict in ("covered", "partly", "contradicted")
    }
    said = []
    if all(mark.verdict == "covered" for mark in grade.marks) and not grade.misconceptions and new["covered"]:
        return [phrases("say.right_all", language, quotes=new["covered"])]
    if new["covered"]:
        said.append(phrases("say.right", language, quotes=new["covered"]))
    if new["partly"]:
        said.append(phrases("say.half", language, quotes=new["partly"]))
    corrected = {found.misconception for found in before.misconceptions} if before else set()
    wrong = [found for found in grade.misconceptions if found.misconception not in corrected]
    if wrong:
        said += [phrases("say.wrong", language, correction=found.correction[language]) for found in wrong]
    elif new["contradicted"]:
        said.append(phrases("say.against", language, quotes=new["contradicted"]))
    return said or [phrases("say.nothing_new" if before else "say.nothing", language)]


def _joined(sentences: Sequence[str], language: Language) -> str:
    """Sentences in a row; Chinese has no space between them."""
    return ("" if language == "zh" else " ").join(sentences)


def _quotes(quotes: Sequence[str], language: str) -> str:
    """Some of the quotes in quotation marks, each once."""
    chosen = list(dict.fromkeys(quote for quote in quotes if quote))[:QUOTED]
    return ("、" if language == "zh" else ", ").join(f"“{quote}”" for quote in chosen)
