"""What Slack sends, as messages for the tutor: direct messages, mentions, the slash command, buttons, forms."""

import html
import json
import re
from collections.abc import Mapping
from typing import Any, get_args

from tutor.chat.inbox import Incoming
from tutor.chat.posts import Action
from tutor.chat.wishes import Again, Confirm, Press, Say, Wish, Words
from tutor.events import COMMANDS

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
    pressed = body["actions"][0]
    action, session = str(pressed["action_id"]).removeprefix("tutor:"), str(pressed.get("value") or "")
    wish = _wish(action, "" if session == "-" else session)
    container = body.get("container") or {}
    if wish is None or "message_ts" not in container:
        return None
    team, user, channel = _team(body), str(body["user"]["id"]), str(container["channel_id"])
    direct = channel.startswith("D")
    thread = str(container.get("thread_ts") or ("" if direct else container["message_ts"]))
    return Incoming(
        id=f"slack:{channel}:{container['message_ts']}:{action}:{user}",
        account=account(team, user),
        place=place(team, channel, "" if direct else thread),
        wish=wish,
        private=direct,
        typed=direct,
        target={"channel": channel, "user": user, "thread": thread, "ts": str(pressed.get("action_ts") or "")},
    )


def of_form(body: Payload) -> Incoming:
    """An answer that was typed into the form."""
    view = body["view"]
    there = json.loads(view["private_metadata"])
    team, user = _team(body), str(body["user"]["id"])
    direct = there["channel"].startswith("D")
    return Incoming(
        id=f"slack:form:{view['id']}",
        account=account(team, user),
        place=place(team, there["channel"], "" if direct else there["thread"]),
        wish=Say(text=str(view["state"]["values"]["answer"]["text"]["value"] or ""), session=there["session"]),
        private=direct,
        typed=direct,
        target={"channel": there["channel"], "user": user, "thread": there["thread"]},
    )


def form_metadata(body: Payload) -> str:
    """What a form must know to say where its answer belongs."""
    container, pressed = body["container"], body["actions"][0]
    thread = container.get("thread_ts") or ("" if container["channel_id"].startswith("D") else container["message_ts"])
    return json.dumps({"channel": container["channel_id"], "thread": thread, "session": pressed["value"]})


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


def _wish(action: str, session: str) -> Wish | None:
    if action in ("forget", "keep"):
        return Confirm(forget=action == "forget")
    if action == "again":
        return Again(session=session)
    command = next((command for command in COMMANDS if command == action), None)
    return Press(command=command, session=session) if command and action in get_args(Action) else None


def _team(body: Payload) -> str:
    team = body.get("team_id") or (body.get("team") or {}).get("id") or (body.get("user") or {}).get("team_id")
    return str(team or "")
