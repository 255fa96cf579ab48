"""Question cards: what is asked, what a complete answer says, and how it is taught, in both languages.

A card is one YAML file, `<topic>/<id>.yaml`; the file name is the id and the folder is the topic.
"""

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tutor.errors import CardError

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")
Level = Literal["junior", "mid", "senior"]
LEVELS: tuple[Level, ...] = ("junior", "mid", "senior")
Kind = Literal["concept", "compare", "derive", "calculate", "code", "design", "practice"]
Verdict = Literal["covered", "partly", "missed", "contradicted", "unsure"]

Words = Annotated[str, Field(min_length=1, pattern=r"\S")]
Id = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
Signal = Annotated[tuple[Words, ...], Field(min_length=1)]
"""Terms that must occur near one another; `|` stands between synonyms of a term."""


class Value(BaseModel):
    """Immutable, and strict about unknown fields: a mistyped field in a card is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


T = TypeVar("T", bound=Value)


class Text(Value):
    """The same thing said in English and in Chinese."""

    en: Words
    zh: Words

    def __getitem__(self, language: Language) -> str:
        return self.en if language == "en" else self.zh


class Wordings(Value):
    """Further ways to ask a question, for search and de-duplication."""

    en: tuple[Words, ...] = ()
    zh: tuple[Words, ...] = ()


class KeyPoint(Value):
    """One thing that a complete answer says.

    `weight` is 3 (central), 2 (important) or 1 (good to have); `partly` holds signals of half the point.
    """

    id: Id
    weight: Literal[1, 2, 3]
    text: Text
    signals: tuple[Signal, ...] = ()
    partly: tuple[Signal, ...] = ()
    hint: Text
    probe: Text


class Examples(Value):
    """What learners say about a key point, by the verdict that an examiner gives it."""

    covered: Wordings = Wordings()
    partly: Wordings = Wordings()
    contradicted: Wordings = Wordings()

    def said(self, verdict: str, language: Language) -> tuple[str, ...]:
        """The examples of a verdict (covered, partly or contradicted) in a language."""
        wordings: Wordings = getattr(self, verdict)
        return wordings.en if language == "en" else wordings.zh


class Misconception(Value):
    """A named wrong belief; `contradicts` names the key point that it denies, if there is one."""

    id: Id
    text: Text
    signals: Annotated[tuple[Signal, ...], Field(min_length=1)]
    correction: Text
    contradicts: Id | None = None


class Source(Value):
    """A primary source: a paper (arXiv id) or an official address."""

    title: Words
    authors: Words
    year: Annotated[int, Field(ge=1900, le=2100)]
    arxiv: Annotated[str, Field(pattern=r"^\d{4}\.\d{4,5}$")] | None = None
    url: Annotated[str, Field(pattern=r"^https://\S+$")] | None = None

    @model_validator(mode="after")
    def _has_an_address(self) -> "Source":
        if not (self.arxiv or self.url):
            raise ValueError("give arxiv or url")
        return self

    @property
    def address(self) -> str:
        return self.url or f"https://arxiv.org/abs/{self.arxiv}"


class Sample(Value):
    """A short answer as learners give them, with the verdicts of a fair examiner.

    Key points that `verdicts` does not name are missed.
    """

    language: Literal["en", "zh", "mixed"]
    answer: Words
    verdicts: Mapping[Id, Verdict] = Field(default_factory=dict)
    misconceptions: tuple[Id, ...] = ()


class Card(Value):
    """One question with its rubric, its teaching and its tests."""

    id: Id
    topic: Id
    level: Level
    kind: Kind
    question: Text
    asked_as: Wordings = Wordings()
    key_points: Annotated[tuple[KeyPoint, ...], Field(min_length=3, max_length=7)]
    misconceptions: Annotated[tuple[Misconception, ...], Field(min_length=1, max_length=4)]
    answer: Text
    explanation: Annotated[tuple[Text, ...], Field(min_length=2)]
    deeper: tuple[Id, ...] = ()
    sources: Annotated[tuple[Source, ...], Field(min_length=1)]
    samples: Annotated[tuple[Sample, ...], Field(min_length=3)]

    @model_validator(mode="after")
    def _names_itself_consistently(self) -> "Card":
        points = [point.id for point in self.key_points]
        beliefs = [belief.id for belief in self.misconceptions]
        for ids, what in ((points, "key_points"), (beliefs, "misconceptions")):
            if repeated := {name for name in ids if ids.count(name) > 1}:
                raise ValueError(f"{what}: the id {sorted(repeated)[0]} stands twice")
        if all(point.weight < 3 for point in self.key_points):
            raise ValueError("key_points: at least one needs weight 3")
        denied = {belief.contradicts for belief in self.misconceptions} - {None}
        named = {name for sample in self.samples for name in sample.verdicts}
        found = {name for sample in self.samples for name in sample.misconceptions}
        for used, known, what in (
            (denied, points, "misconceptions: contradicts"),
            (named, points, "samples: verdicts"),
            (found, beliefs, "samples: misconceptions"),
        ):
            if unknown := sorted(str(name) for name in used - set(known)):
                raise ValueError(f"{what}: there is no {unknown[0]} on this card")
        return self


class Terms(Value):
    """Words that mean the same and words that mean the opposite, for every card at once.

    `synonyms` maps a name to the other words for it; `antonyms` pairs two names; `asks` are words for what a question
    wants to know, for the search only.
    """

    asks: Mapping[str, tuple[Words, ...]] = Field(default_factory=dict)
    synonyms: Mapping[str, tuple[Words, ...]] = Field(default_factory=dict)
    antonyms: tuple[tuple[str, str], ...] = ()


class Term(Value):
    """A term of the field in one or two sentences, with the words that name it."""

    words: Annotated[tuple[str, ...], Field(min_length=1)]
    en: str
    zh: str

    @property
    def text(self) -> Text:
        return Text(en=self.en, zh=self.zh)


class Preset(Value):
    """A ready-made interview: its topics, its level and how many questions it has."""

    name: Text
    about: Text
    topics: Annotated[tuple[Id, ...], Field(min_length=1)]
    level: Level | None = None
    questions: Annotated[int, Field(ge=1, le=20)]


class Shelf(Value):
    """All cards in the order of their topics, and what is said about them together."""

    topics: Mapping[str, Text]
    presets: Mapping[str, Preset] = Field(default_factory=dict)
    terms: Terms = Terms()
    glossary: tuple[Term, ...] = ()
    cards: tuple[Card, ...]
    folder: Path | None = None

    @cached_property
    def by_id(self) -> dict[str, Card]:
        return {card.id: card for card in self.cards}

    def counts(self) -> dict[str, int]:
        """How many cards each topic has; topics without cards are left out."""
        counted = {slug: sum(card.topic == slug for card in self.cards) for slug in self.topics}
        return {slug: number for slug, number in counted.items() if number}

    def examples(self, card: Card) -> dict[str, Examples]:
        """What learners say about each key point of a card; empty where nobody has written examples yet."""
        path = examples_file(self.folder, card) if self.folder else None
        return load_examples(path, card) if path and path.exists() else {}

    def offered(self) -> dict[str, Preset]:
        """The presets that have cards, each with those of its topics that have some."""
        counts = self.counts()
        kept = {
            slug: tuple(topic for topic in preset.topics if topic in counts) for slug, preset in self.presets.items()
        }
        return {
            slug: self.presets[slug].model_copy(update={"topics": topics}) for slug, topics in kept.items() if topics
        }


def card_files(folder: Path) -> list[Path]:
    """The card files below `folder`, sorted by topic and name."""
    return sorted(folder.glob("*/*.yaml"))


def load_card(path: Path) -> Card:
    """The card in `path`; raises CardError with file, line and what to mend."""
    content = _read(path)
    if not isinstance(content, dict):
        raise CardError(f"{path}:1: a card is a mapping of fields (level, kind, question, ...)")
    for field in ("id", "topic"):
        if field in content:
            raise CardError(f"{path}:1: remove the field {field}; file and folder name give it")
    return _validated(Card, {**content, "id": path.stem, "topic": path.parent.name}, path)


def load_topics(folder: Path) -> dict[str, Text]:
    """The names of the topics, in the order of `topics.yaml`."""
    path = folder / "topics.yaml"
    content = _read(path)
    if not isinstance(content, dict):
        raise CardError(f"{path}:1: topics.yaml maps each topic's folder to its names in en and zh")
    return {slug: _validated(Text, names, path) for slug, names in content.items()}


def load_terms(folder: Path) -> Terms:
    """The synonyms and antonyms of `terms.yaml`, or none where the file is missing."""
    path = folder / "terms.yaml"
    return _validated(Terms, _read(path) or {}, path) if path.exists() else Terms()


def load_glossary(folder: Path) -> tuple[Term, ...]:
    """The terms of `glossary.yaml`, or none where the file is missing."""
    path = folder / "glossary.yaml"
    content = (_read(path) or []) if path.exists() else []
    if not isinstance(content, list):
        raise CardError(f"{path}:1: glossary.yaml is a list of terms, each with words, en and zh")
    return tuple(_validated(Term, fields, path) for fields in content)


def examples_file(folder: Path, card: Card) -> Path:
    """Where the examples of a card stand, if it has any: `<topic>/said/<id>.yaml`."""
    return folder / card.topic / "said" / f"{card.id}.yaml"


def load_examples(path: Path, card: Card) -> dict[str, Examples]:
    """The examples in `path`, by key point; raises CardError with file, line and what to mend."""
    content = _read(path)
    points = {point.id for point in card.key_points}
    if not isinstance(content, dict) or not set(content) <= points:
        raise CardError(
            f"{path}:1: the examples of a card are a mapping of its key points: {', '.join(sorted(points))}"
        )
    return {point: _validated(Examples, said, path) for point, said in content.items()}


def load_presets(folder: Path, topics: Mapping[str, Text]) -> dict[str, Preset]:
    """The ready-made interviews of `presets.yaml`, or none where the file is missing."""
    path = folder / "presets.yaml"
    content = (_read(path) or {}) if path.exists() else {}
    if not isinstance(content, dict):
        raise CardError(f"{path}:1: presets.yaml maps the name of each preset to its fields")
    presets = {slug: _validated(Preset, fields, path) for slug, fields in content.items()}
    for slug, preset in presets.items():
        if unknown := [topic for topic in preset.topics if topic not in topics]:
            raise CardError(f"{path}:1: {slug}: there is no topic {unknown[0]} in topics.yaml")
    return presets


def load_shelf(folder: Path, damaged: list[CardError] | None = None) -> Shelf:
    """All cards of a folder.

    A damaged card raises CardError, unless `damaged` is given: then it is left out and its error is added there.
    """
    cards = []
    for path in card_files(folder):
        try:
            cards.append(load_card(path))
        except CardError as error:
            if damaged is None:
                raise
            damaged.append(error)
    topics = load_topics(folder)
    order = list(topics)
    cards.sort(key=lambda card: (order.index(card.topic) if card.topic in topics else len(order), card.id))
    presets = load_presets(folder, topics)
    terms, glossary = load_terms(folder), load_glossary(folder)
    return Shelf(topics=topics, presets=presets, terms=terms, glossary=glossary, cards=tuple(cards), folder=folder)


def _read(path: Path) -> Any:
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 - a safe loader of ours
    except FileNotFoundError:
        raise CardError(f"{path}: there is no such file; is this a folder of cards?") from None
    except UnicodeDecodeError as error:
        raise CardError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        line = mark.line + 1 if mark else 1
        problem = getattr(error, "problem", None) or "not YAML"
        raise CardError(f"{path}:{line}: {problem}; mend the YAML there") from None


class _Loader(yaml.CSafeLoader):
    """YAML as people write it, but a key that stands twice is an error instead of the last one winning."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if key in seen:
            raise yaml.constructor.ConstructorError(None, None, f"the key {key} stands twice", key_node.start_mark)
        seen.add(key)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def _validated(kind: type[T], content: Any, path: Path) -> T:
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = tuple(part for part in first["loc"] if not str(part).startswith("function-"))
        field = ".".join(str(part) for part in where)
        message = first["msg"].removeprefix("Value error, ")
        more = error.error_count() - 1
        rest = f" ({more} more to mend)" if more else ""
        prefix = f"{field}: " if field else ""
        raise CardError(f"{path}:{_line_of(path, where)}: {prefix}{message}{rest}") from None


def _line_of(path: Path, where: tuple[int | str, ...]) -> int:
    """The line of the innermost part of `where` that stands in the file, 1-based."""
    node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    line = 0
    for part in where:
        child = next(_children(node, part), None)
        if child is None:
            break
        line, node = child
    return line + 1


def _children(node: yaml.Node | None, part: int | str) -> Iterator[tuple[int, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                yield key.start_mark.line, value
    elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        yield node.value[part].start_mark.line, node.value[part]
