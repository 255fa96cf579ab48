"""Card files: what is read, and what their author is told when something is wrong."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import CARDS
from tutor.cards import Shelf, card_files, load_card, load_shelf
from tutor.checking import problems, prompt_problems
from tutor.errors import CardError
from tutor.resources import resource
from tutor.shelving import shelf_of

GOOD = (CARDS / "memory" / "kv-cache.yaml").read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(CARDS, tmp_path / "cards")
    return tmp_path / "cards"


def test_a_card_is_named_by_its_file(shelf: Shelf) -> None:
    card = shelf.by_id["kv-cache"]
    assert (card.topic, card.level, card.question["zh"]) == ("memory", "mid", "KV 缓存里存的是什么？代价是什么？")
    assert shelf.counts() == {"memory": 1, "adapters": 1}


def test_the_cards_of_the_tests_keep_their_promise(shelf: Shelf) -> None:
    assert problems(shelf) == []


@pytest.mark.parametrize(
    ("old", "new", "line", "told"),
    [
        ("level: mid", "level: middle", 1, "level: Input should be 'junior', 'mid' or 'senior'"),
        ("kind: concept", "kind: concept\nkinds: concept", 3, "kinds: Extra inputs are not permitted"),
        ("    weight: 1\n", "    weight: 4\n", 37, "key_points.2.weight: Input should be 1, 2 or 3"),
        ("    contradicts: stores", "    contradicts: stores", 0, ""),
        ("contradicts: what-is-kept", "contradicts: what-is-lost", 1, "there is no what-is-lost on this card"),
        ("level: mid", "level: mid\nlevel: mid", 2, "the key level stands twice"),
        ("question:\n", "question: [\n", 5, "expected"),
        ("arxiv: '2211.05102'", "url: ''", 71, "sources.0.url: String should match pattern"),
        (", arxiv: '2211.05102'", "", 71, "give arxiv or url"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_damaged_card_names_file_line_and_remedy(folder: Path, old: str, new: str, line: int, told: str) -> None:
    path = folder / "memory" / "kv-cache.yaml"
    damaged = GOOD.replace(old, new, 1)
    path.write_text(damaged, encoding="utf-8")
    if not told:
        assert load_card(path).id == "kv-cache"
        return
    with pytest.raises(CardError) as caught:
        load_card(path)
    said = str(caught.value)
    assert "\n" not in said
    assert told in said
    assert said.startswith(f"{path}:")
    assert abs(int(said.split(":")[1]) - line) <= 2


def test_bytes_that_are_not_utf8_are_an_error_of_the_file(folder: Path) -> None:
    path = folder / "memory" / "kv-cache.yaml"
    path.write_bytes(GOOD.encode("utf-16"))
    with pytest.raises(CardError, match="not UTF-8"):
        load_card(path)


def test_one_damaged_card_stops_all_unless_the_operator_says_so(folder: Path) -> None:
    (folder / "memory" / "kv-cache.yaml").write_text("level: mid\n", encoding="utf-8")
    with pytest.raises(CardError, match=r"kv-cache\.yaml:1: kind: Field required"):
        load_shelf(folder)
    damaged: list[CardError] = []
    assert [card.id for card in load_shelf(folder, damaged).cards] == ["lora-rank"]
    assert len(damaged) == 1


def test_check_finds_what_would_cheat_or_confuse_a_learner(folder: Path) -> None:
    path = folder / "memory" / "kv-cache.yaml"
    broken = GOOD.replace("[lora-rank]", "[no-such-card]").replace(
        "What would have to be computed again for every new token?",
        "The keys and values of all earlier tokens are kept in every layer.",
    )
    path.write_text(broken.replace("verdicts: {what-is-kept: covered}", "verdicts: {no-queries: covered}"), "utf-8")
    found = "\n".join(problems(load_shelf(folder)))
    assert "deeper: there is no other card no-such-card" in found
    assert "hint of what-is-kept (en) gives away: keys and values of all earlier" in found
    assert "sample 2: what-is-kept is covered, should be missed" in found
    assert "sample 2: no-queries is missed, should be covered" in found


def test_every_card_that_comes_with_the_tutor_loads() -> None:
    folder = resource("knowledge")
    cards = load_shelf(folder).cards
    assert len(cards) == len(card_files(folder)) >= 12
    assert len({card.topic for card in cards}) >= 5


def test_the_prompts_that_come_with_the_tutor_are_whole() -> None:
    assert prompt_problems(resource("prompts")) == []


def test_a_copy_of_the_cards_follows_every_change(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = shelf_of(folder, cache)
    assert len(list(cache.iterdir())) == 1
    assert shelf_of(folder, cache) == first == load_shelf(folder)
    path = folder / "memory" / "kv-cache.yaml"
    path.write_text(GOOD.replace("level: mid", "level: senior"), encoding="utf-8")
    assert shelf_of(folder, cache).by_id["kv-cache"].level == "senior"
    path.write_text("level: mid\n", encoding="utf-8")
    with pytest.raises(CardError, match="Field required"):
        shelf_of(folder, cache)
    (next(cache.iterdir())).write_text("not JSON")
    assert shelf_of(CARDS, cache).counts() == {"memory": 1, "adapters": 1}


def test_a_cache_that_cannot_be_written_is_done_without(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert shelf_of(folder, tmp_path / "file" / "cache").by_id["kv-cache"].level == "mid"


def _programs() -> list[tuple[str, str]]:
    """The Python programs on the cards, as (card, code)."""
    texts = [
        (card.id, text)
        for card in load_shelf(resource("knowledge")).cards
        for both in (card.answer, *card.explanation)
        for text in (both.en, both.zh)
    ]
    return [(card, code) for card, text in texts for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL)]


def test_there_are_programs_on_the_cards() -> None:
    assert len(_programs()) >= 2


@pytest.mark.parametrize(("card", "code"), _programs(), ids=[card for card, _ in _programs()])
def test_a_program_on_a_card_runs(card: str, code: str) -> None:
    result = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, f"{card}: {result.stderr}"
