"""What a learner takes away: decks that the real Anki opens, reports in every form, and all data there and back."""

import io
import json
import re
import zipfile
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest
from anki.collection import Collection, ImportAnkiPackageOptions, ImportAnkiPackageRequest

from tests.conftest import LEARNER, choices
from tutor import decks, exporting
from tutor.backup import Restored, packed, unpacked
from tutor.cards import LANGUAGES, Language, Shelf, load_shelf
from tutor.errors import HistoryError, SettingsError
from tutor.events import learner_message
from tutor.history import ChromaHistory, Store, stored
from tutor.prompts import Phrases
from tutor.resources import resource
from tutor.settings import Settings
from tutor.tutor import Tutor
from tutor.web.document import inline
from tutor.web.report import ReportPage


@pytest.fixture(scope="module")
def knowledge() -> Shelf:
    return load_shelf(resource("knowledge"))


@pytest.fixture
def practised(tutor: Tutor) -> str:
    """A finished interview over both test cards: one answered in two steps, one shown first."""
    session = tutor.start(LEARNER, choices(seed=7))
    for _ in range(2):
        interview = tutor.interview(LEARNER, session)
        assert interview.current
        if interview.current.asked.card_id == "kv-cache":
            tutor.reply(LEARNER, session, "it stores the attention matrix, <b>$x$</b> [a](http://b.example)")
            tutor.reply(LEARNER, session, "the memory grows with the length")
        else:
            tutor.reply(LEARNER, session, "show")
        if tutor.interview(LEARNER, session).current:
            tutor.reply(LEARNER, session, "skip")
    assert tutor.interview(LEARNER, session).finished
    return session


def opened(folder: Path, *packages: bytes) -> Collection:
    """A new collection of Anki's own, with the packages imported by Anki's own importer."""
    collection = Collection(str(folder / "collection.anki2"))
    for number, package in enumerate(packages):
        path = folder / f"{number}.apkg"
        path.write_bytes(package)
        collection.import_anki_package(
            ImportAnkiPackageRequest(package_path=str(path), options=ImportAnkiPackageOptions(with_scheduling=False))
        )
    return collection


@pytest.mark.parametrize("language", LANGUAGES)
def test_anki_opens_every_card(tmp_path: Path, knowledge: Shelf, phrases: Phrases, language: Language) -> None:
    package = decks.anki(knowledge.cards, language, phrases, knowledge.topics)
    collection = opened(tmp_path, package)
    try:
        notes = [collection.get_note(note_id) for note_id in collection.find_notes("")]
        assert len(notes) == len(collection.find_cards("")) == len(knowledge.cards)
        by_question = {text_of(note["Question"]): note for note in notes}
        for card in knowledge.cards:
            note = by_question[text_of(inline_plain(card.question[language]))]
            assert note["Topic"] == knowledge.topics[card.topic][language].replace("&", "&amp;")
            assert set(note.tags) == {card.topic, card.level}
            assert note["Key points"].count("<li>") == len(card.key_points)
            assert note["Explanation"].count("<li>") == len(card.explanation)
            assert [source.address in unescape(note["Sources"]) for source in card.sources] == [True] * len(
                card.sources
            )
            whole = " ".join(note.fields)
            texts = [card.question, card.answer, *(point.text for point in card.key_points), *card.explanation]
            for formula in formulas_of(*(text[language] for text in texts)):
                assert any(
                    f"{left}{formula}{right}" in unescape(whole) for left, right in (("\\(", "\\)"), ("\\[", "\\]"))
                )
            assert "$" not in re.sub(r"\\\(.*?\\\)|\\\[.*?\\\]", "", whole, flags=re.DOTALL)
        shown = collection.get_card(collection.find_cards("")[0])
        assert "id=answer" in shown.answer().replace('"', "")
        assert shown.question() not in ("", shown.answer())
    finally:
        collection.close()


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", "", html))).strip()


def inline_plain(text: str) -> str:
    from tutor.html import inline as html

    return html(text, lambda formula: f"\\({formula.strip('$')}\\)")


def formulas_of(*texts: str) -> list[str]:
    return [a or b for text in texts for a, b in re.findall(r"\$\$(.+?)\$\$|\$([^$\n]+)\$", text, re.DOTALL)]


def test_a_deck_imported_again_updates_its_cards(tmp_path: Path, shelf: Shelf, phrases: Phrases) -> None:
    first = decks.anki(shelf.cards[:1], "en", phrases, shelf.topics)
    both = decks.anki(shelf.cards, "en", phrases, shelf.topics)
    collection = opened(tmp_path, first, both, both)
    try:
        assert len(collection.find_notes("")) == len(shelf.cards)
    finally:
        collection.close()


def test_cards_are_chosen_by_name_and_group(tutor: Tutor, practised: str) -> None:
    made = tutor.progress(LEARNER)
    assert {card.id for card in decks.chosen(made, ["weak"])} == {"kv-cache", "lora-rank"}
    assert [card.id for card in decks.chosen(made, ["lora-rank", "asked"])] == ["lora-rank", "kv-cache"]
    assert decks.chosen(made, ["due"]) == []
    with pytest.raises(SettingsError, match="there is no card fly; give ids of cards, or weak, due, asked, all"):
        decks.chosen(made, ["fly"])


@pytest.mark.parametrize("language", LANGUAGES)
def test_cards_as_markdown(shelf: Shelf, phrases: Phrases, language: Language) -> None:
    text = decks.as_markdown(shelf.cards, language, phrases, shelf.topics)
    for card in shelf.cards:
        assert f"## {card.question[language]}" in text
        assert card.answer[language].strip() in text
        assert all(f"- {point.text[language]}" in text for point in card.key_points)


def test_all_data_there_and_back(tutor: Tutor, store: Store, practised: str, tmp_path: Path) -> None:
    open_one = tutor.start(LEARNER, choices("zh", topics=["memory"], questions=1))
    tutor.choose_language(LEARNER, open_one, "en")
    data = packed(store, LEARNER)
    assert data == packed(store, LEARNER)
    elsewhere = Store(replace(tutor.settings, data=tmp_path / "elsewhere"))
    try:
        assert unpacked(elsewhere, "bob", io.BytesIO(data)) == Restored(
            2, sum(map(len, stored(store, LEARNER).values()))
        )
        assert unpacked(elsewhere, "bob", io.BytesIO(data)) == Restored(2, 0), "twice is once"
        assert packed(elsewhere, "bob") == data
        there = Tutor(tutor.settings, tutor.desk, tutor.engine, elsewhere, tutor.phrases, {"en": "", "zh": ""})
        assert there.sittings("bob") == tutor.sittings(LEARNER)
        for session in (practised, open_one):
            assert there.transcript("bob", session) == tutor.transcript(LEARNER, session)
            assert there.interview("bob", session) == tutor.interview(LEARNER, session)
        ChromaHistory(elsewhere, "bob", open_one).append([learner_message("more", "m")], at=1.0)
        with pytest.raises(HistoryError, match=f"the interview {open_one} here is not the one in the file"):
            unpacked(elsewhere, "bob", io.BytesIO(data))
        assert unpacked(store, LEARNER, io.BytesIO(packed(elsewhere, "bob"))) == Restored(2, 1), (
            "what has grown is added"
        )
    finally:
        elsewhere.close()


def changed(data: bytes, before: str, after: str) -> bytes:
    """The archive with words in its members replaced."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w") as new:
        for name in old.namelist():
            text = old.read(name).decode()
            new.writestr(name.replace(before, after), text.replace(before, after))
    return file.getvalue()


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ('"format": 1', '"format": 2', "the file has format 2; update the tutor"),
        ("question_asked", "teleported", "event 'teleported' cannot be read"),
        ('"sequence": 1,', '"sequence": 7,', "damaged"),
        ('"answers": 0', '"answers": 99', "damaged"),
        ('"at"', '"no"', "damaged"),
        ('"type": "human"', '"type": "alien"', "damaged"),
        ('"records": ', '"records": 1', "records are missing"),
        ("sessions/", "sessions/..", "is not a session"),
    ],
)
def test_a_damaged_file_is_refused_and_changes_nothing(
    tutor: Tutor, store: Store, practised: str, before: str, after: str, told: str
) -> None:
    data = changed(packed(store, LEARNER), before, after)
    with pytest.raises(HistoryError, match=re.escape(told)):
        unpacked(store, "bob", io.BytesIO(data))
    assert stored(store, "bob") == {}


def test_what_is_no_archive_is_refused(store: Store) -> None:
    for data in (b"", b"PK\x05\x06" + bytes(18), b"hello"):
        with pytest.raises(HistoryError, match="not a file of `tutor export --all`"):
            unpacked(store, "bob", io.BytesIO(data))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_report_page_stands_alone(tutor: Tutor, practised: str, language: Language) -> None:
    made = tutor.report(LEARNER, practised)
    html = ReportPage(made, language, tutor.phrases, tutor.desk.shelf.topics).html("2026-11-22")
    assert not re.search(r"<script|<link|<img|@import|url\(|\bsrc=", html)
    addresses = {source.address for result in made.results for source in result.sources}
    assert set(re.findall(r'href="([^"]+)"', html)) <= addresses
    assert "<b>" not in html
    assert "[a](http://b.example)" not in html or '<a href="http://b' not in html
    for result in made.results:
        assert result.question[language] in html
    assert "attention matrix" in html


def test_the_report_as_data_and_as_markdown(tutor: Tutor, practised: str) -> None:
    made = tutor.report(LEARNER, practised)
    data = json.loads(json.dumps(exporting.as_json(made, "en")))
    shown, answered = sorted(data["questions"], key=lambda question: question["standing"], reverse=True)
    if shown["standing"] == "graded":
        shown, answered = answered, shown
    assert (answered["card"], answered["standing"], shown["standing"]) == ("kv-cache", "graded", "after_showing")
    verdicts = {point["key_point"]: (point["without_help"], point["verdict"]) for point in answered["key_points"]}
    assert verdicts["linear-memory"] == ("missed", "covered")
    assert verdicts["what-is-kept"] == ("contradicted", "contradicted")
    assert [found["misconception"] for found in answered["misconceptions"]] == ["stores-scores"]
    assert data["weakest"]["quote"] == answered["misconceptions"][0]["quote"]
    assert [plan["card"] for plan in data["plan"]] == [result.card_id for result in made.plan]
    assert data["thinking_seconds"] == sum(question["thinking_seconds"] for question in data["questions"])
    text = exporting.report_markdown(tutor, made, "zh")
    assert "### 最好与最弱的一刻" in text
    assert "### 逐个要点" in text
    assert "(无帮助时：未提到)" in text


def test_every_formula_of_the_cards_is_set(knowledge: Shelf) -> None:
    texts = [
        text[language]
        for card in knowledge.cards
        for text in (card.question, *(point.text for point in card.key_points), *card.explanation)
        for language in LANGUAGES
    ]
    formulas = sum(len(formulas_of(text)) for text in texts)
    set_ = [inline(text) for text in texts]
    assert sum(html.count("<math") for html in set_) == formulas > 20
    assert not [html for html in set_ if "$" in html]


def test_a_formula_that_cannot_be_read_stays_readable() -> None:
    assert inline("so $\\frac{a}{$ holds").startswith("so ")
    assert "<script>" not in inline("$<script>$ <script>")


def test_settings_are_not_needed_for_a_backup(settings: Settings, store: Store) -> None:
    assert unpacked(store, LEARNER, io.BytesIO(packed(store, "nobody"))) == Restored(0, 0)
