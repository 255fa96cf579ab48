"""Brings every accepted message to its answer: in order at each place, shown as it grows, again after a failure.

A platform is told that a message has arrived once it is written down, which never waits for a turn.
"""

import asyncio
import logging
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Protocol, TypeVar
from weakref import WeakValueDictionary

from tutor.cards import Shelf
from tutor.chat.inbox import Inbox, Incoming
from tutor.chat.places import Place
from tutor.chat.posts import Post, Writer
from tutor.chat.wishes import Words
from tutor.errors import HistoryError, TutorError
from tutor.prompts import Phrases

_LOG = logging.getLogger(__name__)
T = TypeVar("T")

GROW_AFTER = 1.5
"""Seconds after which an answer that is not ready begins to show."""
GROW_EVERY = 2.0
"""Seconds between two looks at an answer that grows."""
PATIENCE = (1.0, 5.0, 30.0, 120.0, 600.0)
"""Seconds before each further attempt to deliver; after the last one the message waits for the next start."""
TURNS = 32
"""Turns that run at the same time."""


class Unsure(Exception):
    """The platform may or may not have taken what was sent: look there before sending it again."""


class Refused(Exception):
    """The platform will never take this here: the channel is gone, or the tutor is not in it."""


class Revoked(TutorError):
    """The platform does not know the tutor any more; all work there ends. The text says what to mend."""


class Answers(Protocol):
    """What answers people, in this process or another: see `Chat`. Its methods may take long and raise HistoryError."""

    phrases: Phrases
    shelf: Shelf
    words: Words

    def answer(self, incoming: Incoming) -> Post | None:
        """The post that answers the message."""

    def growing(self, incoming: Incoming) -> Post:
        """What has been said so far in the answer."""

    def writer(self, incoming: Incoming) -> Writer:
        """Writes in the language of the sender."""

    def place(self, incoming: Incoming) -> Place | None:
        """The interview that runs at the place of the message."""

    def dailies(self, platform: str) -> list[dict[str, Any]]:
        """Who wants a daily question on this platform, and when."""


class Platform(Protocol):
    """What a front end can do. Every method may raise Unsure, Refused or Revoked."""

    @property
    def name(self) -> str:
        """What accounts of the platform begin with: "slack" for "slack:T1:U1"."""

    async def open(self, incoming: Incoming) -> Incoming:
        """The message with the place and target of its answer; opens a thread for an interview that needs one.

        The same at every call for the same message.
        """

    async def draft(self, incoming: Incoming, post: Post, reference: str) -> str:
        """Shows an answer that still grows, as the first message of the answer or in the place of `reference`."""

    async def deliver(self, incoming: Incoming, post: Post, reference: str, *, again: bool) -> None:
        """Sends the answer, the draft `reference` (or "") becoming its first message.

        `again`: an earlier attempt may have sent some of it, which must not be sent twice.
        """


class Dispatcher:
    """Works for one platform until it is closed."""

    def __init__(
        self,
        inbox: Inbox,
        chat: Answers,
        platform: Platform,
        *,
        grow_after: float = GROW_AFTER,
        grow_every: float = GROW_EVERY,
        patience: Sequence[float] = PATIENCE,
    ) -> None:
        self.inbox, self.chat = inbox, chat
        self._platform = platform
        self._grow_after, self._grow_every, self._patience = grow_after, grow_every, patience
        self._accepting = ThreadPoolExecutor(2, thread_name_prefix="accepting")
        self._looking = ThreadPoolExecutor(4, thread_name_prefix="looking")
        self._turning = ThreadPoolExecutor(TURNS, thread_name_prefix="turn")
        self._orders: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._running: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[TutorError] = self._loop.create_future()

    async def take(self, incoming: Incoming) -> bool:
        """Writes the message down and sees to its answer; False for one that is known. Raises HistoryError."""
        accepted = await self._in(self._accepting, lambda: self.inbox.accept(incoming))
        if accepted:
            self._begin(accepted, again=False)
        return accepted is not None

    async def recover(self) -> int:
        """Sees to what an earlier process accepted and did not answer; how many messages that is."""
        left = await self._in(self._accepting, lambda: self.inbox.unanswered(self._platform.name))
        for incoming in left:
            self._begin(incoming, again=True)
        return len(left)

    def end(self, error: TutorError) -> None:
        """Ends all work for this reason, or for an earlier one."""
        if not self.ended.done():
            self.ended.set_result(error)

    def end_from_elsewhere(self, error: TutorError) -> None:
        """The same from another thread."""
        with suppress(RuntimeError):  # nobody is at work any more
            self._loop.call_soon_threadsafe(self.end, error)

    async def drain(self) -> None:
        """Waits until all that was taken is answered."""
        while self._running:
            await asyncio.wait(self._running)

    async def close(self) -> None:
        """Ends all work; what is not answered is found at the next start."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._accepting.shutdown(wait=False)
        self._looking.shutdown(wait=False)
        self._turning.shutdown(wait=False, cancel_futures=True)

    def _begin(self, incoming: Incoming, *, again: bool) -> None:
        task = asyncio.create_task(self._see_to(incoming, again))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _see_to(self, incoming: Incoming, again: bool) -> None:
        order = self._orders.setdefault(incoming.place, asyncio.Lock())
        async with order:
            for delay in (*self._patience, None):
                if self.ended.done() or await self._attempt(incoming, again) or delay is None:
                    return
                again = True
                await asyncio.sleep(delay)

    async def _attempt(self, incoming: Incoming, again: bool) -> bool:
        """Answers and delivers; whether there is nothing left to do."""
        try:
            opened = await self._platform.open(incoming)
            post, reference = await self._answered(opened, again)
            if post:
                await self._platform.deliver(opened, post, reference, again=again)
        except Revoked as error:
            self.end(error)
            return True
        except Refused as error:
            _LOG.warning("an answer could not be posted: %s", error)
        except (Unsure, HistoryError) as error:
            _LOG.warning("an answer waits: %s", error)
            return False
        except Exception:
            await self._failed(incoming)
        try:
            await self._in(self._accepting, lambda: self.inbox.done(incoming))
        except HistoryError as error:
            _LOG.warning("a delivery could not be noted: %s", error)
            return False
        return True

    async def _failed(self, incoming: Incoming) -> None:
        """Tells the sender of a fault of ours, under a number that stands in the log."""
        reference = uuid.uuid4().hex[:8]
        _LOG.exception("message failed (reference %s)", reference)
        try:
            writer = await self._in(self._looking, lambda: self.chat.writer(incoming))
            await self._platform.deliver(incoming, writer.note("say.failed", reference=reference), "", again=True)
        except (Unsure, Refused, Revoked, HistoryError) as error:
            _LOG.warning("and the sender could not be told: %s", error)

    async def _answered(self, incoming: Incoming, again: bool) -> tuple[Post | None, str]:
        """The answer, and the reference of the draft that showed it growing, if it took that long.

        A second attempt shows none: the first one's draft may stand there, and would be doubled.
        """
        work = asyncio.ensure_future(self._in(self._turning, lambda: self.chat.answer(incoming)))
        work.add_done_callback(lambda done: done.cancelled() or done.exception())  # where nobody waits for it any more
        reference, wait = "", self._grow_after
        shown: Post | None = None
        while not (await asyncio.wait({work}, timeout=wait))[0]:
            wait = self._grow_every
            post = shown if again else await self._in(self._looking, lambda: self.chat.growing(incoming))
            if post and post != shown and not work.done():
                shown = post
                reference = await self._platform.draft(incoming, post, reference)
        return work.result(), reference

    async def _in(self, pool: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(pool, work)
