"""A question every day, at the time and in the time zone that a learner chose."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from tutor.chat.dispatching import Dispatcher
from tutor.chat.inbox import Incoming
from tutor.chat.wishes import DailyDue
from tutor.errors import HistoryError

EVERY = 30.0
"""Seconds between two looks at the clock."""


def due(daily: Mapping[str, Any], now: float) -> str:
    """The day ("2026-01-31") whose question is due, or ""; a time that passed before it was chosen is left out."""
    zone = ZoneInfo(daily["zone"]) if daily["zone"] else None
    local = datetime.fromtimestamp(now, UTC).astimezone(zone)
    hour, minute = map(int, daily["time"].split(":"))
    at = local.replace(hour=hour, minute=minute, second=0, microsecond=0).timestamp()
    return local.date().isoformat() if daily["since"] <= at <= now else ""


async def ask_daily(
    dispatcher: Dispatcher,
    platform: str,
    message: Callable[[Mapping[str, Any]], Awaitable[Incoming]],
    clock: Callable[[], float] = time.time,
    every: float = EVERY,
) -> None:
    """Sends each learner their question when it is due, once a day, until cancelled.

    `message` makes the message to the learner of a daily, in their direct messages; its wish and id are set here.
    """
    asked: set[str] = set()
    while True:
        try:
            for daily in await asyncio.to_thread(dispatcher.chat.dailies, platform):
                day = due(daily, clock())
                if day and f"daily:{daily['account']}:{day}" not in asked:
                    await _ask(dispatcher, await message(daily), day)
                    asked.add(f"daily:{daily['account']}:{day}")
        except HistoryError:
            pass
        await asyncio.sleep(every)


async def _ask(dispatcher: Dispatcher, incoming: Incoming, day: str) -> None:
    wish = DailyDue(day=day)
    await dispatcher.take(incoming.model_copy(update={"id": f"daily:{incoming.account}:{day}", "wish": wish}))
