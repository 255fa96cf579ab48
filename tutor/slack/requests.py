"""What Slack sends, as messages for the tutor: direct messages, mentions, the slash command, buttons, forms."""

import html
import json
import re
from collections.abc import Mapping
from typing import Any

from tutor.chat.inbox import Incoming
from tutor.chat.marks import Mark, mark_of, wish_of
from tutor.chat.wishes import Say, Words

Payload = Mapping[str, Any]
_MARKUP = re.compile(r"<([@#!]?)([^<>|]*)(?:\|([^<>]*))?>")
_SPOKEN = (None, "file_share", "thread_broadcast")
"""Kinds of a message that carry a person's words."""


def of_event(body: Payload, me: str, words: Words) -> Incoming | None:
    """A direct message, or a mention in a channel; None for anything else: edits, other apps, our own."""
    event = body["event"]
    if event.get("bot_id") or event.get("subtype") not in _SPOKEN or not event.get("user") or event["user"] == me:
        return None
    direct = event.get("channel_type") == "im" or event["channel"].startswith("D")
    if event["type"] == "message" and not direct:
        return None
    team, channel, ts = _team(body), str(event["channel"]), str(event["ts"])
    text = typed(str(event.get("text") or ""), me)
    thread = str(event.get("thread_ts") or ("" if direct else ts))
    return Incoming(
        id=f"slack:{channel}:{ts}",
        account=account(team, event["user"]),
        place=place(team, channel, "" if direct else thread),
        wish=words.order(text) or Say(text=text),
        private=direct,
        typed=direct,
        target={"channel": channel, "user": event["user"], "thread": thread, "ts": ts},
    )


def of_command(body: Payload, words: Words) -> Incoming:
    """The slash command; where its answer goes is found out when an interview opens its thread."""
    team, channel, user = _team(body), str(body["channel_id"]), str(body["user_id"])
    direct = channel.startswith("D")
    return Incoming(
        id=f"slack:command:{body['trigger_id']}",
        account=account(team, user),
        place=place(team, channel, ""),
        wish=words.command(str(body.get("text") or "")),
        private=direct,
        typed=direct,
        target={"channel": channel, "user": user, "thread": "", "command": "1"},
    )


def of_button(body: Payload) -> Incoming | None:
    """A button under a message of ours: works once for each person and message."""
    carried, container = carried_by(body), body.get("container") or {}
    if carried is None or "message_ts" not in container:
        return None
    team, user, channel = _team(body), str(body["user"]["id"]), str(container["channel_id"])
    direct, thread = channel.startswith("D"), _thread(container)
    stamp = str(body["actions"][0].get("action_ts") or "")
    return Incoming(
        id=f"slack:{channel}:{container['message_ts']}:{carried.action}:{user}",
        account=account(team, user),
        place=place(team, channel, thread),
        wish=wish_of(carried),
        private=direct,
        typed=direct,
        target={"channel": channel, "user": user, "thread": thread, "ts": stamp},
    )


def carried_by(body: Payload) -> Mark | None:
    """What the button that was pressed carries."""
    return mark_of(str(body["actions"][0].get("value") or ""))


def of_form(body: Payload) -> Incoming:
    """An answer that was typed into the form."""
    view = body["view"]
    there = json.loads(view["private_metadata"])
    team, user = _team(body), str(body["user"]["id"])
    direct = there["channel"].startswith("D")
    return Incoming(
        id=f"slack:form:{view['id']}",
        account=account(team, user),
        place=place(team, there["channel"], there["thread"]),
        wish=Say(text=str(view["state"]["values"]["answer"]["text"]["value"] or ""), session=there["session"]),
        private=direct,
        typed=direct,
        target={"channel": there["channel"], "user": user, "thread": there["thread"]},
    )


def form_metadata(body: Payload, session: str) -> str:
    """What a form must know to say where its answer belongs."""
    container = body["container"]
    return json.dumps({"channel": container["channel_id"], "thread": _thread(container), "session": session})


def account(team: str, user: str) -> str:
    """The account of a person in a workspace."""
    return f"slack:{team}:{user}"


def place(team: str, channel: str, thread: str) -> str:
    """The thread, or the direct messages where there is none."""
    return f"slack:{team}:{channel}" + (f":{thread}" if thread else "")


def typed(text: str, me: str) -> str:
    """The words as the person typed them: without the mention of us and without Slack's mark-up."""

    def plain(found: re.Match[str]) -> str:
        sign, target, label = found.groups()
        if sign == "@" and target == me:
            return ""
        return label or (f"{'@' if sign == '!' else sign}{target}" if sign else target)

    return html.unescape(_MARKUP.sub(plain, text)).strip()


def _thread(container: Payload) -> str:
    """The thread that a message of ours stands in or begins, "" in direct messages."""
    if str(container["channel_id"]).startswith("D"):
        return ""
    return str(container.get("thread_ts") or container["message_ts"])


def _team(body: Payload) -> str:
    team = body.get("team_id") or (body.get("team") or {}).get("id") or (body.get("user") or {}).get("team_id")
    return str(team or "")
