"""Gives the post that answers what a person sent on a chat platform: a turn of an interview, or about their account."""

import json
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tutor import planning
from tutor.accounts import DAILIES, Accounts
from tutor.cards import Language
from tutor.chat.inbox import Incoming
from tutor.chat.markup import blocks
from tutor.chat.places import Place, Places
from tutor.chat.posts import Button, File, Post, Section, Writer
from tutor.chat.progress import post as progress_post
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
    Words,
    language_of,
)
from tutor.errors import EngineError
from tutor.events import SessionStarted
from tutor.facts import Facts
from tutor.history import digest
from tutor.interview import Interview
from tutor.tutor import NotSent, Tutor, Watcher


class Chat:
    """Answers everybody on every platform; holds nothing of a session. Safe to use from several threads."""

    def __init__(self, tutor: Tutor, clock: Callable[[], float]) -> None:
        self.tutor = tutor
        self.phrases, self.shelf = tutor.phrases, tutor.desk.shelf
        self.words = Words(self.phrases, self.shelf.topics)
        self._clock = clock
        self._places = Places(tutor)
        self._heard: dict[str, list[str]] = {}
        self.accounts = Accounts(tutor, clock)
        self._dailies = Facts(tutor.store, DAILIES)

    def answer(self, incoming: Incoming) -> Post | None:
        """The post that answers the message, the same however often it is asked for; None where nothing is to be said.

        Runs the turn unless it has been run: may take as long as the model. Raises HistoryError.
        """
        heard = self._heard[incoming.id] = []
        try:
            return self._answer(incoming, Watcher(on_text=heard.append))
        finally:
            self._heard.pop(incoming.id, None)

    def growing(self, incoming: Incoming) -> Post:
        """What has been said so far in the answer to the message."""
        return self.writer(incoming).growing("".join(self._heard.get(incoming.id, ())))

    def _answer(self, incoming: Incoming, watcher: Watcher) -> Post | None:
        match incoming.wish:
            case Start() | Again():
                return self._start(incoming, watcher)
            case Say() | Press():
                return self._said(incoming, watcher)
            case Link(code=code):
                return self._note(self.accounts.link(incoming.account, code, self.language(incoming)))
            case Do(order=order):
                return self._do(incoming, order)
            case Confirm(forget=forget):
                if not forget:
                    return self.writer(incoming).note("chat.kept", private=True)
                return self._note(self.accounts.forget(incoming.account, self.language(incoming)))
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

    def place(self, incoming: Incoming) -> Place | None:
        """The interview that runs at the place of the message; None where none does."""
        return self._places.at(incoming)

    def _writer(self, language: Language) -> Writer:
        return Writer(self.phrases, self.shelf.topics, language)

    def _latest(self, account: str) -> str:
        return next((line.session for line in self.tutor.sessions(account)), "")

    # An interview

    def _start(self, incoming: Incoming, watcher: Watcher) -> Post | None:
        choices = self._choices(incoming)
        if choices is None or not self._places.begin(incoming):
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
        return planning.choices(
            shelf,
            self.language(incoming),
            topics=topics,
            level=wish.level,
            questions=wish.questions,
            mode=wish.mode,
            seed=seed,
        )

    def _said(self, incoming: Incoming, watcher: Watcher) -> Post | None:
        account, wish = incoming.account, incoming.wish
        session, own = self._session(incoming)
        if not session:
            begun = self._as_start(incoming)
            return (
                self._start(begun, watcher) if begun else self.writer(incoming).note("chat.no_interview", private=True)
            )
        if not own:
            return self.writer(incoming).note("chat.not_yours", private=True)
        try:
            if isinstance(wish, Press):
                self.tutor.give(account, session, wish.command, message_id=incoming.id, watcher=watcher)
            else:
                text = getattr(wish, "text", "")
                self.tutor.reply(account, session, text, message_id=incoming.id, watcher=watcher)
        except (NotSent, EngineError) as error:
            return self._writer(self.tutor.interview(account, session).language).refusal(str(error))
        return self._turn(incoming, session, watcher)

    def _session(self, incoming: Incoming) -> tuple[str, bool]:
        """The session that a message belongs to, "" for none, and whether it is the sender's."""
        if named := getattr(incoming.wish, "session", ""):
            return named, self.tutor.interview(incoming.account, named).started is not None
        place = self.place(incoming)
        return (place.session, place.own) if place else ("", True)

    def _as_start(self, incoming: Incoming) -> Incoming | None:
        """The message as the choices of an interview, where its words can be read so."""
        if not isinstance(incoming.wish, Say):
            return None
        wish = self.words.start(self.words.without_prefix(incoming.wish.text))
        return incoming.model_copy(update={"wish": wish}) if isinstance(wish, Start) else None

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

    def _do(self, incoming: Incoming, order: str) -> Post:
        writer, account = self.writer(incoming), incoming.account
        match order:
            case "report":
                return self._report(incoming, writer)
            case "progress":
                return progress_post(self.tutor.progress(account), writer, self.shelf.topics)
            case "export":
                return self._export(account, writer)
            case "unlink":
                return self._note(self.accounts.unlink(account, writer.language))
            case "forget":
                yes = Button("forget", writer.say("chat.forget_yes"), risky=True)
                no = Button("keep", writer.say("chat.forget_no"))
                return self._note(self.accounts.ask_to_forget(account, writer.language), (yes, no))
            case "daily_off":
                self._dailies.drop([digest(account)])
                return writer.note("chat.daily_off", private=True)
            case _:
                return writer.note("chat.help", private=True)

    def _note(self, text: str, buttons: tuple[Button, ...] = ()) -> Post:
        """Words of ours for the sender alone."""
        return Post((Section(blocks(text, ours=True), tone="note"),), buttons, private=True)

    def _export(self, account: str, writer: Writer) -> Post:
        everything = self.accounts.everything(account)
        text = json.dumps(everything, ensure_ascii=False, indent=1)
        note = writer.note("chat.exported", private=True, sessions=len(everything["sessions"]))
        return replace(note, file=File("interviews.json", writer.say("chat.export_title"), text))

    def _report(self, incoming: Incoming, writer: Writer) -> Post:
        place = self.place(incoming)
        session = place.session if place and place.own else self._latest(incoming.account)
        if not session:
            return writer.note("chat.no_report", private=True)
        interview = self.tutor.interview(incoming.account, session)
        return self._writer(interview.language).report(interview, session)

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
        due = self.tutor.progress(incoming.account).due[:1]
        choices = SessionStarted(
            language=self.language(incoming),
            questions=1,
            cards=tuple(card.card.id for card in due),
            seed=random.Random(incoming.session).randrange(2**31),
        )
        self._places.begin(incoming)
        return self._started(incoming, choices, watcher)


def known_zone(name: str) -> bool:
    """Whether this is the name of a time zone."""
    import zoneinfo

    return name in zoneinfo.available_timezones()
