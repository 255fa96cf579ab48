"""What the tutor says by itself, from phrases: feedback on a grade, and a word on every button."""

from collections.abc import Sequence
from itertools import pairwise

from tutor.cards import Language
from tutor.clock import clock, minutes
from tutor.events import (
    AnswerGraded,
    AnswerShown,
    Clarified,
    Event,
    ExplanationGiven,
    FollowUpAsked,
    GradingFailed,
    QuestionAsked,
    SessionStarted,
    SummaryGiven,
)
from tutor.grading import CENTRAL, Grade
from tutor.interview import Interview, Round
from tutor.prompts import Phrases

REMINDED = 3
"""With the step of this number at one question the learner is told that they may leave it."""
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
    if interview.command == "ask" and interview.current and not interview.exam:
        return None
    if interview.command:
        return _to_command(interview, phrases)
    if any(isinstance(event, SessionStarted) for event in done):
        return _welcome(interview, phrases)
    if latest := graded(done):
        noted = phrases("say.late" if latest.late else "say.noted", interview.language)
        return _joined([noted, *_leads(interview, phrases)], interview.language)
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
        reasons = [found.correction[language] for found in heard.grade.misconceptions]
        said = (
            phrases("say.stays_because", language, correction=reasons[0]) if reasons else phrases("say.stays", language)
        )
    else:
        said = phrases(f"say.{key}", language, quotes=_quotes([mark.quote], language))
    led = any(isinstance(event, QuestionAsked | FollowUpAsked | SummaryGiven) for event in interview.turn)
    leads = _leads(interview, phrases) if led or interview.finished else _still_open(interview, phrases)
    return _joined([said, *leads], language)


def _still_open(interview: Interview, phrases: Phrases) -> list[str]:
    """What the tutor still waits for: the last follow-up, or the whole in the learner's own words."""
    current, language = interview.current, interview.language
    if current is None:
        return []
    if current.given_away:
        return [phrases("say.restate_brief", language)]
    asked = [help_ for help_ in current.helps if help_.step != "tell"]
    text = asked[-1].text[language] if asked else current.asked.question[language]
    return [phrases("say.still_open", language, follow_up=text)]


def _welcome(interview: Interview, phrases: Phrases) -> str:
    language, started = interview.language, interview.started
    assert started is not None
    key = "say.welcome_exam" if interview.exam else "say.welcome"
    mode = phrases(f"mode.{started.mode}_short", language)
    said = [phrases(key, language, number=started.questions, mode=mode)]
    if started.question_seconds and started.total_seconds:
        question, total = minutes(started.question_seconds), minutes(started.total_seconds)
        said.append(phrases("say.clock_rules", language, question=question, total=total))
    return _joined(said, language)


def _to_command(interview: Interview, phrases: Phrases) -> str:
    language, current, done = interview.language, interview.current, interview.turn
    if interview.command == "end":
        return _joined([phrases("say.ended", language), *_pauses(interview, phrases)], language)
    if interview.command == "skip":
        return _joined([*_skipped(interview, phrases), *_leads(interview, phrases)], language)
    if interview.command == "grade" and not interview.exam:
        return phrases("say.nothing_to_grade", language)
    if interview.command == "shorter" or (interview.command == "longer" and not interview.exam):
        return _joined([phrases(f"say.{interview.command}", language), *_still_open(interview, phrases)], language)
    if current is None or interview.finished:
        return _joined(_leads(interview, phrases) if interview.time_up else [
            phrases("say.over" if interview.finished else "say.no_question", language)], language)  # fmt: skip
    if interview.command == "why":
        return current.asked.why[language] if current.asked.why else phrases("say.why_none", language)
    if interview.command in ("repeat", "resume", "pause"):
        return _with_clock(interview, current, phrases)
    if interview.command in ("english", "chinese"):
        return _joined([phrases("say.language", language), _repeated(interview, current, phrases)], language)
    if interview.command == "talk":
        return phrases("say.ready", language)
    if interview.exam:
        return phrases("say.exam_no_help", language)
    if interview.command == "harder":
        return _joined([phrases("say.harder", language), _repeated(interview, current, phrases)], language)
    if interview.command == "rephrase":
        return _in_other_words(interview, current, phrases)
    if interview.command == "misread":
        nothing = not current.said and not current.helps
        taken_back = phrases("say.misread_nothing" if nothing else "say.misread", language)
        return _joined([taken_back, _repeated(interview, current, phrases)], language)
    if any(isinstance(event, ExplanationGiven) for event in done):
        return phrases("say.explained", language)
    if any(isinstance(event, AnswerShown) for event in done):
        return phrases("say.shown", language)
    if interview.command == "easier" and (steps := _steps(interview)):
        easier = phrases("say.easier_told" if "tell" in steps else "say.easier", language)
        summed_up = any(isinstance(event, SummaryGiven) for event in done)
        return _joined([easier, *(_leads(interview, phrases) if summed_up else [])], language)
    if _steps(interview):
        return phrases("say.hinted", language)
    if current.given_away:
        return phrases("say.shown", language)
    return phrases("say.explain_later" if interview.command == "explain" else "say.no_more_hints", language)


def _skipped(interview: Interview, phrases: Phrases) -> list[str]:
    """A word on the question that was left; none where it was answered and only a restatement was wanted."""
    left = next((this for this in reversed(interview.rounds) if this.left), None)
    answered = left and left.grade and (interview.exam or left.given_away)
    return [] if answered else [phrases("say.skipped", interview.language)]


def _steps(interview: Interview) -> list[str]:
    """The steps of the dialogue that were taken in this turn."""
    return [event.step for event in interview.turn if isinstance(event, FollowUpAsked)]


def _with_clock(interview: Interview, current: Round, phrases: Phrases) -> str:
    """The answer to "pause", "continue" and "repeat"."""
    language = interview.language
    again = _repeated(interview, current, phrases)
    if not interview.exam:
        return phrases("say.rest", language) if interview.command == "pause" else again
    if interview.command == "pause":
        return phrases("say.paused", language)
    resumed = [phrases("say.resumed", language)] if interview.command == "resume" else []
    return _joined([*resumed, again, *_time_left(interview, phrases)], language)


def _time_left(interview: Interview, phrases: Phrases) -> list[str]:
    left = clock(interview).total_left
    return [] if left is None else [phrases("say.time_left", interview.language, total=minutes(left))]


def _pauses(interview: Interview, phrases: Phrases) -> list[str]:
    """How often and how long the exam was paused, if it was."""
    now = clock(interview)
    if not interview.exam or not now.pauses:
        return []
    return [phrases("say.time_pauses", interview.language, number=now.pauses, paused=minutes(now.paused_for))]


def _repeated(interview: Interview, current: Round, phrases: Phrases) -> str:
    language = interview.language
    question = current.asked.question[language]
    asked = [help_ for help_ in current.helps if help_.step != "tell"]
    if current.given_away:
        return phrases("say.repeat_restate", language, question=question)
    if not asked:
        return phrases("say.repeat", language, question=question)
    return phrases("say.repeat_follow_up", language, question=question, follow_up=asked[-1].text[language])


def aside(interview: Interview, phrases: Phrases) -> str:
    """The reply to a question to the tutor, which ends with the open question."""
    language, current = interview.language, interview.current
    assert current is not None
    met = next((event for event in interview.turn if isinstance(event, Clarified)), Clarified(card_id=""))
    if met.text:
        said = met.text[language]
    elif met.about == "count":
        left = current.asked.of - current.asked.number
        said = phrases("aside.count", language, number=current.asked.number, of=current.asked.of, left=left)
    else:
        said = phrases(f"aside.{'held_back' if met.held_back else met.about or 'unknown'}", language)
    return f"{said}\n\n{_repeated(interview, current, phrases)}"


def _in_other_words(interview: Interview, current: Round, phrases: Phrases) -> str:
    """The open question or follow-up in another wording."""
    language = interview.language
    met = next((event for event in interview.turn if isinstance(event, Clarified)), None)
    if met is None or met.text is None:
        return _joined([phrases("say.no_other_words", language), _repeated(interview, current, phrases)], language)
    return phrases("say.other_words", language, text=met.text[language], question=current.asked.question[language])


def _obeyed(interview: Interview, phrases: Phrases) -> list[str]:
    """A word on the request that came together with an answer, where nothing else shows that it was heard."""
    language = interview.language
    keys = {"pause": "rest", "shorter": "shorter", "longer": "longer", "harder": "harder"}
    key = keys.get(interview.command or "") if interview.with_answer else None
    return [phrases(f"say.{key}", language)] if key else []


def _leads(interview: Interview, phrases: Phrases) -> list[str]:
    """The words that lead on: to a step of the dialogue, the summary, the next question or the report."""
    language = interview.language
    summed_up = next((event for event in interview.turn if isinstance(event, SummaryGiven)), None)
    if summed_up and summed_up.restate:
        central = any(mark.weight >= CENTRAL for mark in summed_up.said)
        wanted = "restate_brief" if interview.brief else "restate" if central else "restate_core"
        return [phrases(f"say.{wanted}", language)]
    if steps := _steps(interview):
        return _to_step(interview, steps, phrases)
    if any(isinstance(event, AnswerShown | ExplanationGiven) for event in interview.turn):
        return [phrases("say.shown", language)]
    if interview.command == "end":
        return [phrases("say.ended", language), *_pauses(interview, phrases)]
    said = [phrases("say.left_out", language)] if summed_up and summed_up.missing else []
    current = interview.current
    if current and current.given_away and current.grades and current.grades[-1].after_showing:
        return [phrases("say.restate_again", language)]
    if any(isinstance(event, QuestionAsked) for event in interview.turn):
        return [*said, phrases("say.next", language), *_time_left(interview, phrases)]
    if interview.finished:
        last = phrases("say.time_over" if interview.time_up else "say.last", language)
        return [*said, last, *_pauses(interview, phrases)]
    return [*said, phrases("say.no_cards", language)]


def _to_step(interview: Interview, steps: Sequence[str], phrases: Phrases) -> list[str]:
    """The words before a hint or a pointed question; "what else?" needs none."""
    language = interview.language
    helps = interview.rounds[-1].helps
    if "tell" in steps:
        told = sum(help_.step == "tell" for help_ in helps)
        return [phrases("say.told_again" if told > 1 else "say.told", language)]
    if "pump" in steps or interview.brief:
        return []
    taken = sum(help_.step in ("hint", "probe") for help_ in helps)
    return [phrases("say.follow_skip" if taken == REMINDED else "say.follow", language)]


def feedback(interview: Interview, phrases: Phrases) -> str:
    """Short, honest feedback on the latest grade: what came new, in the learner's own words, and what leads on."""
    this = next(this for this in reversed(interview.rounds) if this.grades)
    language = interview.language
    said = list(_found(this, language, phrases))
    if interview.brief:
        said = said[-1:]
    return _joined([*said, *_obeyed(interview, phrases), *_leads(interview, phrases)], language)


def _found(this: Round, language: Language, phrases: Phrases) -> list[str]:
    """What the latest grade says that the one before did not; a restatement is taken by itself."""
    latest = this.grades[-1]
    if latest.after_showing:
        covered = sum(mark.verdict == "covered" for mark in latest.grade.marks)
        if not (covered or latest.grade.gate):
            return [phrases("say.restated_none", language)]
        count = phrases("say.restated", language, covered=covered, all=len(latest.grade.marks))
        return [*_verdicts(latest.grade, None, language, phrases), *([count] if not latest.grade.gate else [])]
    before = this.grades[-2] if len(this.grades) > 1 else None
    if latest.latest == "dont_know" and (before or not latest.grade.gate):
        return [phrases("say.no_matter", language)]
    said = _verdicts(latest.grade, before.grade if before else None, language, phrases)
    if set(latest.repeated) - set(before.repeated if before else ()):
        nothing = phrases("say.nothing_new", language)
        return [phrases("say.repeated", language), *(sentence for sentence in said if sentence != nothing)]
    return _varied(said, this, language, phrases)


def _verdicts(grade: Grade, before: Grade | None, language: Language, phrases: Phrases) -> list[str]:
    if grade.gate == "dont_know" and before:
        return [phrases("say.no_matter", language)]
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


def _varied(said: list[str], this: Round, language: Language, phrases: Phrases) -> list[str]:
    """The same words in other words where the answer before was met with them, too."""
    unheard = sum(_unheard(one, other) for one, other in pairwise(this.grades))
    again = said == [phrases("say.nothing_new", language)] and unheard > 1
    return [phrases("say.nothing_new_again", language)] if again else said


def _unheard(before: AnswerGraded, after: AnswerGraded) -> bool:
    """Whether an answer changed no verdict."""
    return [mark.verdict for mark in before.grade.marks] == [mark.verdict for mark in after.grade.marks]


def _joined(sentences: Sequence[str], language: Language) -> str:
    """Sentences in a row; Chinese has no space between them."""
    return ("" if language == "zh" else " ").join(sentences)


def _quotes(quotes: Sequence[str], language: str) -> str:
    """Some of the quotes in quotation marks, each once."""
    chosen = list(dict.fromkeys(quote for quote in quotes if quote))[:QUOTED]
    return ("、" if language == "zh" else ", ").join(f"“{quote}”" for quote in chosen)
