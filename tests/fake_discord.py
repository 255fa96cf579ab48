"""Discord on loopback: REST and gateway with sessions that can be resumed, and the faults that the real one has."""

import asyncio
import itertools
import json
import time
from collections.abc import Callable
from typing import Any, Self

from aiohttp import WSMsgType, web

APP, GUILD, CHANNEL = "100", "300", "400"
TOKEN = "MTAw.fake.token"  # begins with 100 in base 64
EPOCH = 1_420_070_400_000
PERMISSIONS = str(1 << 10 | 1 << 11 | 1 << 15 | 1 << 16 | 1 << 36 | 1 << 38)
Body = dict[str, Any]
Fault = Callable[[str, str, Body], web.Response | None]
_SUPPRESS, _EPHEMERAL, _LOADING = 4, 64, 128


def answer(body: object, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """discord.py wants the content type without a charset."""
    return web.Response(body=json.dumps(body).encode(), status=status, headers=headers, content_type="application/json")


def refusal(status: int, code: int, text: str) -> web.Response:
    return answer({"code": code, "message": text}, status)


class FakeDiscord:
    """A server with one channel, direct messages with everybody, and threads that the bot opens."""

    def __init__(self) -> None:
        self.channels: dict[str, Body] = {CHANNEL: {"id": CHANNEL, "type": 0, "guild": GUILD, "messages": []}}
        self.interactions: dict[str, Body] = {}
        self.commands: list[Body] = []
        self.forms: dict[str, Body] = {}
        self.calls: list[tuple[float, str, str, Body]] = []
        self.acknowledged: dict[str, float] = {}
        self.asked: dict[str, float] = {}
        self.ops: list[int] = []
        self.faults: Fault = lambda method, path, body: None
        self.after: Fault = lambda method, path, body: None
        self.cut: Callable[[str, str], bool] = lambda method, path: False
        self.pause: Callable[[], float] = lambda: 0.0
        self.threads_allowed = True
        self.closed_to: set[str] = set()
        self.guilds = True
        self.permissions = PERMISSIONS
        self.refuse_code = 0
        self.port = 0
        self.unsuppressed: list[Body] = []
        self._last = 0
        self._numbers = itertools.count()
        self.nonces: dict[str, Body] = {}
        self._sessions: dict[str, list[Body]] = {}
        self._session = ""
        self.socket: web.WebSocketResponse | None = None
        self.ready = asyncio.Event()

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=10**7)
        app.router.add_get("/gw", self._gateway)
        app.router.add_get("/gw/", self._gateway)
        app.router.add_route("*", "/api/v10/{path:.*}", self._rest)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *raised: object) -> None:
        if self.socket:
            await self.socket.close(code=1001)
        await self._runner.cleanup()

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v10"

    @property
    def gateway(self) -> str:
        return f"ws://127.0.0.1:{self.port}/gw"

    def number(self) -> str:
        """A new id, later than all others."""
        self._last = max(self._last + 1, (int(time.time() * 1000) - EPOCH) << 22)
        return str(self._last)

    # Looking

    def posts(self, channel: str | None = None) -> list[Body]:
        """What the bot has posted and not taken away, oldest first; not what only one person sees."""
        found = [m for c in self.channels.values() for m in c["messages"] if m["author"]["id"] == APP]
        shown = [m for m in found if not m["flags"] & _EPHEMERAL and channel in (None, m["channel_id"])]
        return sorted(shown, key=lambda message: int(message["id"]))

    def whispers(self, user: str) -> list[Body]:
        """What only that person sees."""
        found = [m for c in self.channels.values() for m in c["messages"]]
        return [m for m in found if m["flags"] & _EPHEMERAL and m["interaction_metadata"]["user"]["id"] == user]

    def threads(self) -> list[Body]:
        return [channel for channel in self.channels.values() if channel["type"] in (11, 12)]

    def direct(self, user: str) -> str:
        """The channel of direct messages with that person."""
        channel = str(10**9 + int(user))
        if channel not in self.channels:
            self.channels[channel] = {"id": channel, "type": 1, "guild": "", "user": user, "messages": []}
        return channel

    # What people do

    def say(self, text: str, user: str, channel: str = "", *, mention: bool = False, reads: bool = False) -> Body:
        """A message of a person, stored; the event of it is given. Without mention the bot reads direct ones only."""
        channel = channel or self.direct(user)
        guild = self.channels[channel]["guild"]
        seen = mention or reads or not guild
        message = self._message(channel, person(user), f"<@{APP}> {text}" if mention else text)
        message["mentions"] = [me()] if mention else []
        message["_seen"] = seen
        event = shown(message)
        where = {"guild_id": guild, "member": member(user)} if guild else {"channel_type": 1}
        return {"t": "MESSAGE_CREATE", "d": {**event, **where}}

    def command(self, name: str, user: str, channel: str = "", locale: str = "en-US", **options: object) -> Body:
        """A slash command."""
        given = [{"name": key, "value": value, "type": 3} for key, value in options.items()]
        return self._interaction(2, user, channel, {"id": "900", "name": name, "type": 1, "options": given}, locale)

    def press(self, message: Body, action: str, user: str) -> Body:
        """A button under a message of the bot."""
        found = [b for row in message["components"] for b in row["components"]]
        chosen = next(b["custom_id"] for b in found if b["custom_id"].split(":")[1] == action)
        data = {"custom_id": chosen, "component_type": 2}
        return self._interaction(3, user, message["channel_id"], data, message=message)

    def submit(self, form: Body, text: str, user: str, channel: str) -> Body:
        """The form, filled."""
        box = {"type": 4, "custom_id": form["components"][0]["component"]["custom_id"], "value": text}
        data = {"custom_id": form["custom_id"], "components": [{"type": 18, "id": 1, "component": {"id": 2, **box}}]}
        return self._interaction(5, user, channel, data)

    def _interaction(
        self, kind: int, user: str, channel: str, data: Body, locale: str = "en-US", message: Body | None = None
    ) -> Body:
        channel = channel or self.direct(user)
        there, number = self.channels[channel], self.number()
        token = f"token-{number}"
        self.interactions[token] = {"id": number, "channel": channel, "user": user, "kind": kind, "message": None}
        guild = there["guild"]
        who = {"guild_id": guild, "member": {**member(user), "permissions": "8"}} if guild else {"user": person(user)}
        body = {
            "id": number, "application_id": APP, "type": kind, "token": token, "version": 1, "data": data, **who,
            "channel_id": channel, "channel": self._channel(channel), "locale": locale, "app_permissions": "8",
            "entitlements": [], "authorizing_integration_owners": {}, "attachment_size_limit": 1,
        }  # fmt: skip
        if message:
            body["message"] = message
        return {"t": "INTERACTION_CREATE", "d": body}

    # Gateway

    async def send(self, event: Body) -> None:
        """Sends an event; what comes while nobody is connected is kept for whoever resumes."""
        log = self._sessions.setdefault(self._session, [])
        numbered = {"op": 0, "s": len(log) + 1, **event}
        log.append(numbered)
        if event["t"] == "INTERACTION_CREATE":
            self.asked.setdefault(event["d"]["id"], time.perf_counter())
        if self.socket and not self.socket.closed:
            try:
                await self.socket.send_json(numbered)
            except ConnectionError:
                self.socket = None

    async def drop(self, code: int = 4000) -> None:
        """Ends the connection."""
        if self.socket:
            self.ready.clear()
            socket, self.socket = self.socket, None
            await socket.close(code=code)

    def forget_sessions(self) -> None:
        """From now on nobody can resume."""
        self._sessions.clear()
        self._session = ""

    async def _gateway(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"op": 10, "d": {"heartbeat_interval": 41250}, "s": None, "t": None})
        async for message in socket:
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                continue
            told = json.loads(message.data)
            self.ops.append(told["op"])
            if told["op"] == 1:
                await socket.send_json({"op": 11, "d": None, "s": None, "t": None})
            elif told["op"] == 2:
                if self.refuse_code:
                    await socket.close(code=self.refuse_code)
                    break
                await self._identified(socket)
            elif told["op"] == 6:
                await self._resumed(socket, told["d"])
        if self.socket is socket:
            self.socket = None
        return socket

    async def _identified(self, socket: web.WebSocketResponse) -> None:
        self._session = f"session-{next(self._numbers)}"
        self._sessions[self._session] = []
        self.socket = socket
        guilds = [{"id": GUILD, "unavailable": True}] if self.guilds else []
        ready = {
            "v": 10, "user": me(), "guilds": guilds, "session_id": self._session,
            "resume_gateway_url": self.gateway, "application": {"id": APP, "flags": 0},
        }  # fmt: skip
        await self.send({"t": "READY", "d": ready})
        if self.guilds:
            await self.send({"t": "GUILD_CREATE", "d": self._guild()})
        self.ready.set()

    async def _resumed(self, socket: web.WebSocketResponse, told: Body) -> None:
        log = self._sessions.get(told["session_id"])
        if log is None:
            await socket.send_json({"op": 9, "d": False, "s": None, "t": None})
            return
        for event in log[told["seq"] :]:
            await socket.send_json(event)
        self.socket = socket
        await self.send({"t": "RESUMED", "d": {}})
        self.ready.set()

    # REST

    async def _rest(self, request: web.Request) -> web.Response:
        path, method = request.match_info["path"], request.method
        body, files = await _body(request)
        self.calls.append((time.perf_counter(), method, path, body))
        if fault := self.faults(method, path, body):
            return fault
        await asyncio.sleep(self.pause())
        parts = path.split("/")
        handler = getattr(self, f"_{method.lower()}_{parts[0]}", None)
        if handler is None:
            return refusal(404, 0, "404: Not Found")
        done: web.Response = await handler(parts[1:], body, files, request.query)
        await asyncio.sleep(self.pause())
        if fault := self.after(method, path, body):
            return fault
        if self.cut(method, path) and request.transport:
            request.transport.abort()
        return done

    async def _get_users(self, parts: list[str], *_: Any) -> web.Response:
        return answer(me())

    async def _get_oauth2(self, *_: Any) -> web.Response:
        return answer(
            {"id": APP, "name": "tutor", "icon": None, "description": "", "bot_public": True,
             "bot_require_code_grant": False, "owner": person("1"), "verify_key": "00", "flags": 0, "summary": ""}
        )  # fmt: skip

    _get_applications = _get_oauth2

    async def _put_applications(self, parts: list[str], body: Any, *_: Any) -> web.Response:
        self.commands = body
        return answer([{**command, "id": "900", "application_id": APP, "version": "1"} for command in body])

    async def _post_users(self, parts: list[str], body: Body, *_: Any) -> web.Response:
        return answer(self._channel(self.direct(str(body["recipient_id"]))))

    async def _get_guilds(self, *_: Any) -> web.Response:
        return answer({"threads": [self._channel(thread["id"]) for thread in self.threads()], "members": []})

    async def _get_channels(self, parts: list[str], body: Body, files: Any, query: Any) -> web.Response:
        found = [m for m in self.channels[parts[0]]["messages"] if not m["flags"] & _EPHEMERAL]
        after, limit = int(query.get("after", 0)), int(query.get("limit", 50))
        found = sorted((m for m in found if int(m["id"]) > after), key=lambda m: int(m["id"]))[:limit]
        return answer([shown(message) for message in reversed(found)])

    async def _post_channels(self, parts: list[str], body: Body, files: list[Body], *_: Any) -> web.Response:
        there = self.channels.get(parts[0])
        if there is None:
            return refusal(404, 10003, "Unknown Channel")
        if parts[1] == "threads":
            return await self._thread(parts[0], body)
        if there.get("user") in self.closed_to:
            return refusal(403, 50007, "Cannot send messages to this user")
        if wrong := self._wrong(body, files):
            return wrong
        nonce = body.get("nonce", "")
        if nonce and body.get("enforce_nonce") and nonce in self.nonces:
            return answer(self.nonces[nonce])
        message = self._post(parts[0], body, files)
        if reference := body.get("message_reference"):
            message["message_reference"] = {"channel_id": parts[0], "message_id": str(reference["message_id"])}
        if nonce:
            self.nonces[nonce] = message
        await self.send({"t": "MESSAGE_CREATE", "d": message})
        return answer(message)

    async def _patch_channels(self, parts: list[str], body: Body, files: list[Body], *_: Any) -> web.Response:
        message = self._find(parts[0], parts[2])
        if message is None:
            return refusal(404, 10008, "Unknown Message")
        return self._wrong(body, files) or self._edited(message, body, files)

    async def _delete_channels(self, parts: list[str], *_: Any) -> web.Response:
        message = self._find(parts[0], parts[2])
        if message is None:
            return refusal(404, 10008, "Unknown Message")
        self.channels[parts[0]]["messages"].remove(message)
        return web.Response(status=204)

    async def _put_channels(self, parts: list[str], *_: Any) -> web.Response:
        self.channels[parts[0]].setdefault("members", set()).add(parts[2])
        return web.Response(status=204)

    async def _post_interactions(self, parts: list[str], body: Body, *_: Any) -> web.Response:
        number, token = parts[0], parts[1]
        found = self.interactions.get(token)
        if found is None or time.perf_counter() - self.asked.get(number, time.perf_counter()) > 3.0:
            return refusal(404, 10062, "Unknown interaction")
        if number in self.acknowledged:
            return refusal(400, 40060, "Interaction has already been acknowledged.")
        self.acknowledged[number] = time.perf_counter()
        if body["type"] == 9:
            self.forms[number] = body["data"]
        elif body["type"] == 5:
            hidden = (body.get("data") or {}).get("flags", 0) & _EPHEMERAL
            message = self._message(found["channel"], me(), "")
            message["flags"] = _LOADING | hidden
            message["interaction_metadata"] = {"id": number, "type": found["kind"], "user": person(found["user"])}
            found["message"] = message
        return answer({"interaction": {"id": number, "type": found["kind"]}})

    async def _patch_webhooks(self, parts: list[str], body: Body, files: list[Body], *_: Any) -> web.Response:
        found = self.interactions.get(parts[1])
        if found is None or found.get("expired"):
            return refusal(401, 50027, "Invalid Webhook Token")
        if found["message"] is None:
            return refusal(404, 10015, "Unknown Webhook")
        if wrong := self._wrong({"flags": _SUPPRESS, **body}, files):
            return wrong
        message = found["message"]
        message["flags"] &= ~_LOADING
        return self._edited(message, body, files)

    async def _delete_webhooks(self, parts: list[str], *_: Any) -> web.Response:
        found = self.interactions[parts[1]]
        if found["message"] is None:
            return refusal(404, 10008, "Unknown Message")
        self.channels[found["channel"]]["messages"].remove(found["message"])
        found["message"] = None
        return web.Response(status=204)

    async def _post_webhooks(self, parts: list[str], body: Body, files: list[Body], *_: Any) -> web.Response:
        found = self.interactions[parts[1]]
        message = self._post(found["channel"], body, files)
        message["interaction_metadata"] = {"id": found["id"], "type": 2, "user": person(found["user"])}
        return answer(message)

    async def _thread(self, parent: str, body: Body) -> web.Response:
        if not self.threads_allowed:
            return refusal(403, 50013, "Missing Permissions")
        number = self.number()
        self.channels[number] = {
            "id": number, "type": body["type"], "guild": GUILD, "parent": parent, "name": body["name"],
            "members": {APP}, "messages": [],
        }  # fmt: skip
        await self.send({"t": "THREAD_CREATE", "d": {**self._channel(number), "newly_created": True}})
        return answer(self._channel(number))

    # Values

    def _wrong(self, body: Body, files: list[Body]) -> web.Response | None:
        """What Discord refuses, and what must never be sent."""
        content = body.get("content") or ""
        if len(content.encode("utf-16-le")) // 2 > 2000:
            return refusal(400, 50035, "Invalid Form Body: content must be 2000 or fewer in length")
        if not content.strip() and not files:
            return refusal(400, 50006, "Cannot send an empty message")
        rows = body.get("components") or []
        if any(len(row["components"]) > 5 for row in rows) or len(rows) > 5:
            return refusal(400, 50035, "Invalid Form Body: components")
        if body.get("allowed_mentions", {}).get("parse") != [] or not body.get("flags", _SUPPRESS) & _SUPPRESS:
            self.unsuppressed.append(body)
        return None

    def _post(self, channel: str, body: Body, files: list[Body]) -> Body:
        message = self._message(channel, me(), (body.get("content") or "").strip())
        message.update(components=body.get("components") or [], attachments=files, flags=body.get("flags", 0))
        return message

    def _edited(self, message: Body, body: Body, files: list[Body]) -> web.Response:
        message["content"] = (body.get("content") or "").strip()
        message["components"] = body.get("components") or []
        message["flags"] |= body.get("flags", 0)
        if "attachments" in body:
            message["attachments"] = files
        return answer(message)

    def _message(self, channel: str, author: Body, content: str) -> Body:
        message: Body = {
            "id": self.number(), "channel_id": channel, "author": author, "content": content, "type": 0,
            "timestamp": "2026-01-01T00:00:00+00:00", "edited_timestamp": None, "tts": False, "embeds": [],
            "mention_everyone": False, "mentions": [], "mention_roles": [], "attachments": [], "pinned": False,
            "components": [], "flags": 0,
        }  # fmt: skip
        self.channels[channel]["messages"].append(message)
        return message

    def _find(self, channel: str, number: str) -> Body | None:
        return next((m for m in self.channels[channel]["messages"] if m["id"] == number), None)

    def _channel(self, number: str) -> Body:
        there = self.channels[number]
        if there["type"] == 1:
            return {"id": number, "type": 1, "recipients": [person(there["user"])], "last_message_id": None}
        if there["type"] == 0:
            return {"id": number, "type": 0, "name": "general", "position": 0, "permissions": "8", "guild_id": GUILD,
                    "permission_overwrites": []}  # fmt: skip
        state = {"archived": False, "auto_archive_duration": 4320, "locked": False, "invitable": False,
                 "archive_timestamp": "2026-01-01T00:00:00+00:00"}  # fmt: skip
        return {"id": number, "type": there["type"], "guild_id": GUILD, "parent_id": there["parent"],
                "owner_id": APP, "name": there["name"], "message_count": 0, "member_count": 2, "permissions": "8",
                "last_message_id": None, "thread_metadata": state}  # fmt: skip

    def _guild(self) -> Body:
        role = {"id": GUILD, "name": "@everyone", "permissions": self.permissions, "position": 0, "color": 0,
                "hoist": False, "managed": False, "mentionable": False,
                "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None}}  # fmt: skip
        return {
            "id": GUILD, "name": "g", "owner_id": "1", "roles": [role], "emojis": [], "stickers": [], "features": [],
            "channels": [self._channel(CHANNEL)], "members": [{**member("1"), "user": me()}],
            "threads": [self._channel(thread["id"]) for thread in self.threads()], "presences": [],
            "voice_states": [], "stage_instances": [], "guild_scheduled_events": [], "soundboard_sounds": [],
            "member_count": 2, "large": False, "unavailable": False, "verification_level": 0,
            "default_message_notifications": 0, "explicit_content_filter": 0, "mfa_level": 0, "premium_tier": 0,
            "preferred_locale": "en-US", "nsfw_level": 0, "system_channel_flags": 0, "afk_timeout": 0,
            "premium_progress_bar_enabled": False,
        }  # fmt: skip


def me() -> Body:
    return {"id": APP, "username": "tutor", "discriminator": "0", "avatar": None, "bot": True, "global_name": None}


def person(user: str) -> Body:
    return {"id": user, "username": f"user{user}", "discriminator": "0", "avatar": None, "global_name": f"User {user}"}


def member(user: str) -> Body:
    joined = "2026-01-01T00:00:00+00:00"
    return {"user": person(user), "roles": [], "joined_at": joined, "deaf": False, "mute": False, "flags": 0}


def shown(message: Body) -> Body:
    """A message as the bot gets it: without the words that it may not read."""
    content = message["content"] if message.get("_seen", True) else ""
    return {**{key: value for key, value in message.items() if not key.startswith("_")}, "content": content}


async def _body(request: web.Request) -> tuple[Any, list[Body]]:
    if request.content_type == "application/json":
        return await request.json(), []
    if request.content_type != "multipart/form-data":
        return {}, []
    form = await request.post()
    files = [
        {
            "id": "1",
            "filename": part.filename,
            "size": 1,
            "url": "",
            "proxy_url": "",
            "_text": part.file.read().decode(),
        }
        for part in form.values()
        if isinstance(part, web.FileField)
    ]
    return json.loads(str(form["payload_json"])), files
