"""Takes what a person sent on a chat platform, once, and gives the post that answers it.

What was accepted is written down before the platform is told so; whoever starts next finds what nobody has answered.
"""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from tutor import exporting
from tutor.cards import Language
from tutor.chat.posts import Button, File, Post, Writer
from tutor.chat.wishes import (
    Again,
    Confirm,
    Daily,
    DailyDue,
    Do,
    Link,
    Press,
    Say,
    Start,
    Unclear,
    Wish,
    Words,
    language_of,
)
from tutor.errors import EngineError
from tutor.events import SessionStarted
from tutor.facts import Facts
from tutor.history import LEARNERS, collection_name, digest, new_session
from tutor.interview import Interview
from tutor.people import VALID, BadCode
from tutor.tools import askable
from tutor.tutor import NotSent, Tutor, Watcher

REMEMBERED = 2 * 86_400.0
"""Seconds for which an answered message is known; no platform delivers again after that."""


class Incoming(BaseModel):
    """Something that a person sent.

    `id` is the platform's for this message, the same at every delivery. `account` is who sent it, `place` the thread or
    the direct messages that an interview runs in, `private` whether nobody else reads there. `target` is the
    platform's own: where and how to answer. `typed` says whether answers can be typed at that place.
    """

    model_config = ConfigDict(frozen=True)
    id: str
    account: str
    place: str
    wish: Wish
    private: bool = False
    typed: bool = True
    language: Language | None = None
    target: dict[str, str] = Field(default_factory=dict)
    session: str = ""
    at: float = 0.0

    @property
    def platform(self) -> str:
        return self.account.partition(":")[0]


@dataclass(frozen=True)
class Place:
    """Whose interview runs at a place."""

    session: str
    own: bool


class Chat:
    """Answers everybody on every platform; holds nothing of a session. Safe to use from several threads."""

    def __init__(self, tutor: Tutor, clock: Callable[[], float]) -> None:
        self.tutor = tutor
        self.words = Words(tutor.phrases, tutor.desk.shelf.topics)
        self._clock = clock
        self._places = Facts(tutor.store, "chat-places")
        self._dailies = Facts(tutor.store, "chat-dailies")

    # Once

    def accept(self, incoming: Incoming) -> Incoming | None:
        """Writes down what was sent, for `answer`; None for what is known already. Raises HistoryError."""
        accepted = incoming.model_copy(update={"session": new_session(), "at": self._clock()})
        state = f"open:{incoming.platform}"
        fact = accepted.model_dump(mode="json")
        won = self._facts(incoming.account).claim(f"in/{incoming.id}", fact, state=state, at=accepted.at)
        return accepted if won else None

    def keep(self, incoming: Incoming) -> None:
        """Notes where the answer to an accepted message goes, so that every attempt goes there."""
        fact = incoming.model_dump(mode="json")
        self._facts(incoming.account).put(f"in/{incoming.id}", fact, state=f"open:{incoming.platform}", at=incoming.at)

    def done(self, incoming: Incoming) -> None:
        """Notes that the answer was delivered; the words of the message are kept in the transcript alone."""
        self._facts(incoming.account).put(f"in/{incoming.id}", {}, state="done", at=incoming.at)

    def unanswered(self, platform: str) -> list[Incoming]:
        """What was accepted and never delivered, oldest first; forgets what was delivered long ago."""
        found = []
        for name in self.tutor.store.names(LEARNERS):
            facts = Facts(self.tutor.store, name)
            found += [Incoming.model_validate(fact) for _, fact, _ in facts.where(state=f"open:{platform}")]
            facts.drop([key for key, _, at in facts.where(state="done") if at < self._clock() - REMEMBERED])
        return sorted(found, key=lambda incoming: incoming.at)

    # Whose place

    def place(self, incoming: Incoming) -> Place | None:
        """The interview that runs at the place of the message, and whether it is the sender's; None where none does."""
        found = self._places.get(_place_key(incoming.place))
        if found is None:
            return None
        return Place(found["session"], found["owner"] in map(digest, self.tutor.people.accounts(incoming.account)))

    def begin(self, incoming: Incoming) -> bool:
        """Lets the message's interview run at its place; whether the place was free or the sender's own."""
        key, owner = _place_key(incoming.place), digest(incoming.account)
        fact = {"owner": owner, "session": incoming.session}
        if self._places.claim(key, fact, owner=owner):
            return True
        before = self.place(incoming)
        if before is None or not (before.own or incoming.private):
            return False
        self._places.put(key, fact, owner=owner)
        return True

    # The answer

    def answer(self, incoming: Incoming, watcher: Watcher | None = None) -> Post | None:
        """The post that answers the message, the same however often it is asked for; None where nothing is to be said.

        Runs the turn unless it has been run: may take as long as the model. Raises HistoryError.
        """
        watcher = watcher or Watcher()
        match incoming.wish:
            case Start() | Again():
                return self._start(incoming, watcher)
            case Say() | Press():
                return self._said(incoming, watcher)
            case Link(code=code):
                return self._link(incoming, code)
            case Do(order=order):
                return self._do(incoming, order)
            case Confirm(forget=forget):
                return self._forget(incoming) if forget else self.writer(incoming).note("chat.kept", private=True)
            case Daily():
                return self._daily(incoming, incoming.wish)
            case DailyDue():
                return self._daily_due(incoming, watcher)
            case Unclear(words=words):
                return self._unclear(incoming, words)

    def writer(self, incoming: Incoming) -> Writer:
        """Writes in the language of the sender."""
        return self._writer(self.language(incoming))

    def language(self, incoming: Incoming) -> Language:
        """The language to speak to the sender: chosen, of the words, of the latest interview, the setting's."""
        wish = incoming.wish
        said = wish.language if isinstance(wish, Start) else None
        said = said or language_of(getattr(wish, "text", "") or getattr(wish, "words", "")) or incoming.language
        if said:
            return said
        place = self.place(incoming)
        session = place.session if place and place.own else self._latest(incoming.account)
        return self.tutor.interview(incoming.account, session).language if session else self.tutor.settings.language

    def _writer(self, language: Language) -> Writer:
        return Writer(self.tutor.phrases, self.tutor.desk.shelf.topics, language)

    def _facts(self, account: str) -> Facts:
        return Facts(self.tutor.store, collection_name(account))

    def _latest(self, account: str) -> str:
        return next((line.session for line in self.tutor.sessions(account)), "")

    # An interview

    def _start(self, incoming: Incoming, watcher: Watcher) -> Post | None:
        choices = self._choices(incoming)
        if choices is None or not self.begin(incoming):
            return self.writer(incoming).note("chat.not_yours", private=True)
        return self._started(incoming, choices, watcher)

    def _started(self, incoming: Incoming, choices: SessionStarted, watcher: Watcher) -> Post | None:
        start = {"session": incoming.session, "message_id": incoming.id}
        try:
            self.tutor.start(incoming.account, choices, watcher, **start)
        except EngineError as error:
            return self._writer(choices.language).refusal(str(error))
        return self._turn(incoming, incoming.session, watcher)

    def _choices(self, incoming: Incoming) -> SessionStarted | None:
        """What the interview is to be about; None where it repeats one that is not the sender's."""
        wish, seed = incoming.wish, random.Random(incoming.session).randrange(2**31)
        if isinstance(wish, Again):
            before = self.tutor.interview(incoming.account, wish.session).started
            return before.model_copy(update={"seed": seed}) if before else None
        assert isinstance(wish, Start)
        shelf = self.tutor.desk.shelf
        topics = tuple(topic for topic in wish.topics if topic in shelf.counts())
        return SessionStarted(
            language=self.language(incoming),
            topics=topics,
            level=wish.level,
            questions=askable(shelf, topics, wish.questions),
            mode=wish.mode,
            seed=seed,
        )

    def _said(self, incoming: Incoming, watcher: Watcher) -> Post | None:
        if begun := self._as_start(incoming):
            return self._start(begun, watcher)
        session, refused = self._session(incoming)
        if refused:
            return refused
        try:
            if isinstance(incoming.wish, Press):
                self.tutor.give(
                    incoming.account, session, incoming.wish.command, message_id=incoming.id, watcher=watcher
                )
            else:
                text = getattr(incoming.wish, "text", "")
                self.tutor.reply(incoming.account, session, text, message_id=incoming.id, watcher=watcher)
        except (NotSent, EngineError) as error:
            return self._writer(self.tutor.interview(incoming.account, session).language).refusal(str(error))
        return self._turn(incoming, session, watcher)

    def _as_start(self, incoming: Incoming) -> Incoming | None:
        """The message as the choices of an interview, where none runs at its place and the words can be read so."""
        if not isinstance(incoming.wish, Say) or incoming.wish.session or self.place(incoming):
            return None
        wish = self.words.start(self.words.without_prefix(incoming.wish.text))
        return incoming.model_copy(update={"wish": wish}) if isinstance(wish, Start) else None

    def _session(self, incoming: Incoming) -> tuple[str, Post | None]:
        """The session that a message belongs to, or the post that refuses it."""
        place, named = self.place(incoming), getattr(incoming.wish, "session", "")
        writer = self.writer(incoming)
        if named:
            own = self.tutor.interview(incoming.account, named).started is not None
            return named, None if own else writer.note("chat.not_yours", private=True)
        if place is None:
            return "", writer.note("chat.no_interview", private=True)
        return place.session, None if place.own else writer.note("chat.not_yours", private=True)

    def _turn(self, incoming: Incoming, session: str, watcher: Watcher) -> Post | None:
        """The post of the turn that answers the message; the turn is run if a killed process left it open."""
        turn = self.tutor.turn(incoming.account, session, incoming.id)
        if turn is None:
            try:
                self.tutor.go_on(incoming.account, session, watcher)
            except EngineError as error:
                return self._writer(self.tutor.interview(incoming.account, session).language).refusal(str(error))
            turn = self.tutor.turn(incoming.account, session, incoming.id)
        if not turn or not turn[0]:
            return None
        transcript, begins = turn
        writer = self._writer(Interview.of(transcript).language)
        echo = isinstance(incoming.wish, Say) and bool(incoming.wish.session)
        return writer.turn(transcript, begins, session, typed=incoming.typed, echo=echo)

    # The account

    def _link(self, incoming: Incoming, code: str) -> Post:
        writer, people = self.writer(incoming), self.tutor.people
        if not code:
            made = people.code(incoming.account, self._clock())
            return writer.note("chat.code", private=True, code=made, minutes=int(VALID / 60))
        try:
            people.join(incoming.account, code, self._clock())
        except BadCode as error:
            return writer.note(error.reason, private=True)
        return writer.note("chat.linked", private=True, number=len(people.accounts(incoming.account)))

    def _do(self, incoming: Incoming, order: str) -> Post:
        writer, account = self.writer(incoming), incoming.account
        match order:
            case "report":
                return self._report(incoming, writer)
            case "export":
                everything = self.everything(account)
                text = json.dumps(everything, ensure_ascii=False, indent=1)
                note = writer.note("chat.exported", private=True, sessions=len(everything["sessions"]))
                return Post(
                    note.sections, file=File("interviews.json", writer.say("chat.export_title"), text), private=True
                )
            case "unlink":
                left = self.tutor.people.leave(account)
                return writer.note("chat.unlinked" if left else "chat.not_linked", private=True)
            case "forget":
                return self._ask_to_forget(account, writer)
            case "daily_off":
                self._dailies.drop([digest(account)])
                return writer.note("chat.daily_off", private=True)
            case _:
                return writer.note("chat.help", private=True)

    def everything(self, account: str) -> dict[str, Any]:
        """All that is stored of the person, as plain JSON."""
        lines = self.tutor.sessions(account)
        return {
            "format": 1,
            "accounts": list(self.tutor.people.accounts(account)),
            "daily": self._dailies.get(digest(account)),
            "sessions": [exporting.data(self.tutor, account, line.session) for line in lines],
        }

    def _report(self, incoming: Incoming, writer: Writer) -> Post:
        place = self.place(incoming)
        session = place.session if place and place.own else self._latest(incoming.account)
        if not session:
            return writer.note("chat.no_report", private=True)
        interview = self.tutor.interview(incoming.account, session)
        return self._writer(interview.language).report(interview, session)

    def _ask_to_forget(self, account: str, writer: Writer) -> Post:
        buttons = (
            Button("forget", writer.say("chat.forget_yes"), risky=True),
            Button("keep", writer.say("chat.forget_no")),
        )
        sessions, accounts = len(self.tutor.sessions(account)), len(self.tutor.people.accounts(account))
        return writer.note("chat.forget_ask", private=True, buttons=buttons, sessions=sessions, accounts=accounts)

    def _forget(self, incoming: Incoming) -> Post:
        writer = self.writer(incoming)
        for owner in map(digest, self.tutor.people.accounts(incoming.account)):
            self._places.drop([key for key, _, _ in self._places.where(owner=owner)])
            self._dailies.drop([owner])
        self.tutor.people.forget(incoming.account)
        return writer.note("chat.forgotten", private=True)

    def _unclear(self, incoming: Incoming, words: str) -> Post:
        writer, shelf = self.writer(incoming), self.tutor.desk.shelf
        names = ("、" if writer.language == "zh" else ", ").join(
            shelf.topics[slug][writer.language] for slug in shelf.counts()
        )
        return writer.note("chat.unclear", private=True, words=words[:80], topics=names)

    # A question every day

    def _daily(self, incoming: Incoming, wish: Daily) -> Post:
        writer = self.writer(incoming)
        if wish.zone and not known_zone(wish.zone):
            return writer.note("chat.daily_zone", private=True, zone=wish.zone[:40])
        fact = {
            "account": incoming.account,
            "time": wish.time,
            "zone": wish.zone,
            "since": self._clock(),
            "target": incoming.target,
        }
        self._dailies.put(digest(incoming.account), fact, platform=incoming.platform)
        zone = wish.zone or writer.say("chat.local_zone")
        return writer.note("chat.daily_on", private=True, time=wish.time, zone=zone)

    def dailies(self, platform: str) -> list[dict[str, Any]]:
        """Who wants a daily question on this platform, and when."""
        return [fact for _, fact, _ in self._dailies.where(platform=platform)]

    def _daily_due(self, incoming: Incoming, watcher: Watcher) -> Post | None:
        place = self.place(incoming)
        current = self.tutor.interview(incoming.account, place.session).current if place and place.own else None
        if current and place and place.session != incoming.session:
            language = self.language(incoming)
            return self._writer(language).note("chat.daily_open", question=current.asked.question[language])
        choices = SessionStarted(
            language=self.language(incoming), questions=1, seed=random.Random(incoming.session).randrange(2**31)
        )
        self.begin(incoming)
        return self._started(incoming, choices, watcher)


def known_zone(name: str) -> bool:
    """Whether this is the name of a time zone."""
    import zoneinfo

    return name in zoneinfo.available_timezones()


def _place_key(place: str) -> str:
    return digest(place)
