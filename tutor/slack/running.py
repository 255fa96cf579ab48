"""Runs the tutor in Slack, by Socket Mode or HTTP, until it is stopped or Slack does not know it any more."""

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from typing import Any

import aiohttp
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.errors import SlackApiError
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.web.async_client import AsyncWebClient

from tutor.chat.daily import ask_daily
from tutor.chat.dispatching import Answers, Dispatcher, Revoked
from tutor.chat.inbox import Inbox, Incoming
from tutor.chat.pacing import Pace
from tutor.chat.serving import until_ended
from tutor.chat.wishes import Do
from tutor.chat.working import ChatProcess, chat_process
from tutor.errors import SettingsError
from tutor.settings import Settings, stay_silent
from tutor.slack.app import make_app
from tutor.slack.manifest import scopes
from tutor.slack.platform import REVOKED, SlackPlatform
from tutor.slack.receiving import receiver
from tutor.slack.requests import place

_LOG = logging.getLogger(__name__)
INTERVAL = 1.0
"""Seconds between two messages in a channel: Slack allows one a second."""
TIMEOUT = 20
"""Seconds that one call of Slack may take."""


def serve(settings: Settings, listen: tuple[str, int] | None) -> None:
    """Serves Slack until interrupted, by HTTP on `listen` or else by Socket Mode; raises TutorError."""
    need(settings, http=listen is not None)
    stay_silent(settings)
    with chat_process(settings) as chat:
        asyncio.run(_serve(chat, settings, listen))


def need(settings: Settings, *, http: bool) -> None:
    """Raises SettingsError, which names the first setting that is missing or of the wrong kind."""
    wanted = [("TUTOR_SLACK_BOT_TOKEN", settings.slack_bot_token, "xoxb-", "OAuth & Permissions, Bot User OAuth Token")]
    if http:
        wanted += [
            ("TUTOR_SLACK_SIGNING_SECRET", settings.slack_signing_secret, "", "Basic Information, Signing Secret")
        ]
    else:
        where = "Basic Information, App-Level Tokens, with the scope connections:write"
        wanted += [("TUTOR_SLACK_APP_TOKEN", settings.slack_app_token, "xapp-", where)]
    for name, value, prefix, where in wanted:
        if not value:
            raise SettingsError(f"{name} is not set; it stands at api.slack.com/apps under {where}")
        if not value.startswith(prefix):
            raise SettingsError(f"{name} does not begin with {prefix}; the right one stands under {where}")


async def _serve(chat: ChatProcess, settings: Settings, listen: tuple[str, int] | None) -> None:
    async with running(chat, settings) as service, service.by_http(listen) if listen else service.by_socket():
        print(f"Interview tutor: in Slack as {service.me.bot_user_id}", flush=True)
        await until_ended(chat, service.dispatcher)


class Service:
    """The tutor at work in one workspace."""

    def __init__(
        self, settings: Settings, client: AsyncWebClient, dispatcher: Dispatcher, me: AuthorizeResult, app: AsyncApp
    ) -> None:
        self.me = me
        self.app = app
        self.dispatcher = dispatcher
        self._settings = settings
        self._client = client

    @asynccontextmanager
    async def by_socket(self, ping_interval: float = 10) -> AsyncIterator[AsyncSocketModeHandler]:
        """Socket Mode: we open the connection, so no address of ours need be public."""
        handler = AsyncSocketModeHandler(self.app, self._settings.slack_app_token, web_client=self._client)
        await handler.client.close()  # type: ignore[no-untyped-call]
        handler.client = _Socket(self.dispatcher, self._client, self._settings.slack_app_token, ping_interval)
        handler.client.socket_mode_request_listeners.append(handler.handle)  # type: ignore[arg-type]
        await handler.connect_async()  # type: ignore[no-untyped-call]
        try:
            yield handler
        finally:
            await handler.close_async()  # type: ignore[no-untyped-call]

    @asynccontextmanager
    async def by_http(self, listen: tuple[str, int]) -> AsyncIterator[int]:
        """HTTP: Slack calls us at /slack/events. Gives the port."""
        import uvicorn

        try:
            listening = socket.create_server(listen, backlog=256)
        except OSError as error:
            raise SettingsError(f"{listen[0]}:{listen[1]} cannot be used ({error.strerror}); see --port") from None
        web = receiver(self.app, self._settings.slack_signing_secret)
        config = uvicorn.Config(web, log_level="error", access_log=False, timeout_graceful_shutdown=3, lifespan="off")
        server = uvicorn.Server(config)
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            await serving


@asynccontextmanager
async def running(chat: Answers, settings: Settings, interval: float = INTERVAL, **pace: Any) -> AsyncIterator[Service]:
    """A service that has said who it is, has gone back to what was left unanswered, and asks daily questions."""
    async with AsyncExitStack() as stack:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT)
        session = await stack.enter_async_context(aiohttp.ClientSession(timeout=timeout))
        # The client's own retries would post again what may have been posted.
        client = AsyncWebClient(
            token=settings.slack_bot_token, base_url=settings.slack_api, session=session, retry_handlers=[],
            timeout=TIMEOUT, user_agent_prefix="interview-tutor",
        )  # fmt: skip
        me = await identify(client)
        inbox = stack.enter_context(closing(Inbox(settings.data, time.time)))
        dispatcher = Dispatcher(inbox, chat, SlackPlatform(client, inbox, chat, Pace(interval)), **pace)
        stack.push_async_callback(dispatcher.close)
        service = Service(settings, client, dispatcher, me, make_app(client, dispatcher, me))
        if left := await dispatcher.recover():
            _LOG.warning("messages that were left unanswered and are answered now: %s", left)
        daily = asyncio.create_task(ask_daily(dispatcher, "slack", _daily_message(client, me)))
        stack.callback(daily.cancel)
        yield service


async def identify(client: AsyncWebClient) -> AuthorizeResult:
    """Who the token speaks for; raises TutorError when Slack refuses it or a scope is missing."""
    try:
        answer = await client.auth_test()
    except SlackApiError as error:
        raise SettingsError(
            f"Slack refuses TUTOR_SLACK_BOT_TOKEN ({error.response.get('error')}); copy it from OAuth & Permissions"
        ) from None
    except (aiohttp.ClientError, TimeoutError) as error:
        raise SettingsError(f"Slack at {client.base_url} cannot be reached: {type(error).__name__}") from None
    granted = {name.strip() for name in str(answer.headers.get("x-oauth-scopes", "")).split(",")}
    if missing := [scope for scope in scopes() if scope not in granted]:
        raise SettingsError(
            f"the Slack app lacks the scope {', '.join(missing)}; add it under OAuth & Permissions and install it again"
        )
    return AuthorizeResult(
        enterprise_id=None, team_id=answer["team_id"], bot_id=answer["bot_id"], bot_user_id=answer["user_id"],
        bot_token=client.token,
    )  # fmt: skip


class _Socket(SocketModeClient):
    """The connection of Socket Mode, which gives up when Slack says that it always will refuse."""

    def __init__(self, dispatcher: Dispatcher, client: AsyncWebClient, token: str, ping_interval: float) -> None:
        quiet = logging.getLogger(f"{__name__}.socket")
        quiet.setLevel(logging.CRITICAL)  # it tells every failure in many lines; ours are one
        super().__init__(app_token=token, web_client=client, logger=quiet, ping_interval=ping_interval)
        self._dispatcher = dispatcher

    async def issue_new_wss_url(self) -> str:
        """The address to connect to; ends everything when the token is refused."""
        if self._dispatcher.ended.done():
            raise self._dispatcher.ended.result()
        try:
            return str((await self.web_client.apps_connections_open(app_token=self.app_token))["url"])
        except SlackApiError as error:
            name = str(error.response.get("error"))
            if name == "ratelimited":
                await asyncio.sleep(int(error.response.headers.get("Retry-After", "30")))
                return await self.issue_new_wss_url()
            if name in REVOKED or name == "missing_scope":
                self.closed = True
                self._dispatcher.end(_refused(name))
            else:
                _LOG.warning("Slack opens no connection (%s); trying again", name)
            raise


def _refused(name: str) -> Revoked:
    hint = (
        "give it the scope connections:write"
        if name in ("missing_scope", "not_allowed_token_type")
        else "make a new one"
    )
    return Revoked(f"Slack refuses TUTOR_SLACK_APP_TOKEN ({name}); {hint} under Basic Information, App-Level Tokens")


def _daily_message(client: AsyncWebClient, me: AuthorizeResult) -> Any:
    async def message(daily: Mapping[str, Any]) -> Incoming:
        _, team, user = str(daily["account"]).split(":")
        channel = str(daily["target"]["channel"])
        if not channel.startswith("D"):
            channel = str((await client.conversations_open(users=user))["channel"]["id"])
        target = {"channel": channel, "user": user, "thread": ""}
        return Incoming(
            id="", account=daily["account"], place=place(team, channel, ""), wish=Do(order="help"), private=True,
            target=target,
        )  # fmt: skip

    return message
