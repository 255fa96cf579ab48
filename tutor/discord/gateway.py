"""What comes from Discord: written down, acknowledged, and after a new start looked for in case it was missed."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence

import aiohttp
import discord

from tutor.chat.dispatching import Dispatcher
from tutor.chat.inbox import Incoming
from tutor.chat.wishes import Confirm
from tutor.discord.calls import acknowledge, since
from tutor.discord.platform import DiscordPlatform
from tutor.discord.requests import ANSWER, custom_id_of, mark, of_interaction, of_message, of_ours, opens_form
from tutor.discord.talks import Talks
from tutor.errors import HistoryError

_LOG = logging.getLogger(__name__)
HURRY = 0.1
"""Seconds for which acknowledging waits until the message is written down."""
PATIENCE = (1.0, 5.0, 30.0)
"""Seconds before each further attempt to write a message down."""
BACK = 86_400.0
"""Seconds that we look back for messages that came while nobody listened."""
SILENT = 10.0
"""Seconds without a connection after which the log says so."""
_MOST = 5_000


def intents(*, reads: bool) -> discord.Intents:
    """What Discord is to send: the servers, messages, and their words in threads only where that was chosen."""
    wanted = discord.Intents.none()
    wanted.guilds = wanted.guild_messages = wanted.dm_messages = True
    wanted.message_content = reads
    return wanted


class Gateway(discord.Client):
    """The connection that Discord calls us by; it reconnects and resumes by itself."""

    def __init__(self, *, reads: bool) -> None:
        super().__init__(
            intents=intents(reads=reads), allowed_mentions=discord.AllowedMentions.none(), max_messages=None,
            member_cache_flags=discord.MemberCacheFlags.none(), chunk_guilds_at_startup=False,
            max_ratelimit_timeout=60.0, enable_debug_events=False,
        )  # fmt: skip
        self._reads = reads
        self._warning: asyncio.TimerHandle | None = None
        self._taking = False
        self.catching_up: asyncio.Task[None] | None = None

    def serve(self, dispatcher: Dispatcher, platform: DiscordPlatform) -> None:
        """From now on what comes is taken by the dispatcher."""
        self._dispatcher, self._platform = dispatcher, platform
        self._talks = Talks(dispatcher.inbox)
        self._taking = True

    def rest(self) -> None:
        """From now on nothing is taken: what comes is for the next start."""
        self._taking = False
        if self.catching_up:
            self.catching_up.cancel()

    @property
    def me(self) -> int:
        assert self.user
        return self.user.id

    # What people send

    async def on_message(self, message: discord.Message) -> None:
        """A message that is addressed to us, or all words in an interview's thread where we may read them."""
        incoming = self._read(message) if self._taking else None
        if incoming and message.guild is None:
            await asyncio.to_thread(self._talks.note, incoming.account, message.channel.id, message.id)
        if incoming:
            await self._take(incoming)

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        """A slash command, a button or a form: acknowledged in time, whatever else takes long."""
        if not self._taking:
            return
        if opens_form(interaction):
            await self._open_form(interaction)
            return
        number, hidden = str(interaction.id), self._hidden(interaction)
        incoming = of_interaction(interaction, self.me, self._dispatcher.chat.words, reads=self._reads, hidden=hidden)
        if incoming is None or number in self._platform.acknowledged:
            return
        done = self._promise(number)
        taking = asyncio.create_task(self._take(incoming))
        await asyncio.wait({taking}, timeout=HURRY)
        silently = taking.done() and await self._spent(incoming, taken=taking.result())
        usable = await acknowledge(interaction, hidden=hidden, silently=silently)
        taken = await taking
        # One that comes again after a new start was acknowledged before it, if at all: Discord knows.
        done.set_result(not silently and (usable or not taken))
        if not silently and await self._spent(incoming, taken=taken):
            await self._platform.withdraw(incoming)
        if isinstance(incoming.wish, Confirm):
            self._talks.forget(incoming.account)

    async def _take(self, incoming: Incoming) -> bool:
        """Writes down what came; False where it is known."""
        for delay in (*PATIENCE, None):
            try:
                return await self._dispatcher.take(incoming)
            except HistoryError as error:
                _LOG.warning("a message waits to be written down: %s", error)
            if delay is not None:
                await asyncio.sleep(delay)
        return True

    async def _spent(self, incoming: Incoming, *, taken: bool) -> bool:
        """Whether the button was pressed before, so that this press has no answer of its own."""
        try:
            return not taken and await asyncio.to_thread(self._dispatcher.inbox.spent, incoming)
        except HistoryError:
            return False

    def _read(self, message: discord.Message) -> Incoming | None:
        return of_message(message, self.me, self._dispatcher.chat.words, reads=self._reads)

    def _hidden(self, interaction: discord.Interaction) -> bool:
        """Whether the answer is for the sender alone: commands in a server, and buttons of somebody else."""
        if interaction.guild_id is None:
            return False
        carried = mark(interaction)
        if carried is None or (interaction.message and interaction.message.flags.ephemeral):
            return True
        return carried.user != str(interaction.user.id)

    async def _open_form(self, interaction: discord.Interaction) -> None:
        """Opens the form for an answer; the learner presses again when that fails."""
        carried = mark(interaction)
        assert carried
        say = self._dispatcher.chat.phrases
        box: discord.ui.TextInput[discord.ui.Modal] = discord.ui.TextInput(
            custom_id=ANSWER, style=discord.TextStyle.paragraph, max_length=4000
        )
        form = discord.ui.Modal(
            title=say("chat.answer", carried.language), custom_id=custom_id_of(interaction), timeout=None
        )
        form.add_item(discord.ui.Label(text=say("chat.your_answer", carried.language), component=box))
        form.stop()
        try:
            await interaction.response.send_modal(form)
        except (discord.HTTPException, OSError, aiohttp.ClientError) as error:
            _LOG.warning("a form was not opened: %s", error)

    def _promise(self, number: str) -> asyncio.Future[bool]:
        """What will tell whether the interaction was acknowledged; one that comes again keeps its promise."""
        known = self._platform.acknowledged
        if len(known) > _MOST:
            for old in list(known)[: _MOST // 2]:
                known.pop(old)
        return known.setdefault(number, self.loop.create_future())

    # What was missed

    async def on_ready(self) -> None:
        """Connected anew: what came meanwhile is not sent again, so it is looked for."""
        self._connected()
        if self._taking and (self.catching_up is None or self.catching_up.done()):
            self.catching_up = asyncio.create_task(self._catch_up())

    async def _catch_up(self) -> None:
        """Takes the messages of the last day that nobody has taken, in direct messages and in interviews' threads."""
        try:
            async for message in self._unheard():
                incoming = self._read(message)
                if incoming and (message.guild is None or await asyncio.to_thread(self._runs, incoming)):
                    await self._take(incoming)
        except HistoryError as error:
            _LOG.warning("messages that may have been missed are looked for at the next start: %s", error)

    def _runs(self, incoming: Incoming) -> bool:
        return self._dispatcher.chat.place(incoming) is not None

    async def _unheard(self) -> AsyncIterator[discord.Message]:
        day = since(time.time() - BACK)
        threads = [thread for guild in self.guilds for thread in guild.threads if of_ours(thread, self.me)]
        talks = await asyncio.to_thread(self._talks.all)
        direct = [(self.get_partial_messageable(channel), max(first - 1, day)) for channel, first in talks]
        places: Sequence[tuple[discord.abc.Messageable, int]] = [*direct, *((thread, day) for thread in threads)]
        for channel, after in places:
            try:
                async for message in channel.history(limit=None, after=discord.Object(after), oldest_first=True):
                    yield message
            except (discord.DiscordException, OSError, aiohttp.ClientError) as error:
                _LOG.warning("a conversation could not be looked through: %s", error)

    # How the connection stands

    async def on_resumed(self) -> None:
        """Connected again; Discord has sent what came meanwhile."""
        self._connected()

    async def on_disconnect(self) -> None:
        """Not connected: said once it lasts."""
        if self._warning is None and not self.is_closed():
            self._warning = self.loop.call_later(
                SILENT, _LOG.warning, "Discord cannot be reached for %d s; trying on", SILENT
            )

    def _connected(self) -> None:
        if self._warning:
            self._warning.cancel()
            self._warning = None

    async def on_error(self, event_method: str, /, *args: object, **kwargs: object) -> None:
        """A fault of ours, with its traceback, in our log."""
        _LOG.exception("%s failed", event_method)

    def dispatch(self, event: str, /, *args: object, **kwargs: object) -> None:
        """Passes an event on, unless the client is closed: it may still tell that it is ready some seconds later."""
        if not self.is_closed():
            super().dispatch(event, *args, **kwargs)

    async def close(self) -> None:
        """Ends the connection and all that it began."""
        self._connected()
        await super().close()
