"""Calls of Discord's REST interface: what it refuses, and what may or may not have arrived, told apart."""

import io
from collections.abc import Awaitable
from typing import Any, Final

import aiohttp
import discord
from discord.http import HTTPClient, MultipartParameters, Route, handle_message_parameters

from tutor.chat.dispatching import Refused, Revoked, Unsure
from tutor.chat.marks import mark
from tutor.discord.render import Message, label

Found = dict[str, Any]
REVOKED = "Discord refuses the token; make a new one at discord.com/developers under Bot and set TUTOR_DISCORD_TOKEN"
_NO_TOKEN = frozenset({10015, 10062, 50027})
"""Codes that say: this interaction can no longer be answered by its token."""
_NOT_HERE = frozenset({30033, 40067, 50024, 160006})
"""Codes of a 400 that say: not in this channel."""
_UNKNOWN_MESSAGE = 10008
_KNOWN = 40060
"""The code that says: this interaction has been acknowledged already."""
_PRIVATE_THREAD: Final = 12
_ARCHIVE_AFTER: Final = 4320
"""Minutes without a word after which a thread leaves the list; a new message brings it back."""
PAGE = 100
"""Messages that Discord gives at once."""
ORIGINAL = "@original"


class Expired(Exception):
    """The token of an interaction is no longer good, or never was acknowledged."""


class Missing(Exception):
    """The message is not there any more."""


class Calls:
    """Discord's REST interface. Every method may raise Unsure, Refused or Revoked."""

    def __init__(self, http: HTTPClient, application: int) -> None:
        self._http = http
        self._application = application

    async def send(self, channel: str, message: Message, nonce: str, user: str, reply_to: str = "") -> Found:
        """Posts a message, once for each nonce: Discord gives the one that it has within some minutes."""
        more: dict[str, Any] = {"nonce": nonce}
        if reply_to:
            more["message_reference"] = {"message_id": reply_to, "fail_if_not_exists": False}
        with _parameters(message, user, **more) as params:
            posted: Found = await _told(self._http.send_message(channel, params=params))
        return posted

    async def edit(self, channel: str, message_id: str, message: Message, user: str) -> None:
        """Puts the message in the place of one of ours; raises Missing where that is gone."""
        with _parameters(message, user, **_files(message)) as params:
            await _told(self._http.edit_message(channel, message_id, params=params))

    async def delete(self, channel: str, message_id: str) -> None:
        """Takes one of our messages away."""
        try:
            await _told(self._http.delete_message(channel, message_id))
        except Missing:
            return

    async def respond(self, token: str, message: Message, user: str) -> str:
        """Puts the message in the place of "thinking", and gives its id; raises Expired."""
        with _parameters(message, user, **_files(message)) as params:
            done = await _told(self._request("PATCH", f"/messages/{ORIGINAL}", token, params))
        return str(done["id"])

    async def withdraw(self, token: str) -> None:
        """Takes the answer to an interaction, or "thinking", away; raises Expired."""
        await _told(self._request("DELETE", f"/messages/{ORIGINAL}", token))

    async def whisper(self, token: str, message: Message, user: str) -> None:
        """A further message for the eyes of the sender alone; raises Expired."""
        flags = discord.MessageFlags(ephemeral=True, suppress_embeds=True)
        with _parameters(message, user, flags=flags) as params:
            await _told(self._request("POST", "", token, params))

    async def history(self, channel: str, after: int, limit: int = PAGE) -> list[Found]:
        """The messages of a channel that came after that number, oldest first."""
        found: list[Found] = await _told(self._http.logs_from(channel, limit, after=after))
        return sorted(found, key=lambda message: int(message["id"]))

    async def direct(self, user: str) -> str:
        """The channel of the direct messages with a person."""
        return str((await _told(self._http.start_private_message(user)))["id"])

    async def threads(self, guild: str) -> list[Found]:
        """The threads of a server that are not archived."""
        found: list[Found] = (await _told(self._http.get_active_threads(guild)))["threads"]
        return found

    async def thread(self, channel: str, name: str) -> str:
        """A new thread that only those who are added can read."""
        opened = await _told(
            self._http.start_thread_without_message(
                channel, name=name, auto_archive_duration=_ARCHIVE_AFTER, type=_PRIVATE_THREAD, invitable=False
            )
        )
        return str(opened["id"])

    async def add(self, thread: str, user: str) -> None:
        """Lets a person into a thread."""
        await _told(self._http.add_user_to_thread(thread, user))

    def _request(self, method: str, path: str, token: str, params: MultipartParameters | None = None) -> Awaitable[Any]:
        route = Route(
            method, "/webhooks/{webhook_id}/{webhook_token}" + path, webhook_id=self._application, webhook_token=token
        )
        if params is None:
            return self._http.request(route)
        if params.files:
            return self._http.request(route, files=params.files, form=params.multipart)
        return self._http.request(route, json=params.payload)


async def acknowledge(interaction: discord.Interaction, *, hidden: bool, silently: bool = False) -> bool:
    """Tells Discord that the interaction arrived, which shows "thinking"; whether its token can be used now.

    `silently`: nothing shows, and nothing can be put in its place.
    """
    try:
        await interaction.response.defer(ephemeral=hidden, thinking=not silently)
    except discord.HTTPException as error:
        return error.code == _KNOWN
    except (OSError, aiohttp.ClientError):
        return False
    return True


def since(seconds: float) -> int:
    """The number that a message of that time would have."""
    return max(0, int(seconds * 1000 - discord.utils.DISCORD_EPOCH) << 22)


def _parameters(message: Message, user: str, **more: Any) -> MultipartParameters:
    more.setdefault("flags", discord.MessageFlags(suppress_embeds=True))
    if message.file and "attachments" not in more:
        more["file"] = _file(message)
    return handle_message_parameters(
        content=message.content, view=_view(message, user), allowed_mentions=discord.AllowedMentions.none(), **more
    )


def _files(message: Message) -> dict[str, Any]:
    """For an edit: the files that the message has from now on, however often it was edited before."""
    return {"attachments": [_file(message)] if message.file else []}


def _file(message: Message) -> discord.File:
    assert message.file
    return discord.File(io.BytesIO(message.file.text.encode()), message.file.name, description=message.file.title)


def _view(message: Message, user: str) -> discord.ui.View:
    styles = discord.ButtonStyle
    view = discord.ui.View(timeout=None)
    for button in message.buttons:
        style = styles.danger if button.risky else styles.primary if button.strong else styles.secondary
        item: discord.ui.Button[discord.ui.View] = discord.ui.Button(
            style=style, label=label(button), custom_id=mark(button, user)
        )
        view.add_item(item)
    view.stop()
    return view


async def _told(call: Awaitable[Any]) -> Any:
    """The answer to a call, or its failure in our words; raises HTTPException for a fault of ours."""
    try:
        return await call
    except discord.RateLimited as error:
        raise Unsure(f"Discord asks to wait {error.retry_after:.0f} s") from None
    except discord.HTTPException as error:
        if error.code in _NO_TOKEN:
            raise Expired from None
        if error.code == _UNKNOWN_MESSAGE:
            raise Missing from None
        if error.status == 401:
            raise Revoked(REVOKED) from None
        if error.status == 429 or error.status >= 500:
            raise Unsure(f"Discord did not take it (HTTP {error.status})") from None
        if error.status in (403, 404) or error.code in _NOT_HERE:
            raise Refused(f"{error.code} {error.text}") from None
        raise
    except (OSError, aiohttp.ClientError) as error:
        raise Unsure(f"Discord cannot be reached: {type(error).__name__}") from error
