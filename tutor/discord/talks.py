"""With whom we have direct messages and since when: where to look for what came while nobody listened."""

from tutor.chat.inbox import DELIVERIES
from tutor.facts import Facts
from tutor.history import Store, digest

_KEY, _TAG = "discord-direct", "discord"


class Talks:
    """The direct messages of all learners; each note goes when its learner is forgotten."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._noted: set[str] = set()

    def note(self, account: str, channel: int, first: int) -> None:
        """Keeps the channel of the account with the number of its first message, unless it is known."""
        if account in self._noted:
            return
        fact = {"channel": channel, "first": first}
        Facts(self._store, DELIVERIES + digest(account)).claim(_KEY, fact, talk=_TAG)
        self._noted.add(account)

    def forget(self, account: str) -> None:
        """The note may be gone: it is made anew with the next message."""
        self._noted.discard(account)

    def all(self) -> list[tuple[int, int]]:
        """Channels and their first messages."""
        found = []
        for name in self._store.names(DELIVERIES):
            found += [(fact["channel"], fact["first"]) for _, fact, _ in Facts(self._store, name).where(talk=_TAG)]
        return found
