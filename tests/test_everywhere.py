"""One learner in the browser, in Slack and in Discord: the same interviews, progress and due list in all three."""

import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from tests.conftest import LEARNER, choices
from tests.fake_discord import TOKEN, FakeDiscord
from tests.fake_slack import FakeSlack, buttons
from tests.fake_slack import words as slack_words
from tests.test_discord import ANN, asked, point_at, text_of
from tests.test_discord import at_work as in_discord
from tests.test_slack import connected as in_slack
from tests.test_slack import say
from tutor.accounts import Accounts
from tutor.settings import Settings
from tutor.tutor import Tutor
from tutor.web.routes import Pages


@dataclass
class Everywhere:
    """A person at all three front ends, each driven through its own client."""

    tutor: Tutor
    slack: FakeSlack
    discord: FakeDiscord
    services: tuple[Any, Any]
    browser: TestClient

    async def in_slack(self, text: str) -> str:
        return slack_words(await say(self.slack, self.services[0], self.slack.message(text)))

    async def in_discord(self, text: str) -> str:
        return text_of(await asked(self.discord, self.services[1], self.discord.say(text, ANN))).replace("\\", "")

    async def progress(self) -> list[str]:
        """The figures and the due list that each front end shows, as plain words in the same order."""
        page = self.browser.get("/progress?language=en").text
        page = re.sub(r"<[^>]+>", " ", page.split('<section id="weak"')[0])
        return [_told(text) for text in (page, await self.in_slack("progress"), await self.in_discord("progress"))]


def _told(text: str) -> str:
    """What a page or post says of progress: interviews, questions, due questions, each topic's figures."""
    text = re.sub(r"\s+", " ", text)
    interviews = re.search(r"(\d+) interviews", text)
    questions = re.search(r"(\d+) questions answered", text)
    due = re.search(r"Due today: (\d+)", text)
    topics = re.findall(r"\d+ % · asked \d+ of \d+ · due \d+", text)
    named = sorted({name for name in ("What is stored in the KV cache", "What does LoRA") if name in text})
    return str([found and found[1] for found in (interviews, questions, due)] + topics + named)


def _code(text: str) -> str:
    found = re.search(r"[A-Z0-9]{4}-[A-Z0-9]{4}", text)
    assert found
    return found[0]


@asynccontextmanager
async def everywhere(tutor: Tutor, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Everywhere]:
    app = FastAPI()
    app.include_router(Pages(tutor, lambda request: LEARNER).router())
    async with FakeSlack() as slack, FakeDiscord() as discord:
        point_at(discord, monkeypatch.setattr)
        async with (
            in_slack(tutor, settings, slack) as service,
            in_discord(tutor, replace(settings, discord_token=TOKEN), discord) as other,
        ):
            yield Everywhere(tutor, slack, discord, (service, other), TestClient(app))


async def test_history_progress_and_due_list_are_one_until_the_accounts_part(
    tutor: Tutor, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tutor, "_clock", lambda: time.time() - 30 * 86_400)
    async with everywhere(tutor, settings, monkeypatch) as here:
        session = tutor.start(LEARNER, choices(questions=1))
        tutor.reply(LEARNER, session, "I don't know")
        for ask in (here.in_slack, here.in_discord):
            await ask("interview 1 english")
            await ask("it is about bytes")
            await ask("end")
        monkeypatch.setattr(tutor, "_clock", time.time)
        alone = await here.progress()
        assert [told.split(",")[0] for told in alone] == ["['1'"] * 3, "each knows its own"

        assert "Accounts: 2" in await here.in_slack(f"link {_code(Accounts(tutor).link(LEARNER, '', 'en'))}")
        assert "Accounts: 3" in await here.in_discord(f"link {_code(await here.in_slack('link'))}")

        accounts = (LEARNER, "slack:T1:U1", f"discord:{ANN}")
        joined = await here.progress()
        assert joined[0] == joined[1] == joined[2]
        assert re.match(r"\['3', '3', '[12]', .* due 1.*'What ", joined[0]), joined[0]
        histories = [
            [(line.session, [m.text for m in tutor.transcript(who, line.session)]) for line in tutor.sessions(who)]
            for who in accounts
        ]
        assert histories[0] == histories[1] == histories[2]
        assert len(histories[0]) == 3
        plans = [tutor.progress(who) for who in accounts]
        for made in plans[1:]:
            assert [card.card.id for card in made.due] == [card.card.id for card in plans[0].due]
            assert [card.card.id for card in made.later] == [card.card.id for card in plans[0].later]
            assert made.sittings == plans[0].sittings

        exported = await asked(here.discord, here.services[1], here.discord.say("export", ANN))
        taken = json.loads(exported[-1]["attachments"][0]["_text"])
        assert set(taken["accounts"]) == set(accounts)
        assert [each["session"] for each in taken["sessions"]] == [name for name, _ in histories[0]]

        await here.in_slack("unlink")
        parted = await here.progress()
        assert parted[0] == parted[2] != parted[1]
        assert parted[1] == alone[1]
        assert parted[0].startswith("['2', '2', ")


async def test_to_be_forgotten_in_one_place_is_to_be_forgotten_in_all(
    tutor: Tutor, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with everywhere(tutor, settings, monkeypatch) as here:
        tutor.start(LEARNER, choices(questions=1))
        await here.in_slack("interview 1 english")
        await here.in_discord("interview 1 english")
        for ask in (here.in_slack, here.in_discord):
            await ask(f"link {tutor.people.code(LEARNER, time.time())}")
        question = await say(here.slack, here.services[0], here.slack.message("forget me"))
        assert "interviews 3, accounts 3" in slack_words(question)
        assert len(tutor.sessions(LEARNER)) == 3
        assert [button["action_id"] for button in buttons(question)] == ["tutor:forget", "tutor:keep"]
        await say(here.slack, here.services[0], here.slack.press("forget", question), "interactive")
        nothing = tutor.phrases("progress.none", "en")
        assert nothing in await here.in_discord("progress")
        assert nothing in await here.in_slack("progress")
        assert nothing in here.browser.get("/progress?language=en").text
    assert [tutor.sessions(who) for who in (LEARNER, "slack:T1:U1", f"discord:{ANN}")] == [[], [], []]
