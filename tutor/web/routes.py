"""The pages beside the interview: reports, progress, and files to take away."""

from collections.abc import Callable
from typing import Annotated, BinaryIO, Literal

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response

from tutor import backup, decks, exporting
from tutor.cards import LANGUAGES, Language
from tutor.errors import HistoryError
from tutor.progress import Sitting, review
from tutor.sessions import about
from tutor.tutor import Tutor
from tutor.web.document import link
from tutor.web.progress import ProgressPage
from tutor.web.report import ReportPage

LARGEST_UPLOAD = 100
"""Megabytes that a file may have which is read back."""
Wanted = Annotated[Language | None, Query(alias="language")]


class Pages:
    """Answers for the pages and files; `learner_of` says whose request it is."""

    def __init__(self, tutor: Tutor, learner_of: Callable[[Request], str]) -> None:
        self._tutor = tutor
        self._learner_of = learner_of

    def router(self) -> APIRouter:
        """The addresses; they work in threads, since all of them read the history."""
        router = APIRouter()
        router.get("/report/{session}")(self.report)
        router.get("/report/{session}/file")(self.report_file)
        router.get("/progress")(self.progress)
        router.post("/review")(self.review)
        router.post("/restore")(self.restore)
        router.get("/download/cards")(self.cards)
        router.get("/download/all")(self.everything)
        return router

    def report(self, request: Request, session: str, wanted: Wanted = None) -> Response:
        """The report of an interview."""
        learner = self._learner_of(request)
        sitting = self._sitting(learner, session)
        if sitting is None:
            return self._unknown(wanted)
        language = wanted or self._tutor.interview(learner, session).language
        return HTMLResponse(self._report(learner, sitting, language, self._report_links(session, language)))

    def report_file(
        self, request: Request, session: str, kind: Literal["html", "md", "json"] = "html", wanted: Wanted = None
    ) -> Response:
        """The report as a file to keep."""
        learner = self._learner_of(request)
        sitting = self._sitting(learner, session)
        if sitting is None:
            return self._unknown(wanted)
        language = wanted or self._tutor.interview(learner, session).language
        made = self._tutor.report(learner, session)
        name = _as_file(f"interview-report.{kind}")
        if kind == "json":
            return JSONResponse(exporting.as_json(made, language), headers=name)
        if kind == "md":
            return PlainTextResponse(exporting.report_markdown(self._tutor, made, language), headers=name)
        return HTMLResponse(self._report(learner, sitting, language), headers=name)

    def progress(self, request: Request, wanted: Wanted = None) -> Response:
        """Where the learner stands."""
        language = self._language(request, wanted)
        return self._progress(request, language)

    def _progress(self, request: Request, language: Language, told: str = "", status: int = 200) -> Response:
        made = self._tutor.progress(self._learner_of(request))
        page = ProgressPage(made, language, self._tutor.phrases, self._tutor.desk.shelf, told)
        links = [link(f"./?language={language}", self._say("progress.to_interview", language))]
        return HTMLResponse(page.html(_navigation(links, "progress", language)), status)

    async def restore(self, request: Request, wanted: Wanted = None) -> Response:
        """Reads a file of all data back, and says on the progress page what came of it; other sites cannot do that."""
        if _from_elsewhere(request):
            return PlainTextResponse("", 403)
        language = self._language(request, wanted)
        length = request.headers.get("content-length", "")
        if not length.isdecimal() or int(length) > LARGEST_UPLOAD << 20:
            reason = self._tutor.phrases("progress.restore_large", language, limit=LARGEST_UPLOAD)
            return await run_in_threadpool(self._not_restored, request, language, reason, 413)
        async with request.form(max_files=1, max_fields=1) as form:
            file = form.get("file")
            if file is None or isinstance(file, str) or not file.filename:
                reason = self._say("progress.restore_nothing", language)
                return await run_in_threadpool(self._not_restored, request, language, reason, 400)
            return await run_in_threadpool(self._restored, request, language, file.file)

    def _restored(self, request: Request, language: Language, file: BinaryIO) -> Response:
        try:
            done = backup.unpacked(self._tutor.store, self._learner_of(request), file)
        except HistoryError as error:
            return self._not_restored(request, language, str(error), 400)
        phrases = self._tutor.phrases
        told = phrases("progress.restored", language, sessions=done.sessions, records=done.records)
        return self._progress(request, language, told)

    def _not_restored(self, request: Request, language: Language, reason: str, status: int) -> Response:
        told = self._tutor.phrases("progress.restore_failed", language, reason=reason)
        return self._progress(request, language, told, status)

    def review(self, request: Request, wanted: Wanted = None) -> Response:
        """Starts an interview of what is due and goes there; other sites cannot do that."""
        if _from_elsewhere(request):
            return PlainTextResponse("", 403)
        learner, language = self._learner_of(request), self._language(request, wanted)
        choices = review(self._tutor.progress(learner), language)
        if choices is None:
            return RedirectResponse(f"progress?language={language}", 303)
        session = self._tutor.start(learner, choices)
        return RedirectResponse(f"./?session={session}&language={language}", 303)

    def cards(
        self,
        request: Request,
        kind: Annotated[Literal["apkg", "md"], Query(alias="format")] = "apkg",
        which: Literal["weak", "due", "chosen"] = "chosen",
        card: Annotated[list[str] | None, Query()] = None,
        wanted: Wanted = None,
    ) -> Response:
        """Cards that were asked, as a deck for Anki or as Markdown; only those, since they hold the answers."""
        language, tutor = self._language(request, wanted), self._tutor
        made = tutor.progress(self._learner_of(request))
        asked = {state.card.id for state in made.cards if state.asked}
        names = [which] if which != "chosen" else [name for name in card or () if name in asked]
        found = decks.chosen(made, names)
        if not found:
            return RedirectResponse(f"../progress?language={language}#take", 303)
        if kind == "md":
            text = decks.as_markdown(found, language, tutor.phrases, tutor.desk.shelf.topics)
            return PlainTextResponse(text, headers=_as_file("interview-cards.md"))
        package = decks.anki(found, language, tutor.phrases, tutor.desk.shelf.topics)
        return Response(package, media_type="application/octet-stream", headers=_as_file("interview-cards.apkg"))

    def everything(self, request: Request) -> Response:
        """All data of the learner."""
        data = backup.packed(self._tutor.store, self._learner_of(request))
        return Response(data, media_type="application/zip", headers=_as_file("interview-data.zip"))

    def failed(self, request: Request, error: Exception) -> Response:
        """The page for a storage that cannot be used."""
        asked = request.query_params.get("language")
        language = self._language(request, next((known for known in LANGUAGES if known == asked), None))
        return PlainTextResponse(self._tutor.phrases("say.history_failed", language, reason=error), 503)

    def _report(self, learner: str, sitting: Sitting, language: Language, navigation: str = "") -> str:
        tutor = self._tutor
        topics = tutor.desk.shelf.topics
        page = ReportPage(tutor.report(learner, sitting.session), language, tutor.phrases, topics)
        return page.html(about(sitting, topics, tutor.phrases, language), navigation)

    def _report_links(self, session: str, language: Language) -> str:
        links = [
            link(f"../?session={session}&language={language}", self._say("report.to_interview", language)),
            link(f"../progress?language={language}", self._say("progress.title", language)),
        ]
        for kind in ("html", "md", "json"):
            address = f"{session}/file?kind={kind}&language={language}"
            links.append(link(address, self._say(f"report.as_{kind}", language), download=True))
        return _navigation(links, session, language)

    def _sitting(self, learner: str, session: str) -> Sitting | None:
        return next((known for known in self._tutor.sittings(learner) if known.session == session), None)

    def _unknown(self, wanted: Language | None) -> Response:
        return PlainTextResponse(self._say("page.unknown_session", wanted or self._tutor.settings.language), 404)

    def _language(self, request: Request, wanted: Language | None) -> Language:
        return wanted or preferred(request.headers.get("accept-language", ""), self._tutor.settings.language)

    def _say(self, key: str, language: Language) -> str:
        return self._tutor.phrases(key, language)


def _from_elsewhere(request: Request) -> bool:
    """Whether another site's page has sent this."""
    return request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")


def preferred(header: str, default: Language) -> Language:
    """The language that a browser asks for, else the default."""
    return next((language for language in LANGUAGES if header.startswith(language)), default)


def _navigation(links: list[str], here: str, language: Language) -> str:
    """Links to the neighbouring pages, and to this one in the other language."""
    other, name = ("en", "English") if language == "zh" else ("zh", "中文")
    return f"<nav>{''.join([*links, link(f'{here}?language={other}', name)])}</nav>"


def _as_file(name: str) -> dict[str, str]:
    return {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
