"""Serves the page: on this machine only unless told otherwise, with headers that keep it to its own server."""

import re
import secrets
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from tutor.errors import HistoryError, SettingsError
from tutor.opening import open_tutor
from tutor.settings import Settings, stay_silent

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; media-src 'self' blob:; "
    "worker-src 'self' blob:; "
    "frame-src 'none'; frame-ancestors 'self'; form-action 'self'; base-uri 'self'; object-src 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
_COOKIE = "learner"


class _Guard:
    """Adds our headers to every response and, where several people share the page, a cookie that tells them apart.

    A plain ASGI wrapper: it adds nothing to the time of a stream, and a reader who leaves is no error.
    """

    def __init__(self, app: "ASGIApp", shared: bool) -> None:
        self._app = app
        self._shared = shared

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        from starlette.datastructures import MutableHeaders
        from starlette.requests import cookie_parser

        cookies = cookie_parser(dict(scope["headers"]).get(b"cookie", b"").decode("latin-1"))
        known = re.fullmatch(r"[A-Za-z0-9_-]{22,64}", cookies.get(_COOKIE, ""))
        fresh = secrets.token_urlsafe(24) if self._shared and not known else ""
        if fresh:
            kept = [(name, value) for name, value in scope["headers"] if name != b"cookie"]
            scope = {**scope, "headers": [*kept, (b"cookie", f"{_COOKIE}={fresh}".encode())]}

        async def with_headers(message: "Message") -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if fresh:
                    age = 10**8
                    headers.append("set-cookie", f"{_COOKIE}={fresh}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax")
            await send(message)

        await self._app(scope, receive, with_headers)


def serve(settings: Settings, host: str, port: int) -> None:
    """Serves until interrupted; raises SettingsError when the address cannot be used."""
    local = host in ("127.0.0.1", "localhost", "::1")
    if not local and not settings.shared:
        raise SettingsError(
            f"--host {host} lets others in, and all would be one learner; set TUTOR_SHARED=1 to tell browsers apart"
        )
    listening = _bound(host, port)
    stay_silent(settings)
    import uvicorn

    app = make_app(settings)
    address = f"http://{host if local else socket.gethostname()}:{listening.getsockname()[1]}"
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=5)
    print(f"Interview tutor: {address}", flush=True)
    uvicorn.Server(config).run(sockets=[listening])


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise SettingsError(f"{host}:{port} cannot be used ({error.strerror}); choose another with --port") from None
    return listening


def make_app(settings: Settings) -> "FastAPI":
    """The web application: page, health and headers; raises TutorError."""
    import gradio as gr
    from fastapi import FastAPI
    from fastapi.responses import PlainTextResponse

    from tutor.web.page import HEAD, Page, learner_of
    from tutor.web.routes import Pages

    tutor = open_tutor(settings)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.state.tutor = tutor
    app.add_middleware(_Guard, shared=settings.shared)

    @app.get("/healthz")
    def healthz() -> PlainTextResponse:
        return PlainTextResponse("ok")

    pages = Pages(tutor, lambda request: learner_of(tutor, request))
    app.include_router(pages.router())
    app.add_exception_handler(HistoryError, pages.failed)
    page = Page(tutor).build().queue(default_concurrency_limit=16, max_size=256)
    font = ["ui-sans-serif", "system-ui", "sans-serif"]
    theme = gr.themes.Default(font=font, font_mono=["ui-monospace", "monospace"])
    mounted: FastAPI = gr.mount_gradio_app(
        app, page, path="/", theme=theme, head=HEAD, css_paths=[Path(__file__).with_name("style.css")],
        ssr_mode=False, footer_links=[], run_history=False, show_error=False, server_name="127.0.0.1",
    )  # fmt: skip
    return mounted
