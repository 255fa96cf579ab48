"""Slack over HTTP: a request is believed by its signature before a byte of it is read as anything else."""

import json
import time
from collections.abc import Callable
from urllib.parse import parse_qs

from slack_bolt.async_app import AsyncApp
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from tutor.slack.app import dispatched
from tutor.slack.signing import LONGEST, genuine


def receiver(app: AsyncApp, secret: str, clock: Callable[[], float] = time.time) -> Starlette:
    """The web application that Slack calls: 401 for what is not Slack's, 413 for what is too long."""

    async def receive(request: Request) -> Response:
        body = await _body(request)
        if body is None:
            return PlainTextResponse("too long", 413)
        headers: dict[str, list[str]] = {}
        for name, value in request.headers.items():
            headers.setdefault(name, []).append(value)
        if not genuine(secret, headers, body, clock()) or not _readable(body):
            return PlainTextResponse("not from Slack", 401)
        answer = await dispatched(app, body.decode(), headers)
        return Response(answer.body or "", answer.status, headers=answer.first_headers_without_set_cookie())

    async def healthz(request: Request) -> Response:
        return PlainTextResponse("ok")

    return Starlette(routes=[Route("/slack/events", receive, methods=["POST"]), Route("/healthz", healthz)])


async def _body(request: Request) -> bytes | None:
    """The bytes of the request; None when there are too many, which are not kept."""
    parts, length = [], 0
    try:
        async for part in request.stream():
            length += len(part)
            if length > LONGEST:
                return None
            parts.append(part)
    except ClientDisconnect:
        return b""
    return b"".join(parts)


def _readable(body: bytes) -> bool:
    """Whether the body is an object of JSON, or a form, perhaps with one inside."""
    try:
        text = body.decode()
        if text.lstrip().startswith("{"):
            return isinstance(json.loads(text), dict)
        form = parse_qs(text, max_num_fields=100)
        inside = form.get("payload")
        return bool(form) and (inside is None or isinstance(json.loads(inside[0]), dict))
    except (ValueError, RecursionError):
        return False
