"""Discord at its worst, with figures: `python -m tests.discord_storm` (about eight minutes on two cores).

Messages come up to four times in random order while the process is killed again and again; interactions are timed while
every model call hangs and the processor is busy; the gateway drops a hundred times.
"""

# ruff: noqa: ASYNC110
import argparse
import asyncio
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from tests.fake_discord import APP, CHANNEL, TOKEN, FakeDiscord
from tutor.cards import LANGUAGES
from tutor.chat.inbox import Incoming
from tutor.chat.working import chat_process
from tutor.discord.running import Service, running
from tutor.prompts import load_phrases
from tutor.resources import resource
from tutor.settings import Settings

USERS = 40
PATIENCE = (0.5, 2.0, 5.0)
MOMENT = [load_phrases(resource("prompts"))("chat.thinking", language) for language in LANGUAGES]


@asynccontextmanager
async def at_work(data: Path, api: str, gateway: str, **pace: Any) -> AsyncIterator[Service]:
    """The tutor in the Discord of that address."""
    Route.BASE = api
    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway)
    chosen = Settings(data=data, cards=resource("knowledge"), discord_token=TOKEN)
    with chat_process(chosen) as chat:
        async with running(chat, chosen, patience=PATIENCE, **pace) as service:
            yield service


async def child(data: Path, api: str, gateway: str) -> None:
    """The tutor in Discord until it is killed."""
    async with at_work(data, api, gateway):
        await asyncio.Event().wait()


class Storm:
    """A process that is killed again and again."""

    def __init__(self, discord: FakeDiscord, data: Path) -> None:
        self.discord, self.data = discord, data
        self.kills = 0
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self.discord.ready.clear()
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.discord_storm",
            "--child", str(self.data), self.discord.api, self.discord.gateway,
        )  # fmt: skip
        await asyncio.wait_for(self.discord.ready.wait(), 120)

    async def kill(self) -> None:
        """Ends the process as a fault would."""
        assert self.process
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()
        self.kills += 1


def replies(discord: FakeDiscord, *, whole: bool = False) -> Counter[str]:
    """How many answers each message and interaction has: posts that refer to it; `whole`: no longer "one moment"."""
    found: Counter[str] = Counter()
    for channel in discord.channels.values():
        for post in channel["messages"]:
            if whole and post["content"] in MOMENT:
                continue
            if post["author"]["id"] == APP and not post["flags"] & 128:
                cause = post.get("message_reference", {}).get("message_id")
                cause = cause or post.get("interaction_metadata", {}).get("id")
                found.update([cause] if cause else [])
    return found


async def settled(discord: FakeDiscord, wanted: set[str], seconds: float = 600.0) -> None:
    """Waits until all are answered."""
    end = time.monotonic() + seconds
    while not wanted <= set(replies(discord, whole=True)) and time.monotonic() < end:
        await asyncio.sleep(0.5)
    await asyncio.sleep(1.0)


async def storm(number: int, every: float, seed: int) -> None:
    """Direct messages, presses and slash commands, each delivered up to four times, with kills in between."""
    chance = random.Random(seed)
    async with FakeDiscord() as discord:
        discord.pause = lambda: chance.uniform(0.0, 0.05)
        run = Storm(discord, Path(tempfile.mkdtemp()) / "data")
        await run.start()
        users = [str(1000 + n) for n in range(USERS)]
        starts = [discord.say(f"interview 20 {chance.choice(['english', '中文'])}", user) for user in users]
        for event in starts:
            await discord.send(event)
        await settled(discord, {event["d"]["id"] for event in starts})
        first = {user: next(m for m in discord.posts(discord.direct(user)) if m["components"]) for user in users}
        events = [sent(discord, n, first) for n in range(number)]
        deliveries = [event for event in events for _ in range(chance.randint(1, 4))]
        chance.shuffle(deliveries)
        began = time.monotonic()
        next_kill = began + every
        for event in deliveries:
            await discord.send(event)
            await asyncio.sleep(chance.expovariate(1 / 0.02))
            if time.monotonic() > next_kill:
                await run.kill()
                await run.start()
                next_kill = time.monotonic() + chance.uniform(0.5, 2 * every)
        said = {event["d"]["id"] for event in [*starts, *events] if event["t"] == "MESSAGE_CREATE"}
        pressed = {event["d"]["id"] for event in events if event["t"] == "INTERACTION_CREATE"}
        known = pressed & set(discord.acknowledged)
        await settled(discord, said | known)
        await run.kill()
        await run.start()  # which finds nothing that it would answer again
        await asyncio.sleep(5.0)
        found = replies(discord)
        await run.kill()
        waiting = sum(m["flags"] & 128 > 0 for c in discord.channels.values() for m in c["messages"])
        waiting += len(set(found) - set(replies(discord, whole=True)))
        print(
            f"{len(said)} messages, {len(pressed)} presses and commands, {len(deliveries)} deliveries, "
            f"{run.kills} kills: "
            f"answers per message {dict(Counter(found.get(one, 0) for one in said))}, per acknowledged interaction "
            f"{dict(Counter(found.get(one, 0) for one in known))}, interactions that Discord told had failed: "
            f"{len(pressed - known)}, of them answered: {sum(found.get(one, 0) > 0 for one in pressed - known)}, "
            f"left thinking: {waiting}; sent wrongly: {len(discord.unsuppressed)}; {time.monotonic() - began:.0f} s",
            flush=True,
        )


def sent(discord: FakeDiscord, number: int, first: dict[str, Any]) -> Any:
    """A message, a press of a button that was not pressed before, or a slash command."""
    user = str(1000 + number % USERS)
    match number % 8:
        case 0 | 4:
            return discord.press({**first[user], "id": discord.number()}, "hint", user)
        case 2:
            return discord.command("help", user)
    return discord.say(f"answer {number}: I think it is about memory", user)


async def drops(number: int, seed: int) -> None:
    """Drops of the gateway, a message before, during and after each."""
    chance = random.Random(seed)
    async with FakeDiscord() as discord:
        async with at_work(Path(tempfile.mkdtemp()) / "data", discord.api, discord.gateway) as service:
            await asyncio.wait_for(discord.ready.wait(), 30)
            events: list[Any] = []
            took: list[float] = []
            for n in range(number):
                events += [discord.say("help", str(1000 + n % USERS)) for _ in range(3)]
                await discord.send(events[-3])
                began = time.perf_counter()
                await discord.drop(chance.choice([4000, 1006, 4001, 1001]) if n % 10 else 4000)
                await discord.send(events[-2])
                await asyncio.wait_for(discord.ready.wait(), 60)
                took.append(time.perf_counter() - began)
                await discord.send(events[-1])
            await settled(discord, {event["d"]["id"] for event in events}, 120)
            await service.dispatcher.drain()
        found = replies(discord)
        counts = Counter(found.get(event["d"]["id"], 0) for event in events)
        print(
            f"{number} drops: {len(events)} messages, answers per message {dict(counts)}; "
            f"RESUME {discord.ops.count(6)}, IDENTIFY {discord.ops.count(2)}; "
            f"connected again after at most {max(took):.2f} s",
            flush=True,
        )


def busy(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sum(range(10_000))


async def acknowledgements(number: int, *, hanging: bool) -> None:
    """Times interactions while a process for each core does nothing but work, and every turn hangs or works, too."""
    cores = [multiprocessing.Process(target=busy, args=(600,), daemon=True) for _ in range(os.cpu_count() or 1)]
    async with FakeDiscord() as discord:
        data = Path(tempfile.mkdtemp()) / "data"
        async with at_work(data, discord.api, discord.gateway, grow_after=600.0) as service:
            await asyncio.wait_for(discord.ready.wait(), 30)
            hung = threading.Event()

            def hang(incoming: Incoming) -> None:
                hung.wait(600)

            if hanging:
                service.dispatcher.chat.answer = hang  # type: ignore[method-assign]
            for core in cores:
                core.start()
            asked = []
            for n in range(number):
                user = str(1000 + n % USERS)
                event = discord.command("help", user, CHANNEL) if n % 4 else discord.command("interview", user)
                asked.append(event["d"]["id"])
                await discord.send(event)
                while asked[-1] not in discord.acknowledged and time.perf_counter() - discord.asked[asked[-1]] < 5:
                    await asyncio.sleep(0.0005)
                await asyncio.sleep(0.005)
            for core in cores:
                core.terminate()
            hung.set()
        took = sorted(discord.acknowledged.get(one, 1e9) - discord.asked[one] for one in asked)
        p = [took[min(number - 1, int(number * share))] * 1000 for share in (0.5, 0.99, 0.999)]
        print(
            f"{number} interactions, {'every turn hanging' if hanging else 'turns working'}, all cores busy: "
            f"acknowledged after p50 {p[0]:.0f} ms, p99 {p[1]:.0f} ms, p99.9 {p[2]:.0f} ms, "
            f"at most {took[-1] * 1000:.0f} ms",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--child", nargs=3)
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--drops", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    if chosen.child:
        asyncio.run(child(Path(chosen.child[0]), *chosen.child[1:]))
        return
    if chosen.drops:
        asyncio.run(drops(chosen.drops, chosen.seed))
    if chosen.calls:
        for hanging in (True, False):
            asyncio.run(acknowledgements(chosen.calls, hanging=hanging))
    if chosen.messages:
        asyncio.run(storm(chosen.messages, 4.0, chosen.seed))


if __name__ == "__main__":
    main()
