"""How a front end of a chat platform ends: by a signal, or by a reason that the operator is told."""

import asyncio
import signal
from typing import Any

from tutor.chat.dispatching import Dispatcher
from tutor.chat.working import ChatProcess


async def until_ended(chat: ChatProcess, dispatcher: Dispatcher, *others: asyncio.Future[Any]) -> None:
    """Waits for an interrupt, the end of one of the others, or the end of all work, whose reason it raises."""
    chat.when_ended(dispatcher.end_from_elsewhere)
    stop = asyncio.Event()
    for sign in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(sign, stop.set)
    stopped = asyncio.create_task(stop.wait())
    ends: list[asyncio.Future[Any]] = [stopped, dispatcher.ended, *others]
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if dispatcher.ended.done():
        raise dispatcher.ended.result()
