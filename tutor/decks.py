"""Cards to take away: as a deck for Anki, and as Markdown."""

import io
import itertools
import sqlite3
import tempfile
import time
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from html import escape
from pathlib import Path

import genanki

from tutor.cards import Card, Language, Text
from tutor.errors import SettingsError
from tutor.html import inline, markdown
from tutor.progress import Progress
from tutor.prompts import Phrases
from tutor.reporting import named

WHICH = ("weak", "due", "asked", "all")
_MODEL = genanki.Model(
    1_607_392_851,
    "Interview question",
    fields=[{"name": name} for name in ("Question", "Key points", "Answer", "Explanation", "Sources", "Topic")],
    templates=[
        {
            "name": "Question",
            "qfmt": '<div class="topic">{{Topic}}</div>{{Question}}',
            "afmt": '{{FrontSide}}<hr id="answer">{{Key points}}<hr>{{Answer}}<hr>{{Explanation}}'
            '<div class="sources">{{Sources}}</div>',
        }
    ],
    css=".card { font: 18px/1.5 sans-serif; text-align: left; max-width: 46em; margin: 0 auto; } "
    ".topic, .sources { font-size: .75em; opacity: .7; }",
)
"""Its number stays, so that a later deck adds to the earlier one instead of standing beside it."""
_DECK: Mapping[Language, int] = {"en": 1_729_340_911, "zh": 1_729_340_912}


def chosen(made: Progress, which: Sequence[str]) -> list[Card]:
    """The cards of a choice: names of WHICH or ids of cards; raises SettingsError for anything else."""
    known = {state.card.id: state.card for state in made.cards}
    groups = {
        "weak": [state.card for state in made.weak],
        "due": [state.card for state in made.due],
        "asked": [state.card for state in made.cards if state.asked],
        "all": list(known.values()),
    }
    found: dict[str, Card] = {}
    for name in which:
        if name not in groups and name not in known:
            raise SettingsError(f"there is no card {name}; give ids of cards, or {', '.join(WHICH)}")
        found |= {card.id: card for card in groups.get(name, [known[name]] if name in known else [])}
    return list(found.values())


def anki(cards: Iterable[Card], language: Language, phrases: Phrases, topics: Mapping[str, Text]) -> bytes:
    """An Anki package; a card keeps its identity, so importing again updates it."""
    deck = genanki.Deck(_DECK[language], phrases("deck.name", language))
    for card in cards:
        points = "".join(f"<li>{inline(point.text[language], _mathjax)}</li>" for point in card.key_points)
        steps = "".join(f"<li>{inline(step[language], _mathjax)}</li>" for step in card.explanation)
        sources = "".join(f'<li><a href="{escape(s.address)}">{escape(s.title)}</a></li>' for s in card.sources)
        deck.add_note(
            genanki.Note(
                model=_MODEL,
                fields=[
                    inline(card.question[language], _mathjax),
                    f"<ul>{points}</ul>",
                    markdown(card.answer[language], formula=_mathjax),
                    f"<ol>{steps}</ol>",
                    f"<ul>{sources}</ul>",
                    escape(named(card.topic, language, topics)),
                ],
                guid=genanki.guid_for("interview-tutor", card.id, language),
                tags=[card.topic, card.level],
            )
        )
    return _package(deck)


def _package(deck: genanki.Deck) -> bytes:
    """The deck as a package. genanki's own way to write one leaves its database behind in the temporary folder."""
    at = time.time()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "collection.anki2"
        with closing(sqlite3.connect(path)) as connection:
            genanki.Package(deck).write_to_db(connection.cursor(), at, itertools.count(int(at * 1000)))
            connection.commit()
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as package:
            package.write(path, path.name)
            package.writestr("media", "{}")
    return file.getvalue()


def _mathjax(formula: str) -> str:
    """A formula in the delimiters that Anki's own MathJax reads."""
    if formula.startswith("$$"):
        return f"\\[{escape(formula[2:-2], quote=False)}\\]"
    return f"\\({escape(formula[1:-1], quote=False)}\\)"


def as_markdown(cards: Iterable[Card], language: Language, phrases: Phrases, topics: Mapping[str, Text]) -> str:
    """The cards as Markdown to read or print."""
    lines = [f"# {phrases('deck.name', language)}", ""]
    for card in cards:
        lines += _card(card, language, phrases, topics)
    return "\n".join(lines).rstrip() + "\n"


def _card(card: Card, language: Language, phrases: Phrases, topics: Mapping[str, Text]) -> Iterator[str]:
    level = phrases(f"level.{card.level}", language)
    meta = phrases("block.question_meta", language, topic=named(card.topic, language, topics), level=level)
    yield from (f"## {card.question[language]}", "", f"*{meta}*", "")
    yield from (f"### {phrases('block.key_points', language)}", "")
    yield from (f"- {point.text[language]}" for point in card.key_points)
    yield from ("", f"### {phrases('deck.answer', language)}", "", card.answer[language].rstrip(), "")
    yield from (f"### {phrases('deck.explanation', language)}", "")
    yield from (f"{number}. {step[language]}" for number, step in enumerate(card.explanation, start=1))
    yield from ("", f"### {phrases('block.sources', language)}", "")
    yield from (f"- {source.title}, {source.authors} {source.year}: {source.address}" for source in card.sources)
    yield ""
