"""With whom we have direct messages and since when: where to look for what came while nobody listened."""

from tutor.chat.inbox import Inbox

_KIND = "discord-direct"


class Talks:
    """The direct messages of all learners; each note goes when its learner is forgotten."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._noted: set[str] = set()

    def note(self, account: str, channel: int, first: int) -> None:
        """Keeps the channel of the account with the number of its first message, unless it is known."""
        if account in self._noted:
            return
        self._inbox.note(f"{_KIND}:{account}", account, _KIND, f"{channel} {first}")
        self._noted.add(account)

    def forget(self, account: str) -> None:
        """The note may be gone: it is made anew with the next message."""
        self._noted.discard(account)

    def all(self) -> list[tuple[int, int]]:
        """Channels and their first messages."""
        pairs = (text.split() for text in self._inbox.notes(_KIND))
        return [(int(channel), int(first)) for channel, first in pairs]
