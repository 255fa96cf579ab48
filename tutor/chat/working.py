"""The process in which turns run, apart from the one that hears a platform and must acknowledge in time."""

import logging
import multiprocessing
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.managers import BaseManager, BaseProxy
from typing import Any

from tutor.cards import Language, Shelf
from tutor.chat.inbox import Incoming
from tutor.chat.places import Place
from tutor.chat.posts import Post, Writer
from tutor.chat.wishes import Words
from tutor.errors import HistoryError, TutorError
from tutor.prompts import Phrases, load_phrases
from tutor.resources import resource
from tutor.settings import Settings

ENDED = "the process that runs the interviews has ended; start again: what was sent is answered then"


class _Work:
    """Lives in the process of the turns; every method is called from the other one."""

    def open(self, settings: Settings) -> None:
        from tutor.chat.answering import Chat
        from tutor.opening import open_tutor

        self._chat = Chat(open_tutor(settings), time.time)

    def do(self, name: str, *given: Any) -> Any:
        """Calls the method of the chat."""
        with _Traced():
            return getattr(self._chat, name)(*given)

    def wait(self) -> None:
        """Never returns."""
        threading.Event().wait()


class _Traced:
    """Lets what rises carry its traceback as a note, which is lost on the way to the other process."""

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error and not isinstance(error, TutorError):
            error.add_note("".join(traceback.format_exception(error)))


class _Manager(BaseManager):
    """Starts the process and carries calls to it."""


class ChatProcess:
    """A chat at work in the process of the turns. Safe to use from several threads; methods raise HistoryError."""

    def __init__(self, work: BaseProxy, shelf: Shelf, phrases: Phrases) -> None:
        self.phrases, self.shelf = phrases, shelf
        self.words = Words(phrases, shelf.topics)
        self._work = work

    def answer(self, incoming: Incoming) -> Post | None:
        """The post that answers the message; may take as long as the model."""
        post: Post | None = self._do("answer", incoming)
        return post

    def growing(self, incoming: Incoming) -> Post:
        """What has been said so far in the answer to the message."""
        post: Post = self._do("growing", incoming)
        return post

    def writer(self, incoming: Incoming) -> Writer:
        """Writes in the language of the sender."""
        language: Language = self._do("language", incoming)
        return Writer(self.phrases, self.shelf.topics, language)

    def place(self, incoming: Incoming) -> Place | None:
        """The interview that runs at the place of the message; None where none does."""
        place: Place | None = self._do("place", incoming)
        return place

    def dailies(self, platform: str) -> list[dict[str, Any]]:
        """Who wants a daily question on this platform, and when."""
        dailies: list[dict[str, Any]] = self._do("dailies", platform)
        return dailies

    def when_ended(self, tell: Callable[[TutorError], None]) -> None:
        """Tells, in a thread of its own, when the process has ended."""
        threading.Thread(target=self._wait, args=(tell,), daemon=True).start()

    def _wait(self, tell: Callable[[TutorError], None]) -> None:
        with _gone():
            self._work._callmethod("wait")
        tell(HistoryError(ENDED))

    def _do(self, name: str, *given: object) -> Any:
        try:
            return self._work._callmethod("do", (name, *given))
        except (EOFError, OSError):
            raise HistoryError(ENDED) from None


@contextmanager
def chat_process(settings: Settings) -> Iterator[ChatProcess]:
    """A chat in a process of its own, which ends with this one, in the midst of turns if need be; raises TutorError."""
    from tutor.opening import open_shelf

    shelf, phrases = open_shelf(settings), load_phrases(resource("prompts"))
    _Manager.register("work", _Work, exposed=("open", "do", "wait"))
    manager = _Manager(ctx=multiprocessing.get_context("spawn"))
    manager.start(_settle_in)
    try:
        work: BaseProxy = manager.work()  # type: ignore[attr-defined]
        work._callmethod("open", (settings,))
        yield ChatProcess(work, shelf, phrases)
    finally:
        manager.shutdown()


@contextmanager
def _gone() -> Iterator[None]:
    """What is asked of a process that is gone need not be done."""
    try:
        yield
    except (EOFError, OSError):
        return


def _settle_in() -> None:
    """In the process of the turns: the other one ends it, by what it says or by its own end."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    logging.basicConfig(format="%(message)s", level=logging.WARNING, stream=sys.stderr)
    parent = multiprocessing.parent_process()
    assert parent
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: Any) -> None:
    parent.join()
    signal.raise_signal(signal.SIGKILL)
