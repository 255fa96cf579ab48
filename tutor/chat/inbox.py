"""What people sent, written down once until it is answered, and whose interview runs at which place."""

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from tutor.accounts import PLACES
from tutor.cards import Language
from tutor.chat.wishes import Wish
from tutor.facts import Facts
from tutor.history import digest, new_session
from tutor.tutor import Tutor

DELIVERIES = "deliveries-"
"""What the names of the collections begin with in which messages stand until they are answered, one an account."""
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


class Inbox:
    """The messages of every platform and their places. Safe to use from several threads."""

    def __init__(self, tutor: Tutor, clock: Callable[[], float]) -> None:
        self.tutor = tutor
        self._clock = clock
        self._places = Facts(tutor.store, PLACES)

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
        for name in self.tutor.store.names(DELIVERIES):
            facts = Facts(self.tutor.store, name)
            found += [Incoming.model_validate(fact) for _, fact, _ in facts.where(state=f"open:{platform}")]
            facts.drop([key for key, _, at in facts.where(state="done") if at < self._clock() - REMEMBERED])
        return sorted(found, key=lambda incoming: incoming.at)

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

    def _facts(self, account: str) -> Facts:
        return Facts(self.tutor.store, DELIVERIES + digest(account))


def _place_key(place: str) -> str:
    return digest(place)
