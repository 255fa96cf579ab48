"""What people who played learners said besides answers costs nothing; what could be an answer is graded."""

import pytest

from tests.conftest import LEARNER
from tests.test_tutor import GOOD, MEMORY, begin, kinds, said
from tutor.events import CommandGiven, FollowUpAsked, events
from tutor.tutor import Tutor

HEARD = [
    ("pause please, I need a break", "pause"), ("先暂停一下，我去吃个饭", "pause"),
    ("ok I'm back. where were we? I forgot the question", "repeat"), ("我回来了，刚才说到哪了？", "repeat"),
    ("show me the answer right away please", "show"), ("我完全不懂，能给我看看答案吗", "show"),
    ("What's the answer? I give up.", "show"),
    ("I'd like to stop here, thanks", "end"), ("到此为止，给我看下总结", "end"),
    ("skip lol", "skip"), ("skip 吧 换下一个", "skip"), ("不用复述了，下一题吧", "skip"),
    ("uff thats long. shorter pls", "shorter"), ("等下，这个小结能再短一点吗", "shorter"),
    ("听不懂这个提示，太难了", "easier"), ("简单点行不行，这个太难了", "easier"),
    ("Could you rephrase the question, please?", "rephrase"), ("不知道你在问什么，什么系列？", "rephrase"),
    ("重复一下题目", "repeat"), ("can you explain it?", "explain"), ("为什么呀？能讲讲吗", "explain"),
    ("was i right about that or not? btw how many questions r left?", "ask"), ("一半是指哪里没说到？", "ask"),
    ("wait that wasn't my answer yet!! i only asked sth", "misread"), ("刚才那句是补充上一题的，不是答这题", "misread"),
    ("do you mind if I answer half in german?", "ask"), ("哈哈，你们这个 tutor 是 GPT 做的吗？", "ask"),
    ("LoRA 和 DoRA 哪个好？", "ask"), ("嗯", "talk"), ("thanks!", "talk"),
    ("你能用一句话给我讲讲 LoRA 吗？我怕下一题考", "ask"),
]  # fmt: skip
ANSWERS = [
    "they keep the keys and values of past tokens, is that right?", "is it because the keys and values are stored?",
    "是不是把之前 token 的 key 和 value 存下来？", "14 GB? because 7B times 2 bytes",
    "a skip connection keeps the input",
    "模型预测下一个 token", "it avoids too long a prompt",
]  # fmt: skip


@pytest.mark.parametrize(("words", "command"), HEARD)
def test_a_wish_in_a_sentence_is_no_answer(tutor: Tutor, words: str, command: str) -> None:
    session = begin(tutor, **MEMORY)
    tutor.reply(LEARNER, session, words)
    given = [e.command for e in events(tutor.transcript(LEARNER, session)) if isinstance(e, CommandGiven)]
    assert given == [command]
    assert "answer_graded" not in kinds(tutor, session)


@pytest.mark.parametrize("words", ANSWERS)
def test_what_could_be_an_answer_is_graded(tutor: Tutor, words: str) -> None:
    session = begin(tutor, **MEMORY)
    tutor.reply(LEARNER, session, words)
    assert "answer_graded" in kinds(tutor, session)
    assert "command_given" not in kinds(tutor, session)


def test_a_word_to_the_tutor_leads_back_to_what_was_asked(tutor: Tutor) -> None:
    session = begin(tutor, **MEMORY)
    tutor.reply(LEARNER, session, "keys and values of all past tokens")
    before = tutor.interview(LEARNER, session)
    asked = [e for e in events(tutor.transcript(LEARNER, session)) if isinstance(e, FollowUpAsked)][-1]
    tutor.reply(LEARNER, session, "what do they do at OpenAI?")
    assert asked.text.en in said(tutor, session)
    tutor.reply(LEARNER, session, "was that right or not?")
    assert asked.text.en in said(tutor, session)
    after = tutor.interview(LEARNER, session)
    assert (after.rounds[0].said, after.rounds[0].grades) == (before.rounds[0].said, before.rounds[0].grades)


def test_a_restatement_is_not_used_up_by_what_is_none(tutor: Tutor) -> None:
    session = begin(tutor, **MEMORY)
    tutor.reply(LEARNER, session, "show")
    for words in (
        "看不懂，这是什么意思？",
        "that's a lot, shorter please",
        "the weather is nice today in the mountains",
    ):
        tutor.reply(LEARNER, session, words)
        current = tutor.interview(LEARNER, session).current
        assert current is not None
        assert current.asked.card_id == "kv-cache"
    tutor.reply(LEARNER, session, GOOD)
    assert tutor.interview(LEARNER, session).current is None
