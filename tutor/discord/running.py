"""Runs the tutor in Discord until it is stopped or Discord does not know it any more."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from typing import Any

import aiohttp
import discord

from tutor.chat.daily import ask_daily
from tutor.chat.dispatching import Answers, Dispatcher, Revoked
from tutor.chat.inbox import Inbox, Incoming
from tutor.chat.serving import until_ended
from tutor.chat.wishes import Do
from tutor.chat.working import ChatProcess, chat_process
from tutor.discord.calls import REVOKED, Calls
from tutor.discord.commands import application_of, commands, invitation, permissions
from tutor.discord.gateway import Gateway
from tutor.discord.platform import DiscordPlatform
from tutor.discord.requests import place
from tutor.errors import SettingsError
from tutor.settings import Settings, stay_silent

_LOG = logging.getLogger(__name__)
_WHERE = "discord.com/developers/applications under Bot"
_BAD_TOKEN = 4004
"""The code with which the gateway closes when the token is no longer good."""


def serve(settings: Settings) -> None:
    """Serves Discord until interrupted; raises TutorError."""
    need(settings)
    stay_silent(settings)
    with chat_process(settings) as chat:
        asyncio.run(_serve(chat, settings))


def need(settings: Settings) -> int:
    """The number of the application; raises SettingsError where the token is missing or not a bot's."""
    if not settings.discord_token:
        raise SettingsError(f"TUTOR_DISCORD_TOKEN is not set; it stands at {_WHERE}, Reset Token")
    return application_of(settings.discord_token)


async def _serve(chat: ChatProcess, settings: Settings) -> None:
    async with running(chat, settings) as service:
        ready = asyncio.create_task(service.told())
        await until_ended(chat, service.dispatcher, service.connected)
        ready.cancel()
        service.check()


class Service:
    """The tutor at work in Discord."""

    def __init__(self, gateway: Gateway, dispatcher: Dispatcher, application: int) -> None:
        self.gateway = gateway
        self.dispatcher = dispatcher
        self._application = application
        self.connected = asyncio.create_task(gateway.connect())

    async def told(self) -> None:
        """Says who it is once it is connected, and what servers do not allow."""
        await self.gateway.wait_until_ready()
        print(f"Interview tutor: in Discord as {self.gateway.user}", flush=True)
        for line in self.lacking():
            _LOG.warning("%s", line)

    def lacking(self) -> list[str]:
        """A line for each server that does not allow what is needed, or one that there is no server."""
        link = invitation(self._application)
        if not self.gateway.guilds:
            return [f"the tutor is in no server yet; invite it at {link}"]
        found = {guild.name: permissions().value & ~guild.me.guild_permissions.value for guild in self.gateway.guilds}
        return [
            f"the server {name!r} does not allow: {_names(bits)}; allow it there, or invite the tutor again at {link}"
            for name, bits in found.items()
            if bits
        ]

    async def disconnect(self) -> None:
        """Ends the connection, which must not hear that the client was closed."""
        self.connected.cancel()
        await asyncio.wait({self.connected}, timeout=5)

    def check(self) -> None:
        """Raises what ended the work, if something did."""
        if self.dispatcher.ended.done():
            raise self.dispatcher.ended.result()
        if not self.connected.done():
            return
        try:
            self.connected.result()
        except discord.PrivilegedIntentsRequired:
            raise SettingsError(
                "Discord does not grant the intent Message Content, which TUTOR_DISCORD_READ_THREADS needs; "
                f"switch it on at {_WHERE}, Privileged Gateway Intents, or unset the variable"
            ) from None
        except discord.ConnectionClosed as error:
            if error.code == _BAD_TOKEN:
                raise Revoked(REVOKED) from None
            raise SettingsError(f"Discord ended the connection for good (code {error.code})") from None


@asynccontextmanager
async def running(chat: Answers, settings: Settings, **pace: Any) -> AsyncIterator[Service]:
    """A service that has said who it is, has gone back to what was left unanswered, and asks daily questions."""
    application = need(settings)
    logging.getLogger("discord").setLevel(logging.CRITICAL)  # it tells every failure in many lines; ours are one
    async with AsyncExitStack() as stack:
        gateway = Gateway(reads=settings.discord_read_threads)
        stack.push_async_callback(gateway.close)
        await _introduce(gateway, settings, application, commands(chat.phrases, chat.shelf))
        inbox = stack.enter_context(closing(Inbox(settings.data, time.time)))
        calls = Calls(gateway.http, application)
        platform = DiscordPlatform(calls, inbox, chat, gateway.me, reads=settings.discord_read_threads)
        dispatcher = Dispatcher(inbox, chat, platform, **pace)
        stack.push_async_callback(dispatcher.close)
        gateway.serve(dispatcher, platform)
        stack.callback(gateway.rest)
        if left := await dispatcher.recover():
            _LOG.warning("messages that were left unanswered and are answered now: %s", left)
        service = Service(gateway, dispatcher, application)
        stack.push_async_callback(service.disconnect)
        daily = asyncio.create_task(ask_daily(dispatcher, "discord", _daily_message(calls)))
        stack.callback(daily.cancel)
        yield service


async def _introduce(gateway: Gateway, settings: Settings, application: int, listed: list[dict[str, Any]]) -> None:
    """Logs in and tells Discord the slash commands; raises SettingsError."""
    try:
        await gateway.login(settings.discord_token)
        await gateway.http.bulk_upsert_global_commands(application, listed)
    except discord.LoginFailure:
        raise SettingsError(f"Discord refuses TUTOR_DISCORD_TOKEN; make a new one at {_WHERE}, Reset Token") from None
    except discord.HTTPException as error:
        raise SettingsError(f"Discord refuses to be told the slash commands ({error})") from None
    except (OSError, aiohttp.ClientError) as error:
        raise SettingsError(f"Discord cannot be reached: {type(error).__name__}") from None


def _daily_message(calls: Calls) -> Any:
    async def message(daily: Mapping[str, Any]) -> Incoming:
        user = str(daily["account"]).split(":")[1]
        channel = await calls.direct(user)
        target = {"channel": channel, "user": user}
        return Incoming(
            id="", account=daily["account"], place=place(channel), wish=Do(order="help"), private=True, target=target
        )

    return message


def _names(bits: int) -> str:
    """The permissions of these bits, as Discord's settings call them."""
    return ", ".join(name.replace("_", " ") for name, on in discord.Permissions(bits) if on)
