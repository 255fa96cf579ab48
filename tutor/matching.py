"""Finds where an answer says what a signal means: all its terms near one another, as a statement, not denied.

A signal is a list of terms; `|` separates synonyms of one term, `...` inside a term stands for a few words in between.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from tutor.cards import Signal, Terms
from tutor.wording import Wording, stem

WINDOW = 30.0
"""How far apart the terms of a signal may stand, in words (two Chinese characters count as one)."""
GAP = 8.0
"""How many words `...` may stand for."""
REACH = 9.0
"""How many words a negation governs at most, within its clause."""
LONGEST_ATTRIBUTE = 4
"""Characters of a negated Chinese attribute before its 的."""

_NEGATORS_EN = frozenset(
    "not no never without cannot neither nor wrong mistaken incorrect fals untru myth unlik "
    "none noth lack fail dont doesnt isnt wont cant arent didnt".split()
)
_SHORT_NEGATORS = frozenset({"without", "no", "无", "没", "none", "lack", "unlik"})
"""Negations of the noun that follows, not of the clause."""
_BACKWARD = frozenset("wrong mistaken incorrect fals untru myth 错 误".split())
"""Words that deny what stands before them as well."""
_NEGATION_ZH = re.compile(
    r"(?<!差)(?<![哦啊呃额噢])不(?!对(?:是|应该|我)|仅|但|只|光|同|断|过|管|论|得不|妨|少|错|等式|够|下|了|到|然|一样|要忘|能忘)|(?<!有)没(?!想到)|(?<!毫)无(?!论|非|穷|限|监督)|毫无|非(?!常|线性|负|对称|零|参数|结构|自回归)"
    r"|未(?!来|必)|别(?=再|把|用|让)|误(?=以为|认为|解)|[是就全]错|勿|否(?!则)"
)
_NEGATING_PHRASES = ("ratherthan", "insteadof")
_DENYING_PHRASES = (
    "not support", "not true", "not help", "not needed", "not right", "not correct", "not possible", "useless",
    "unnecessary",
    "不支持", "不成立", "不对", "没用", "无用", "不需要",
)  # fmt: skip
"""What denies the statement before it."""
_NOT_NEGATED_EN = (
    "notonli",
    "notjust",
    "notmere",
    "nomatt",
    "withoutlossofgener",
    "whynot",
    "don'tforget",
    "dontforget",
)
_BREAKS = (
    "but", "however", "whereas", "while", "then", "so", "therefore", "because", "since", "hence", "only", "as long as",
    "的话",
    "但", "而是", "却", "那么", "所以", "因此", "因为", "由于", "就", "则", "反而",
)  # fmt: skip
"""Where the reach of a negation ends."""
_JOINTS = ("and", "or", "且", "并", "也", "又")
_CONSEQUENCES = ("lead to", "leads to", "cause", "make", "导致", "使得", "会让", "让")
"""What follows from an action that is left out: "not scaling leads to saturation" asserts the saturation."""
_REASONS = frozenset({stem("because"), "因", "由"})
_VERBS_OF_LACK = frozenset({"fail", "lack"})
_COPULAS = frozenset("is are was be it's that's 是".split())
_SUBJECTS = frozenset("i you we they it this that these there wait sorry actually".split())
_VERBS_DENIED = frozenset("是需要会能用必有存改增加")
"""After one of these a negation denies the clause, not an attribute."""
_FILLERS = frozenset("有任何额外")
"""Characters that stand between a negation and the noun that it denies."""


@dataclass(frozen=True, slots=True)
class Term:
    """One term of a signal: its synonyms as parts of squeezed text, and those of its opposite."""

    written: str
    ways: tuple[tuple[str, ...], ...]
    opposites: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Match:
    """Where a signal stands in a wording: token ranges of its terms, and whether it is denied there."""

    ranges: tuple[tuple[int, int], ...]
    denied: bool

    @property
    def first(self) -> int:
        return min(first for first, _ in self.ranges)

    @property
    def last(self) -> int:
        return max(last for _, last in self.ranges)


@lru_cache(maxsize=1)
def _denying_phrases() -> tuple[tuple[str, int], ...]:
    """The phrases as squeezed text, with their number of tokens."""
    return tuple((phrase.squeezed, len(phrase.tokens)) for phrase in map(Wording, _DENYING_PHRASES))


class Thesaurus:
    """The terms file as a look-up: every word of a group stands for the whole group."""

    def __init__(self, terms: Terms) -> None:
        groups = {name: (name, *others) for name, others in terms.synonyms.items()}
        self._groups: dict[str, set[str]] = {}
        for name, words in groups.items():
            for word in words:
                self._groups.setdefault(squeeze(word), set()).add(name)
        self._words = groups
        self._opposites: dict[str, set[str]] = {}
        for one, other in terms.antonyms:
            self._opposites.setdefault(one, set()).add(other)
            self._opposites.setdefault(other, set()).add(one)

    def same(self, word: str) -> set[str]:
        """All words for what `word` says."""
        groups = self._groups.get(squeeze(word), set())
        return {word}.union(*(self._words[name] for name in groups))

    def opposite(self, word: str) -> set[str]:
        """All words for the opposite of what `word` says."""
        against = {name for group in self._groups.get(squeeze(word), set()) for name in self._opposites.get(group, ())}
        return set().union(*(self._words.get(name, (name,)) for name in against))


@lru_cache(maxsize=65536)
def squeeze(words: str) -> str:
    """Words as they stand in `Wording.squeezed`."""
    return Wording(words).squeezed


def compiled(signal: Signal, thesaurus: Thesaurus) -> tuple[Term, ...]:
    """The terms of a signal with all their synonyms and opposites."""
    return tuple(_term(written, thesaurus) for written in signal)


def _term(written: str, thesaurus: Thesaurus) -> Term:
    words = [word.strip() for word in written.split("|") if word.strip()]
    same = sorted(set().union(*(thesaurus.same(word) for word in words)))
    opposite = sorted(set().union(*(thesaurus.opposite(word) for word in words)) - set(same))
    return Term(written, _ways(same), _ways(opposite))


def _ways(words: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    ways = (tuple(squeeze(part) for part in re.split(r"\.\.\.|…", word)) for word in words)
    return tuple(dict.fromkeys(way for way in ways if all(way)))


def _asks(text: str, place: int) -> bool:
    """Whether the character negates only to ask, as in 能不能."""
    return 0 < place < len(text) - 1 and text[place - 1] == text[place + 1]


class Reading:
    """An answer read for signals: what of it counts as evidence, and what is denied in it."""

    def __init__(self, wording: Wording, discounted: frozenset[int] = frozenset()) -> None:
        self.wording = wording
        self.discounted = discounted

    def places(self, ways: tuple[tuple[str, ...], ...]) -> list[tuple[int, int]]:
        """Where any of the ways to say a term stands, outside the discounted tokens."""
        found = {place for way in ways for place in self._places(way)}
        return sorted(place for place in found if not self.discounted.issuperset(range(*place)))

    def _places(self, way: tuple[str, ...]) -> list[tuple[int, int]]:
        found = self.wording.find(way[0])
        for part in way[1:]:
            found = [
                (first, end)
                for first, last in found
                for start, end in self.wording.find(part)[:50]
                if start >= last
                and self._distance(last, start) <= GAP
                and self._same_sentence(first, end)
                and not any(last <= negation < start for negation in self.negations)
            ]
        return found

    def _distance(self, one: int, other: int) -> float:
        return self.wording.units[other] - self.wording.units[one]

    def _same_sentence(self, first: int, last: int) -> bool:
        tokens = self.wording.tokens
        return tokens[first].sentence == tokens[last - 1].sentence

    def matches(self, terms: Sequence[Term], opposed: int | None = None) -> list[Match]:
        """Where all terms stand near one another; with `opposed`, that term is replaced by its opposite."""
        places = [self.places(term.opposites if index == opposed else term.ways) for index, term in enumerate(terms)]
        if not all(places):
            return []
        anchor = min(range(len(places)), key=lambda index: len(places[index]))
        found = (self._around(place, places, anchor) for place in places[anchor][:50])
        return [match for match in found if match is not None]

    def _around(self, place: tuple[int, int], places: list[list[tuple[int, int]]], anchor: int) -> Match | None:
        """The match around one place of the anchor: the nearest place of every other term, undenied if there is one."""
        nearest = [
            [place] if index == anchor else sorted(options, key=lambda option: self._apart(place, option))[:2]
            for index, options in enumerate(places)
        ]
        first = self._match([options[0] for options in nearest])
        if first is None or not first.denied:
            return first
        for index, options in enumerate(nearest):
            for option in options[1:]:
                other = self._match([option if at == index else known[0] for at, known in enumerate(nearest)])
                if other and not other.denied:
                    return other
        return first

    def _match(self, ranges: Sequence[tuple[int, int]]) -> Match | None:
        """The match of these token ranges, if they stand near one another."""
        first, last = min(start for start, _ in ranges), max(end for _, end in ranges)
        tokens = self.wording.tokens
        near = self._distance(first, last) <= WINDOW and tokens[last - 1].sentence - tokens[first].sentence <= 1
        return Match(tuple(ranges), self._denied(ranges)) if near else None

    def _apart(self, one: tuple[int, int], other: tuple[int, int]) -> float:
        tokens = self.wording.tokens
        sentences = abs(tokens[one[0]].sentence - tokens[other[0]].sentence)
        return max(0.0, self._distance(one[1], other[0]), self._distance(other[1], one[0])) + 20 * sentences

    def _denied(self, ranges: Sequence[tuple[int, int]]) -> bool:
        """Whether in any clause an odd number of negations, other than those inside the terms, governs a term."""
        tokens = self.wording.tokens
        own = {index for first, last in ranges for index in range(first, last)}
        governing: dict[int, set[int]] = {}
        for first, last in ranges:
            found = {negation for negation in self.negations if self._governs(negation, first, last)} - own
            governing.setdefault(tokens[first].clause, set()).update(found)
        return any(len(negations) % 2 for negations in governing.values()) or self._refuted(ranges, own)

    def _refuted(self, ranges: Sequence[tuple[int, int]], own: set[int]) -> bool:
        """Whether the clause goes on to deny what the terms say."""
        last = max(end for _, end in ranges)
        return any(
            start >= last
            and start not in own
            and self.wording.tokens[start].clause == self.wording.tokens[last - 1].clause
            and self._distance(last, start) <= 3
            for start in self._refutations
        )

    @cached_property
    def _refutations(self) -> list[int]:
        return [
            first
            for phrase, length in _denying_phrases()
            for first, last in self.wording.find(phrase)
            if last - first == length and not _asks(self.wording.squeezed, self.wording.starts[first])
        ]

    def _governs(self, negation: int, first: int, last: int) -> bool:
        tokens = self.wording.tokens
        word = tokens[negation].norm
        if word in _BACKWARD and last <= negation:
            same = tokens[negation].sentence == tokens[last - 1].sentence
            predicate = tokens[negation - 1].norm in _COPULAS
            return same and predicate and self._distance(last, negation) <= 4
        if negation >= first or tokens[negation].clause != tokens[first].clause:
            return False
        if self._renewed(negation, last) or self._attributive(negation, first):
            return False
        noun_only = 1.5 if word in _SHORT_NEGATORS else REACH
        reach = 1.0 if self._conditional(negation) else noun_only
        fillers = sum(tokens[index].norm in _FILLERS for index in range(negation + 1, first)) * 0.5
        return (
            self._distance(negation + 1, first) - fillers < reach
            and not any(
                negation < place <= first and not self._denies_the_reason(negation, place) for place in self.breaks
            )
            and not any(
                place <= first and self._distance(negation + 1, place) >= 1
                for place in self._consequences
                if place > negation
            )
        )

    def _denies_the_reason(self, negation: int, place: int) -> bool:
        """Whether the negation is of the very "because" that would end its reach: "not because", 不是因为."""
        tokens = self.wording.tokens
        reason = tokens[place].norm in _REASONS
        return reason and tokens[negation].norm not in _VERBS_OF_LACK and self._distance(negation + 1, place) <= 0.5

    @cached_property
    def _consequences(self) -> list[int]:
        return sorted({first for word in _CONSEQUENCES for first, _ in self.wording.find(squeeze(word))})

    def _attributive(self, negation: int, first: int) -> bool:
        """Whether the negation belongs to a Chinese attribute only: in 不连续的物理块 it does not deny the blocks."""
        tokens = self.wording.tokens
        between = self.wording.text[tokens[negation].end : tokens[first].start]
        attribute = tokens[negation].kind == "cjk" and 0 < between.rfind("的") <= LONGEST_ATTRIBUTE
        return attribute and between[0] not in _VERBS_DENIED

    def _renewed(self, negation: int, last: int) -> bool:
        """Whether "and" begins a new statement with a negation of its own before the term or in it."""
        later = [index for index in self.negations if negation < index < last]
        return any(negation < joint < index for index in later for joint in self._joints)

    @cached_property
    def _joints(self) -> list[int]:
        return sorted({first for word in _JOINTS for first, _ in self.wording.find(squeeze(word))})

    def _conditional(self, negation: int) -> bool:
        """Whether the negation stands in an if-clause, where it governs only the next word."""
        tokens = self.wording.tokens
        before = [tokens[index].norm for index in range(max(0, negation - 6), negation)
                  if tokens[index].clause == tokens[negation].clause]  # fmt: skip
        joined = "".join(before)
        return "if" in before or any(word in joined for word in ("如果", "若", "要是", "假如", "when"))

    @cached_property
    def negations(self) -> list[int]:
        """Tokens that deny."""
        tokens, text = self.wording.tokens, self.wording.squeezed
        english = {
            index
            for index, token in enumerate(tokens)
            if (token.norm in _NEGATORS_EN or token.norm.endswith("n't"))
            and not text.startswith(_NOT_NEGATED_EN, self.wording.starts[index])
            and not self._answers(index)
        }
        english.update(first for phrase in _NEGATING_PHRASES for first, _ in self.wording.find(phrase))
        chinese = {
            index
            for match in _NEGATION_ZH.finditer(text)
            if not _asks(text, match.start())
            and (index := self._token_at(match.end() - 1 if match.group().endswith("错") else match.start()))
            is not None
        }
        return sorted(english | chinese)

    def _answers(self, index: int) -> bool:
        """Whether a "no" only answers the question and a statement follows: "no they differ"."""
        tokens = self.wording.tokens
        return tokens[index].norm == "no" and index + 1 < len(tokens) and tokens[index + 1].norm in _SUBJECTS

    def _token_at(self, place: int) -> int | None:
        try:
            return self.wording.starts.index(place)
        except ValueError:
            return None

    @cached_property
    def breaks(self) -> list[int]:
        """Tokens at which the reach of a negation ends."""
        return sorted({first for word in _BREAKS for first, _ in self.wording.find(squeeze(word))})
