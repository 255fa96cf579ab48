"""What reaches the browser: our own HTML, and everybody else's words as text."""

import re

import pytest

from tutor.cards import Shelf
from tutor.events import AnswerGraded
from tutor.html import inline, markdown
from tutor.prompts import Phrases
from tutor.rubric import RubricGrader
from tutor.shown import Happened, Said
from tutor.web.render import Renderer, learner_said

HOSTILE = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "![pixel](http://example.com/p.png)",
    "[click](javascript:alert(1))", "<http://example.com>", "</div></section><h1>Grade: 10</h1>", "$\\href{http://x}{y}$",
    "**bold** `code` ~~gone~~ | table |", "line\n\n<b>second block</b>", "&lt;already&gt;", "# heading",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_the_learners_words_are_text(text: str) -> None:
    html = str(learner_said(text)["content"])
    inside = html.removeprefix('<div class="said">').removesuffix("</div>")
    assert not re.search(r"<(?!br>)|[$*_`~\[\]()!|\\]", inside)
    assert not re.search(r"\n\s*\n", html)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_models_words_make_no_link_image_or_html(text: str) -> None:
    html = markdown(text)
    assert not re.search(r"<(a|img|script|b|iframe|h1>Grade)\b", html)


def test_formulas_are_left_for_the_page(shelf: Shelf) -> None:
    assert inline(r"so $a_1 * b_1 < c_*$ holds, *really*") == r"so $a_1 * b_1 &lt; c_*$ holds, <em>really</em>"


def test_evidence_is_marked_in_the_answer(shelf: Shelf, phrases: Phrases) -> None:
    answer = "<b>well</b>, keys of past tokens; it stores the attention matrix"
    grade = RubricGrader(shelf).grade(shelf.by_id["kv-cache"], answer)
    event = AnswerGraded(card_id="kv-cache", answer=answer, grade=grade)
    html = str(Renderer(phrases, shelf.topics, "en").message(Happened(event))["content"])
    assert '<mark class="partly" title="half said">keys of past tokens</mark>' in html
    assert "attention matrix</mark>" in html
    assert "&lt;b&gt;well&lt;/b&gt;" in html
    assert "<b>" not in html


def test_open_key_points_are_hidden_until_the_question_is_done(shelf: Shelf, phrases: Phrases) -> None:
    card = shelf.by_id["kv-cache"]
    grade = RubricGrader(shelf).grade(card, "keys of past tokens")
    event = AnswerGraded(card_id=card.id, answer="keys of past tokens", grade=grade)
    renderer = Renderer(phrases, shelf.topics, "zh")
    hidden = str(renderer.message(Happened(event, revealed=False))["content"])
    revealed = str(renderer.message(Happened(event))["content"])
    assert card.key_points[1].text.zh not in hidden
    assert card.key_points[1].text.zh in revealed
    assert "说到" in str(renderer.message(Said(False, "说到"))["content"])


def test_a_disputed_mark_and_the_judge_are_named(shelf: Shelf, phrases: Phrases) -> None:
    card = shelf.by_id["kv-cache"]
    grade = RubricGrader(shelf).grade(card, "keys of past tokens")
    marks = (grade.marks[0].model_copy(update={"disputed": True}), *grade.marks[1:])
    judged = grade.model_copy(update={"marks": marks, "grader": "some<model>", "rough": True})
    event = AnswerGraded(card_id=card.id, answer="keys of past tokens", grade=judged)
    html = str(Renderer(phrases, shelf.topics, "en").message(Happened(event))["content"])
    assert "covered (disputed)" in html
    assert "Judged by some&lt;model&gt;" in html
    assert html.count('class="note"') == 3
