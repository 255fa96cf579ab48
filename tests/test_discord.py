"""Discord by its real client against a server on loopback: interviews, once each, through drops and faults."""

import asyncio
import base64
import json
import random
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from tests.fake_discord import APP, CHANNEL, TOKEN, FakeDiscord, answer, refusal
from tests.platform import InboxChat
from tutor.__main__ import main
from tutor.cards import Language
from tutor.chat.dispatching import Revoked
from tutor.chat.marks import mark, mark_of
from tutor.chat.markup import blocks, plain
from tutor.chat.posts import Button, File, Post, Section
from tutor.discord.calls import since
from tutor.discord.render import LONGEST, escaped, messages
from tutor.discord.running import Service, running
from tutor.errors import SettingsError
from tutor.settings import Settings
from tutor.tutor import Tutor

ANN, BOB = "201", "202"


@pytest.fixture
async def discord(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeDiscord]:
    async with FakeDiscord() as fake:
        point_at(fake, monkeypatch.setattr)
        yield fake


def point_at(fake: FakeDiscord, put: Callable[[object, str, object], None]) -> None:
    """Lets the client find the loopback server in the place of Discord."""
    put(Route, "BASE", fake.api)
    put(DiscordWebSocket, "DEFAULT_GATEWAY", yarl.URL(fake.gateway))


@pytest.fixture
def chosen(settings: Settings) -> Settings:
    return replace(settings, discord_token=TOKEN)


@asynccontextmanager
async def at_work(tutor: Tutor, settings: Settings, discord: FakeDiscord, **pace: Any) -> AsyncIterator[Service]:
    async with running(InboxChat(tutor), settings, patience=(0.05, 0.1, 0.2, 0.4), **pace) as service:
        await asyncio.wait_for(discord.ready.wait(), 10)
        yield service


async def until(found: Callable[[], Any], seconds: float = 15.0) -> Any:
    """What is found as soon as it is."""
    end = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < end, "nothing came"
        await asyncio.sleep(0.005)
    return value


async def settled(service: Service, discord: FakeDiscord, sent: int = 1) -> None:
    """Waits until what was sent has been taken and answered."""
    await asyncio.sleep(0.05)
    await service.dispatcher.drain()


async def asked(discord: FakeDiscord, service: Service, event: dict[str, Any]) -> list[dict[str, Any]]:
    """What the bot newly posts or whispers after the event."""
    before = {m["id"]: m["content"] for m in everything(discord)}
    await discord.send(event)
    await until(lambda: [m for m in everything(discord) if m["content"] and before.get(m["id"]) != m["content"]])
    await service.dispatcher.drain()
    return [m for m in everything(discord) if before.get(m["id"]) != m["content"]]


def everything(discord: FakeDiscord) -> list[dict[str, Any]]:
    return [m for c in discord.channels.values() for m in c["messages"] if m["author"]["id"] == APP]


def text_of(found: list[dict[str, Any]]) -> str:
    return "\n".join(message["content"] for message in found)


# Interviews


@pytest.mark.parametrize(("language", "locale"), [("en", "en-US"), ("zh", "zh-CN")])
async def test_a_whole_interview_in_a_thread(
    discord: FakeDiscord, tutor: Tutor, chosen: Settings, language: Language, locale: str
) -> None:
    say = tutor.phrases
    async with at_work(tutor, chosen, discord) as service:
        start = discord.command("interview", ANN, CHANNEL, locale, questions=2, language=language)
        found = await asked(discord, service, start)
        thread = discord.threads()[0]
        assert thread["type"] == 12
        assert thread["members"] == {APP, ANN}
        assert thread["name"] == say("chat.opening", language, who="User 201")
        assert discord.whispers(ANN)[0]["content"] == say("discord.here", language, where=f"<#{thread['id']}>")
        question = discord.posts(thread["id"])[-1]
        assert say("block.question", language, number=1, of=2) in question["content"]
        assert say("discord.unread", language)[:20] in text_of(found)

        await discord.send(form := discord.press(question, "answer", ANN))
        modal = await until(lambda: discord.forms.get(form["d"]["id"]))
        assert modal["title"] == say("chat.answer", language)
        graded = await asked(discord, service, discord.submit(modal, "It needs *memory*", ANN, thread["id"]))
        assert "\n> It needs \\*memory\\*" in "\n" + text_of(graded)
        assert say("block.open_points", language)[:5] in text_of(graded)
        mentioned = await asked(discord, service, discord.say("hm", ANN, thread["id"], mention=True))
        assert mentioned
        last = discord.posts(thread["id"])[-1]
        shown = await asked(discord, service, discord.press(last, "show", ANN))
        assert say("block.reference", language, question="")[:4] in text_of(shown)
        skipped = await asked(discord, service, discord.press(discord.posts(thread["id"])[-1], "skip", ANN))
        assert say("block.question", language, number=2, of=2) in text_of(skipped)
        ended = await asked(discord, service, discord.press(discord.posts(thread["id"])[-1], "end", ANN))
    assert say("report.title", language) in text_of(ended)
    file = ended[-1]["attachments"][0]
    assert file["filename"].endswith(".md")
    assert file["_text"].startswith("## ")
    assert [b["custom_id"].split(":")[1] for b in ended[-1]["components"][0]["components"]] == ["again"]
    assert discord.unsuppressed == []
    assert not any(message["flags"] & 128 for message in everything(discord))


@pytest.mark.parametrize(
    ("language", "texts"),
    [("en", ["interview 1 english", "I don't know", "end"]), ("zh", ["面试 1 中文", "不知道", "结束"])],
)
async def test_a_whole_interview_in_direct_messages(
    discord: FakeDiscord, tutor: Tutor, chosen: Settings, language: Language, texts: list[str]
) -> None:
    say = tutor.phrases
    async with at_work(tutor, chosen, discord) as service:
        first = await asked(discord, service, event := discord.say(texts[0], ANN))
        assert say("block.question", language, number=1, of=1) in text_of(first)
        assert first[0]["message_reference"]["message_id"] == event["d"]["id"]
        assert "tutor:answer" not in str(first[0]["components"])
        assert say("gate.dont_know", language) in text_of(await asked(discord, service, discord.say(texts[1], ANN)))
        ended = await asked(discord, service, discord.say(texts[2], ANN))
        assert say("report.title", language) in text_of(ended)
        again = await asked(discord, service, discord.press(ended[-1], "again", ANN))
        assert say("block.question", language, number=1, of=1) in text_of(again)
    assert discord.threads() == []


async def test_two_learners_in_one_channel_keep_apart(discord: FakeDiscord, tutor: Tutor, chosen: Settings) -> None:
    async with at_work(tutor, chosen, discord) as service:
        for user in (ANN, BOB):
            await asked(discord, service, discord.command("interview", user, CHANNEL, questions=1))
        anns, bobs = discord.threads()
        assert (anns["members"], bobs["members"]) == ({APP, ANN}, {APP, BOB})
        for user, thread in ((ANN, anns), (BOB, bobs)):
            await asked(discord, service, discord.say(f"words of {user}", user, thread["id"], mention=True))
        before = discord.posts(anns["id"])
        refused = await asked(discord, service, discord.press(before[-1], "show", BOB))
        assert [m["content"] for m in discord.whispers(BOB)][-1] == text_of(refused)
        assert tutor.phrases("chat.not_yours", "en") in text_of(refused).replace("\\", "")
        assert discord.posts(anns["id"]) == before
        await asked(discord, service, discord.say("let me in", BOB, anns["id"], mention=True))
        told = discord.posts(discord.direct(BOB))
        assert tutor.phrases("chat.not_yours", "en") in text_of(told)
        assert discord.posts(anns["id"]) == before
    sessions = {user: tutor.sessions(f"discord:{user}")[0].session for user in (ANN, BOB)}
    for user, other in ((ANN, BOB), (BOB, ANN)):
        transcript = str(tutor.transcript(f"discord:{user}", sessions[user]))
        assert f"words of {user}" in transcript
        assert f"words of {other}" not in transcript
        assert "let me in" not in transcript


async def test_where_no_thread_can_be_opened_the_interview_is_in_direct_messages(
    discord: FakeDiscord, tutor: Tutor, chosen: Settings
) -> None:
    discord.threads_allowed = False
    discord.closed_to = {BOB}
    async with at_work(tutor, chosen, discord) as service:
        await asked(discord, service, discord.command("interview", ANN, CHANNEL, questions=1))
        assert "Question 1 of 1" in discord.posts(discord.direct(ANN))[0]["content"]
        assert discord.whispers(ANN)[0]["content"] == tutor.phrases("discord.direct", "en")
        await asked(discord, service, discord.command("interview", BOB, CHANNEL, questions=1))
        assert discord.whispers(BOB)[0]["content"] == tutor.phrases("discord.closed", "en")
        await asked(discord, service, discord.say("interview 1", ANN, CHANNEL, mention=True))
        assert tutor.phrases("discord.direct", "en") in text_of(discord.posts(CHANNEL))


async def test_only_what_is_addressed_to_the_tutor_is_heard(
    discord: FakeDiscord, tutor: Tutor, chosen: Settings
) -> None:
    async with at_work(tutor, chosen, discord) as service:
        await asked(discord, service, discord.command("interview", ANN, CHANNEL, questions=1))
        thread = discord.threads()[0]["id"]
        count = len(everything(discord))
        for channel in (CHANNEL, thread):
            await discord.send(discord.say("just talking", ANN, channel))
        await settled(service, discord)
        assert len(everything(discord)) == count
    async with at_work(tutor, replace(chosen, discord_read_threads=True), discord) as service:
        await service.gateway.wait_until_ready()
        graded = await asked(discord, service, discord.say("I don't know", ANN, thread, reads=True))
        assert tutor.phrases("gate.dont_know", "en") in text_of(graded)
        count = len(everything(discord))
        await discord.send(discord.say("just talking", ANN, CHANNEL, reads=True))
        await settled(service, discord)
        assert len(everything(discord)) == count


async def test_orders_are_answered_for_the_eyes_of_one_person(
    discord: FakeDiscord, tutor: Tutor, chosen: Settings
) -> None:
    async with at_work(tutor, chosen, discord) as service:
        await asked(discord, service, discord.command("interview", ANN, CHANNEL, questions=1))
        for name, options in (("help", {}), ("report", {}), ("export", {}), ("link", {}), ("unlink", {}),
                              ("daily", {"time": "9:00", "zone": "Asia/Shanghai"})):  # fmt: skip
            found = await asked(discord, service, discord.command(name, ANN, CHANNEL, **options))
            assert [m["id"] for m in found] == [discord.whispers(ANN)[-1]["id"]], name
        exported = next(m for m in discord.whispers(ANN) if m["attachments"] and "json" in str(m["attachments"]))
        assert json.loads(exported["attachments"][0]["_text"])["accounts"] == [f"discord:{ANN}"]
        question = await asked(discord, service, discord.command("forget", ANN, CHANNEL))
        gone = await asked(discord, service, discord.press(question[-1], "forget", ANN))
        assert text_of(gone) == tutor.phrases("chat.forgotten", "en")
        assert discord.whispers(ANN)[-1] == gone[-1]
        await asked(discord, service, discord.say("export", ANN, CHANNEL, mention=True))
        assert discord.posts(discord.direct(ANN))[-1]["attachments"]
    assert tutor.sessions(f"discord:{ANN}") == []
    assert discord.posts(CHANNEL) == []


async def test_an_account_is_joined_with_the_one_in_the_browser(
    discord: FakeDiscord, tutor: Tutor, chosen: Settings
) -> None:
    async with at_work(tutor, chosen, discord) as service:
        await asked(discord, service, discord.command("interview", ANN, CHANNEL, questions=1))
        for account in ("me", "slack:T1:U1"):
            code = tutor.people.code(account, time.time())
            linked = await asked(discord, service, discord.command("link", ANN, CHANNEL, code=code))
        assert tutor.phrases("chat.linked", "en", number=3) in text_of(linked)
        assert [s.session for s in tutor.sessions("me")] == [s.session for s in tutor.sessions(f"discord:{ANN}")]
        assert len(tutor.sessions("slack:T1:U1")) == 1


async def test_a_daily_question_comes_in_direct_messages(
    discord: FakeDiscord, tutor: Tutor, chosen: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tutor.chat.daily.due", lambda daily, now: "2026-01-02")
    async with at_work(tutor, chosen, discord) as service:
        await asked(discord, service, discord.command("daily", ANN, CHANNEL, time="9:00"))
    async with at_work(tutor, chosen, discord) as service:
        question = await until(lambda: discord.posts(discord.direct(ANN)))
        await service.dispatcher.drain()
    assert "Question 1 of 1" in question[0]["content"]


# Once, whatever happens


async def test_each_message_is_answered_once_in_any_order_and_after_each_end(
    discord: FakeDiscord, tutor: Tutor, chosen: Settings
) -> None:
    chance = random.Random(7)
    discord.pause = lambda: chance.uniform(0.0, 0.01)
    events = []
    async with at_work(tutor, chosen, discord) as service:
        for user in (ANN, BOB):
            await asked(discord, service, discord.say("interview 5", user))
    for part in range(3):
        own = [discord.say(f"answer {part}.{n}: memory", (ANN, BOB)[n % 2]) for n in range(10)]
        events += own
        deliveries = [event for event in own for _ in range(chance.randint(1, 4))]
        chance.shuffle(deliveries)
        async with at_work(tutor, chosen, discord) as service:
            for event in deliveries:
                await discord.send(event)
            await asyncio.sleep(0.1 * part)
    async with at_work(tutor, chosen, discord) as service:
        await service.gateway.wait_until_ready()
        await until(lambda: service.gateway.catching_up and service.gateway.catching_up.done())
        await service.dispatcher.drain()
    replies = [m["message_reference"]["message_id"] for m in discord.posts() if m.get("message_reference")]
    assert sorted(replies) == sorted(set(replies))
    assert {event["d"]["id"] for event in events} <= set(replies)


async def test_a_dropped_gateway_loses_and_doubles_nothing(
    discord: FakeDiscord, tutor: Tutor, chosen: Settings
) -> None:
    sent = []
    async with at_work(tutor, chosen, discord) as service:
        await asked(discord, service, discord.say("interview 5", ANN))
        for number in range(8):
            if number % 2:
                await discord.drop()
            sent.append(discord.say("help", ANN))
            await discord.send(sent[-1])
            await asyncio.wait_for(discord.ready.wait(), 10)
        discord.forget_sessions()
        await discord.drop()
        sent.append(discord.say("help", ANN))
        await asyncio.wait_for(discord.ready.wait(), 20)
        await until(lambda: _answered(discord) >= {event["d"]["id"] for event in sent})
        await service.dispatcher.drain()
    replies = [m["message_reference"]["message_id"] for m in discord.posts()]
    assert sorted(replies) == sorted(set(replies))
    assert discord.ops.count(6) == 5
    assert discord.ops.count(2) == 2


def _answered(discord: FakeDiscord) -> set[str]:
    return {m["message_reference"]["message_id"] for m in discord.posts() if m.get("message_reference")}


@pytest.mark.parametrize("remembers", [True, False])
async def test_an_answer_whose_receipt_was_lost_is_not_posted_twice(
    discord: FakeDiscord, tutor: Tutor, chosen: Settings, remembers: bool
) -> None:
    lost: list[str] = []

    def lose(method: str, path: str) -> bool:
        if method == "POST" and path.endswith("/messages") and len(lost) < 2:
            lost.append(path)
            return True
        return False

    if remembers:  # by the nonce, and the client tries again by itself; else we look at what stands there
        discord.after = lambda method, path, body: refusal(500, 0, "oops") if lose(method, path) else None
    else:
        discord.cut, discord.nonces = lose, _Forgetful()
    async with at_work(tutor, chosen, discord) as service:
        await discord.send(event := discord.say("help", ANN))
        await until(lambda: event["d"]["id"] in _answered(discord))
        await service.dispatcher.drain()
    assert lost
    assert len(discord.posts()) == 1


@pytest.mark.parametrize("hurry", [5.0, 0.0])
async def test_a_button_that_is_pressed_again_has_no_second_answer(
    discord: FakeDiscord, tutor: Tutor, chosen: Settings, monkeypatch: pytest.MonkeyPatch, hurry: float
) -> None:
    """Whether or not the press is written down before Discord must be told that it arrived."""
    monkeypatch.setattr("tutor.discord.gateway.HURRY", hurry)
    async with at_work(tutor, chosen, discord) as service:
        question = (await asked(discord, service, discord.say("interview 3", ANN)))[-1]
        presses = [discord.press(question, action, ANN) for action in ("skip", "skip", "skip")]
        for event in presses:
            await discord.send(event)
        await until(lambda: {event["d"]["id"] for event in presses} <= set(discord.acknowledged))
        await until(lambda: len([m for m in discord.posts() if m["content"]]) == 2)
        await service.dispatcher.drain()
    async with at_work(tutor, chosen, discord) as service:
        await service.gateway.wait_until_ready()
        await discord.send(late := discord.press(question, "skip", ANN))
        await until(lambda: late["d"]["id"] in discord.acknowledged)
        await until(lambda: not any(message["flags"] & 128 for message in everything(discord)))
        await settled(service, discord)
    assert len(everything(discord)) == 2
    assert tutor.phrases("block.question", "en", number=2, of=2) in discord.posts()[-1]["content"]


class _Forgetful(dict[str, Any]):
    """Nonces that Discord has forgotten, as it does after some minutes."""

    def __contains__(self, key: object) -> bool:
        return False


async def test_an_interaction_is_answered_though_its_token_is_not_good_any_more(
    discord: FakeDiscord, tutor: Tutor, chosen: Settings
) -> None:
    async with at_work(tutor, chosen, discord) as service:
        first = await asked(discord, service, discord.say("interview 1", ANN))

        def expire(method: str, path: str, body: Any) -> Any:
            discord.interactions[token]["expired"] = "callback" in path or discord.interactions[token].get("expired")
            return None

        discord.after = expire
        event = discord.press(first[-1], "hint", ANN)
        token = event["d"]["token"]
        await discord.send(event)
        await until(lambda: len(discord.posts()) == 3)
        await service.dispatcher.drain()
    assert tutor.phrases("block.hint", "en") in discord.posts()[-1]["content"]


async def test_an_interaction_that_is_acknowledged_and_then_left_is_answered_at_the_next_start(
    discord: FakeDiscord, tutor: Tutor, chosen: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_work(tutor, chosen, discord) as service:
        first = await asked(discord, service, discord.say("interview 1", ANN))

        async def never(*_: object) -> None:
            await asyncio.Event().wait()

        monkeypatch.setattr(service.dispatcher, "_answered", never)
        for channel in ("", CHANNEL):
            await discord.send(discord.command("interview" if channel else "help", ANN, channel, questions=1))
        await discord.send(discord.press(first[-1], "hint", ANN))
        await until(lambda: len(discord.acknowledged) == 3 and discord.threads())
    async with at_work(tutor, chosen, discord) as service:
        await service.dispatcher.drain()
    assert not any(message["flags"] & 128 for message in everything(discord))
    assert len(discord.threads()) == 1
    assert len(discord.posts(discord.threads()[0]["id"])) == 1
    assert len(discord.posts(discord.direct(ANN))) == 3


async def test_a_thread_that_was_opened_before_the_end_is_used_at_the_next_start(
    discord: FakeDiscord, tutor: Tutor, chosen: Settings
) -> None:
    discord.cut = lambda method, path: method == "POST" and path.endswith("/threads") and len(discord.threads()) == 1
    async with at_work(tutor, chosen, discord) as service:
        await discord.send(discord.command("interview", ANN, CHANNEL, questions=1))
        await until(lambda: discord.threads() and discord.posts())
        await service.dispatcher.drain()
    assert len(discord.threads()) == 1
    assert len(discord.posts()) == 1


async def test_it_waits_as_long_as_discord_asks_to(discord: FakeDiscord, tutor: Tutor, chosen: Settings) -> None:
    refused: list[float] = []

    def limit(method: str, path: str, body: Any) -> Any:
        if method == "POST" and path.endswith("/messages") and not refused:
            refused.append(time.perf_counter())
            headers = {"Retry-After": "1", "Via": "1.1 fake", "X-RateLimit-Scope": "user"}
            return answer({"message": "slow down", "retry_after": 0.4, "global": False}, 429, headers)
        return None

    discord.faults = limit
    async with at_work(tutor, chosen, discord) as service:
        await asked(discord, service, discord.say("help", ANN))
    again = [at for at, method, path, _ in discord.calls if method == "POST" and path.endswith("/messages")]
    assert len(again) == 2
    assert again[1] - refused[0] > 0.39


async def test_a_revoked_token_ends_the_work(discord: FakeDiscord, tutor: Tutor, chosen: Settings) -> None:
    async with at_work(tutor, chosen, discord) as service:
        discord.faults = lambda method, path, body: refusal(401, 0, "401: Unauthorized")
        for _ in range(5):
            await discord.send(discord.say("help", ANN))
        before = len(discord.calls)
        await asyncio.wait_for(asyncio.shield(service.dispatcher.ended), 10)
        await settled(service, discord)
        with pytest.raises(Revoked, match="make a new one"):
            service.check()
        assert len(discord.calls) - before <= 5


@pytest.mark.parametrize(("code", "words"), [(4004, "make a new one"), (4014, "Message Content"), (4011, "code 4011")])
async def test_a_connection_that_is_refused_ends_with_what_to_mend(
    discord: FakeDiscord, tutor: Tutor, chosen: Settings, code: int, words: str
) -> None:
    discord.refuse_code = code
    async with running(InboxChat(tutor), chosen) as service:
        await asyncio.wait({service.connected}, timeout=10)
        with pytest.raises((Revoked, SettingsError), match=words):
            service.check()
    assert discord.ops.count(2) == 1


async def test_what_a_server_does_not_allow_is_named(discord: FakeDiscord, tutor: Tutor, chosen: Settings) -> None:
    async with at_work(tutor, chosen, discord) as service:
        await service.gateway.wait_until_ready()
        assert service.lacking() == []
    discord.permissions = "1024"
    async with at_work(tutor, chosen, discord) as service:
        await service.gateway.wait_until_ready()
        assert re.search(r"'g' does not allow: .*create private threads.*oauth2/authorize", service.lacking()[0])
    discord.guilds = False
    async with at_work(tutor, chosen, discord) as service:
        await service.gateway.wait_until_ready()
        assert "in no server yet; invite it at https://discord.com/oauth2" in service.lacking()[0]


async def test_a_wrong_token_is_said_in_one_line(discord: FakeDiscord, tutor: Tutor, chosen: Settings) -> None:
    discord.faults = lambda method, path, body: refusal(401, 0, "401: Unauthorized")
    with pytest.raises(SettingsError, match="Discord refuses TUTOR_DISCORD_TOKEN"):
        async with running(InboxChat(tutor), chosen):
            pass


@pytest.mark.parametrize(
    ("token", "words"), [("", "TUTOR_DISCORD_TOKEN is not set"), ("xoxb-1", "is not the token of a bot")]
)
def test_a_missing_token_is_said_in_one_line(
    token: str, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TUTOR_DISCORD_TOKEN", token)
    assert main(["discord"]) == 1
    told = capsys.readouterr().err
    assert words in told
    assert told.count("\n") == 1


def test_the_invitation_asks_for_what_is_used_and_no_more(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TUTOR_DISCORD_TOKEN", TOKEN)
    assert main(["discord", "--invite"]) == 0
    told = capsys.readouterr().out
    assert "client_id=100&scope=bot+applications.commands&permissions=" in told
    bits = int(re.findall(r"permissions=(\d+)", told)[0])
    assert bits == 1 << 10 | 1 << 11 | 1 << 15 | 1 << 16 | 1 << 36 | 1 << 38
    assert base64.b64decode(TOKEN.partition(".")[0]) == APP.encode()


async def test_slash_commands_are_told_in_both_languages(discord: FakeDiscord, tutor: Tutor, chosen: Settings) -> None:
    async with at_work(tutor, chosen, discord):
        pass
    assert [command["name"] for command in discord.commands][:2] == ["interview", "report"]
    for command in discord.commands:
        for part in (command, *command.get("options", ())):
            for name in (part["name"], part["name_localizations"]["zh-CN"]):
                assert re.fullmatch(r"[-_\w]{1,32}", name)
                assert name == name.lower()
            assert max(map(len, (part["description"], part["description_localizations"]["zh-CN"]))) <= 100
            assert all(len(choice["name"]) <= 100 for choice in part.get("choices", ()))
            assert len(part.get("choices", ())) <= 25


# What it looks like


def test_words_of_others_are_never_mark_up() -> None:
    said = "*a* _b_ ~~c~~ ||d|| `e` [x](http://evil) <@1> @everyone <t:1> https://evil.example/x_y\n# h\n- i\n1. j\n> k"
    content = messages(Post((Section((plain(said),)),)))[0].content
    assert not re.search(r"(?<!\\)[*_~|`\[\]<>]", content)
    assert "@everyone" not in content
    assert not re.search(r"https?://", content)
    assert not re.search(r"^(#|-|\d+\.)", content, re.MULTILINE)
    assert re.sub(r"\\(?=[^a-z\s])|\u200b", "", content) == said


def test_markdown_becomes_discords_own() -> None:
    text = (
        "## Title\n\nSome **bold** and *thin* `code` $x^2$.\n\n- one\n  - two\n\n1. first\n\n"
        "```python\na*b\n```\n\n| a | b |\n|-|-|\n| 1 | 2 |"
    )
    assert messages(Post((Section(blocks(text)),)))[0].content == (
        "### Title\nSome **bold** and *thin* `code` x^2.\n\n- one\n  - two\n1. first\n```\na*b\n```\n"
        "```\na  b\n-  -\n1  2\n```"
    )
    link = blocks("[paper](https://arxiv.org/abs/1)", ours=True)
    assert messages(Post((Section(link),)))[0].content == "[paper](<https://arxiv.org/abs/1>)"
    model = messages(Post((Section(blocks("[paper](https://evil.example) ![i](https://evil.example/i.png)")),)))
    assert "](" not in model[0].content


@pytest.mark.parametrize("seed", range(20))
def test_long_answers_are_cut_between_signs_and_whole_formulas(seed: int) -> None:
    chance = random.Random(seed)
    family, formula = "👩‍👩‍👧‍👦", "$\\frac{a_1}{b_2}$"
    words = [chance.choice(["word_", "*x*", "注意力", family, formula, "e\u0301", "- "]) for _ in range(3000)]
    text = " ".join(words) + "\n\n```\n" + "\n".join("line " * chance.randint(1, 9) for _ in range(200)) + "\n```"
    parts = messages(Post((Section(blocks(text)),), (Button("hint", "Hint", "s"),), File("f.md", "F", "text")))
    assert len(parts) > 3
    for part in parts:
        assert len(part.content.encode("utf-16-le")) // 2 <= LONGEST
        assert part.content.count("```") % 2 == 0
        assert not part.content.startswith(("\u0301", "\u200d"))
        assert not part.content.endswith("\u200d")
    assert sum(part.content.count(family) for part in parts) == words.count(family)
    whole = messages(Post((Section(blocks(formula)),)))[0].content
    assert sum(part.content.count(whole) for part in parts) == words.count(formula)
    assert [bool(part.buttons) for part in parts] == [False] * (len(parts) - 1) + [True]


def test_a_button_carries_what_it_does_and_for_whom() -> None:
    button = Button("explain", "讲解", "S" * 22)
    carried = mark(button, "9" * 20)
    assert len(carried) <= 100
    read = mark_of(carried)
    assert read
    assert (read.action, read.session, read.user, read.language) == ("explain", "S" * 22, "9" * 20, "zh")
    assert mark_of("somebody:else") is None
    assert escaped("1. a") == "1\u200b. a"
    assert since(1_420_070_400.0) == 0
