"""Keeps to the pace that a platform allows in each channel, and waits as long as it asks to."""

import asyncio
import time
from collections.abc import Awaitable, Callable


class Pace:
    """At most one call per `interval` seconds in a channel, in the order in which they came."""

    def __init__(
        self,
        interval: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._interval = interval
        self._clock = clock
        self._sleep = sleep
        self._free: dict[str, float] = {}

    async def wait(self, channel: str) -> None:
        """Waits until the channel may be called, and takes that place in its line."""
        now = self._clock()
        at = max(now, self._free.get(channel, now))
        self._free[channel] = at + self._interval
        if len(self._free) > 10_000:
            self._free = {name: free for name, free in self._free.items() if free > now}
        if at > now:
            await self._sleep(at - now)

    def hold(self, channel: str, seconds: float) -> None:
        """Lets nobody call the channel for so long: the platform said so (429, Retry-After)."""
        self._free[channel] = max(self._free.get(channel, 0.0), self._clock() + seconds)
