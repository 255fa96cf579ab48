"""Slack with its real clients against a Slack on loopback: whole interviews, whose they are, and what can go wrong."""

import asyncio
import itertools
import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
from aiohttp import web

from tests.conftest import CARDS, LEARNER, choices
from tests.fake_slack import SECRET, FakeSlack, buttons, signed, words
from tests.mutants import mutants
from tests.platform import InboxChat
from tutor.cards import LANGUAGES, Language
from tutor.chat.working import ENDED
from tutor.errors import HistoryError, SettingsError
from tutor.history import Store
from tutor.settings import Settings
from tutor.slack.manifest import manifest, scopes
from tutor.slack.running import Service, need, running
from tutor.tutor import Tutor


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack() as fake:
        yield fake


def slack_settings(settings: Settings, slack: FakeSlack) -> Settings:
    return replace(
        settings, slack_bot_token="xoxb-test", slack_app_token="xapp-test", slack_signing_secret=SECRET,
        slack_api=slack.url,
    )  # fmt: skip


@asynccontextmanager
async def connected(tutor: Tutor, settings: Settings, slack: FakeSlack, **more: Any) -> AsyncIterator[Service]:
    """The tutor in Socket Mode, without waiting between messages."""
    async with (
        running(InboxChat(tutor), slack_settings(settings, slack), interval=0.0, **more) as service,
        service.by_socket(),
    ):
        yield service


async def say(slack: FakeSlack, service: Service, payload: dict[str, Any], kind: str = "events_api") -> dict[str, Any]:
    """Sends something and gives the last thing that was posted in answer."""
    posts, private = len(slack.posts), len(slack.private)
    await slack.send(payload, kind)
    await until(lambda: len(slack.posts) > posts or len(slack.private) > private)
    await service.dispatcher.drain()
    return slack.private[-1] if len(slack.private) > private else slack.posts[-1]


async def until(ready: Callable[[], bool], seconds: float = 10.0) -> None:
    for _ in range(int(seconds / 0.005)):
        if ready():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("nothing came")


INTERVIEW = {
    "en": ("interview 2 english", "I am not sure", "the end"),
    "zh": ("面试 2 中文", "不知道", "结束"),
}


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_whole_interview_in_direct_messages(
    tutor: Tutor, settings: Settings, slack: FakeSlack, language: Language
) -> None:
    phrases = tutor.phrases
    async with connected(tutor, settings, slack) as service:
        asked = await say(slack, service, slack.message(INTERVIEW[language][0]))
        assert phrases("block.question", language, number=1, of=2) in words(asked)
        labels = [button["text"]["text"] for button in buttons(asked)]
        assert labels == [phrases(f"page.{name}", language) for name in ("hint", "explain", "show", "skip", "end")]
        graded = await say(slack, service, slack.message(INTERVIEW[language][1]))
        assert phrases("gate.dont_know", language) in words(graded)
        hinted = await say(slack, service, slack.press("hint", graded), "interactive")
        assert phrases("say.hinted", language) in words(hinted)
        told = await say(slack, service, slack.press("show", hinted), "interactive")
        assert phrases("block.sources", language) in words(told)
        card = tutor.desk.shelf.by_id[tutor.interview("slack:T1:U1", session(tutor)).rounds[0].asked.card_id]
        repeated = await say(slack, service, slack.message(card.answer[language]))
        assert phrases("block.grade", language, score=10.0) in words(repeated)
        assert phrases("block.question", language, number=2, of=2) in words(repeated)
        over = await say(slack, service, slack.press("end", repeated), "interactive")
        assert phrases("report.title", language) in words(over)
        assert [button["action_id"] for button in buttons(over)] == ["tutor:again"]
    assert slack.files[0]["text"].startswith("## ")
    assert slack.files[0]["channel_id"] == "DU1"
    assert all(post["channel"] == "DU1" and not post.get("thread_ts") for post in slack.posts)
    assert all(not post["unfurl_links"] and not post["unfurl_media"] for post in slack.posts)


def session(tutor: Tutor, account: str = "slack:T1:U1") -> str:
    return tutor.sessions(account)[0].session


async def test_an_interview_in_a_channel_runs_in_a_thread_and_is_answered_by_form_or_mention(
    tutor: Tutor, settings: Settings, slack: FakeSlack
) -> None:
    async with connected(tutor, settings, slack) as service:
        asked = await say(slack, service, slack.command("memory 1"), "slash_commands")
        root = slack.posts[0]
        assert "<@U1>" in root["text"]
        assert asked["thread_ts"] == root["ts"]
        await slack.send(slack.press("answer", asked), "interactive")
        await until(lambda: bool(slack.forms))
        graded = await say(slack, service, slack.fill(slack.forms[0], "it needs *memory* & <time>"), "interactive")
        assert "it needs *memory* & <time>" in words(graded)
        assert graded["thread_ts"] == root["ts"]
        again = await say(slack, service, slack.mention("it is about <https://x.y|bytes>", thread=root["ts"]))
        assert again["thread_ts"] == root["ts"]
    told = [message.text for message in tutor.transcript("slack:T1:U1", session(tutor)) if message.type == "human"]
    assert told == ["", "it needs *memory* & <time>", "it is about bytes"]


async def test_two_learners_in_one_channel_keep_to_their_own(
    tutor: Tutor, settings: Settings, slack: FakeSlack
) -> None:
    async with connected(tutor, settings, slack) as service:
        first = await say(slack, service, slack.mention("interview 1", "U1"))
        second = await say(slack, service, slack.mention("interview 1", "U2"))
        assert first["thread_ts"] != second["thread_ts"]
        refused = await say(slack, service, slack.mention("my answer", "U2", thread=first["thread_ts"]))
        assert tutor.phrases("chat.not_yours", "en") in words(refused)
        assert refused["user"] == "U2"
        refused = await say(slack, service, slack.press("show", first, "U2"), "interactive")
        assert refused["user"] == "U2"
        refused = await say(slack, service, slack.press("answer", first, "U2"), "interactive")
        assert refused["user"] == "U2"
        assert slack.forms == []
        await slack.send(slack.press("answer", first, "U1"), "interactive")
        await until(lambda: bool(slack.forms))
        refused = await say(slack, service, slack.fill(slack.forms[0], "an answer of another", "U2"), "interactive")
        assert refused["user"] == "U2"
        report = await say(slack, service, slack.mention("report", "U2", thread=first["thread_ts"]))
        assert report["channel"] == "DU2"
    assert len(tutor.transcript("slack:T1:U1", session(tutor))) == len(
        tutor.transcript("slack:T1:U2", session(tutor, "slack:T1:U2"))
    )


async def test_where_the_tutor_is_no_member_the_interview_moves_to_direct_messages(
    tutor: Tutor, settings: Settings, slack: FakeSlack
) -> None:
    async with connected(tutor, settings, slack) as service:
        asked = await say(slack, service, slack.command("memory 1", channel="C9"), "slash_commands")
        assert asked["channel"] == "DU1"
        assert tutor.phrases("chat.opening_private", "en") in words(slack.posts[0])
        answered = await say(slack, service, slack.message("I don't know"))
        assert tutor.phrases("gate.dont_know", "en") in words(answered)
        code = await say(slack, service, slack.command("link", channel="C9"), "slash_commands")
        assert code["channel"] == "DU1"


async def test_linking_joins_slack_with_the_page_and_what_is_private_stays_so(
    tutor: Tutor, settings: Settings, slack: FakeSlack
) -> None:
    tutor.start(LEARNER, choices())
    async with connected(tutor, settings, slack) as service:
        code = tutor.people.code(LEARNER, time.time())
        linked = await say(slack, service, slack.command(f"link {code}"), "slash_commands")
        assert tutor.phrases("chat.linked", "en", number=2) in words(linked)
        assert linked in slack.private
        await say(slack, service, slack.message("interview 1"))
        assert [s.session for s in tutor.sessions(LEARNER)] == [s.session for s in tutor.sessions("slack:T1:U1")]
        assert len(tutor.sessions(LEARNER)) == 2
        asked = await say(slack, service, slack.message("forget me"))
        assert "interviews 2, accounts 2" in words(asked)
        assert [button.get("style") for button in buttons(asked)] == ["danger", None]
        gone = await say(slack, service, slack.press("forget", asked), "interactive")
        assert tutor.phrases("chat.forgotten", "en") in words(gone)
    assert tutor.sessions(LEARNER) == []


async def test_model_text_calls_nobody_and_opens_nothing(tutor: Tutor, settings: Settings, slack: FakeSlack) -> None:
    evil = "<!channel> <@U2> @here [click](https://evil.example/x) ![p](https://evil.example/p.png) www.evil.example"
    async with connected(tutor, settings, slack) as service:
        await say(slack, service, slack.mention("interview 1"))
        await slack.send(slack.press("answer", slack.posts[-1]), "interactive")
        await until(lambda: bool(slack.forms))
        await say(slack, service, slack.fill(slack.forms[0], evil), "interactive")
    sent = json.dumps(slack.posts[1:])
    assert "<!channel>" not in sent
    assert "<@U2>" not in sent
    assert '"type": "link"' not in json.dumps([p for p in slack.posts if "evil" in str(p)])
    assert not any(str(post.get("text")).startswith("@here") for post in slack.posts)


# Once, whatever happens


async def test_redelivered_messages_are_answered_once_and_acknowledged_each_time(
    tutor: Tutor, settings: Settings, slack: FakeSlack
) -> None:
    async with connected(tutor, settings, slack) as service:
        await say(slack, service, slack.message("interview 3"))
        before = len(slack.posts)
        messages = [slack.message(f"answer {number}") for number in range(12)]
        deliveries = [message for message in messages for _ in range(random.randint(1, 4))]
        random.shuffle(deliveries)
        envelopes = [await slack.send(message) for message in deliveries]
        await until(lambda: all(envelope in slack.acknowledged for envelope in envelopes))
        await service.dispatcher.drain()
    assert len(slack.posts) - before == 12


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_kill_between_acknowledge_and_reply_loses_nothing_and_doubles_nothing(
    tutor: Tutor, settings: Settings, slack: FakeSlack, when: str
) -> None:
    """The process ends while the post is under way: before Slack took it, or after, with the answer lost."""
    reached = asyncio.Event()

    def hang(method: str, data: dict[str, Any]) -> web.Response | None:
        if method == "chat.postMessage":
            reached.set()
            return web.Response(status=500)
        return None

    async with connected(tutor, settings, slack, patience=(60.0,)) as service:
        await say(slack, service, slack.message("interview 1"))
        before = len(slack.posts)
        setattr(slack, "fault" if when == "before" else "after", hang)
        envelope = await slack.send(slack.message("I don't know"))
        await reached.wait()
        assert envelope in slack.acknowledged
    assert len(slack.posts) - before == (when == "after")
    slack.fault = slack.after = lambda method, data: None
    async with connected(tutor, settings, slack) as service:
        await service.dispatcher.drain()
    assert len(slack.posts) - before == 1
    assert tutor.phrases("gate.dont_know", "en") in words(slack.posts[-1])


async def test_in_a_channel_an_answer_that_was_shown_growing_is_finished_after_a_kill(
    tutor: Tutor, settings: Settings, slack: FakeSlack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slack lets nobody look there what was posted; what it confirmed was noted."""
    hung = threading.Event()
    async with connected(tutor, settings, slack, grow_after=0.01) as service:
        first = await say(slack, service, slack.mention("interview 1"))
        before = len(slack.posts)
        monkeypatch.setattr(service.dispatcher.chat, "answer", lambda incoming: hung.wait(20) and None)
        await slack.send(slack.mention("I don't know", thread=first["thread_ts"]))
        await until(lambda: len(slack.posts) > before)
        await until(lambda: "/0" in str(service.dispatcher.inbox.unanswered("slack")[0].target))
    hung.set()
    async with connected(tutor, settings, slack) as service:
        await service.dispatcher.drain()
    assert len(slack.posts) - before == 1
    assert tutor.phrases("gate.dont_know", "en") in words(slack.posts[-1])


async def test_slack_says_how_long_to_wait(tutor: Tutor, settings: Settings, slack: FakeSlack) -> None:
    refusals = 2

    def busy(method: str, data: dict[str, Any]) -> web.Response | None:
        nonlocal refusals
        if method == "chat.postMessage" and refusals:
            refusals -= 1
            return web.json_response({"ok": False, "error": "ratelimited"}, status=429, headers={"Retry-After": "1"})
        return None

    async with connected(tutor, settings, slack) as service:
        slack.fault = busy
        await say(slack, service, slack.message("help"))
    times = [at for at, method, _ in slack.calls if method == "chat.postMessage"]
    assert len(slack.posts) == 1
    assert [later - sooner > 0.9 for sooner, later in itertools.pairwise(times)] == [True, True]


async def test_a_channel_gets_one_message_in_its_interval(tutor: Tutor, settings: Settings, slack: FakeSlack) -> None:
    async with running(InboxChat(tutor), slack_settings(settings, slack), interval=0.1) as service, service.by_socket():
        for user in ("U1", "U2"):
            for _ in range(3):
                await slack.send(slack.message("help", user))
        await until(lambda: len(slack.posts) == 6)
    for user in ("U1", "U2"):
        times = [at for at, m, data in slack.calls if m == "chat.postMessage" and data["channel"] == f"D{user}"]
        assert all(later - sooner > 0.05 for sooner, later in itertools.pairwise(times))


async def test_an_archived_channel_is_left_alone(tutor: Tutor, settings: Settings, slack: FakeSlack) -> None:
    async with connected(tutor, settings, slack) as service:
        slack.fault = lambda method, data: (
            web.json_response({"ok": False, "error": "is_archived"}) if method == "chat.postMessage" else None
        )
        await slack.send(slack.message("help"))
        await until(lambda: any(method == "chat.postMessage" for _, method, _ in slack.calls))
        await service.dispatcher.drain()
        assert service.dispatcher.inbox.unanswered("slack") == []
    assert sum(method == "chat.postMessage" for _, method, _ in slack.calls) == 1


async def test_a_revoked_token_stops_with_one_clear_line(tutor: Tutor, settings: Settings, slack: FakeSlack) -> None:
    async with connected(tutor, settings, slack) as service:
        slack.fault = lambda method, data: web.json_response({"ok": False, "error": "token_revoked"})
        for _ in range(5):
            await slack.send(slack.message("help"))
        error = await asyncio.wait_for(asyncio.shield(service.dispatcher.ended), 5)
        await service.dispatcher.drain()
    assert "token_revoked" in str(error)
    assert "\n" not in str(error)
    assert sum(method.startswith("chat.") for _, method, _ in slack.calls) <= 1


async def test_a_revoked_app_token_stops_the_socket(tutor: Tutor, settings: Settings, slack: FakeSlack) -> None:
    async with connected(tutor, settings, slack) as service:
        await until(lambda: bool(slack.sockets))
        slack.fault = lambda method, data: web.json_response({"ok": False, "error": "invalid_auth"})
        await slack.sockets[0].close()
        error = await asyncio.wait_for(asyncio.shield(service.dispatcher.ended), 5)
        await asyncio.sleep(0.3)
    assert "TUTOR_SLACK_APP_TOKEN" in str(error)
    assert sum(method == "apps.connections.open" for _, method, _ in slack.calls) == 2


async def test_dropped_sockets_are_opened_again_and_nothing_is_missed(
    tutor: Tutor, settings: Settings, slack: FakeSlack
) -> None:
    async with connected(tutor, settings, slack) as service:
        for number in range(10):
            message = slack.message("help")
            await slack.send(message)
            await slack.sockets[-1].close()
            await until(lambda number=number: slack.connections > number + 1)  # type: ignore[misc]
            await slack.send(message)
        await until(lambda: len(slack.posts) == 10)
        await service.dispatcher.drain()
    assert len(slack.posts) == 10


async def test_an_answer_that_takes_long_is_shown_as_it_grows(
    tutor: Tutor, settings: Settings, slack: FakeSlack, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connected(tutor, settings, slack, grow_after=0.02, grow_every=0.05) as service:
        await say(slack, service, slack.message("interview 1"))
        chat = service.dispatcher.chat
        assert isinstance(chat, InboxChat)
        answer = chat._answer

        def slow(incoming: Any, watcher: Any) -> Any:
            for piece in ("Let me ", "think ", "**about** it."):
                watcher.on_text(piece)
                time.sleep(0.1)
            return answer(incoming, watcher)

        monkeypatch.setattr(chat, "_answer", slow)
        await say(slack, service, slack.message("I don't know"))
    assert len(slack.posts) == 2
    assert any(version.endswith("about it.") for version in slack.posts[1]["versions"])
    assert tutor.phrases("gate.dont_know", "en") in words(slack.posts[1])


async def test_the_daily_question_comes_by_direct_message(
    tutor: Tutor, settings: Settings, slack: FakeSlack, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tutor.chat import daily

    monkeypatch.setattr(daily, "EVERY", 0.02)
    monkeypatch.setattr(daily, "due", lambda daily, now: "2026-01-31")
    async with connected(tutor, settings, slack) as service:
        await say(slack, service, slack.command("daily 9:00 Asia/Shanghai"), "slash_commands")
        service.dispatcher.chat.dailies("slack")
    slack.posts.clear()
    async with connected(tutor, settings, slack):
        await until(lambda: len(slack.posts) == 1)
        await asyncio.sleep(0.1)
    assert [post["channel"] for post in slack.posts] == ["DU1"]
    assert tutor.phrases("block.question", "en", number=1, of=1) in words(slack.posts[0])


# What the operator is told


async def started(settings: Settings, slack: FakeSlack) -> asyncio.subprocess.Process:
    """The command, once it is connected."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("TUTOR_")} | {
        "TUTOR_DATA": str(settings.data), "TUTOR_CARDS": str(CARDS), "TUTOR_SLACK_BOT_TOKEN": "xoxb-1",
        "TUTOR_SLACK_APP_TOKEN": "xapp-1", "TUTOR_SLACK_API": slack.url, "TUTOR_LANGUAGE": "en",
    }  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tutor", "slack", env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    await asyncio.wait_for(slack.linked.wait(), 60)
    return process


async def test_one_command_starts_it_and_a_revoked_token_ends_it_with_one_line(
    settings: Settings, slack: FakeSlack
) -> None:
    process = await started(settings, slack)
    await slack.send(slack.message("help"))
    await until(lambda: len(slack.posts) == 1)
    slack.fault = lambda method, data: web.json_response({"ok": False, "error": "account_inactive"})
    await slack.send(slack.message("help"))
    out, error = await asyncio.wait_for(process.communicate(), 30)
    assert out.decode() == "Interview tutor: in Slack as UBOT\n"
    assert error.decode().startswith("tutor: Slack refuses the token (account_inactive)")
    assert error.decode().count("\n") == 1
    assert process.returncode == 1


async def test_it_ends_with_one_line_when_the_process_of_the_turns_ends(settings: Settings, slack: FakeSlack) -> None:
    process = await started(settings, slack)
    owner = json.loads((settings.data / "owner.json").read_text())["pid"]
    assert owner != process.pid, "turns run in another process"
    os.kill(owner, signal.SIGKILL)
    _, error = await asyncio.wait_for(process.communicate(), 30)
    assert error.decode() == f"tutor: {ENDED}\n"
    assert process.returncode == 1


async def test_when_it_is_killed_nothing_keeps_the_data_folder(settings: Settings, slack: FakeSlack) -> None:
    process = await started(settings, slack)
    process.kill()
    await process.communicate()
    for _ in range(200):
        try:
            Store(settings).close()
            return
        except HistoryError:
            await asyncio.sleep(0.05)
    raise AssertionError("the process of the turns still runs")


@pytest.mark.parametrize(
    ("given", "http", "says"),
    [
        ({}, False, "TUTOR_SLACK_BOT_TOKEN is not set"),
        ({"slack_bot_token": "xoxp-1"}, False, "does not begin with xoxb-"),
        ({"slack_bot_token": "xoxb-1"}, False, "TUTOR_SLACK_APP_TOKEN is not set"),
        ({"slack_bot_token": "xoxb-1", "slack_app_token": "xoxb-1"}, False, "does not begin with xapp-"),
        ({"slack_bot_token": "xoxb-1"}, True, "TUTOR_SLACK_SIGNING_SECRET is not set"),
    ],
)
def test_a_missing_setting_is_named_in_one_line(
    settings: Settings, given: dict[str, str], http: bool, says: str
) -> None:
    with pytest.raises(SettingsError, match=says) as raised:
        need(replace(settings, **given), http=http)  # type: ignore[arg-type]
    assert "\n" not in str(raised.value)


async def test_a_missing_scope_is_named_before_anything_is_answered(
    tutor: Tutor, settings: Settings, slack: FakeSlack
) -> None:
    slack.scopes = "chat:write,commands"
    with pytest.raises(SettingsError, match=r"lacks the scope app_mentions:read, files:write, im:history, im:write"):
        async with connected(tutor, settings, slack):
            pass


async def test_a_refused_token_is_named(tutor: Tutor, settings: Settings, slack: FakeSlack) -> None:
    slack.fault = lambda method, data: web.json_response({"ok": False, "error": "invalid_auth"})
    with pytest.raises(SettingsError, match="TUTOR_SLACK_BOT_TOKEN"):
        async with connected(tutor, settings, slack):
            pass


def test_the_manifest_asks_for_no_more_than_what_is_addressed_to_the_tutor() -> None:
    import yaml

    asked = yaml.safe_load(manifest())
    assert set(scopes()) == {
        "app_mentions:read", "chat:write", "commands", "files:write", "im:history", "im:write",
    }  # fmt: skip
    assert "message.channels" not in asked["settings"]["event_subscriptions"]["bot_events"]
    assert "user" not in asked["oauth_config"]["scopes"]


# Signed requests


@dataclass
class Caller:
    """Slack, as it calls a listening tutor."""

    service: Service
    session: aiohttp.ClientSession
    address: str

    async def send(self, body: bytes, headers: Mapping[str, str] | list[tuple[str, str]]) -> tuple[int, str]:
        async with self.session.post(self.address, data=body, headers=headers) as answer:
            return answer.status, await answer.text()

    async def event(self, payload: dict[str, Any], at: float | None = None) -> int:
        body = json.dumps(payload).encode()
        return (await self.send(body, {"content-type": "application/json", **signed(body, at=at)}))[0]

    async def form(self, fields: dict[str, str]) -> int:
        body = urlencode(fields).encode()
        headers = {"content-type": "application/x-www-form-urlencoded", **signed(body)}
        return (await self.send(body, headers))[0]


@asynccontextmanager
async def called(tutor: Tutor, settings: Settings, slack: FakeSlack, **more: Any) -> AsyncIterator[Caller]:
    """The tutor listening for signed requests."""
    async with (
        running(InboxChat(tutor), slack_settings(settings, slack), interval=0.0, **more) as service,
        service.by_http(("127.0.0.1", 0)) as port,
        aiohttp.ClientSession() as session,
    ):
        yield Caller(service, session, f"http://127.0.0.1:{port}/slack/events")


async def test_an_interview_by_signed_requests(tutor: Tutor, settings: Settings, slack: FakeSlack) -> None:
    async with called(tutor, settings, slack) as caller:
        challenge = json.dumps({"type": "url_verification", "challenge": "abc"}).encode()
        status, text = await caller.send(challenge, {"content-type": "application/json", **signed(challenge)})
        assert (status, json.loads(text)["challenge"]) == (200, "abc")
        assert await caller.form(slack.command("memory 1 中文")) == 200
        await until(lambda: len(slack.posts) == 2)
        answered = slack.mention("不知道", thread=slack.posts[0]["ts"])
        assert [await caller.event(answered) for _ in range(3)] == [200] * 3
        await until(lambda: len(slack.posts) == 3)
        await caller.form({"payload": json.dumps(slack.press("end", slack.posts[2]))})
        await until(lambda: len(slack.posts) == 4)
        await caller.service.dispatcher.drain()
    assert tutor.phrases("gate.dont_know", "zh") in words(slack.posts[2])
    assert tutor.phrases("report.title", "zh") in words(slack.posts[3])
    assert len(slack.posts) == 4


@pytest.mark.parametrize(("skew", "status"), [(-301, 401), (-299, 200), (0, 200), (299, 200), (301, 401)])
async def test_the_window_of_time_is_300_seconds(
    tutor: Tutor, settings: Settings, slack: FakeSlack, skew: int, status: int
) -> None:
    async with called(tutor, settings, slack) as caller:
        assert await caller.event(slack.message("help"), at=time.time() + skew) == status


async def test_every_forged_or_malformed_request_is_refused_without_a_word(
    tutor: Tutor, settings: Settings, slack: FakeSlack, caplog: pytest.LogCaptureFixture
) -> None:
    good = json.dumps(slack.message("a forged message")).encode()
    async with called(tutor, settings, slack) as caller:
        for body, headers in itertools.islice(mutants(good, random.Random(7)), 200):
            status, text = await caller.send(body, headers)
            assert status == (413 if len(body) > 1_000_000 else 401), (status, headers)
            assert text in ("not from Slack", "too long")
        for body in (b"{", b"[1]", b"\xff\xfe", b"payload=%7B", b"", b"[" * 100_000, b"{" * 5_000):
            assert (await caller.send(body, signed(body)))[0] == 401
        assert await caller.event({"type": "event_callback", "event": {"type": "message"}}) == 200
        assert await caller.event(slack.message("help")) == 200
        await until(lambda: len(slack.posts) == 1)
        await caller.service.dispatcher.drain()
    assert "forged" not in caplog.text


async def test_requests_are_acknowledged_while_every_turn_hangs(
    tutor: Tutor, settings: Settings, slack: FakeSlack, monkeypatch: pytest.MonkeyPatch
) -> None:
    hung = threading.Event()
    async with called(tutor, settings, slack, grow_after=9.0) as caller:
        monkeypatch.setattr(caller.service.dispatcher.chat, "answer", lambda *given: hung.wait(20) and None)
        took = []
        for number in range(100):
            started = time.perf_counter()
            assert await caller.event(slack.message("an answer", f"U{number}")) == 200
            took.append(time.perf_counter() - started)
        hung.set()
        await caller.service.dispatcher.drain()
    assert max(took) < 3.0
