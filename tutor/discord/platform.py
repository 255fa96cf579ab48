"""Answers in Discord, each once: in the interview's thread, in direct messages, or for the eyes of one person."""

import asyncio
import hashlib
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tutor.chat.dispatching import Answers, Refused
from tutor.chat.inbox import Inbox, Incoming
from tutor.chat.posts import Post
from tutor.chat.wishes import Start
from tutor.discord.calls import ORIGINAL, PAGE, Calls, Expired, Found, Missing, since
from tutor.discord.render import Message, messages
from tutor.discord.requests import place

ANSWERABLE = 14 * 60.0
"""Seconds for which an interaction is answered by its token; Discord takes it for 15 minutes."""
_NAME = 100
"""Characters of a thread's name."""


class DiscordPlatform:
    """Discord as a place to answer in.

    `reads`: words in a thread reach us without a mention. `acknowledged` holds, for each interaction of this process,
    whether Discord was told that it arrived.
    """

    name = "discord"

    def __init__(
        self,
        calls: Calls,
        inbox: Inbox,
        chat: Answers,
        me: int,
        *,
        reads: bool,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._calls = calls
        self._inbox, self._chat = inbox, chat
        self._me = str(me)
        self._reads = reads
        self._clock = clock
        self.acknowledged: dict[str, asyncio.Future[bool]] = {}

    async def open(self, incoming: Incoming) -> Incoming:
        """An interview that was asked for in a server gets its thread, or the direct messages where it cannot."""
        target = incoming.target
        if not isinstance(incoming.wish, Start) or not target.get("guild") or target.get("began"):
            return incoming
        try:
            channel, direct = await self._thread(incoming), False
        except Refused:
            channel, direct = await self._calls.direct(target["user"]), True
        opened = incoming.model_copy(
            update={
                "place": place(channel),
                "private": direct,
                "typed": direct or self._reads,
                "target": target | {"channel": channel, "began": "direct" if direct else "thread"},
            }
        )
        await asyncio.to_thread(self._inbox.keep, opened)
        return opened

    async def draft(self, incoming: Incoming, post: Post, reference: str) -> str:
        """Shows the growing answer, then edits it."""
        message = messages(post)[-1]
        if reference and reference != ORIGINAL:
            await self._edit(incoming, reference, message)
            return reference
        if not incoming.target.get("began") and await self._respond(incoming, message):
            return ORIGINAL
        return await self._post(incoming, message, 0)

    async def deliver(self, incoming: Incoming, post: Post, reference: str, *, again: bool) -> None:
        """Posts the answer: the draft becomes its first message; what an earlier attempt posted is only brought up."""
        target = incoming.target
        if target.get("began"):
            await self._begin(incoming, post, reference, again=again)
        elif target.get("hidden") and await self._whisper(incoming, post):
            return
        elif (post.private or target.get("hidden")) and not incoming.private:
            await self._privately(incoming, post, reference)
        else:
            await self._publish(incoming, messages(post), reference, again=again)

    async def _begin(self, incoming: Incoming, post: Post, reference: str, *, again: bool) -> None:
        """The first question where the interview runs, and where that is, where it was asked for."""
        writer = await asyncio.to_thread(self._chat.writer, incoming)
        direct = incoming.target["began"] == "direct"
        if not direct and not self._reads:
            post = replace(post, sections=(*writer.note("discord.unread").sections, *post.sections))
        try:
            await self._publish(incoming, messages(post), reference, again=again)
        except Refused:
            if not direct:
                raise
            await self._point(incoming, messages(writer.note("discord.closed"))[0])
            return
        where = writer.say("discord.here", where=f"<#{incoming.target['channel']}>")
        await self._point(incoming, messages(writer.note("discord.direct"))[0] if direct else Message(where))

    async def _point(self, incoming: Incoming, message: Message) -> None:
        """Says where the interview is, in the place where it was asked for."""
        target = incoming.target
        if await self._respond(incoming, message) or "message" not in target:
            return
        nonce = _nonce(incoming, "where")
        await self._calls.send(target["parent"], message, nonce, target["user"], reply_to=target["message"])

    async def _publish(self, incoming: Incoming, parts: list[Message], reference: str, *, again: bool) -> None:
        """The messages of an answer at its place."""
        began = bool(incoming.target.get("began"))
        lost = reference == ORIGINAL and not await self._answerable(incoming)
        sent = await self._sent(incoming) if again or lost else []
        if reference not in ("", ORIGINAL):
            await self._edit(incoming, reference, parts[0])
        elif began or not await self._respond(incoming, parts[0]):
            found = _first(incoming, sent, parts[0].content)
            await (self._edit(incoming, found, parts[0]) if found else self._post(incoming, parts[0], 0))
        there = [message["content"] for message in sent]
        for number, part in enumerate(parts[1:], start=1):
            if part.content not in there:
                await self._post(incoming, part, number)

    async def _privately(self, incoming: Incoming, post: Post, reference: str) -> None:
        """In the direct messages of the sender, where nobody else reads; or why that cannot be."""
        target = incoming.target
        if "token" in target:
            await self.withdraw(incoming)
        elif reference:
            await self._calls.delete(target["channel"], reference)
        try:
            direct = await self._calls.direct(target["user"])
            moved = incoming.model_copy(update={"target": {"channel": direct, "user": target["user"]}})
            await self._publish(moved, messages(post), "", again=True)
        except Refused:
            writer = await asyncio.to_thread(self._chat.writer, incoming)
            await self._post(incoming, messages(writer.note("discord.closed"))[0], 0)

    async def _whisper(self, incoming: Incoming, post: Post) -> bool:
        """Answers an interaction for the eyes of the sender alone; whether that was possible."""
        first, *rest = messages(post)
        if not await self._respond(incoming, first):
            return False
        for part in rest:
            await self._calls.whisper(incoming.target["token"], part, incoming.target["user"])
        return True

    async def _respond(self, incoming: Incoming, message: Message) -> bool:
        """Puts the message in the place of "thinking"; False where that cannot be done, or not any more."""
        if not await self._answerable(incoming):
            return False
        try:
            await self._calls.respond(incoming.target["token"], message, incoming.target["user"])
        except (Expired, Missing):
            return False
        return True

    async def withdraw(self, incoming: Incoming) -> None:
        """Takes "thinking" away."""
        if await self._answerable(incoming):
            try:
                await self._calls.withdraw(incoming.target["token"])
            except (Expired, Missing):
                return

    async def _answerable(self, incoming: Incoming) -> bool:
        number = incoming.target.get("interaction", "")
        if not number or int(number) < since(self._clock() - ANSWERABLE):
            return False
        return number not in self.acknowledged or await asyncio.shield(self.acknowledged[number])

    async def _edit(self, incoming: Incoming, message_id: str, message: Message) -> None:
        target = incoming.target
        try:
            await self._calls.edit(target["channel"], message_id, message, target["user"])
        except Missing:
            await self._post(incoming, message, -1)

    async def _post(self, incoming: Incoming, message: Message, number: int) -> str:
        """Posts one message of an answer and gives its id; the first one refers to the message that it answers."""
        target = incoming.target
        reply_to = target.get("message", "") if number <= 0 and not target.get("began") else ""
        nonce = _nonce(incoming, str(number))
        posted = await self._calls.send(target["channel"], message, nonce, target["user"], reply_to)
        if posted["content"] != message.content:
            await self._calls.edit(target["channel"], posted["id"], message, target["user"])
        return str(posted["id"])

    async def _sent(self, incoming: Incoming) -> list[Found]:
        """What we posted at the place since the message came."""
        target = incoming.target
        after = int(target.get("message") or target.get("interaction") or since(incoming.at - 1))
        found: list[Found] = []
        while True:
            page = await self._calls.history(target["channel"], after)
            found += [message for message in page if message["author"]["id"] == self._me]
            if len(page) < PAGE:
                return found
            after = int(page[-1]["id"])

    async def _thread(self, incoming: Incoming) -> str:
        """A thread for the interview; the one that an earlier attempt opened, if it did. Raises Refused."""
        target = incoming.target
        if not target["parent"]:
            raise Refused("no channel to open a thread in")
        writer = await asyncio.to_thread(self._chat.writer, incoming)
        name = writer.say("chat.opening", who=target.get("who", ""))[:_NAME]
        thread = await self._opened(incoming, name) or await self._calls.thread(target["parent"], name)
        await self._calls.add(thread, target["user"])
        return thread

    async def _opened(self, incoming: Incoming, name: str) -> str:
        target = incoming.target
        after = int(target.get("message") or target["interaction"])
        for thread in await self._calls.threads(target["guild"]):
            ours = thread["owner_id"] == self._me and thread["parent_id"] == target["parent"]
            if ours and thread["name"] == name and int(thread["id"]) > after:
                here = incoming.model_copy(update={"place": place(thread["id"])})
                found = await asyncio.to_thread(self._chat.place, here)
                if found is None or found.session == incoming.session:
                    return str(thread["id"])
        return ""


def _first(incoming: Incoming, sent: list[Found], content: str) -> str:
    """The first message of the answer among those that we posted, or "": the one that refers to what it answers."""
    target = incoming.target
    for message in sent:
        reference: dict[str, Any] = message.get("message_reference") or {}
        cause: dict[str, Any] = message.get("interaction_metadata") or {}
        answers = {reference.get("message_id"), cause.get("id")} - {None}
        if answers & {target.get("message", ""), target.get("interaction", "")}:
            return str(message["id"])
        if not answers and (message["content"] == content or target.get("began") == "thread"):
            return str(message["id"])
    return ""


def _nonce(incoming: Incoming, part: str) -> str:
    """At most 25 characters, the same for the same part of an answer."""
    return hashlib.sha256(f"{incoming.id}/{part}".encode()).hexdigest()[:24]
