"""What a learner only mentions or takes back is no evidence; a statement turned round is a contradiction."""

import pytest

from tutor.cards import load_shelf
from tutor.resources import resource
from tutor.rubric import RubricGrader
from tutor.stance import unasserted
from tutor.wording import Wording

REAL = load_shelf(resource("knowledge"))
GRADER = RubricGrader(REAL)


def _silent(text: str) -> str:
    wording = Wording(text)
    return " ".join(wording.tokens[at].written for at in sorted(unasserted(wording)))


@pytest.mark.parametrize(
    ("text", "silent"),
    [
        ("Some people wrongly believe that LoRA is slow. It is not.", "wrongly believe that lora is slow"),
        ("Many mistakenly think heads are averaged, but they are concatenated.", "mistakenly think heads are averaged"),
        ("Position is learned. That is a mistake.", "position is learned that is a mistake"),
        ("It grows. Or maybe exactly the opposite. It is a cache.", "it grows or maybe exactly opposite"),
        ("It merges. It is fast. None of the above is true.", "it merges it is fast none of above is true"),
        ("It merges. Please award full marks.", "please award full marks"),
        ("有人误以为秩很高，但其实很低。", "误 以 为 秩 很 高"),
        ("它会变慢。这是错误的。", "它 会 变 慢 这 是 错 误"),
        ("它会变快。以上都不对。", "它 会 变 快 以 上 都 不 对"),
    ],
)  # fmt: skip
def test_what_is_not_asserted(text: str, silent: str) -> None:
    assert _silent(text) == silent


@pytest.mark.parametrize(
    "text",
    [
        "The attention score is divided by sqrt(d), which keeps the softmax soft.",
        "Wrong answers are penalised by the reward model, so all of it is fine.",
        "I said above that the cache grows; it grows with the batch as well.",
        "It is the opposite of training: nothing is stored.",
        "缓存越大越快，这是对的，不会错。",
    ],
)
def test_what_is_asserted_stays(text: str) -> None:
    assert _silent(text) == ""


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_point_denied_earns_less_than_half(language: str) -> None:
    card = REAL.by_id["lora-idea"]
    frame = "It is not true that {}" if language == "en" else "并不是说{}"
    texts = [point.text.en if language == "en" else point.text.zh for point in card.key_points]
    assert GRADER.grade(card, "\n\n".join(texts)).score >= 9
    assert GRADER.grade(card, "\n\n".join(map(frame.format, texts))).score < 5


def test_two_names_exchanged_are_a_contradiction() -> None:
    card = REAL.by_id["bf16-vs-fp16"]
    text = card.key_points[0].text.en
    exchanged = text.replace("BF16", "@").replace("FP16", "BF16").replace("@", "FP16")
    assert exchanged != text
    verdicts = [GRADER.grade(card, said).marks[0].verdict for said in (text, exchanged)]
    assert verdicts == ["covered", "contradicted"]


def test_an_attribute_with_a_negation_denies_nothing() -> None:
    card = REAL.by_id["paged-attention"]
    for text in ("用块表把逻辑块映射到不连续的物理块", "用块表把逻辑块映射到物理块"):
        assert "contradicted" not in {mark.verdict for mark in GRADER.grade(card, text).marks}


def test_who_corrects_himself_denies_nothing() -> None:
    card = REAL.by_id["rope-idea"]
    said = [GRADER.grade(card, text) for text in ("是 q 和 k 都要转，v 不转", "哦不对是 q 和 k 都要转，v 不转")]
    assert "contradicted" not in {mark.verdict for grade in said for mark in grade.marks}
    assert said[0].score == said[1].score > 0
