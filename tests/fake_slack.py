"""Slack on loopback: Web API, Socket Mode and a sender of signed requests, with the faults that the real one has."""

import asyncio
import hashlib
import hmac
import itertools
import json
import time
import uuid
from collections.abc import Callable
from typing import Any, Self

import aiohttp
from aiohttp import web

SCOPES = "app_mentions:read,chat:write,commands,files:write,im:history,im:write"
BOT, TEAM, SECRET = "UBOT", "T1", "secret-of-tests"
Fault = Callable[[str, dict[str, Any]], web.Response | None]


class FakeSlack:
    """A workspace. Direct messages are channels D<user>; reading back is only allowed there, as with our scopes."""

    def __init__(self) -> None:
        self.posts: list[dict[str, Any]] = []
        self.private: list[dict[str, Any]] = []
        self.files: list[dict[str, Any]] = []
        self.forms: list[dict[str, Any]] = []
        self.calls: list[tuple[float, str, dict[str, Any]]] = []
        self.acknowledged: dict[str, float] = {}
        self.scopes = SCOPES
        self.member_of = {"C1", "C2"}
        self.fault: Fault = lambda method, data: None
        self.after: Fault = lambda method, data: None
        self.linked = asyncio.Event()
        self.sockets: list[web.WebSocketResponse] = []
        self.connections = 0
        self.port = 0
        self.pause: Callable[[], float] = lambda: 0.0
        self._stamps = itertools.count(1_750_000_000_000_000)

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=10**7)
        app.router.add_route("*", "/api/{method}", self._api)
        app.router.add_get("/link", self._link)
        app.router.add_post("/upload/{file}", self._upload)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/"

    def stamp(self) -> str:
        at = next(self._stamps)
        return f"{at // 10**6}.{at % 10**6:06d}"

    # Web API

    async def _api(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        data = await request.json() if request.content_type == "application/json" else dict(await request.post())
        data = {**request.query, **data}
        self.calls.append((time.perf_counter(), method, data))
        if fault := self.fault(method, data):
            return fault
        await asyncio.sleep(self.pause())
        answer = getattr(self, "_" + method.replace(".", "_"))(data)
        await asyncio.sleep(self.pause())
        headers = {"x-oauth-scopes": self.scopes} if method == "auth.test" else {}
        return self.after(method, data) or web.json_response({"ok": "error" not in answer, **answer}, headers=headers)

    def _auth_test(self, data: dict[str, Any]) -> dict[str, Any]:
        return {"team_id": TEAM, "user_id": BOT, "bot_id": "B1", "url": self.url}

    def _apps_connections_open(self, data: dict[str, Any]) -> dict[str, Any]:
        return {"url": f"ws://127.0.0.1:{self.port}/link"}

    def _chat_postMessage(self, data: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        if not data["channel"].startswith("D") and data["channel"] not in self.member_of:
            return {"error": "not_in_channel"}
        if problem := unfit(data):
            return {"error": problem}
        post = {**data, "ts": self.stamp(), "versions": [data["text"]]}
        self.posts.append(post)
        return {"ts": post["ts"], "channel": data["channel"]}

    def _chat_update(self, data: dict[str, Any]) -> dict[str, Any]:
        post = next((p for p in self.posts if p["ts"] == data["ts"] and p["channel"] == data["channel"]), None)
        if post is None:
            return {"error": "message_not_found"}
        if problem := unfit(data):
            return {"error": problem}
        post["versions"].append(words(data))
        post.update(blocks=data.get("blocks"), text=data["text"])
        return {"ts": post["ts"]}

    def _chat_delete(self, data: dict[str, Any]) -> dict[str, Any]:
        self.posts = [post for post in self.posts if post["ts"] != data["ts"]]
        return {}

    def _chat_postEphemeral(self, data: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        if data["channel"] not in self.member_of:
            return {"error": "not_in_channel"}
        self.private.append(data)
        return {"message_ts": self.stamp()}

    def _conversations_open(self, data: dict[str, Any]) -> dict[str, Any]:
        return {"channel": {"id": f"D{data['users']}"}}

    def _conversations_history(self, data: dict[str, Any]) -> dict[str, Any]:
        if not data["channel"].startswith("D"):
            return {"error": "missing_scope"}
        found = [p for p in self.posts if p["channel"] == data["channel"] and float(p["ts"]) >= float(data["oldest"])]
        files = [{"ts": f["ts"], "files": [f]} for f in self.files if f.get("channel_id") == data["channel"]]
        return {"messages": found[::-1] + files}

    _conversations_replies = _conversations_history

    def _views_open(self, data: dict[str, Any]) -> dict[str, Any]:
        self.forms.append(data)
        return {"view": {"id": "V1"}}

    def _files_getUploadURLExternal(self, data: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        self.files.append({"id": f"F{len(self.files)}", "name": data["filename"], "ts": self.stamp(), "text": ""})
        return {
            "file_id": self.files[-1]["id"],
            "upload_url": f"http://127.0.0.1:{self.port}/upload/{len(self.files) - 1}",
        }

    async def _upload(self, request: web.Request) -> web.Response:
        self.files[int(request.match_info["file"])]["text"] = (await request.read()).decode()
        return web.Response(text="OK")

    def _files_completeUploadExternal(self, data: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        for given in data["files"]:
            file = next(file for file in self.files if file["id"] == given["id"])
            file.update(title=given["title"], channel_id=data["channel_id"], thread_ts=data.get("thread_ts"))
        return {"files": data["files"]}

    # Socket Mode

    async def _link(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets.append(socket)
        self.connections += 1
        self.linked.set()
        await socket.send_json({"type": "hello", "num_connections": 1})
        async for message in socket:
            if message.type == aiohttp.WSMsgType.TEXT and message.data.startswith("{"):
                data = json.loads(message.data)
                self.acknowledged[data["envelope_id"]] = time.perf_counter()
        self.sockets.remove(socket)
        if not self.sockets:
            self.linked.clear()
        return socket

    async def send(self, payload: dict[str, Any], kind: str = "events_api") -> str:
        """Sends by Socket Mode; gives the envelope."""
        await self.linked.wait()
        envelope = str(uuid.uuid4())
        sent = {"type": kind, "envelope_id": envelope, "accepts_response_payload": False, "payload": payload}
        await self.sockets[-1].send_json(sent)
        return envelope

    # What it sends

    def message(self, text: str, user: str = "U1", **more: Any) -> dict[str, Any]:
        """A direct message."""
        event = {"type": "message", "channel_type": "im", "channel": f"D{user}", **more}
        return self.event({**event, "user": user, "text": text, "ts": self.stamp()})

    def mention(self, text: str, user: str = "U1", channel: str = "C1", thread: str = "") -> dict[str, Any]:
        event = {"type": "app_mention", "channel": channel, **({"thread_ts": thread} if thread else {})}
        return self.event({**event, "user": user, "text": f"<@{BOT}> {text}", "ts": self.stamp()})

    def event(self, event: dict[str, Any]) -> dict[str, Any]:
        authorized = [{"team_id": TEAM, "user_id": BOT, "is_bot": True}]
        return {
            "type": "event_callback", "team_id": TEAM, "api_app_id": "A1", "event_id": f"Ev{uuid.uuid4().hex[:10]}",
            "event_time": int(time.time()), "authorizations": authorized, "event": event,
        }  # fmt: skip

    def command(self, text: str, user: str = "U1", channel: str = "C1") -> dict[str, Any]:
        return {
            "command": "/interview", "text": text, "user_id": user, "team_id": TEAM, "channel_id": channel,
            "channel_name": "directmessage" if channel.startswith("D") else "general", "api_app_id": "A1",
            "trigger_id": uuid.uuid4().hex, "response_url": "http://127.0.0.1:9/none", "user_name": user,
        }  # fmt: skip

    def press(self, action: str, post: dict[str, Any], user: str = "U1") -> dict[str, Any]:
        """A press on the button of a post."""
        button = next(b for b in buttons(post) if b["action_id"] == f"tutor:{action}")
        container = {"type": "message", "message_ts": post["ts"], "channel_id": post["channel"]}
        if post.get("thread_ts"):
            container["thread_ts"] = post["thread_ts"]
        return {
            "type": "block_actions", "team": {"id": TEAM}, "user": {"id": user, "team_id": TEAM}, "api_app_id": "A1",
            "container": container, "channel": {"id": post["channel"]}, "trigger_id": uuid.uuid4().hex,
            "actions": [{**button, "block_id": "b", "action_ts": self.stamp()}],
        }  # fmt: skip

    def fill(self, form: dict[str, Any], text: str, user: str = "U1") -> dict[str, Any]:
        """The form sent off with a text."""
        state = {"values": {"answer": {"text": {"type": "plain_text_input", "value": text}}}}
        view = {**form["view"], "id": f"V{uuid.uuid4().hex[:8]}", "state": state, "type": "modal"}
        return {"type": "view_submission", "team": {"id": TEAM}, "user": {"id": user}, "api_app_id": "A1", "view": view}


def buttons(post: dict[str, Any]) -> list[dict[str, Any]]:
    return [button for block in post.get("blocks") or () if block["type"] == "actions" for button in block["elements"]]


def words(post: dict[str, Any]) -> str:
    """All text of a message."""

    def texts(node: Any) -> list[str]:
        if isinstance(node, dict):
            own = [node["text"]] if isinstance(node.get("text"), str) else []
            return own + [text for name, inner in node.items() if name != "text" or not own for text in texts(inner)]
        return [text for inner in node for text in texts(inner)] if isinstance(node, list) else []

    return "".join(texts([block for block in post.get("blocks") or () if block["type"] != "actions"]))


def unfit(data: dict[str, Any]) -> str:
    """What Slack would refuse about a message."""
    blocks = data.get("blocks") or []
    if len(blocks) > 50:
        return "invalid_blocks"
    if len(words({"blocks": blocks})) > 13_000 or len(data.get("text", "")) > 40_000:
        return "msg_blocks_too_long"
    texts = json.dumps(blocks)
    if any(b["type"] == "rich_text" and not b["elements"] for b in blocks) or '"text": ""' in texts:
        return "invalid_blocks"
    if any(len(block.get("elements", ())) > 25 for block in blocks if block["type"] == "actions"):
        return "invalid_blocks"
    return "" if blocks or data.get("text") else "no_text"


def signed(body: bytes, secret: str = SECRET, at: float | None = None) -> dict[str, str]:
    """Headers as Slack signs a body."""
    stamp = str(int(time.time() if at is None else at))
    digest = hmac.new(secret.encode(), b"v0:" + stamp.encode() + b":" + body, hashlib.sha256).hexdigest()
    return {"x-slack-request-timestamp": stamp, "x-slack-signature": f"v0={digest}"}
