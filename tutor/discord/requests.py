"""What people send in Discord, as messages for the tutor: direct messages, mentions, slash commands, buttons, forms."""

import re
from collections.abc import Mapping
from typing import Any

import discord

from tutor.cards import Language
from tutor.chat.inbox import Incoming
from tutor.chat.marks import Mark, mark_of, wish_of
from tutor.chat.wishes import Do, Link, Say, Start, Wish, Words

_SPOKEN = (discord.MessageType.default, discord.MessageType.reply)
ANSWER = "answer"
"""What the text field of the form is called."""


def of_message(message: discord.Message, me: int, words: Words, *, reads: bool) -> Incoming | None:
    """A direct message, a mention, a reply to us; and all that stands in an interview's thread where we may read it.

    None for anything else: other people's talk, other bots, our own.
    """
    if message.author.bot or message.webhook_id or message.type not in _SPOKEN:
        return None
    direct, thread = message.guild is None, of_ours(message.channel, me)
    addressed = any(user.id == me for user in message.mentions)
    if not (direct or addressed or (thread and reads)):
        return None
    text = re.sub(rf"<@!?{me}>", "", message.content).strip()
    target = {"channel": str(message.channel.id), "user": str(message.author.id), "message": str(message.id)}
    wish = words.order(text) or Say(text=text)
    if not direct and not thread:
        wish = _in_channel(text, words)
    return Incoming(
        id=f"discord:{message.id}",
        account=account(message.author.id),
        place=place(message.channel.id, "" if direct or thread else message.author.id),
        wish=wish,
        private=direct,
        typed=direct or reads,
        target=target | _around(message.channel, message.guild, message.author),
    )


def of_interaction(
    interaction: discord.Interaction, me: int, words: Words, *, reads: bool, hidden: bool
) -> Incoming | None:
    """A slash command, button or form; `hidden` says whether the answer is for the sender's eyes alone."""
    wish = _wish(interaction, words)
    channel = interaction.channel_id
    if wish is None or channel is None:
        return None
    direct = interaction.guild_id is None
    target = {
        "channel": str(channel),
        "user": str(interaction.user.id),
        "interaction": str(interaction.id),
        "token": interaction.token,
        **({"hidden": "1"} if hidden else {}),
    }
    return Incoming(
        id=f"discord:{interaction.id}",
        account=account(interaction.user.id),
        place=place(
            channel, "" if direct or mark(interaction) or of_ours(interaction.channel, me) else interaction.user.id
        ),
        wish=wish,
        once=_button_of(interaction),
        private=direct,
        typed=direct or reads,
        language=_locale(interaction),
        target=target | _around(interaction.channel, interaction.guild, interaction.user),
    )


def mark(interaction: discord.Interaction) -> Mark | None:
    """What the button that was pressed, or the form that was sent, carries."""
    return mark_of(custom_id_of(interaction))


def opens_form(interaction: discord.Interaction) -> bool:
    """Whether this is a press of the button for an answer by the learner whom it is for."""
    carried = mark(interaction)
    if carried is None or interaction.type is not discord.InteractionType.component:
        return False
    return (carried.action, carried.user) == (ANSWER, str(interaction.user.id))


def custom_id_of(interaction: discord.Interaction) -> str:
    """What Discord brings back of a button or a form; "" for a slash command."""
    data: Mapping[str, Any] = interaction.data or {}
    return str(data.get("custom_id", ""))


def of_ours(channel: object, me: int) -> bool:
    """Whether the channel is a thread that we opened: that of an interview."""
    return isinstance(channel, discord.Thread) and channel.owner_id == me


def account(user: int | str) -> str:
    """The account of a person; Discord knows each under one number everywhere."""
    return f"discord:{user}"


def place(channel: int | str, user: int | str = "") -> str:
    """The thread or the direct messages of that number; in other channels each person has a place of their own."""
    return f"discord:{channel}" + (f":{user}" if user else "")


def _in_channel(text: str, words: Words) -> Wish:
    """What is meant by a mention in a channel, where no interview can run: an order, or the choices of one."""
    return words.command(text) if text else Do(order="help")


def _around(channel: object, guild: discord.abc.Snowflake | None, user: discord.abc.User) -> dict[str, str]:
    """Where a thread for an interview can be opened, and whose it would be."""
    if guild is None:
        return {}
    parent = channel.parent_id if isinstance(channel, discord.Thread) else getattr(channel, "id", None)
    return {"guild": str(guild.id), "parent": str(parent or ""), "who": user.display_name}


def _wish(interaction: discord.Interaction, words: Words) -> Wish | None:
    data: Mapping[str, Any] = interaction.data or {}
    if interaction.type is discord.InteractionType.application_command:
        given = {option["name"]: option.get("value") for option in data.get("options", ())}
        return _command(str(data.get("name")), given, words)
    carried = mark(interaction)
    if carried is None:
        return None
    if interaction.type is discord.InteractionType.modal_submit:
        return Say(text=_field(data), session=carried.session)
    return wish_of(carried)


def _command(name: str, given: Mapping[str, Any], words: Words) -> Wish | None:
    match name:
        case "interview":
            topics = {"topics": (given["topic"],)} if given.get("topic") else {}
            rest = {key: given[key] for key in ("level", "questions", "language", "mode") if given.get(key)}
            return Start.model_validate({**topics, **rest})
        case "link":
            return Link(code=str(given.get("code") or ""))
        case "daily":
            wish = words.order(f"daily {given.get('time', '')} {given.get('zone') or ''}".strip())
            return wish or Do(order="help")
        case "report" | "progress" | "unlink" | "export" | "forget" | "help":
            return Do(order=name)
    return None


def _field(data: Mapping[str, Any]) -> str:
    """The text of the form, wherever in the layout it stands."""
    for row in data.get("components", ()):
        for part in [*row.get("components", ()), *([row["component"]] if row.get("component") else [])]:
            if part.get("custom_id") == ANSWER:
                return str(part.get("value") or "")
    return ""


def _button_of(interaction: discord.Interaction) -> str:
    """A name for the button that was pressed: each works once for each person; "" where none was."""
    carried = mark(interaction)
    if carried is None or interaction.message is None or interaction.type is not discord.InteractionType.component:
        return ""
    return f"discord:{interaction.message.id}:{carried.action}:{interaction.user.id}"


def _locale(interaction: discord.Interaction) -> Language | None:
    """Chinese where the person's Discord is; any other says too little."""
    return "zh" if str(interaction.locale).startswith("zh") else None
