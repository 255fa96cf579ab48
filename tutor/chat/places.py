"""Whose interview runs at which place of a chat platform."""

from dataclasses import dataclass

from tutor.accounts import PLACES
from tutor.chat.inbox import Incoming
from tutor.facts import Facts
from tutor.history import digest
from tutor.tutor import Tutor


@dataclass(frozen=True)
class Place:
    """Whose interview runs at a place."""

    session: str
    own: bool


class Places:
    """The threads and direct messages of every platform. Safe to use from several threads."""

    def __init__(self, tutor: Tutor) -> None:
        self._people = tutor.people
        self._places = Facts(tutor.store, PLACES)

    def at(self, incoming: Incoming) -> Place | None:
        """The interview that runs at the place of the message, and whether it is the sender's; None where none does."""
        found = self._places.get(digest(incoming.place))
        if found is None:
            return None
        return Place(found["session"], found["owner"] in map(digest, self._people.accounts(incoming.account)))

    def begin(self, incoming: Incoming) -> bool:
        """Lets the message's interview run at its place; whether the place was free or the sender's own."""
        key, owner = digest(incoming.place), digest(incoming.account)
        fact = {"owner": owner, "session": incoming.session}
        if self._places.claim(key, fact, owner=owner):
            return True
        before = self.at(incoming)
        if before is None or not (before.own or incoming.private):
            return False
        self._places.put(key, fact, owner=owner)
        return True
