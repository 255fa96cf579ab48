"""The Bolt app: every message is written down before Slack is told that it arrived."""

import asyncio
import logging
import re
from collections.abc import Callable
from typing import Any

import aiohttp
from slack_bolt.async_app import AsyncApp, AsyncBoltRequest
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.response import BoltResponse
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from tutor.chat.dispatching import Dispatcher, Revoked
from tutor.chat.inbox import Incoming
from tutor.errors import HistoryError
from tutor.slack.render import answer_form
from tutor.slack.requests import carried_by, form_metadata, of_button, of_command, of_event, of_form

_LOG = logging.getLogger(__name__)


def make_app(client: AsyncWebClient, dispatcher: Dispatcher, me: AuthorizeResult) -> AsyncApp:
    """The app; its requests must have been verified before they reach it."""

    async def authorize() -> AuthorizeResult:
        return me

    quiet = logging.getLogger(f"{__name__}.bolt")
    quiet.setLevel(logging.ERROR)
    # Bolt would acknowledge an event before its listener has run; so a message would be lost with the process.
    app = AsyncApp(
        client=client, authorize=authorize, process_before_response=True, request_verification_enabled=False,
        url_verification_enabled=True, ignoring_self_events_enabled=True, logger=quiet,
    )  # fmt: skip
    words = dispatcher.chat.words
    forms: set[asyncio.Task[None]] = set()

    async def take(read: Callable[[], Incoming | None]) -> None:
        try:
            incoming = read()
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            _LOG.warning("a request of a shape that is not known was left out (%s)", type(error).__name__)
            return
        if incoming:
            await dispatcher.take(incoming)

    @app.event("message")
    @app.event("app_mention")
    async def said(body: dict[str, Any]) -> None:
        await take(lambda: of_event(body, me.bot_user_id or "", words))

    @app.command(re.compile(".*"))
    async def commanded(ack: Any, body: dict[str, Any]) -> None:
        await take(lambda: of_command(body, words))
        await ack()

    @app.action("tutor:answer")
    async def form_wanted(ack: Any, body: dict[str, Any]) -> None:
        await ack()
        task = asyncio.create_task(_open_form(client, dispatcher, body))
        forms.add(task)
        task.add_done_callback(forms.discard)

    @app.action(re.compile("^tutor:"))
    async def pressed(ack: Any, body: dict[str, Any]) -> None:
        await take(lambda: of_button(body))
        await ack()

    @app.view("answer")
    async def filled(ack: Any, body: dict[str, Any]) -> None:
        await take(lambda: of_form(body))
        await ack()

    @app.event("tokens_revoked")
    @app.event("app_uninstalled")
    async def removed(event: dict[str, Any]) -> None:
        dispatcher.end(Revoked(f"Slack says {event['type']}: the app was removed from the workspace"))

    @app.error
    async def failed(error: Exception) -> BoltResponse:
        if not isinstance(error, HistoryError):
            raise error
        _LOG.warning("a message was not taken: %s", error)
        return BoltResponse(status=503)

    return app


async def dispatched(app: AsyncApp, body: str, headers: dict[str, list[str]]) -> BoltResponse:
    """The app's answer to a verified request."""
    return await app.async_dispatch(AsyncBoltRequest(body=body, headers={**headers}))


async def _open_form(client: AsyncWebClient, dispatcher: Dispatcher, body: dict[str, Any]) -> None:
    """Opens the form for an answer; the learner presses again when that fails. Others hear that it is not theirs."""
    carried, incoming = carried_by(body), of_button(body)
    if carried is None or incoming is None:
        return
    if carried.user != incoming.target["user"]:
        await dispatcher.take(incoming)
        return
    said, language = dispatcher.chat.phrases, carried.language
    form = answer_form(
        form_metadata(body, carried.session), said("name.tutor", language), said("chat.your_answer", language),
        said("chat.send", language), said("chat.cancel", language),
    )  # fmt: skip
    try:
        await client.views_open(trigger_id=body["trigger_id"], view=form)
    except (SlackApiError, aiohttp.ClientError, TimeoutError) as error:
        _LOG.warning("a form was not opened: %s", type(error).__name__)
