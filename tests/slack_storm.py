"""Slack at its worst, with figures: `python -m tests.slack_storm` (about ten minutes on two cores).

Messages come up to four times in random order while the process is killed again and again; acknowledgements are timed
while every model call hangs and the processor is busy; thousands of bent requests knock.
"""

import argparse
import asyncio
import itertools
import json
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
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp

from tests.fake_slack import SECRET, FakeSlack, signed
from tests.mutants import mutants
from tutor.chat.inbox import Incoming
from tutor.chat.working import chat_process
from tutor.resources import resource
from tutor.settings import Settings
from tutor.slack.running import running

USERS = 40


def settings(data: Path, address: str) -> Settings:
    return Settings(
        data=data, cards=resource("knowledge"), slack_bot_token="xoxb-test", slack_app_token="xapp-test",
        slack_signing_secret=SECRET, slack_api=address,
    )  # fmt: skip


async def child(data: Path, address: str) -> None:
    """The tutor in Slack until it is killed."""
    chosen = settings(data, address)
    patience = (0.5, 2.0, 5.0)
    with chat_process(chosen) as chat:
        async with running(chat, chosen, interval=0.0, patience=patience) as service, service.by_socket():
            await asyncio.Event().wait()


class Storm:
    """One run of many messages against a process that is killed again and again."""

    def __init__(self, slack: FakeSlack, data: Path, chance: random.Random) -> None:
        self.slack, self.data, self.chance = slack, data, chance
        self.kills = 0
        self.caught = 0
        self.envelopes: dict[str, str] = {}
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.slack_storm", "--child", str(self.data), self.slack.url
        )

    async def kill(self) -> None:
        """Ends the process as a fault would, and notes how many messages were acknowledged but not yet answered."""
        assert self.process
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()
        self.kills += 1
        answered = set(replies(self.slack))
        acknowledged = {event for envelope, event in self.envelopes.items() if envelope in self.slack.acknowledged}
        self.caught += len(acknowledged - answered)

    async def send(self, payload: dict[str, Any]) -> None:
        event = payload["event"]
        with suppress(ConnectionError, IndexError):
            self.envelopes[await self.slack.send(payload)] = f"slack:{event['channel']}:{event['ts']}"

    def acknowledged(self) -> set[str]:
        return {event for envelope, event in self.envelopes.items() if envelope in self.slack.acknowledged}


def replies(slack: FakeSlack) -> Counter[str]:
    """How many answers each message has: first messages of answers, by the message that they answer."""
    keys = [post.get("metadata", {}).get("event_payload", {}).get("key", "") for post in slack.posts]
    return Counter(key.removesuffix("/0") for key in keys if key.endswith("/0"))


async def storm(number: int, every: float, seed: int, *, channel: bool) -> None:
    chance = random.Random(seed)
    async with FakeSlack() as slack:
        slack.pause = lambda: chance.uniform(0.0, 0.05)
        run = Storm(slack, Path(tempfile.mkdtemp()) / "data", chance)
        await run.start()
        users = [f"U{number}" for number in range(USERS)]
        make = slack.mention if channel else slack.message
        starts = {user: make(f"interview 20 {chance.choice(['english', '中文'])}", user) for user in users}
        for payload in starts.values():
            await run.send(payload)
        await settled(run, list(starts.values()))
        threads = {user: starts[user]["event"]["ts"] for user in users}
        more = [{"thread": threads[user]} if channel else {} for user in users]
        payloads = [
            make(f"answer {n}: I think it is about memory", users[n % USERS], **more[n % USERS]) for n in range(number)
        ]
        deliveries = [payload for payload in payloads for _ in range(chance.randint(1, 4))]
        chance.shuffle(deliveries)
        began = time.monotonic()
        next_kill = began + every
        for payload in deliveries:
            await run.send(payload)
            await asyncio.sleep(chance.expovariate(1 / 0.04))
            if time.monotonic() > next_kill:
                await run.kill()
                await run.start()
                await slack.linked.wait()
                next_kill = time.monotonic() + chance.uniform(0.1, 2 * every)
        await settled(run, payloads)
        await run.kill()
        found = replies(slack)
        wanted = {f"slack:{p['event']['channel']}:{p['event']['ts']}" for p in [*payloads, *starts.values()]}
        counts = Counter(found.get(event, 0) for event in wanted)
        where = "channel threads (no read-back)" if channel else "direct messages"
        print(
            f"{where}: {len(wanted)} messages, {len(deliveries) + USERS} deliveries, {run.kills} kills, "
            f"{run.caught} messages acknowledged and unanswered at a kill; answers per message: {dict(counts)}; "
            f"{time.monotonic() - began:.0f} s",
            flush=True,
        )


async def settled(run: Storm, payloads: list[dict[str, Any]]) -> None:
    """Waits until every message is answered; sends again what was never acknowledged, as Slack does."""
    quiet = 0
    for _ in range(600):
        wanted = {f"slack:{p['event']['channel']}:{p['event']['ts']}": p for p in payloads}
        for event in set(wanted) - run.acknowledged():
            await run.send(wanted[event])
        done = set(wanted) <= set(replies(run.slack))
        quiet = quiet + 1 if done else 0
        if quiet > 2:
            return
        await asyncio.sleep(1.0)


@asynccontextmanager
async def listening(slack: FakeSlack, data: Path) -> AsyncIterator[tuple[Any, str]]:
    chosen = settings(data, slack.url)
    with chat_process(chosen) as chat:
        async with (
            running(chat, chosen, interval=0.0, grow_after=600.0) as service,
            service.by_http(("127.0.0.1", 0)) as port,
        ):
            yield service, f"http://127.0.0.1:{port}/slack/events"


def busy(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sum(range(10_000))


async def acknowledgements(number: int, *, hanging: bool) -> None:
    """Times signed calls while a process for each core does nothing but work, and every turn hangs or works, too."""
    cores = [multiprocessing.Process(target=busy, args=(600,), daemon=True) for _ in range(os.cpu_count() or 1)]
    async with FakeSlack() as slack, listening(slack, Path(tempfile.mkdtemp()) / "data") as (service, address):
        hung = threading.Event()

        def hang(incoming: Incoming) -> None:
            hung.wait(600)

        if hanging:
            service.dispatcher.chat.answer = hang
        for core in cores:
            core.start()
        took = []
        async with aiohttp.ClientSession() as session:
            for index in range(number):
                text = "I think it is about memory" if index >= USERS else "interview 20"
                body = json.dumps(slack.message(text, f"U{index % USERS}")).encode()
                began = time.perf_counter()
                async with session.post(address, data=body, headers=signed(body)) as answer:
                    assert answer.status == 200
                took.append(time.perf_counter() - began)
                await asyncio.sleep(0.005)
        waiting = len(service.dispatcher.inbox.unanswered("slack"))
        for core in cores:
            core.terminate()
        hung.set()
    took.sort()
    p = [took[min(number - 1, int(number * share))] * 1000 for share in (0.5, 0.99, 0.999)]
    print(
        f"{number} signed calls, {'every turn hanging' if hanging else 'turns working'}, all cores busy: acknowledged "
        f"after p50 {p[0]:.0f} ms, p99 {p[1]:.0f} ms, p99.9 {p[2]:.0f} ms, at most {took[-1] * 1000:.0f} ms; "
        f"{waiting} waited for their answers at the end",
        flush=True,
    )


async def knocks(number: int) -> None:
    async with FakeSlack() as slack, listening(slack, Path(tempfile.mkdtemp()) / "data") as (_, address):
        good = json.dumps(slack.message("a forged message")).encode()
        found: Counter[int] = Counter()
        async with aiohttp.ClientSession() as session:
            for body, headers in itertools.islice(mutants(good, random.Random(1)), number):
                async with session.post(address, data=body, headers=headers) as answer:
                    found[answer.status] += 1
        print(f"{number} bent requests: {dict(found)}; messages posted: {len(slack.posts)}", flush=True)


async def drops(number: int) -> None:
    """Drops the connection again and again, each time with a message on its way."""
    async with FakeSlack() as slack:
        chosen = settings(Path(tempfile.mkdtemp()) / "data", slack.url)
        with chat_process(chosen) as chat:
            async with running(chat, chosen, interval=0.0) as service, service.by_socket():
                for index in range(number):
                    payload, before = slack.message("help", f"U{index % USERS}"), slack.connections
                    envelope = await slack.send(payload)
                    await slack.sockets[-1].close()
                    while slack.connections == before:  # noqa: ASYNC110
                        await asyncio.sleep(0.005)
                    if envelope not in slack.acknowledged:
                        await slack.send(payload)
                await asyncio.sleep(1.0)
                await service.dispatcher.drain()
        counts = Counter(replies(slack).values())
        print(f"{number} dropped connections: answers per message {dict(counts)}, {slack.connections} connections")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--child", nargs=2)
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--knocks", type=int, default=5000)
    parser.add_argument("--drops", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    if chosen.child:
        asyncio.run(child(Path(chosen.child[0]), chosen.child[1]))
        return
    if chosen.drops:
        asyncio.run(drops(chosen.drops))
    if chosen.knocks:
        asyncio.run(knocks(chosen.knocks))
    if chosen.calls:
        for hanging in (True, False):
            asyncio.run(acknowledgements(chosen.calls, hanging=hanging))
    if chosen.messages:
        asyncio.run(storm(chosen.messages, 5.0, chosen.seed, channel=False))
        asyncio.run(storm(chosen.messages // 4, 5.0, chosen.seed, channel=True))


if __name__ == "__main__":
    main()
