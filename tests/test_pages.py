"""Reports and progress in the real browser: with no interview, one and two hundred, in both languages, to take away."""

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from playwright.sync_api import Browser, Page, expect

from tests.conftest import CARDS, LEARNER, choices
from tests.many import DAY, practised, settings_for
from tests.test_browser import DESKTOP, PHONE, Server, Tab, chromium
from tests.test_take_away import opened
from tutor.cards import LANGUAGES, Language
from tutor.errors import HistoryError
from tutor.history import ChromaHistory, restore, stored
from tutor.prompts import Phrases
from tutor.tutor import Tutor
from tutor.web.page import Page as Conversation
from tutor.web.routes import Pages

__all__ = ["chromium"]
INTERVIEWS = 200


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose learner has not done anything yet."""
    yield from started(tmp_path_factory.mktemp("fresh"))


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose learner has had two hundred interviews over five months."""
    folder = tmp_path_factory.mktemp("busy")
    with practised(settings_for(folder, CARDS), INTERVIEWS, 2):
        pass
    yield from started(folder)


def started(folder: Path) -> Iterator[Server]:
    running = Server(folder)
    running.start()
    yield running
    running.stop()
    assert "Traceback" not in running.log.read_text()


def saved(page: Page, words: str) -> bytes:
    """What a link or button of the page gives as a file."""
    with page.expect_download() as waiting:
        page.get_by_text(words, exact=True).click()
    return Path(waiting.value.path()).read_bytes()


def fits(page: Page) -> None:
    wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert wide <= 0, f"the page is {wide} px too wide"


@pytest.mark.parametrize("language", LANGUAGES)
def test_progress_before_the_first_interview(
    chromium: Browser, fresh: Server, phrases: Phrases, language: Language
) -> None:
    tab = Tab(chromium, fresh, locale=language).open()
    tab.page.locator("#progress").click()
    expect(tab.page.locator("h1")).to_have_text(phrases("progress.title", language))
    expect(tab.page.locator("main")).to_contain_text(phrases("progress.none", language))
    assert tab.page.locator("#review").count() == 0
    assert tab.page.locator("#topics svg.bar").count() == 2
    tab.page.get_by_text(phrases("progress.to_interview", language)).click()
    expect(tab.page.locator("#start")).to_have_text(phrases("page.start", language))
    tab.close()


def test_one_interview_from_its_end_to_its_report_and_files(chromium: Browser, fresh: Server, phrases: Phrases) -> None:
    tab = Tab(chromium, fresh, size=PHONE, locale="zh-CN").open().begin(topic="适配器", questions=1)
    tab.answer("LoRA 会让推理变慢。它加了两个低秩矩阵")
    tab.see("section.grade", 1)
    tab.press("end")
    tab.see("section.report", 1)
    with tab.context.expect_page() as opening:
        tab.page.get_by_text(phrases("report.whole", "zh")).click()
    page = opening.value
    expect(page.locator("h1")).to_have_text("面试报告")
    assert page.evaluate("document.documentElement.lang") == "zh-CN"
    expect(page.locator("blockquote.weakest q")).to_contain_text("LoRA 会让推理变慢")
    expect(page.locator("ul.marks li")).to_have_count(3)
    expect(page.locator("svg.bar")).to_have_count(1)
    fits(page)
    html = saved(page, "保存为 HTML").decode("utf-8")
    assert "<nav>" not in html
    assert "两个低秩矩阵" in html
    assert "### 最好与最弱的一刻" in saved(page, "保存为 Markdown").decode("utf-8")
    assert json.loads(saved(page, "保存为 JSON"))["questions"][0]["card"] == "lora-rank"
    page.get_by_text("English", exact=True).click()
    expect(page.locator("h1")).to_have_text("Report")
    page.get_by_text("Your progress").click()
    expect(page.locator(".figures li").first).to_contain_text("1")
    expect(page.locator("#trend")).to_contain_text("after your second interview")
    data = zipfile.ZipFile(io.BytesIO(saved(page, "All my data (ZIP)")))
    assert json.loads(data.read("manifest.json"))["sessions"] == 1
    tab.close()


@pytest.mark.parametrize("language", LANGUAGES)
def test_progress_after_two_hundred_interviews(
    chromium: Browser, busy: Server, phrases: Phrases, language: Language
) -> None:
    for size in (DESKTOP, PHONE):
        tab = Tab(chromium, busy, size=size)
        page = tab.page
        page.emulate_media(color_scheme="dark" if size is PHONE else "light")
        page.goto(f"{busy.address}/progress?language={language}")
        expect(page.locator(".figures strong").first).to_have_text(str(INTERVIEWS))
        expect(page.locator("#trend circle")).to_have_count(INTERVIEWS)
        assert page.locator("#calendar rect:not(.day0)").count() > 100
        expect(page.locator("#topics .label")).to_have_count(2)
        fits(page)
        page.locator("#interviews summary").click()
        page.locator("#interviews a").nth(100).click()
        expect(page.locator("h1")).to_have_text(phrases("report.title", language))
        expect(page.locator("section h3")).to_have_count(2)
        fits(page)
        tab.close()


def test_a_review_of_what_is_due_starts_from_the_page(chromium: Browser, tmp_path: Path, phrases: Phrases) -> None:
    with practised(settings_for(tmp_path, CARDS), 1, 2) as tutor:
        (session,) = stored(tutor.store, "me")
        rows = stored(tutor.store, "me")[session]
        ChromaHistory(tutor.store, "me", session).clear()
        long_ago = [(document, {**meta, "at": meta["at"] - 200 * DAY}) for document, meta in rows]
        restore(tutor.store, "me", session, long_ago)
    for running in started(tmp_path):
        for language in LANGUAGES:
            tab = Tab(chromium, running)
            page = tab.page
            page.goto(f"{running.address}/progress?language={language}")
            expect(page.locator("#due li")).to_have_count(2)
            page.locator("#review").click()
            page.wait_for_url(lambda address: "session=" in address)
            tab.see("section.question", 1)
            title = phrases("block.question", language, number=1, of=2)
            expect(page.locator("#conversation section.question h2")).to_contain_text(title)
            tab.close()


def test_all_data_is_read_back_in_the_page(chromium: Browser, busy: Server, tmp_path: Path, phrases: Phrases) -> None:
    tab = Tab(chromium, busy)
    tab.page.goto(f"{busy.address}/progress?language=zh")
    data = saved(tab.page, phrases("progress.all_data", "zh"))
    tab.close()
    for running in started(tmp_path):
        tab = Tab(chromium, running)
        page = tab.page
        page.goto(f"{running.address}/progress?language=zh")
        for name, file, told in (
            ("x.zip", b"no zip", phrases("progress.restore_failed", "zh", reason="\0").split("\0")[0]),
            ("mine.zip", data, phrases("progress.restored", "zh", sessions=INTERVIEWS, records="\0").split("\0")[0]),
        ):
            page.locator("#restore summary").click()
            page.locator("#restore input").set_input_files(
                {"name": name, "mimeType": "application/zip", "buffer": file}
            )
            page.locator("#restore button").click()
            expect(page.locator(".told")).to_contain_text(told)
        expect(page.locator(".figures strong").first).to_have_text(str(INTERVIEWS))
        assert saved(page, phrases("progress.all_data", "zh")) == data
        tab.close()


def test_what_cannot_be_read_back_is_refused(tutor: Tutor, phrases: Phrases) -> None:
    app, pages = FastAPI(), Pages(tutor, lambda request: LEARNER)
    app.include_router(pages.router())
    client = TestClient(app)
    assert client.post("/restore", headers={"sec-fetch-site": "cross-site"}).status_code == 403
    huge = {"content-length": str(1 << 40), "content-type": "multipart/form-data; boundary=x"}
    answers = (client.post("/restore", headers=huge), client.post("/restore?language=en", files={"other": b"x"}))
    assert [answer.status_code for answer in answers] == [413, 400]
    assert phrases("progress.restore_nothing", "en") in answers[1].text


def test_another_site_starts_no_review(chromium: Browser, busy: Server) -> None:
    tab = Tab(chromium, busy)
    answer = tab.context.request.post(f"{busy.address}/review", headers={"sec-fetch-site": "cross-site"})
    assert answer.status == 403
    assert tab.context.request.get(f"{busy.address}/review").status in (404, 405)
    tab.close()


@pytest.mark.parametrize("address", ["report/unknown", "report/unknown/file", "report/..%2Fx"])
def test_what_is_not_there_is_said(chromium: Browser, busy: Server, address: str) -> None:
    tab = Tab(chromium, busy)
    answer = tab.context.request.get(f"{busy.address}/{address}?language=zh")
    assert answer.status == 404
    tab.close()


def test_chosen_cards_for_anki(chromium: Browser, busy: Server, tmp_path: Path) -> None:
    tab = Tab(chromium, busy)
    page = tab.page
    page.goto(f"{busy.address}/progress?language=en")
    page.locator("#take summary").click()
    page.get_by_text("What is stored in the KV cache, and what does it cost?").last.click()
    collection = opened(tmp_path, saved(page, "Chosen ones for Anki"))
    try:
        (note,) = (collection.get_note(note_id) for note_id in collection.find_notes(""))
        assert note["Question"] == "What is stored in the KV cache, and what does it cost?"
    finally:
        collection.close()
    text = saved(page, "Chosen ones as Markdown").decode("utf-8")
    assert text.count("\n## ") == 1
    tab.close()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_storage_that_fails_is_told_in_the_learners_language(
    tutor: Tutor, monkeypatch: pytest.MonkeyPatch, phrases: Phrases, language: Language
) -> None:
    def broken(*_: object) -> None:
        raise HistoryError("the disk is full")

    told = phrases("say.history_failed", language, reason="the disk is full")
    session = tutor.start(LEARNER, choices())
    *_, (shown, notice, box, *_) = Conversation(tutor)._turn(LEARNER, session, language, broken, said="my answer")
    assert told in notice
    assert shown == box == gr.skip(), "what stands on the page stays there"
    app, pages = FastAPI(), Pages(tutor, lambda request: LEARNER)
    app.include_router(pages.router())
    app.add_exception_handler(HistoryError, pages.failed)
    monkeypatch.setattr(tutor.archive, "sittings", broken)
    for address in ("/progress", "/report/x", "/download/cards"):
        answer = TestClient(app).get(f"{address}?language={language}")
        assert (answer.status_code, answer.text) == (503, told)
