"""What Discord must be told once: the slash commands in both languages, and how a server invites the tutor."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import discord

from tutor.cards import LANGUAGES, LEVELS, Language, Shelf, Text
from tutor.chat.wishes import MOST
from tutor.errors import SettingsError
from tutor.prompts import Phrases

SCOPES = ("bot", "applications.commands")
PERMISSIONS = {
    "view_channel": "hear the commands and mentions in a channel",
    "send_messages": "say in the channel where the interview is",
    "create_private_threads": "a thread for each interview, which others do not read",
    "send_messages_in_threads": "ask and grade there",
    "read_message_history": "refer to the message that is answered, and look what was posted before a fault",
    "attach_files": "the report as a file",
}
"""All that the tutor may do in a server, and what for."""
ORDERS = ("report", "progress", "link", "unlink", "daily", "export", "forget", "help")
_TEXT, _INTEGER = 3, 4
_GUILD, _DIRECT = 0, 1
_CHOICES = 25
"""Choices that an option has at most."""


def commands(phrases: Phrases, shelf: Shelf) -> list[dict[str, Any]]:
    """The slash commands, as Discord's API takes them."""
    return [_Maker(phrases).interview(shelf), *(_Maker(phrases).order(name) for name in ORDERS)]


def permissions() -> discord.Permissions:
    """What a server must allow."""
    return discord.Permissions(**dict.fromkeys(PERMISSIONS, True))


def application_of(token: str) -> int:
    """The application that a bot's token belongs to: its first part is the number; raises SettingsError."""
    first = token.partition(".")[0]
    try:
        return int(base64.b64decode(first + "=" * (-len(first) % 4), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error):
        raise SettingsError(
            "TUTOR_DISCORD_TOKEN is not the token of a bot; copy it at discord.com/developers under Bot, Reset Token"
        ) from None


def invitation(application: int) -> str:
    """The address at which the owner of a server invites the tutor."""
    return discord.utils.oauth_url(application, permissions=permissions(), scopes=SCOPES)


class _Maker:
    """Makes commands with their names and descriptions in both languages."""

    def __init__(self, phrases: Phrases) -> None:
        self._phrases = phrases

    def interview(self, shelf: Shelf) -> dict[str, Any]:
        topics = [self._choice(slug, shelf.topics[slug]) for slug in shelf.counts()][:_CHOICES]
        say = self._both
        return self._command("interview") | {
            "options": [
                self._option("topic") | {"choices": topics},
                self._option("level") | {"choices": [self._choice(level, say(f"level.{level}")) for level in LEVELS]},
                self._option("questions", _INTEGER) | {"min_value": 1, "max_value": MOST},
                self._option("language")
                | {"choices": [self._choice("en", say("name.english")), self._choice("zh", say("name.chinese"))]},
                self._option("mode")
                | {"choices": [self._choice(mode, say(f"mode.{mode}_short")) for mode in ("practice", "exam")]},
            ]
        }

    def order(self, name: str) -> dict[str, Any]:
        options = {
            "link": [self._option("code") | {"max_length": 12}],
            "daily": [self._option("time") | {"required": True, "max_length": 8}, self._option("zone")],
        }
        return self._command(name) | ({"options": options[name]} if name in options else {})

    def _command(self, name: str) -> dict[str, Any]:
        return self._named(name) | {"type": 1, "contexts": [_GUILD, _DIRECT], "integration_types": [0]}

    def _option(self, name: str, kind: int = _TEXT) -> dict[str, Any]:
        return self._named(name) | {"type": kind, "required": False}

    def _named(self, name: str) -> dict[str, Any]:
        names, told = self._both(f"discord.names.{name}"), self._both(f"discord.about.{name}")
        return {
            "name": name,
            "name_localizations": _chinese(names["zh"]),
            "description": told["en"],
            "description_localizations": _chinese(told["zh"]),
        }

    def _choice(self, value: str, text: Text | Mapping[Language, str]) -> dict[str, Any]:
        return {"name": text["en"][:100], "name_localizations": _chinese(text["zh"][:100]), "value": value}

    def _both(self, key: str) -> dict[Language, str]:
        return {language: self._phrases(key, language).split("|")[0] for language in LANGUAGES}


def _chinese(text: str) -> dict[str, str]:
    return {"zh-CN": text, "zh-TW": text}
