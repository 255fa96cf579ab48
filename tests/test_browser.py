"""The real page in a real browser: whole interviews, interruptions, languages, phone and keyboard."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from tests.browser import ARGUMENTS, browser
from tests.conftest import CARDS
from tests.free_port import free_port

PICTURES = Path(__file__).parent / "pictures"
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
expect.set_options(timeout=15_000)


class Server:
    """The tutor's own server in a process of its own, on one port, with one data folder."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.port = free_port()
        self._env = {name: value for name, value in os.environ.items() if not name.startswith("TUTOR_")}
        self._env |= {"TUTOR_DATA": str(folder / "data"), "TUTOR_CARDS": str(CARDS), "HOME": str(folder)}
        self._env |= settings
        self.log = folder / "server.log"

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "tutor", "serve", "--port", str(self.port)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, env=self._env, stdout=subprocess.PIPE, stderr=log, text=True)
        assert self._process.stdout
        assert self.address in self._process.stdout.readline()

    def stop(self) -> None:
        self._process.terminate()
        self._ended()

    def kill(self) -> None:
        self._process.kill()
        self._ended()

    def _ended(self) -> None:
        assert self._process.stdout
        self._process.stdout.close()
        self._process.wait(timeout=30)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("server"))
    running.start()
    yield running
    running.stop()
    assert "Traceback" not in running.log.read_text()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    path = browser()
    assert path, "no Chromium here: run python tests/browser.py"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield started
        started.close()


class Tab:
    """A person at the page; requests to anywhere but the tutor's server are noted and refused."""

    def __init__(
        self, chromium: Browser, server: Server, *, size: dict[str, int] = DESKTOP, locale: str = "en-US"
    ) -> None:
        self.context = chromium.new_context(viewport=size, locale=locale)  # type: ignore[arg-type]
        self.page: Page = self.context.new_page()
        self.outside: list[str] = []
        self.errors: list[str] = []
        self.server = server
        self.page.route("**/*", self._only_home)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _only_home(self, route: Route) -> None:
        if route.request.url.startswith((self.server.address, "data:", "blob:")):
            route.continue_()
        else:
            self.outside.append(route.request.url)
            route.abort()

    def open(self, address: str = "") -> "Tab":
        self.page.goto(address or self.server.address)
        expect(self.page.locator("#start")).to_have_text(re.compile("Start the interview|开始面试"))
        return self

    def begin(self, *, topic: str = "", questions: int = 2) -> "Tab":
        if not self.page.locator("#start").is_visible():
            self.page.locator("#new button").first.click()
        if topic:
            self.page.locator("#topics input").click()
            self.page.get_by_role("option", name=re.compile(topic)).click()
            self.page.keyboard.press("Escape")
        self.page.locator("#number input[type=number]").fill(str(questions))
        before = self.page.url
        self.page.locator("#start").click()
        self.page.wait_for_url(lambda address: "session=" in address and address != before)
        expect(self.page.locator("#conversation section.question")).to_have_count(1)
        return self

    def answer(self, text: str) -> None:
        self.page.locator("#box textarea").fill(text)
        self.page.locator("#box textarea").press("Enter")

    def press(self, button: str) -> None:
        self.page.locator(f"#{button}").click()

    def see(self, selector: str, count: int | None = None) -> None:
        found = self.page.locator(f"#conversation {selector}")
        if count is None:
            expect(found.first).to_be_visible()
        else:
            expect(found).to_have_count(count)

    def close(self) -> None:
        self.context.close()
        assert self.outside == []
        assert self.errors == []

    @property
    def text(self) -> str:
        return self.page.locator("#conversation").inner_text()


@pytest.fixture
def tab(chromium: Browser, server: Server) -> Iterator[Tab]:
    opened = Tab(chromium, server)
    yield opened
    opened.close()


def test_a_whole_interview_in_english(tab: Tab) -> None:
    tab.open().begin(topic="Memory", questions=1)
    assert "Offline engine" in tab.page.locator("#engine").inner_text()
    tab.press("hint")
    tab.see("section.hint", 1)
    tab.answer("I think it keeps the keys and values of all past tokens")
    tab.see("section.grade", 1)
    expect(tab.page.locator("#conversation mark.covered").first).to_have_text(re.compile("keys and values"))
    assert "Its memory grows linearly" not in tab.text, "an open key point was given away"
    tab.see("section.hint", 2)
    _picture(tab, "page-en")
    tab.press("repeat")
    expect(tab.page.locator("#conversation")).to_contain_text("The question again")
    tab.answer("the memory grows with the length of the sequence")
    tab.see("section.grade", 2)
    tab.see("section.summary", 1)
    expect(tab.page.locator("#conversation section.summary")).to_contain_text("keys and values of all past tokens")
    tab.press("show")
    tab.see("section.teaching", 1)
    tab.press("skip")
    tab.see("section.report", 1)
    expect(tab.page.locator("#conversation section.report")).to_contain_text("Score: 8.6 of 10")
    expect(tab.page.locator("#conversation section.report")).to_contain_text("No central or important key point")


def test_a_whole_interview_in_chinese_on_a_phone(chromium: Browser, server: Server) -> None:
    tab = Tab(chromium, server, size=PHONE, locale="zh-CN").open().begin(topic="适配器", questions=1)
    for button in ("hint", "explain", "show", "skip", "repeat", "end", "send"):
        box = tab.page.locator(f"#{button}").bounding_box()
        assert box
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE["width"]
        assert box["height"] >= 40
    tab.answer("LoRA 会让推理变慢。它加了两个低秩矩阵")
    tab.see("section.grade", 1)
    expect(tab.page.locator("#conversation .wrong")).to_contain_text("合并进权重")
    wide = tab.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert wide <= 0, f"the page is {wide} px too wide"
    _picture(tab, "phone-zh")
    tab.press("explain")
    tab.see("section.teaching", 1)
    tab.press("end")
    tab.see("section.report", 1)
    link = tab.page.locator("#conversation section.report a").first
    assert link.get_attribute("href") == "https://arxiv.org/abs/2106.09685"
    assert not re.search(r"\b(Score|Grade|Hint|Send)\b", tab.page.locator("body").inner_text())
    tab.close()


@pytest.mark.parametrize(("language", "preset"), [("en", "Memory engineer"), ("zh", "显存工程师")])
def test_an_exam_of_a_preset_has_a_clock_that_can_be_paused(
    chromium: Browser, server: Server, language: str, preset: str
) -> None:
    size = DESKTOP if language == "en" else PHONE
    tab = Tab(chromium, server, size=size).open(f"{server.address}/?language={language}")
    tab.page.locator("#preset input").click()
    tab.page.get_by_role("option", name=preset).click()
    expect(tab.page.locator("#number input[type=number]")).to_have_value("2")
    expect(tab.page.locator("#minutes")).not_to_be_visible()
    tab.page.locator("#mode input[value=exam]").check()
    expect(tab.page.locator("#minutes")).to_be_visible()
    tab.page.locator("#start").click()
    tab.see("section.question", 1)
    shown = tab.page.locator("#clock b")
    expect(shown).to_have_count(2)
    expect(shown.first).to_have_text(re.compile("4:5"))
    tab.press("pause")
    expect(tab.page.locator("#clock")).to_contain_text("paused" if language == "en" else "已暂停")
    stands = shown.first.inner_text()
    time.sleep(1.2)
    assert shown.first.inner_text() == stands
    wide = tab.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert wide <= 0, f"the page is {wide} px too wide"
    _picture(tab, f"exam-{language}")
    tab.press("pause")
    expect(tab.page.locator("#pause")).to_have_text("Pause" if language == "en" else "暂停")
    tab.answer("the product of two low-rank matrices and the keys and values of past tokens")
    tab.see("section.pump", 1)
    tab.see("section.grade", 0)
    tab.press("end")
    tab.see("section.report", 1)
    expect(tab.page.locator("#clock")).not_to_be_visible()
    expect(tab.page.locator("#conversation")).to_contain_text("Pauses: 1" if language == "en" else "暂停 1 次")
    tab.close()


def test_the_whole_page_follows_the_language_in_mid_session(tab: Tab) -> None:
    tab.open().begin(topic="Memory")
    tab.page.locator("#box textarea").fill("half an answer")
    tab.page.get_by_text("中文").click()
    expect(tab.page.locator("#hint")).to_have_text("提示")
    expect(tab.page.locator("#conversation")).to_contain_text("KV 缓存里存的是什么")
    expect(tab.page.locator("#box textarea")).to_have_value("half an answer")
    assert tab.page.evaluate("document.documentElement.lang") == "zh-CN"
    tab.answer("存之前 token 的 K 和 V")
    expect(tab.page.locator("#conversation")).to_contain_text("这部分说得对")
    _picture(tab, "page-zh")
    tab.page.get_by_text("English", exact=True).click()
    expect(tab.page.locator("#conversation")).to_contain_text("What is stored in the KV cache")


def test_a_reload_keeps_the_interview_and_the_half_written_answer(tab: Tab) -> None:
    tab.open().begin(topic="Memory")
    tab.answer("keys of past tokens")
    tab.see("section.grade", 1)
    tab.page.locator("#box textarea").press_sequentially("the memory gr")
    tab.page.reload()
    tab.see("section.grade", 1)
    expect(tab.page.locator("#box textarea")).to_have_value("the memory gr")
    tab.answer("the memory grows with the length")
    tab.see("section.grade", 2)
    tab.page.reload()
    tab.see("section.grade", 2)
    expect(tab.page.locator("#box textarea")).to_have_value("")


def test_the_server_restarts_in_mid_interview(chromium: Browser, tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.start()
    tab = Tab(chromium, server).open().begin(topic="Memory")
    tab.answer("keys of past tokens")
    tab.see("section.grade", 1)
    server.kill()
    server.start()
    tab.page.reload()
    tab.see("section.grade", 1)
    tab.answer("the memory grows with the length")
    tab.see("section.grade", 2)
    server.stop()
    tab.close()


def test_a_tab_that_closes_in_mid_answer_finds_its_grade(chromium: Browser, server: Server) -> None:
    tab = Tab(chromium, server).open().begin(topic="Memory")
    address = tab.page.url
    tab.answer("keys of past tokens")
    expect(tab.page.locator("#box textarea")).to_have_value("")
    tab.close()
    again = Tab(chromium, server).open(address)
    again.see("section.grade", 1)
    again.close()


def test_earlier_interviews_can_be_opened(tab: Tab) -> None:
    tab.open().begin(topic="Adapters")
    tab.answer("two low-rank matrices BA are added")
    tab.see("section.grade", 1)
    first = tab.page.url
    tab.begin(topic="", questions=1)
    assert tab.page.url != first
    tab.page.goto(first.split("?", maxsplit=1)[0])
    tab.page.locator("#earlier button").first.click()
    tab.page.locator("#sessions input").click()
    tab.page.get_by_role("option").nth(1).click()
    tab.press("open")
    tab.see("section.grade", 1)
    expect(tab.page).to_have_url(first)


def test_everything_can_be_done_with_the_keyboard(tab: Tab) -> None:
    tab.open()
    tab.page.locator("#start").focus()
    tab.page.keyboard.press("Enter")
    tab.see("section.question", 1)
    tab.page.locator("#box textarea").focus()
    order = []
    for _ in range(8):
        tab.page.keyboard.press("Tab")
        order.append(tab.page.evaluate("document.activeElement.id"))
    assert order[:7] == ["send", "hint", "explain", "show", "skip", "repeat", "end"]
    tab.page.locator("#hint").focus()
    tab.page.keyboard.press("Space")
    tab.see("section.hint", 1)


def test_what_cannot_be_sent_stays_in_the_box(tab: Tab) -> None:
    tab.open().begin(topic="Memory")
    tab.press("send")
    expect(tab.page.locator("#notice")).to_contain_text("nothing in the message")
    long = "x" * 100_000
    tab.page.locator("#box textarea").fill(long)
    tab.press("send")
    expect(tab.page.locator("#notice")).to_contain_text("at most 20,000")
    expect(tab.page.locator("#box textarea")).to_have_value(long)
    tab.see("section.grade", 0)


def test_hostile_words_are_shown_as_text_and_fetch_nothing(tab: Tab) -> None:
    tab.open().begin(topic="Memory")
    text = "<img src=http://sink.example/a> ![b](http://sink.example/b) <script>hacked=1</script> keys of past tokens"
    tab.answer(text)
    tab.see("section.grade", 1)
    assert text in tab.text
    assert tab.page.evaluate("window.hacked") is None
    assert tab.page.locator("#conversation img").count() == 0


def test_a_double_click_sends_once(tab: Tab) -> None:
    tab.open().begin(topic="Memory")
    tab.page.locator("#box textarea").fill("keys of past tokens")
    tab.page.locator("#send").dblclick()
    tab.see("section.grade", 1)
    time.sleep(0.5)
    tab.see("section.grade", 1)
    tab.see(".said", 1)


def test_two_tabs_on_one_session_keep_every_word(chromium: Browser, server: Server) -> None:
    first = Tab(chromium, server).open().begin(topic="Memory")
    second = Tab(chromium, server).open(first.page.url)
    first.answer("keys of past tokens")
    second.answer("the memory grows with the length")
    first.see("section.grade")
    second.see("section.grade")
    first.page.reload()
    expect(first.page.locator("#conversation .said")).to_have_count(2)
    assert "keys of past tokens" in first.text
    assert "the memory grows with the length" in first.text
    first.close()
    second.close()


def test_an_unknown_session_is_said_and_a_new_one_can_begin(tab: Tab) -> None:
    tab.open(f"{tab.server.address}/?session=doesnotexist")
    expect(tab.page.locator("#notice")).to_contain_text("no interview under this address")
    tab.begin(topic="Memory")


def test_headers_keep_the_page_to_its_own_server(tab: Tab) -> None:
    response = tab.page.goto(tab.server.address)
    assert response
    assert "connect-src 'self'" in response.headers["content-security-policy"]
    assert response.headers["referrer-policy"] == "no-referrer"
    assert tab.context.request.get(f"{tab.server.address}/healthz").text() == "ok"


def _picture(tab: Tab, name: str) -> None:
    """Takes a picture for the README when asked to (TAKE_PICTURES=1); the committed one must be there."""
    if os.environ.get("TAKE_PICTURES"):
        PICTURES.mkdir(exist_ok=True)
        tab.page.wait_for_timeout(600)
        tab.page.screenshot(path=PICTURES / f"{name}.png")
    assert (PICTURES / f"{name}.png").exists()


@pytest.mark.parametrize(
    ("locale", "make", "done"), [("en-US", "Make a code", "works once"), ("zh-CN", "生成关联码", "只能用一次")]
)
def test_accounts_are_joined_and_forgotten_on_the_page(
    chromium: Browser, server: Server, locale: str, make: str, done: str
) -> None:
    tab = Tab(chromium, server, locale=locale, size=PHONE if locale == "zh-CN" else DESKTOP).open()
    page = tab.page
    page.locator("#accounts button").first.click()
    page.get_by_role("button", name=make).click()
    expect(page.locator("#link-note")).to_contain_text(done)
    expect(page.locator("#link-note")).to_contain_text(re.compile("[2-9A-Z]{4}-[2-9A-Z]{4}"))
    page.locator("#link-code input, #link-code textarea").fill("ABCD-2345")
    page.locator("#link-join").click()
    expect(page.locator("#link-note")).to_contain_text(re.compile("opens nothing|无效"))
    page.locator("#link-forget").click()
    expect(page.locator("#forget-yes")).to_be_visible()
    if picture := os.environ.get("PICTURES"):
        page.screenshot(path=f"{picture}/accounts-{locale}.png")
    page.locator("#forget-no").click()
    expect(page.locator("#forget-yes")).to_be_hidden()
    assert tab.outside == []
    assert tab.errors == []
    tab.context.close()
