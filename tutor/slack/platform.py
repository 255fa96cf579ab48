"""Posts and edits in Slack: at its pace, each answer once, and a clear end when the token is no longer good."""

import asyncio
import uuid
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from tutor.chat.dispatching import Answers, Refused, Revoked, Unsure
from tutor.chat.inbox import Inbox, Incoming
from tutor.chat.pacing import Pace
from tutor.chat.posts import Post
from tutor.chat.wishes import Again, Start
from tutor.slack.render import messages, opening
from tutor.slack.requests import place

KEY = "interview_tutor_answer"
GONE = frozenset(
    "channel_not_found not_in_channel is_archived user_not_found cannot_dm_bot restricted_action user_disabled "
    "restricted_action_read_only_channel restricted_action_thread_only_channel message_not_found "
    "duplicate_message_not_found duplicate_channel_not_found".split()
)
"""Errors that say: not here, now or later."""
REVOKED = frozenset(
    "invalid_auth not_authed token_revoked token_expired account_inactive org_login_required access_denied "
    "no_permission team_access_not_granted not_allowed_token_type".split()
)
"""Errors that say: not with this token."""
_UNSHOWN = {"unfurl_links": False, "unfurl_media": False}
ELSEWHERE = 200
"""Messages of a conversation that are looked through for an answer that may have been posted."""


class SlackPlatform:
    """Slack as a place to answer in."""

    name = "slack"

    def __init__(self, client: AsyncWebClient, inbox: Inbox, chat: Answers, pace: Pace) -> None:
        self._client = client
        self._inbox, self._chat = inbox, chat
        self._pace = pace

    async def open(self, incoming: Incoming) -> Incoming:
        """An interview from the slash command gets its thread, or the direct messages where we may not post."""
        target = incoming.target
        if not target.get("command"):
            return incoming
        team = incoming.account.split(":")[1]
        thread = ""
        if target["channel"].startswith("D"):
            channel = await self._direct(target["user"])
        elif isinstance(incoming.wish, Start | Again):
            channel, thread = await self._thread(incoming)
        else:
            return incoming
        opened = incoming.model_copy(
            update={
                "place": place(team, channel, thread),
                "private": not thread,
                "typed": not thread,
                "target": {"channel": channel, "user": target["user"], "thread": thread},
            }
        )
        await asyncio.to_thread(self._inbox.keep, opened)
        return opened

    async def draft(self, incoming: Incoming, post: Post, reference: str) -> str:
        """Posts the growing answer, then edits it."""
        message = messages(post, incoming.target["user"])[-1]
        if reference:
            await self._call(incoming.target["channel"], "chat.update", ts=reference, **message)
            return reference
        return await self._post(incoming, message, f"{incoming.id}/0")

    async def deliver(self, incoming: Incoming, post: Post, reference: str, *, again: bool) -> None:
        """Posts the answer: the draft becomes its first message; what an earlier attempt posted is only brought up."""
        if post.private and not incoming.private:
            await self._privately(incoming, post, reference)
            return
        posted = await self._posted(incoming) if again else {}
        if reference:
            posted[f"{incoming.id}/0"] = reference
        for number, message in enumerate(messages(post, incoming.target["user"])):
            key = f"{incoming.id}/{number}"
            if key in posted:
                await self._call(incoming.target["channel"], "chat.update", ts=posted[key], **message)
            else:
                await self._post(incoming, message, key)
        if post.file and post.file.name not in posted:
            await self._upload(incoming.target["channel"], incoming.target.get("thread", ""), post)

    async def _privately(self, incoming: Incoming, post: Post, reference: str) -> None:
        """For the sender's eyes: as a message that only they see, or in their direct messages where it has a file."""
        channel, user = incoming.target["channel"], incoming.target["user"]
        if reference:
            await self._call(channel, "chat.delete", ts=reference)
        try:
            if post.file is None:
                for message in messages(post, incoming.target["user"]):
                    thread = incoming.target.get("thread") or None
                    await self._call(channel, "chat.postEphemeral", user=user, thread_ts=thread, **message)
                return
        except Refused:
            pass
        direct = await self._direct(user)
        own = incoming.model_copy(update={"private": True, "target": {"channel": direct, "user": user, "thread": ""}})
        await self.deliver(own, post, "", again=True)

    async def _thread(self, incoming: Incoming) -> tuple[str, str]:
        """A thread in the channel for the interview, or the direct messages where we may not post."""
        channel, user = incoming.target["channel"], incoming.target["user"]
        writer = await asyncio.to_thread(self._chat.writer, incoming)
        words = writer.say("chat.opening", who=f"<@{user}>")
        try:
            key = f"{incoming.id}/opening"
            return channel, (await self._noted(incoming)).get(key) or await self._post(incoming, opening(words), key)
        except Refused:
            direct = await self._direct(user)
            await self._call(direct, "chat.postMessage", **opening(writer.say("chat.opening_private")))
            return direct, ""

    async def _direct(self, user: str) -> str:
        """The conversation with one person."""
        opened = await self._call(user, "conversations.open", users=user)
        return str(opened["channel"]["id"])

    async def _post(self, incoming: Incoming, message: dict[str, Any], key: str) -> str:
        """Posts one message under its key, by which it is found again; gives its time stamp."""
        channel, thread = incoming.target["channel"], incoming.target.get("thread") or None
        metadata = {"event_type": KEY, "event_payload": {"key": key}}
        once = str(uuid.uuid5(uuid.NAMESPACE_URL, key))
        posted = await self._call(
            channel, "chat.postMessage", thread_ts=thread, metadata=metadata, client_msg_id=once, **_UNSHOWN, **message
        )
        await asyncio.to_thread(self._note, incoming, key, str(posted["ts"]))
        return str(posted["ts"])

    def _note(self, incoming: Incoming, key: str, stamp: str) -> None:
        """Keeps where a message of the answer stands, for a further attempt."""
        kept = self._inbox.kept(incoming)
        self._inbox.keep(kept.model_copy(update={"target": {**kept.target, key: stamp}}))

    async def _noted(self, incoming: Incoming) -> dict[str, str]:
        """Time stamps by key of the messages of the answer whose posting Slack confirmed."""
        kept = await asyncio.to_thread(self._inbox.kept, incoming)
        return {key: stamp for key, stamp in kept.target.items() if key.startswith(f"{incoming.id}/")}

    async def _posted(self, incoming: Incoming) -> dict[str, str]:
        """What stands there already of the answer: time stamps by key, and the names of files.

        In a channel Slack does not let us look, since we may hear only what is addressed to us: there is only what was
        noted. What Slack took in the moment of a fault, without our hearing of it, is posted again.
        """
        posted = await self._noted(incoming)
        channel, thread = incoming.target["channel"], incoming.target.get("thread")
        method = "conversations.replies" if thread else "conversations.history"
        where = {"ts": thread} if thread else {}
        oldest = incoming.target.get("ts") or f"{incoming.at - 60:.6f}"
        try:
            found = await self._call(
                channel, method, oldest=oldest, limit=ELSEWHERE, include_all_metadata=True, inclusive=True, **where
            )
        except SlackApiError as error:
            if error.response.get("error") in ("missing_scope", "not_supported"):
                return posted
            raise
        for message in found.get("messages", ()):
            key = (message.get("metadata") or {}).get("event_payload", {}).get("key", "")
            if key.startswith(f"{incoming.id}/"):
                posted[key] = str(message["ts"])
            for file in message.get("files", ()):
                posted[str(file.get("name"))] = str(message["ts"])
        return posted

    async def _upload(self, channel: str, thread: str, post: Post) -> None:
        assert post.file
        file = post.file
        data = file.text.encode()
        given = await self._call(channel, "files.getUploadURLExternal", filename=file.name, length=len(data))
        await self._send_bytes(str(given["upload_url"]), data)
        await self._call(
            channel, "files.completeUploadExternal", files=[{"id": given["file_id"], "title": file.title}],
            channel_id=channel, thread_ts=thread or None,
        )  # fmt: skip

    async def _send_bytes(self, address: str, data: bytes) -> None:
        session = self._client.session
        assert session
        try:
            async with session.post(address, data=data) as answered:
                if answered.status != 200:
                    raise Unsure(f"Slack did not take a file (HTTP {answered.status})")
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unsure(f"Slack cannot be reached: {type(error).__name__}") from error

    async def _call(self, channel: str, method: str, **arguments: Any) -> Any:
        """One call at the channel's pace, repeated as long as Slack asks to wait.

        Raises Unsure, Refused, Revoked, and SlackApiError for an answer that is a fault of ours.
        """
        given = {name: value for name, value in arguments.items() if value is not None}
        while True:
            await self._pace.wait(channel)
            try:
                return await self._client.api_call(method, **_encoded(method, channel, given))
            except SlackApiError as error:
                name = str(error.response.get("error", "")) if isinstance(error.response.data, dict) else ""
                status = error.response.status_code
                if status == 429 or name in ("ratelimited", "rate_limited"):
                    self._pace.hold(channel, _seconds(error.response.headers.get("Retry-After")))
                elif name in REVOKED:
                    raise Revoked(
                        f"Slack refuses the token ({name}); install the app again and set the new one"
                    ) from None
                elif name in GONE:
                    raise Refused(f"{method}: {name}") from None
                elif status >= 500 or name in (
                    "internal_error",
                    "fatal_error",
                    "service_unavailable",
                    "request_timeout",
                ):
                    raise Unsure(f"Slack did not take {method} ({name or status})") from None
                else:
                    raise
            except (aiohttp.ClientError, SlackClientError, TimeoutError) as error:
                raise Unsure(f"Slack cannot be reached: {type(error).__name__}") from error


def _encoded(method: str, channel: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments as Slack takes them: JSON for what posts, a form for what reads."""
    if method.startswith(("conversations.replies", "conversations.history", "files.getUploadURLExternal")):
        own = {} if method.startswith("files.") else {"channel": channel}
        return {"params": {**own, **{name: _flat(value) for name, value in arguments.items()}}}
    if method.startswith("chat."):
        arguments = {"channel": channel, **arguments}
    return {"json": arguments}


def _flat(value: Any) -> Any:
    return int(value) if isinstance(value, bool) else value


def _seconds(header: str | None) -> float:
    """The wait that Slack names; a second where it names none."""
    return min(float(header), 3600.0) if header and header.isdigit() else 1.0
