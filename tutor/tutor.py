"""One turn of an interview: what the learner sent is stored, the agent runs, what it did is stored as the answer.

Front ends call `reply` and show what comes; they may leave at any time, the turn ends all the same.
"""

import re
import threading
import time
import unicodedata
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage
from langgraph.errors import GraphRecursionError

from tutor.agent import STEPS, build_agent
from tutor.archive import Archive
from tutor.cards import Language
from tutor.clock import timings
from tutor.errors import TutorError
from tutor.events import (
    COMMANDS,
    AppealMade,
    Command,
    CommandGiven,
    Event,
    LanguageChosen,
    ModelUsed,
    SessionStarted,
    event_of,
    events,
    learner_message,
    with_event,
)
from tutor.history import ChromaHistory, Record, SessionLine, Store, new_session, sessions, without_surrogates
from tutor.interview import Interview
from tutor.matching import squeeze
from tutor.models import Engine
from tutor.models.metering import Meter, metered
from tutor.people import People
from tutor.planning import with_past
from tutor.progress import Progress, Sitting, due, latest_scores, progress
from tutor.prompts import Phrases
from tutor.report import Report, report
from tutor.settings import Settings
from tutor.spending import DaySpending
from tutor.tools import Desk

LONGEST = 20_000
"""Characters that one message may have."""


class NotSent(TutorError):
    """A message that was not stored; the text says why, in the learner's language."""


@dataclass
class Watcher:
    """What a front end wants to hear while a turn runs: pieces of text, events as they happen, and pauses (seconds)."""

    on_text: Callable[[str], None] = lambda piece: None
    on_event: Callable[[Event], None] = lambda event: None
    on_pause: Callable[[float], None] = lambda seconds: None


class Tutor:
    """Interviews every learner; holds no session. Safe to use from several threads."""

    def __init__(
        self,
        settings: Settings,
        desk: Desk,
        engine: Engine,
        store: Store,
        phrases: Phrases,
        prompts: Mapping[Language, str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.settings = settings
        self.desk = desk
        self.engine = engine
        self.store = store
        self.phrases = phrases
        self.people = People(store)
        self._holders: dict[tuple[str, str], str] = {}
        self._clock = clock
        self.archive = Archive(store)
        self._agent = build_agent(engine.model, prompts, phrases)
        self._guard = threading.Lock()
        self._locks: WeakValueDictionary[tuple[str, str], threading.Lock] = WeakValueDictionary()
        self._day = DaySpending(store, clock)
        self._turns: dict[tuple[str, str], Meter] = {}

    def start(
        self, learner: str, choices: SessionStarted, watcher: Watcher | None = None, *, session: str = "",
        message_id: str = "",
    ) -> str:  # fmt: skip
        """Begins an interview with its first question and gives the session's id.

        With the `session` (from `new_session`) and `message_id` of an earlier attempt, that one is brought to its end.
        """
        if choices.mode == "practice":
            choices = self._with_past(learner, choices)
        session = session or new_session()
        history = ChromaHistory(self.store, learner, session)
        history.records()
        self._run(history, learner_message("", message_id or uuid.uuid4().hex, choices), watcher or Watcher())
        return session

    def reply(
        self, learner: str, session: str, text: str, *, message_id: str = "", watcher: Watcher | None = None
    ) -> None:
        """Answers a message of the learner; a known `message_id` is answered with nothing.

        Raises NotSent when the message cannot be taken (nothing is stored then), EngineError when the model fails and
        HistoryError when storage does (the message is kept as far as it was stored).
        """
        text = without_surrogates(text)
        history, interview = self._opened(learner, session)
        if not is_something(text):
            raise NotSent(self.phrases("say.empty_message", interview.language))
        if len(text) > LONGEST:
            length, limit = f"{len(text):,}", f"{LONGEST:,}"
            raise NotSent(self.phrases("say.too_long", interview.language, length=length, limit=limit))
        caused = self._caused(text, interview)
        self._run(history, learner_message(text, message_id or uuid.uuid4().hex, caused), watcher or Watcher())

    def give(
        self, learner: str, session: str, command: Command, *, message_id: str = "", watcher: Watcher | None = None
    ) -> None:
        """Does what a button says; the same as typing its word."""
        history, interview = self._opened(learner, session)
        text = self.phrases(f"page.{command}", interview.language)
        message = learner_message(text, message_id or uuid.uuid4().hex, CommandGiven(command=command))
        self._run(history, message, watcher or Watcher())

    def go_on(self, learner: str, session: str, watcher: Watcher | None = None) -> bool:
        """Answers what was stored but never answered; whether there was anything."""
        history = self._history(learner, session)
        with self._locked(history.learner, session):
            records = history.records()
            if not waiting(records):
                return False
            self._answer(history, records, watcher or Watcher())
            return True

    def hurry(self, learner: str, session: str) -> bool:
        """Stops waiting for the model in the session's running turn, which then ends offline; whether one runs."""
        turn = self._turns.get((learner, session))
        if turn:
            turn.cancel()
        return turn is not None

    def resume(self, learner: str, session: str, watcher: Watcher | None = None) -> None:
        """Opens an earlier session and answers what was left unanswered; raises NotSent where there is none."""
        self._opened(learner, session)
        self.go_on(learner, session, watcher)

    def choose_language(self, learner: str, session: str, language: Language) -> None:
        """From here on the interview is in this language."""
        history, interview = self._opened(learner, session)
        if interview.language != language:
            message = learner_message("", uuid.uuid4().hex, LanguageChosen(language=language))
            history.append([message], at=self._clock())

    def command_in(self, text: str) -> Command | None:
        """The command that the whole text is, in either language."""
        said = {squeeze(text), self._plain(text)} - {""} if len(text) < 100 else set()
        for command in COMMANDS:
            if any(squeeze(word) in said for word in self.phrases.words(f"commands.{command}")):
                return command
        return None

    def _caused(self, text: str, interview: Interview) -> CommandGiven | AppealMade | None:
        """What a message is besides an answer or a request: a command, or an appeal against a grade.

        "Not what I meant" may be followed by what was meant. "Continue" means the next question where an answer was
        given and nothing but a restatement is asked for. While no question is open, free questions are the engine's.
        """
        command = self.command_in(text)
        if command == "resume" and not interview.exam and interview.current and interview.current.given_away:
            command = "skip"
        if command:
            return CommandGiven(command=command)
        said = squeeze(text[:100])
        if interview.appealable and any(said.startswith(squeeze(word)) for word in self.phrases.words("asks.appeal")):
            return AppealMade()
        head, mark, rest = _first_clause(text)
        if mark and self.command_in(head) == "misread":
            return CommandGiven(command="misread", rest=rest)
        turn = self.desk.turns.read(text)
        if interview.current is None or turn.kind == "answer" or turn.kind == "giving_up":
            return None
        return CommandGiven(command=turn.kind, rest=turn.answer)

    def _plain(self, text: str) -> str:
        """The text without the politeness around it, squeezed."""
        said = squeeze(text)
        for word in self.phrases.words("asks.polite"):
            polite = squeeze(word)
            said = (said.removeprefix(polite) or said).removesuffix(polite) or said
        return said

    def transcript(self, learner: str, session: str) -> list[BaseMessage]:
        """The messages of a session, oldest first; none for a session that this learner does not have."""
        return self._history(learner, session).messages

    def now(self) -> float:
        """The time in seconds, as it is written to the transcripts."""
        return self._clock()

    def interview(self, learner: str, session: str) -> Interview:
        """Where the session stands."""
        return Interview.of(self.transcript(learner, session))

    def sessions(self, learner: str) -> list[SessionLine]:
        """The learner's sessions, from all accounts, the latest first."""
        found = [line for account in self.people.accounts(learner) for line in sessions(self.store, account)]
        return sorted(found, key=lambda line: (line.at, line.session), reverse=True)

    def turn(self, learner: str, session: str, message_id: str) -> tuple[list[BaseMessage], int] | None:
        """The transcript up to the turn that answers this message, and the place where that turn begins.

        None while nobody has answered it, and an empty turn where it was answered together with a later message.
        """
        records = self._history(learner, session).records()
        asked = next((r.sequence for r in records if any(m.id == message_id for m in r.messages)), None)
        answers = [r for r in records if r.answers is not None and asked is not None and r.answers >= asked]
        if not answers:
            return None
        if answers[0].answers != asked:
            return [], 0
        before = [message for r in records if r.order < answers[0].order for message in r.messages]
        return [*before, *answers[0].messages], len(before)

    def _with_past(self, learner: str, choices: SessionStarted) -> SessionStarted:
        """The choices with what the learner's earlier interviews say about cards and topics."""
        shelf, earlier = self.desk.shelf, self.sittings(learner)
        return with_past(choices, shelf, latest_scores(earlier), due(earlier, shelf), self._clock())

    def sittings(self, learner: str) -> tuple[Sitting, ...]:
        """The learner's interviews as progress sees them, from all accounts, the oldest first."""
        found = [each for account in self.people.accounts(learner) for each in self.archive.sittings(account)]
        return tuple(sorted(found, key=lambda sitting: (sitting.at, sitting.session)))

    def progress(self, learner: str) -> Progress:
        """Where the learner stands now."""
        return progress(self.sittings(learner), self.desk.shelf, self._clock())

    def report(self, learner: str, session: str) -> Report:
        """The report of a session, with times, and with the dates at which its questions come back."""
        transcript = self.transcript(learner, session)
        shelf = self.desk.shelf
        return report(Interview.of(transcript), timings(transcript), due(self.sittings(learner), shelf), shelf)

    def _history(self, learner: str, session: str) -> ChromaHistory:
        return ChromaHistory(self.store, self._holder(learner, session), session)

    def _holder(self, learner: str, session: str) -> str:
        """Which of the learner's accounts the session was begun with."""
        accounts = self.people.accounts(learner)
        if len(accounts) == 1:
            return learner
        if self._holders.get((learner, session)) not in accounts:
            begun = (name for name in accounts if ChromaHistory(self.store, name, session).records())
            self._holders[learner, session] = next(begun, learner)
        return self._holders[learner, session]

    def _opened(self, learner: str, session: str) -> tuple[ChromaHistory, Interview]:
        """A session that this learner has, read; raises NotSent for any other."""
        history = self._history(learner, session)
        interview = Interview.of(history.messages)
        if interview.started is None:
            raise NotSent(self.phrases("page.unknown_session", self.settings.language))
        return history, interview

    @contextmanager
    def _locked(self, learner: str, session: str) -> Iterator[None]:
        """One turn of a session at a time."""
        with self._guard:
            lock = self._locks.setdefault((learner, session), threading.Lock())
        with lock:
            yield

    def _run(self, history: ChromaHistory, message: HumanMessage, watcher: Watcher) -> None:
        """Stores the message, unless it is known, then answers it, unless somebody else already has."""
        if history.knows(str(message.id)):
            return
        sequence = history.append([message], at=self._clock())
        with self._locked(history.learner, history.session):
            records = history.records()
            if any(record.sequence == sequence for record in waiting(records)):
                self._answer(history, records, watcher)

    def _answer(self, history: ChromaHistory, records: Sequence[Record], watcher: Watcher) -> None:
        """Runs the agent on the transcript and stores its part as the answer to all that waits."""
        transcript = [message for record in records for message in record.messages]
        last = max(record.sequence for record in waiting(records))
        spent = sum(event.tokens for event in events(transcript) if isinstance(event, ModelUsed))
        limits = self.engine.limits
        today = self._day.spent() if limits.day_tokens else 0
        turn = Meter(limits, session=spent, day=today, on_pause=watcher.on_pause)
        self._turns[history.learner, history.session] = turn
        try:
            with metered(turn):
                messages = self._turn(transcript, watcher)
        finally:
            del self._turns[history.learner, history.session]
            self._day.add(turn.used.tokens)
        history.append(self._with_cost(messages, turn), at=self._clock(), answers=last)

    def _turn(self, transcript: Sequence[BaseMessage], watcher: Watcher) -> list[BaseMessage]:
        """The messages of the tutor's part of the turn."""
        listener = _Listener(watcher)
        language = Interview.of(transcript).language
        try:
            for mode, data in self._agent.stream(
                {"messages": list(transcript)},
                config={"recursion_limit": STEPS},
                context=self.desk,
                stream_mode=["updates", "messages"],
            ):
                listener.hear(mode, data)
        except GraphRecursionError:
            listener.say(self.phrases("say.limit", language))
        return listener.messages

    def _with_cost(self, messages: list[BaseMessage], turn: Meter) -> list[BaseMessage]:
        """The messages of a turn with what it cost on the last of them, where a model took part or should have."""
        used, failure, last = turn.used, turn.failure, messages[-1] if messages else None
        if not isinstance(last, AIMessage) or not (used.calls or failure):
            return messages
        event = ModelUsed(
            engine=self.engine.name,
            calls=used.calls,
            input_tokens=used.input_tokens,
            output_tokens=used.output_tokens,
            seconds=round(used.seconds, 3),
            estimated=used.estimated,
            failure=failure.kind if failure else "",
            failed=failure.model if failure else "",
            offline=turn.offline,
            rests=round(failure.retry_after, 1) if failure else 0.0,
        )
        return [*messages[:-1], with_event(last, event)]


def waiting(records: Sequence[Record]) -> list[Record]:
    """The learner's records that no turn has answered yet."""
    answered = max((record.answers for record in records if record.answers is not None), default=-1)
    return [
        record
        for record in records
        if record.answers is None
        and record.sequence > answered
        and not isinstance(event_of(record.messages[0]), LanguageChosen)
    ]


def _first_clause(text: str) -> tuple[str, str, str]:
    """The words up to the first comma, full stop or the like, that mark, and the rest."""
    found = re.search(r"[,.;:!，。；：！、\n]+\s*", text)
    return (text[: found.start()], found.group(), text[found.end() :].strip()) if found else (text, "", "")


def is_something(text: str) -> bool:
    """Whether a message has anything in it that a person could see."""
    return any(unicodedata.category(char)[0] in "LNPS" for char in text)


class _Listener:
    """Hears what the agent streams: keeps the messages and passes text and events on."""

    def __init__(self, watcher: Watcher) -> None:
        self.messages: list[BaseMessage] = []
        self._watcher = watcher
        self._heard: dict[str, str] = {}

    def hear(self, mode: str, data: Any) -> None:
        if mode == "messages":
            piece, about = data
            if isinstance(piece, AIMessageChunk) and piece.text and about.get("langgraph_node") == "model":
                self._pass_on(str(piece.id), str(piece.text))
            return
        for update in data.values():
            for message in (update or {}).get("messages", ()):
                self._keep(message)

    def say(self, text: str) -> None:
        """Adds words of ours to the turn."""
        self._keep(AIMessage(text, id=uuid.uuid4().hex))

    def _pass_on(self, message_id: str, text: str) -> None:
        """Tells a piece of a message; a new message begins a new paragraph."""
        if self._heard and message_id not in self._heard:
            self._watcher.on_text("\n\n")
        self._heard[message_id] = self._heard.get(message_id, "") + text
        self._watcher.on_text(text)

    def _keep(self, message: BaseMessage) -> None:
        if any(message.id and message.id == kept.id for kept in self.messages):
            self.messages = [message if kept.id == message.id else kept for kept in self.messages]
            return
        self.messages.append(message)
        if isinstance(message, AIMessage):
            text, heard = str(message.text), self._heard.get(str(message.id), "")
            if text.startswith(heard) and text != heard:
                self._pass_on(str(message.id), text.removeprefix(heard))
        elif event := event_of(message):
            self._watcher.on_event(event)
