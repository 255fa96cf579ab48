"""What happened in an interview, as facts that stand in the transcript.

Every event is plain JSON on a message: on the artifact of a tool message, on the message of the learner who caused it,
or on the last words of a turn, for what the turn has cost. Events are a file format: fields are only added, with
defaults; unknown fields are ignored, an unknown kind is an error.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any, Literal

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from tutor.cards import Language, Level, Source, Text, Verdict
from tutor.errors import HistoryError
from tutor.grading import Gate, Grade, Mark

Mode = Literal["practice", "exam"]
Command = Literal[
    "hint", "explain", "show", "skip", "repeat", "end", "grade",
    "why", "easier", "shorter", "misread", "pause", "resume",
    "rephrase", "ask", "talk", "harder", "longer", "english", "chinese",
]  # fmt: skip
BUTTONS: tuple[Command, ...] = ("hint", "explain", "show", "skip", "repeat", "end")
COMMANDS: tuple[Command, ...] = (*BUTTONS, "grade", "why", "easier", "shorter", "misread", "pause", "resume")
"""Commands that have words of their own; `grade` asks for the grade that could not be given."""
REQUESTS: tuple[Command, ...] = ("rephrase", "ask", "talk", "harder", "longer", "english", "chinese")
"""What else a message can be besides an answer: more requests, a question to the tutor, small talk."""
Step = Literal["pump", "hint", "probe", "tell"]


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class SessionStarted(_Event):
    """The learner's choices; no topics means all, no level means any. `seed` makes the plan repeatable.

    `due`, `weak` and `known` are what earlier interviews said at the start: cards to review, what was due last first;
    topics to work on, the weakest first; cards that need no review yet. The clock's limits are seconds, 0 for none.
    Where `cards` names some, these are asked in this order and nothing else counts.
    """

    kind: Literal["session_started"] = "session_started"
    language: Language
    topics: tuple[str, ...] = ()
    level: Level | None = None
    questions: int = 5
    mode: Mode = "practice"
    seed: int = 0
    preset: str = ""
    due: tuple[str, ...] = ()
    weak: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    question_seconds: int = 0
    total_seconds: int = 0
    cards: tuple[str, ...] = ()


class LanguageChosen(_Event):
    """From here on the tutor speaks this language."""

    kind: Literal["language_chosen"] = "language_chosen"
    language: Language


class CommandGiven(_Event):
    """The learner pressed a button or typed its word; `rest` is an answer that followed in the same message."""

    kind: Literal["command_given"] = "command_given"
    command: Command
    rest: str = ""


class AppealMade(_Event):
    """The learner disagrees with the latest grade; the message is the argument."""

    kind: Literal["appeal_made"] = "appeal_made"


class QuestionAsked(_Event):
    """A question was put; `number` counts from 1, `of` is how many there will be, `why` says why this one."""

    kind: Literal["question_asked"] = "question_asked"
    card_id: str
    topic: str
    level: Level
    number: int
    of: int
    question: Text
    sources: tuple[Source, ...] = ()
    why: Text | None = None


class AnswerGraded(_Event):
    """All that the learner said since the question was graded; `helps` counts the help before it, pumps left out.

    `latest` is the gate of the last message alone, `repeated` names the key points that were only said after they were
    told; `late` means that it came when the time was up, and does not count.
    After an appeal, `appealed` names the key point that was judged once more, and `before` the verdict it had.
    """

    kind: Literal["answer_graded"] = "answer_graded"
    card_id: str
    answer: str
    grade: Grade
    helps: int = 0
    after_showing: bool = False
    grader: str = "rubric"
    latest: Gate | None = None
    repeated: tuple[str, ...] = ()
    late: bool = False
    appealed: str = ""
    before: Verdict | None = None


class GradingFailed(_Event):
    """The answer could not be graded; it is kept, and has no score until it is graded."""

    kind: Literal["grading_failed"] = "grading_failed"
    card_id: str


class FollowUpAsked(_Event):
    """One step of the dialogue at a key point (a pump names none); `requested` where the learner asked for help."""

    kind: Literal["follow_up_asked"] = "follow_up_asked"
    card_id: str
    key_point: str
    step: Step
    text: Text
    requested: bool = False


class SummaryGiven(_Event):
    """The dialogue about a question summed up: what the learner said themselves, and what belongs to it besides.

    `restate` where the learner is asked to say the whole answer in their own words.
    """

    kind: Literal["summary_given"] = "summary_given"
    card_id: str
    said: tuple[Mark, ...]
    missing: tuple[Mark, ...]
    restate: bool = True

    @property
    def quotes(self) -> tuple[str, ...]:
        """What the learner said, each passage once."""
        return tuple(dict.fromkeys(mark.quote for mark in self.said if mark.quote))


class ExplanationGiven(_Event):
    """Step-by-step teaching, of a whole card or of one key point or misconception (`about`)."""

    kind: Literal["explanation_given"] = "explanation_given"
    card_id: str
    question: Text
    steps: tuple[Text, ...]
    about: str = ""
    sources: tuple[Source, ...] = ()


class AnswerShown(_Event):
    """The reference answer was shown, after an attempt or because the learner asked for it."""

    kind: Literal["answer_shown"] = "answer_shown"
    card_id: str
    question: Text
    answer: Text
    sources: tuple[Source, ...] = ()


class Clarified(_Event):
    """A question to the tutor, or a wish for other words, was met; the open question is as open as before.

    `text` is what there is to say about it, if anything; `about` names what the question was about, where that is the
    interview itself; `held_back` where the text would have given away the open question.
    """

    kind: Literal["clarified"] = "clarified"
    card_id: str
    text: Text | None = None
    about: str = ""
    held_back: bool = False


class ModelUsed(_Event):
    """What a turn cost on models (`seconds` of waiting for them), and what became of them.

    `failure` is the kind of failure, if there was one, of the model `failed`; `offline` says that the offline engine
    finished the turn; `rests` for how many seconds the model is left alone. `estimated`: the endpoint did not count.
    """

    kind: Literal["model_used"] = "model_used"
    engine: str
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    seconds: float = 0.0
    estimated: bool = False
    failure: str = ""
    failed: str = ""
    offline: bool = False
    rests: float = 0.0

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens


Event = Annotated[
    SessionStarted
    | LanguageChosen
    | CommandGiven
    | AppealMade
    | QuestionAsked
    | AnswerGraded
    | GradingFailed
    | FollowUpAsked
    | SummaryGiven
    | ExplanationGiven
    | AnswerShown
    | Clarified
    | ModelUsed,
    Field(discriminator="kind"),
]
_EVENT: TypeAdapter[Event] = TypeAdapter(Event)


def parsed(data: Any) -> Event:
    """The event of its JSON form; raises HistoryError for a kind that this version does not know."""
    try:
        return _EVENT.validate_python(data)
    except ValidationError as error:
        kind = data.get("kind") if isinstance(data, dict) else data
        raise HistoryError(
            f"event {kind!r} cannot be read ({error.error_count()} problems); "
            "this history was written by a newer version: update the tutor"
        ) from None


def to_json(event: BaseModel) -> dict[str, Any]:
    """The event as it is stored."""
    return event.model_dump(mode="json")


def learner_message(text: str, message_id: str, event: BaseModel | None = None) -> HumanMessage:
    """What the learner sent, with the event that it causes by itself, if any."""
    caused = {"event": to_json(event)} if event else {}
    return HumanMessage(text, id=message_id, additional_kwargs=caused)


def with_event(message: AIMessage, event: BaseModel) -> AIMessage:
    """The words of the tutor, with an event on them."""
    return message.model_copy(update={"additional_kwargs": {**message.additional_kwargs, "event": to_json(event)}})


def event_of(message: BaseMessage) -> Event | None:
    """The event that a message carries, if any."""
    if isinstance(message, ToolMessage):
        return parsed(message.artifact) if message.artifact else None
    if isinstance(message, HumanMessage | AIMessage) and (data := message.additional_kwargs.get("event")):
        return parsed(data)
    return None


def events(transcript: Iterable[BaseMessage]) -> Iterator[Event]:
    """The events of a transcript, oldest first."""
    return (event for message in transcript if (event := event_of(message)) is not None)


def time_of(message: BaseMessage) -> float | None:
    """When the message was stored, in seconds; None while its turn is still running."""
    at = message.additional_kwargs.get("at")
    return float(at) if at else None


def last_turn(transcript: Sequence[BaseMessage]) -> Sequence[BaseMessage]:
    """The last message of the learner and what followed it."""
    for index in range(len(transcript) - 1, -1, -1):
        if isinstance(transcript[index], HumanMessage):
            return transcript[index:]
    return transcript
