"""Markdown and formulas as blocks, cut to messages: nothing lost, nothing broken, nothing live that is not ours."""

import random
import re
from collections.abc import Sequence

import pytest

from tests.fake_slack import unfit, words
from tutor.cards import LANGUAGES, load_shelf
from tutor.chat.markup import Block, blocks, plain
from tutor.chat.posts import Post, Section
from tutor.chat.splitting import split
from tutor.plain import graphemes, width
from tutor.resources import resource
from tutor.slack.render import messages


def size(group: Sequence[Block]) -> int:
    return sum(len(block.text) + 2 for block in group)


def text_of(markdown: str, *, ours: bool = False) -> str:
    return "\n".join(block.text for block in blocks(markdown, ours=ours))


@pytest.mark.parametrize(
    ("markdown", "kinds"),
    [
        ("# A\n\nb", ["heading", "text"]),
        ("- a\n- b\n  1. c", ["item", "item", "item"]),
        ("> a", ["quote"]),
        ("```py\nx = 1\n```", ["code"]),
        ("| a | b |\n|---|---|\n| 注意力 | 2 |", ["code"]),
        ("<b>no</b>", ["text"]),
        ("", []),
    ],
)
def test_markdown_is_read_into_blocks(markdown: str, kinds: list[str]) -> None:
    assert [block.kind for block in blocks(markdown)] == kinds


def test_lists_keep_their_numbers_and_depth() -> None:
    assert [(b.marker, b.depth, b.text) for b in blocks("3. a\n4. b\n   - c\n5. d")] == [
        ("3.", 0, "a"), ("4.", 0, "b"), ("•", 1, "c"), ("5.", 0, "d"),
    ]  # fmt: skip


def test_tables_stand_in_columns_whatever_the_script() -> None:
    lines = text_of("| 名 | n |\n|---|---|\n| 注意力 | 2 |\n| ab | 10 |").splitlines()
    assert {width(line[: re.search(r"\S+$", line).start()]) for line in lines} == {8}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("markdown", "shown"),
    [
        (r"scaled by $\sqrt{d_k}$", "scaled by √(d_k)"),
        (r"so \(x^2\) and \[y_1\]", "so x^2 and y_1"),
        ("`$HOME` and `$PATH`", "$HOME and $PATH"),
        ("```\necho $A $B\n```", "echo $A $B"),
        ("**$a_1$**", "a_1"),
    ],
)
def test_formulas_are_readable_and_code_is_left_alone(markdown: str, shown: str) -> None:
    assert text_of(markdown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "@everyone", "hello @here", "<!channel>", "<@U123>", "<@&55>", "<#C1>", "<!subteam^S1>", "</cmd:1>", "<a:b:1>",
        "<t:1:R>",
    ],
)  # fmt: skip
def test_nothing_of_a_model_calls_anybody(text: str) -> None:
    for shown in (text_of(text), text_of(f"**{text}**"), text_of(f"- {text}"), plain(text).text):
        assert text not in shown
        assert shown.replace("\u200b", "") == text


def test_links_and_pictures_are_live_only_in_our_own_texts() -> None:
    markdown = "[read](https://a.example/x), https://b.example/y. ![p](https://c.example/z.png) www.d.example"
    theirs = [span for block in blocks(markdown) for span in block.spans]
    assert not any(span.address for span in theirs)
    assert [span.text for span in theirs if span.code] == ["https://b.example/y", "www.d.example"]
    assert "a.example" not in text_of(markdown)
    ours = [span.address for block in blocks(markdown, ours=True) for span in block.spans if span.address]
    assert ours == ["https://a.example/x", "https://b.example/y", "www.d.example"]


def test_control_signs_and_marks_of_direction_are_left_out() -> None:
    assert text_of("a\u202eb\x1b[31mc\x00\ue0000\ue001") == "ab[31mc0"


PIECES = (
    "word ",
    "注意力机制",
    "👩‍👩‍👧‍👦",
    "e\u0301",
    "$\\sqrt{d_{model}}$",
    "**bold** ",
    "`code x` ",
    "。",
    ". ",
    "🇨🇳",
    "葛\U000e0100",
)


def test_cutting_loses_nothing_and_breaks_no_sign_formula_or_fence() -> None:
    chance = random.Random(3)
    for _ in range(300):
        text = "".join(chance.choices(PIECES, k=chance.randrange(1, 200)))
        if chance.random() < 0.3:
            text += "\n\n```\n" + "".join(chance.choices(("x = 1\n", "注释 # 👩‍👩‍👧‍👦\n"), k=60)) + "```\n\n" + text
        whole, limit = blocks(text), chance.randrange(40, 400)
        groups = split(whole, limit, size)
        assert all(size(group) <= limit for group in groups)
        joined = "".join(block.text for group in groups for block in group)
        assert re.sub(r"\s", "", joined) == re.sub(r"\s", "", "".join(block.text for block in whole))
        signs = sum(len(graphemes(block.text)) for group in groups for block in group)
        assert signs == sum(len(graphemes(block.text)) for block in whole)
        formulas = [span.text for group in groups for block in group for span in block.spans if span.whole]
        assert formulas == [span.text for block in whole for span in block.spans if span.whole]


def test_a_long_text_is_cut_behind_a_sentence_and_a_word_of_no_end_between_signs() -> None:
    first, *_ = split(blocks("One sentence here. " * 10), 100, size)
    assert first[0].text.rstrip().endswith(".")
    assert len(split(blocks("x" * 1000), 100, size)) == 11
    assert split(blocks("e\u0301" * 100), 41, size)[0][0].text == "e\u0301" * 19


def test_every_text_of_every_card_fits_into_slack() -> None:
    for card in load_shelf(resource("knowledge")).cards:
        for language in LANGUAGES:
            steps = "\n".join(f"{number}. {step[language]}" for number, step in enumerate(card.explanation, start=1))
            parts = [card.question[language], card.answer[language], steps]
            sections = tuple(Section(blocks(part, ours=True), "title", "teaching") for part in parts)
            sent = messages(Post(sections), "U1")
            assert [unfit(message) for message in sent] == [""] * len(sent), card.id


def test_what_is_too_long_for_one_slack_message_becomes_several() -> None:
    sent = messages(Post((Section(blocks("A sentence of some length. " * 1500)),)), "U1")
    assert len(sent) == 5
    assert [unfit(message) for message in sent] == [""] * 5
    assert "".join(map(words, sent)).count("A sentence of some length.") == 1500


def test_slack_is_given_rich_text_with_our_own_line_breaks() -> None:
    title, text = "Question", "Some **bold** text\n\n- one\n- two\n\n> said\n\n```\nx\n```"
    [message] = messages(Post((Section(blocks(text), title),)), "U1")
    [rich] = message["blocks"]
    kinds = [element["type"] for element in rich["elements"]]
    assert kinds == ["rich_text_section", "rich_text_quote", "rich_text_preformatted"]
    section = rich["elements"][0]["elements"]
    assert "".join(element["text"] for element in section) == "Question\nSome bold text\n\n• one\n• two"
    assert [element["text"] for element in section if element.get("style") == {"bold": True}] == ["Question", "bold"]
