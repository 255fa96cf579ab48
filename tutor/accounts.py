"""What a person can do with their accounts, the same in every front end: link, unlink, export, be forgotten."""

import time
from collections.abc import Callable
from typing import Any

from tutor import exporting
from tutor.cards import Language
from tutor.chat.inbox import forget_words
from tutor.facts import Facts
from tutor.history import digest
from tutor.people import VALID, BadCode
from tutor.tutor import Tutor

PLACES = "chat-places"
"""Whose interview runs at which place of a chat platform; tagged with its owner."""
DAILIES = "chat-dailies"
"""Who wants a daily question, by owner."""


class Accounts:
    """Answers in the learner's language, as Markdown of ours."""

    def __init__(self, tutor: Tutor, clock: Callable[[], float] = time.time) -> None:
        self._tutor = tutor
        self._people = tutor.people
        self._say = tutor.phrases
        self._clock = clock

    def link(self, account: str, code: str, language: Language) -> str:
        """Joins the account to the one that the code is from; without a code, makes one."""
        if not code.strip():
            made = self._people.code(account, self._clock())
            return self._say("chat.code", language, code=made, minutes=int(VALID / 60))
        try:
            self._people.join(account, code, self._clock())
        except BadCode as error:
            return self._say(error.reason, language)
        return self._say("chat.linked", language, number=len(self._people.accounts(account)))

    def unlink(self, account: str, language: Language) -> str:
        """Makes the account a person of its own again."""
        return self._say("chat.unlinked" if self._people.leave(account) else "chat.not_linked", language)

    def ask_to_forget(self, account: str, language: Language) -> str:
        """Says what would be deleted."""
        sessions, accounts = len(self._tutor.sessions(account)), len(self._people.accounts(account))
        return self._say("chat.forget_ask", language, sessions=sessions, accounts=accounts)

    def forget(self, account: str, language: Language) -> str:
        """Deletes everything about the person, under all accounts."""
        accounts = self._people.accounts(account)
        for owner in map(digest, accounts):
            places = Facts(self._tutor.store, PLACES)
            places.drop([key for key, _, _ in places.where(owner=owner)])
            Facts(self._tutor.store, DAILIES).drop([owner])
        forget_words(self._tutor.settings.data, accounts)
        self._people.forget(account)
        return self._say("chat.forgotten", language)

    def everything(self, account: str) -> dict[str, Any]:
        """All that is stored of the person, as plain JSON."""
        lines = self._tutor.sessions(account)
        return {
            "format": 1,
            "accounts": list(self._people.accounts(account)),
            "daily": Facts(self._tutor.store, DAILIES).get(digest(account)),
            "sessions": [exporting.data(self._tutor, account, line.session) for line in lines],
        }
