"""A chat platform in memory: keeps what was posted at each place, and can lose, refuse or be killed on the way."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tutor.chat.answering import Chat
from tutor.chat.inbox import Inbox, Incoming
from tutor.chat.posts import Post
from tutor.tutor import Tutor


class InboxChat(Chat):
    """A chat with the inbox before it, in one process."""

    def __init__(self, tutor: Tutor, clock: Callable[[], float] = time.time) -> None:
        super().__init__(tutor, clock)
        self.inbox = Inbox(tutor.settings.data, clock)


@dataclass
class MemoryPlatform:
    """Posts under keys; `fault` is called before and after each post is taken and may raise."""

    name: str = "test"
    posted: dict[str, tuple[str, Post]] = field(default_factory=dict)
    drafts: list[Post] = field(default_factory=list)
    doubled: int = 0
    fault: Callable[[str], None] = lambda when: None

    async def open(self, incoming: Incoming) -> Incoming:
        return incoming

    async def draft(self, incoming: Incoming, post: Post, reference: str) -> str:
        self.drafts.append(post)
        return incoming.id

    async def deliver(self, incoming: Incoming, post: Post, reference: str, *, again: bool) -> None:
        if again and incoming.id in self.posted:
            return
        self.fault("before")
        await asyncio.sleep(0)
        self.doubled += incoming.id in self.posted
        self.posted[incoming.id] = (incoming.place, post)
        self.fault("after")


def words(post: Post | None) -> str:
    """All that a post says."""
    assert post is not None
    return "\n".join(f"{section.title}\n" + "\n".join(b.text for b in section.blocks) for section in post.sections)
