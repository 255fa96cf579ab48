"""What a person at the page sees of a model: engine, cost, and what happens when it fails, in both languages."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.faults import SECRET, WORDS, FaultServer, faults
from tests.test_browser import PHONE, Server, Tab, chromium
from tests.test_browser import _picture as picture

__all__ = ["chromium"]
GOOD = "I think it keeps the keys and values of all past tokens"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[FaultServer]:
    with faults("well", pace=0.3) as running:
        yield running


@pytest.fixture(scope="module")
def talking(endpoint: FaultServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The page with a model at the endpoint, which grades by the rubric only if it cannot judge."""
    running = Server(
        tmp_path_factory.mktemp("talking"),
        TUTOR_MODEL="some-model",
        TUTOR_BASE_URL=endpoint.address,
        TUTOR_API_KEY="secret-key",
        TUTOR_SESSION_TOKENS="100000",
        TUTOR_PATIENCE="1.5",
    )
    running.start()
    yield running
    running.stop()
    assert "Traceback" not in running.log.read_text()
    assert "secret-key" not in running.log.read_text()


def test_the_page_shows_engine_cost_and_settings_without_the_key(
    chromium: Browser, talking: Server, endpoint: FaultServer
) -> None:
    endpoint.mode = "well"
    tab = Tab(chromium, talking)
    tab.open().begin(topic="Memory", questions=1)
    assert "some-model" in tab.page.locator("#engine").inner_text()
    tab.answer(GOOD)
    tab.see("p.cost", 1)
    expect(tab.page.locator("#conversation p.cost")).to_have_text(
        re.compile(r"Model some-model\. This turn: calls \d, tokens (about )?[\d,]+, \d+\.\d s\. This interview: calls")
    )
    expect(tab.page.locator("#conversation")).to_contain_text(WORDS)
    tab.page.locator("#models button").first.click()
    settings = tab.page.locator("#settings")
    expect(settings).to_contain_text(f"some-model at {endpoint.address}, with a key")
    expect(settings).to_contain_text("100,000 tokens")
    assert "secret-key" not in tab.page.content()
    picture(tab, "model-en")
    tab.close()


FAULTS = {
    "refusal": "The model some-model declined to reply.",
    "html": "What came from the endpoint of the model some-model was no reply.",
    "status:500": "The endpoint of the model some-model reported an error of its own.",
    "reset": "The reply of the model some-model broke off.",
    "hang": "The model some-model did not answer in time.",
}


def test_five_faults_are_told_in_words_and_each_turn_is_finished(
    chromium: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for modes in (list(FAULTS)[:3], list(FAULTS)[3:]):
        with faults("well") as endpoint:
            server = Server(
                tmp_path_factory.mktemp("failing"),
                TUTOR_MODEL="some-model", TUTOR_BASE_URL=endpoint.address, TUTOR_PATIENCE="1",
            )  # fmt: skip
            server.start()
            for mode in modes:
                endpoint.mode = mode
                tab = Tab(chromium, server)
                tab.open().begin(topic="Memory", questions=1)
                tab.answer(GOOD)
                tab.see("p.failure", 1)
                told = tab.page.locator("#conversation p.failure")
                expect(told).to_contain_text(FAULTS[mode])
                expect(told).to_contain_text("Your words are kept, and the offline engine has finished this turn.")
                tab.see("section.grade", 1)
                expect(tab.page.locator("#conversation")).to_contain_text("This holds")
                assert tab.text.count(GOOD) >= 1
                assert SECRET not in tab.page.content()
                tab.close()
            server.stop()
            assert "Traceback" not in server.log.read_text()


def test_a_fault_in_chinese_on_a_phone(chromium: Browser, talking: Server, endpoint: FaultServer) -> None:
    endpoint.mode = "status:503"
    tab = Tab(chromium, talking, size=PHONE, locale="zh-CN")
    tab.open().begin(topic="显存|内存", questions=1)
    tab.answer("缓存的是过去所有 token 的键和值")
    tab.see("p.failure", 1)
    expect(tab.page.locator("#conversation p.failure")).to_contain_text("你写的内容已保存，这一轮由离线引擎完成。")
    picture(tab, "fault-zh-phone")
    tab.close()


def test_words_come_while_they_are_said_and_nobody_has_to_wait(
    chromium: Browser, talking: Server, endpoint: FaultServer
) -> None:
    endpoint.mode = "well"
    tab = Tab(chromium, talking)
    tab.open().begin(topic="Memory", questions=1)
    endpoint.mode = "slowly"
    tab.answer(GOOD)
    expect(tab.page.locator("#conversation")).to_contain_text("word word word")
    tab.press("hurry")
    tab.see("p.failure", 1)
    expect(tab.page.locator("#conversation p.failure")).to_contain_text("You did not wait for the model")
    expect(tab.page.locator("#conversation")).to_contain_text("This holds")
    tab.close()
