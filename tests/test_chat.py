"""What chat platforms share: whose interview, one answer for each message, accounts, and what survives a kill."""

import asyncio
import json
import random
import time
from itertools import count
from pathlib import Path

import pytest

from tests.platform import InboxChat as Chat
from tests.platform import MemoryPlatform, words
from tutor.cards import Language
from tutor.chat.dispatching import Dispatcher, Refused, Revoked, Unsure
from tutor.chat.inbox import Incoming
from tutor.chat.posts import Post
from tutor.chat.wishes import Again, Confirm, Daily, DailyDue, Do, Link, Press, Say, Start, Unclear, Wish
from tutor.history import Store
from tutor.tutor import Tutor, Watcher

ANN, BOB = "test:T1:ann", "test:T1:bob"
IDS = count()


@pytest.fixture
def chat(tutor: Tutor) -> Chat:
    ticks = count(1_750_000_000)
    return Chat(tutor, lambda: float(next(ticks)))


def sent(wish: Wish, account: str = ANN, place: str = "", message_id: str = "", **more: object) -> Incoming:
    private = {"private": not place, **more}
    message_id = message_id or f"m{next(IDS)}"
    return Incoming.model_validate(
        {"id": message_id, "account": account, "place": place or f"dm:{account}", "wish": wish, **private}
    )


def answer(chat: Chat, incoming: Incoming) -> str:
    accepted = chat.inbox.accept(incoming)
    assert accepted
    post = chat.answer(accepted)
    chat.inbox.done(accepted)
    return words(post)


@pytest.mark.parametrize(
    ("language", "texts"),
    [("en", ["interview 2", "I don't know", "end"]), ("zh", ["面试 2 中文", "不知道", "结束"])],
)
def test_a_whole_interview_is_had_in_direct_messages(chat: Chat, language: Language, texts: list[str]) -> None:
    say = chat.tutor.phrases
    asked = answer(chat, sent(chat.words.order(texts[0]) or Say(text="")))
    assert say("block.question", language, number=1, of=2) in asked
    assert say("gate.dont_know", language) in answer(chat, sent(Say(text=texts[1])))
    assert say("block.reference", language, question="")[:5] in answer(chat, sent(Press(command="show")))
    assert say("block.question", language, number=2, of=2) in answer(chat, sent(Press(command="skip")))
    accepted = chat.inbox.accept(sent(Say(text=texts[2])))
    assert accepted
    post = chat.answer(accepted)
    assert say("report.title", language) in words(post)
    assert post and post.file and post.file.text.startswith("## ")
    assert [button.action for button in post.buttons] == ["again"]


def test_a_message_is_accepted_once_and_its_answer_stays_the_same(chat: Chat) -> None:
    start = sent(Start(questions=1))
    first = chat.inbox.accept(start)
    assert first
    assert chat.inbox.accept(start) is None
    assert words(chat.answer(first)) == words(chat.answer(first))
    assert len(chat.tutor.sessions(ANN)) == 1
    assert [left.id for left in chat.inbox.unanswered("test")] == [first.id]
    chat.inbox.done(first)
    assert chat.inbox.unanswered("test") == []
    assert chat.inbox.accept(start) is None


def test_nobody_answers_or_reads_the_interview_of_another(chat: Chat) -> None:
    answer(chat, sent(Start(questions=1), ANN, "thread-1"))
    session = chat.tutor.sessions(ANN)[0].session
    before = len(chat.tutor.transcript(ANN, session))
    refused = chat.tutor.phrases("chat.not_yours", "en")
    for wish in (
        Say(text="the answer"), Press(command="show", session=session), Say(text="x", session=session),
        Press(command="end"), Start(), Again(session=session),
    ):  # fmt: skip
        assert refused in answer(chat, sent(wish, BOB, "thread-1"))
    assert len(chat.tutor.transcript(ANN, session)) == before
    assert chat.tutor.phrases("chat.no_report", "en") in answer(chat, sent(Do(order="report"), BOB, "thread-1"))


def test_two_learners_in_one_channel_have_an_interview_each(chat: Chat) -> None:
    for who, place in ((ANN, "thread-1"), (BOB, "thread-2")):
        answer(chat, sent(Start(questions=1), who, place))
    answer(chat, sent(Say(text="ann's words"), ANN, "thread-1"))
    answer(chat, sent(Say(text="bob's words"), BOB, "thread-2"))
    for who, own, other in ((ANN, "ann's words", "bob's words"), (BOB, "bob's words", "ann's words")):
        told = str(chat.tutor.transcript(who, chat.tutor.sessions(who)[0].session))
        assert own in told
        assert other not in told


def test_an_interview_begins_anew_with_the_same_choices(chat: Chat) -> None:
    answer(chat, sent(Start(questions=1, mode="exam", language="zh")))
    session = chat.tutor.sessions(ANN)[0].session
    answer(chat, sent(Again(session=session)))
    started = [chat.tutor.interview(ANN, line.session).started for line in chat.tutor.sessions(ANN)]
    assert [(s.mode, s.language, s.questions) for s in started if s] == [("exam", "zh", 1)] * 2


def test_an_answer_by_form_is_repeated_for_all_to_read(chat: Chat) -> None:
    answer(chat, sent(Start(questions=1), place="thread-1"))
    session = chat.tutor.sessions(ANN)[0].session
    said = answer(chat, sent(Say(text="my *own* words", session=session), place="thread-1", typed=False))
    assert "my *own* words" in said


def test_words_where_no_interview_runs_begin_one_or_say_how(chat: Chat) -> None:
    assert "Question 1 of 1" in answer(chat, sent(Say(text="memory senior 1 please")))
    assert chat.tutor.phrases("chat.no_interview", "en") in answer(chat, sent(Say(text="what now?"), BOB))


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("memory senior exam 中文", Start(topics=("memory",), level="senior", mode="exam", language="zh")),
        ("显存 高级 3 题", Start(topics=("memory",), level="senior", questions=3)),
        ("Adapters, Memory", Start(topics=("adapters", "memory"))),
        ("", Start()),
        ("link", Link()),
        ("link abcd-efgh", Link(code="abcd-efgh")),
        ("关联 ABCDEFGH", Link(code="ABCDEFGH")),
        ("forget me", Do(order="forget")),
        ("忘记我", Do(order="forget")),
        ("每日一题 9:05 Asia/Shanghai", Daily(time="09:05", zone="Asia/Shanghai")),
        ("daily off", Do(order="daily_off")),
        ("astrology", Unclear(words="astrology")),
    ],
)  # fmt: skip
def test_slash_commands_are_read_in_both_languages(chat: Chat, text: str, wish: Wish) -> None:
    assert chat.words.command(text) == wish


@pytest.mark.parametrize(
    "text", ["link the query to the key", "interview answers vary", "daily", "the report says", ""]
)
def test_an_answer_is_not_taken_for_an_order(chat: Chat, text: str) -> None:
    assert chat.words.order(text) is None


# One learner everywhere


def code_of(chat: Chat, account: str) -> str:
    return answer(chat, sent(Link(), account)).split("Your code is ")[1].split(".")[0]


def test_a_code_joins_accounts_once_and_parting_gives_each_its_own_back(chat: Chat, tutor: Tutor) -> None:
    answer(chat, sent(Start(questions=1), ANN))
    answer(chat, sent(Start(questions=1), BOB))
    code = code_of(chat, ANN)
    assert tutor.phrases("chat.linked", "en", number=2) in answer(chat, sent(Link(code=code.lower()), BOB))
    assert [s.session for s in tutor.sessions(ANN)] == [s.session for s in tutor.sessions(BOB)]
    anns = tutor.sessions("test:T1:ann")[1].session
    assert tutor.transcript(BOB, anns) == tutor.transcript(ANN, anns) != []
    tutor.reply(BOB, anns, "said by the other account")
    assert "said by the other account" in str(tutor.transcript(ANN, anns))
    assert tutor.phrases("chat.code_used", "en") in answer(chat, sent(Link(code=code), "test:T1:eve"))
    answer(chat, sent(Do(order="unlink"), BOB))
    assert [s.session for s in tutor.sessions(ANN)] == [anns]
    assert len(tutor.sessions(BOB)) == 1
    assert tutor.transcript(BOB, anns) == []


def test_three_front_ends_are_one_learner(chat: Chat, tutor: Tutor) -> None:
    accounts = ("me", "slack:T1:U1", "discord:7")
    for account in accounts:
        answer(chat, sent(Start(questions=1), account))
    for account in accounts[1:]:
        answer(chat, sent(Link(code=tutor.people.code("me", 1_750_000_000)), account))
    assert {tuple(s.session for s in tutor.sessions(account)) for account in accounts} == {
        tuple(s.session for s in tutor.sessions("me"))
    }
    assert len(tutor.sessions("me")) == 3
    for number, account in enumerate(accounts):
        answer(chat, sent(Say(text=f"I think it is about bytes {number}"), account))
        answer(chat, sent(Press(command="end"), account))
    seen = [tutor.progress(account) for account in accounts]
    assert {progress.questions for progress in seen} == {3}
    assert {tuple(each.card.id for each in progress.due) for progress in seen} == {
        tuple(each.card.id for each in seen[0].due)
    }


def test_wrong_old_and_own_codes_open_nothing(chat: Chat, tutor: Tutor) -> None:
    people, say = tutor.people, tutor.phrases
    code = people.code(ANN, 1_750_000_000 - 700)
    assert say("chat.code_old", "en") in answer(chat, sent(Link(code=code), BOB))
    own = people.code(BOB, 1_750_000_000)
    assert say("chat.code_own", "en") in answer(chat, sent(Link(code=own), BOB))
    for _ in range(4):
        assert say("chat.code_unknown", "en") in answer(chat, sent(Link(code="ABCD-2345"), BOB))
    good = people.code(ANN, 1_750_000_000)
    assert say("chat.code_too_many", "en") in answer(chat, sent(Link(code=good), BOB))
    assert people.accounts(BOB) == (BOB,)


def test_forgetting_asks_first_and_then_leaves_no_word_in_any_file(chat: Chat, tutor: Tutor, tmp_path: Path) -> None:
    canaries = [f"canary-{random.randrange(10**12)}-{number}" for number in range(40)]
    for account in (ANN, BOB, "test:T1:eve"):
        answer(chat, sent(Start(questions=1), account))
    for number, canary in enumerate(canaries):
        answer(chat, sent(Say(text=f"{canary} 是我说的"), (ANN, BOB)[number % 2]))
    answer(chat, sent(Say(text="what eve said"), "test:T1:eve"))
    answer(chat, sent(Link(code=code_of(chat, ANN)), BOB))
    answer(chat, sent(Daily(time="09:00"), ANN))
    asked = chat.inbox.accept(sent(Do(order="forget"), BOB))
    assert asked
    post = chat.answer(asked)
    assert "interviews 2, accounts 2" in words(post)
    assert post and [button.action for button in post.buttons] == ["forget", "keep"]
    assert tutor.phrases("chat.kept", "en") in answer(chat, sent(Confirm(forget=False), BOB))
    assert len(tutor.sessions(ANN)) == 2
    assert tutor.phrases("chat.forgotten", "en") in answer(chat, sent(Confirm(forget=True), BOB))
    assert tutor.sessions(ANN) == tutor.sessions(BOB) == []
    assert tutor.people.accounts(ANN) == (ANN,)
    assert list(chat.dailies("test")) == []
    tutor.store.close()
    bytes_left = b"".join(path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file())
    assert [c for c in canaries if c.encode() in bytes_left or c.encode("utf-16-le") in bytes_left] == []
    assert b"what eve said" in bytes_left


def test_an_export_holds_everything_and_reads_again(chat: Chat) -> None:
    answer(chat, sent(Start(questions=1)))
    answer(chat, sent(Say(text="words to take away")))
    accepted = chat.inbox.accept(sent(Do(order="export")))
    assert accepted
    post = chat.answer(accepted)
    assert post and post.file and post.private
    taken = json.loads(post.file.text)
    assert taken["accounts"] == [ANN]
    assert "words to take away" in str(taken["sessions"][0]["messages"])


def test_a_daily_question_comes_once_a_day_and_leaves_an_open_interview_alone(chat: Chat) -> None:
    answer(chat, sent(Daily(time="09:00", zone="Asia/Shanghai")))
    assert [daily["time"] for daily in chat.dailies("test")] == ["09:00"]
    assert "Question 1 of 1" in answer(chat, sent(DailyDue(day="2026-01-02"), message_id="daily/2026-01-02"))
    assert chat.inbox.accept(sent(DailyDue(day="2026-01-02"), message_id="daily/2026-01-02")) is None
    assert "still open" in answer(chat, sent(DailyDue(day="2026-01-03")))
    answer(chat, sent(Do(order="daily_off")))
    assert list(chat.dailies("test")) == []
    assert "Middle/Earth" in answer(chat, sent(Daily(time="09:00", zone="Middle/Earth")))


# Once, whatever happens


def dispatcher(chat: Chat, platform: MemoryPlatform, **more: float) -> Dispatcher:
    return Dispatcher(chat.inbox, chat, platform, patience=(0.0, 0.0, 0.0), **more)


async def test_every_message_is_answered_once_however_often_it_comes(chat: Chat) -> None:
    platform = MemoryPlatform()
    work = dispatcher(chat, platform)
    for who in (ANN, BOB):
        assert await work.take(sent(Start(questions=2), who))
    await work.drain()
    messages = [sent(Say(text=f"message {number}"), (ANN, BOB)[number % 2]) for number in range(20)]
    deliveries = [message for message in messages for _ in range(random.randint(1, 4))]
    random.shuffle(deliveries)
    taken = await asyncio.gather(*(work.take(message) for message in deliveries))
    await work.drain()
    assert sum(taken) == 20
    assert platform.doubled == 0
    assert {message.id for message in messages} <= set(platform.posted)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_process_killed_while_posting_leaves_no_message_unanswered_and_none_doubled(
    chat: Chat, when: str
) -> None:
    platform = MemoryPlatform()
    work = dispatcher(chat, platform)
    await work.take(sent(Start(questions=1)))
    await work.drain()

    def die(now: str) -> None:
        if now == when:
            raise asyncio.CancelledError

    platform.fault = die
    message = sent(Say(text="an answer"))
    await work.take(message)
    await work.drain()
    await work.close()
    platform.fault = lambda now: None
    again = dispatcher(chat, platform)
    assert await again.recover() == 1
    assert not await again.take(message)
    await again.drain()
    assert message.id in platform.posted
    assert platform.doubled == 0
    assert chat.inbox.unanswered("test") == []


async def test_a_turn_that_was_cut_before_its_end_is_run_again(chat: Chat, store: Store) -> None:
    platform = MemoryPlatform()
    answer(chat, sent(Start(questions=1)))
    message = chat.inbox.accept(sent(Say(text="half a turn")))
    assert message
    session = chat.tutor.sessions(ANN)[0].session
    from tutor.events import learner_message
    from tutor.history import ChromaHistory

    ChromaHistory(store, ANN, session).append([learner_message("half a turn", message.id)], at=0.0)
    work = dispatcher(chat, platform)
    assert await work.recover() == 1
    await work.drain()
    assert "Grade" in words(platform.posted[message.id][1])
    told = [m for m in chat.tutor.transcript(ANN, session) if m.text == "half a turn"]
    assert len(told) == 1


async def test_what_the_platform_did_not_confirm_is_tried_again_and_what_it_refuses_is_not(chat: Chat) -> None:
    platform, faults = MemoryPlatform(), iter([Unsure("lost"), Unsure("lost"), None, None])

    def flaky(now: str) -> None:
        if now == "before" and (fault := next(faults, None)):
            raise fault

    platform.fault = flaky
    work = dispatcher(chat, platform)
    first = sent(Start(questions=1))
    await work.take(first)
    await work.drain()
    assert first.id in platform.posted

    def gone(now: str) -> None:
        raise Refused("channel archived")

    platform.fault = gone
    second = sent(Say(text="hm"))
    await work.take(second)
    await work.drain()
    assert second.id not in platform.posted
    assert chat.inbox.unanswered("test") == []


async def test_a_fault_of_ours_is_told_under_a_number_and_not_tried_for_ever(
    chat: Chat, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(incoming: Incoming) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(chat, "answer", broken)
    platform = MemoryPlatform()
    work = dispatcher(chat, platform)
    message = sent(Do(order="help"))
    await work.take(message)
    await work.drain()
    told = words(platform.posted[message.id][1])
    assert told.split("Reference ")[1][:8] in caplog.text
    assert chat.inbox.unanswered("test") == []


async def test_a_revoked_token_ends_all_work_at_once(chat: Chat) -> None:
    calls = []

    def revoked(now: str) -> None:
        calls.append(now)
        raise Revoked("the token was revoked")

    platform = MemoryPlatform(fault=revoked)
    work = dispatcher(chat, platform)
    await work.take(sent(Do(order="help")))
    await work.drain()
    assert str(work.ended.result()) == "the token was revoked"
    await work.take(sent(Do(order="help")))
    await work.drain()
    assert len(calls) == 1
    assert len(chat.inbox.unanswered("test")) == 2


async def test_an_answer_that_takes_long_shows_as_it_grows(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    platform = MemoryPlatform()
    work = dispatcher(chat, platform, grow_after=0.01, grow_every=0.01)
    slow = chat._answer

    def slower(incoming: Incoming, watcher: Watcher) -> Post | None:
        for piece in ("Let me ", "think."):
            watcher.on_text(piece)
            time.sleep(0.05)
        return slow(incoming, Watcher())

    monkeypatch.setattr(chat, "_answer", slower)
    await work.take(sent(Do(order="help")))
    await work.drain()
    assert [words(draft).strip() for draft in platform.drafts][-1] == "Let me think."
    assert len(platform.posted) == 1
    platform.drafts.clear()
    assert chat.inbox.accept(sent(Do(order="help")))
    again = dispatcher(chat, platform, grow_after=0.01, grow_every=0.01)
    assert await again.recover() == 1
    await again.drain()
    assert (len(platform.posted), platform.drafts) == (2, []), "what an earlier process showed would be doubled"
