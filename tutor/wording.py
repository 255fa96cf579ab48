"""What was said, as words that can be compared: the same for English, Chinese, mixed text and plain-text formulas.

Case, width, spacing, word forms, hidden characters and mark-up are folded away, and every word still knows where it
stands in the original text, so that a quote is always the learner's own.
"""

import re
import threading
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Set
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import pairwise

import snowballstemmer
from rapidfuzz.distance import OSA


class _Stemmer(threading.local):
    """One stemmer a thread: it keeps the word that it works on in itself."""

    def __init__(self) -> None:
        self.english = snowballstemmer.stemmer("english")


_STEMMER = _Stemmer()

_SYMBOLS = {
    "√": "sqrt", "∑": "sum", "σ": "sigma", "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "θ": "theta",
    "λ": "lambda", "μ": "mu", "π": "pi", "ε": "epsilon", "ϵ": "epsilon", "φ": "phi", "ω": "omega", "ρ": "rho",
    "η": "eta", "τ": "tau", "ψ": "psi", "⊤": "t", "’": "'", "‘": "'", "−": "-", "–": "-", "—": "-", "≤": "<", "≥": ">",
    "⇒": "→", "∞": "infinity",
}  # fmt: skip
"""Characters that people also spell out; NFKC leaves them alone."""

_BRACKETS = str.maketrans("‹›“”", '<>""')

_LATEX_SILENT = frozenset(
    "left right text mathrm mathbf mathbb mathcal operatorname cdot times frac tfrac dfrac quad qquad big bigl bigr "
    "displaystyle begin end top limits".split()
)
_CHINESE_NEGATIONS = frozenset("不没无非未")
_PARTICLES = frozenset("的了地着呢吧啊嘛呀")
_SILENT_WORDS = frozenset({"the"})

_TOKEN = re.compile(
    r"(?P<latex>\\[a-z]+)"
    r"|(?P<number>\d{1,3}(?:(?:,|\{,\})\d{3})+(?!\d)|\d+(?:\.\d+)?)"
    r"|(?P<word>[^\W\d_\u3400-\u9fff]+(?:'[a-z]+)?(?:_\{?(?:\\[a-z]+\{)?[a-z0-9]+)*)"
    r"|(?P<cjk>[\u3400-\u9fff])"
    r"|(?P<fraction>\}\s*\{)"
    r"|(?P<operator>[=<>≈/+→%∝-])"
)
_NAME_PARTS = re.compile(r"(?:(?<=\{)|(?<![\\a-z]))[^\W_]+(?:'[a-z]+)?")
_HANGING_BEFORE = re.compile(r"[^\s,.;:!?，。；：！？、|>*#()（）\[\]{}“”-]*$")
_HANGING_BEHIND = re.compile(r"[^\s,.;:!?，。；：！？、|>*#(（\[{“”-]*")
_SENTENCE_END = re.compile(
    r"[。！？!?;；]|(?<!\be\.g)(?<!\bi\.e)(?<!\bvs)(?<!\betc)\.\s|\n\s*\n|\n\s*(?:[-*•]|\d+[.)、])"
)
_CLAUSE_END = re.compile(r"[,，:：()（）\n]|\s-+\s")


@dataclass(frozen=True, slots=True)
class Token:
    """A word, a number, a Chinese character or an operator: its stem, as written, and place in the original."""

    norm: str
    written: str
    kind: str
    start: int
    end: int
    sentence: int
    clause: int


@lru_cache(maxsize=65536)
def stem(word: str) -> str:
    """The word without its English ending; short words stay as they are."""
    return str(_STEMMER.english.stemWord(word)) if len(word) > 3 and word.isascii() else word


def _folded(text: str) -> tuple[str, list[int]]:
    """The text in one case and width, with the original place of each character."""
    out: list[str] = []
    places: list[int] = []
    for place, char in enumerate(text):
        for folded in unicodedata.normalize("NFKC", char).casefold():
            if unicodedata.category(folded) in ("Cf", "Mn", "Cs"):
                continue
            for piece in _SYMBOLS.get(folded, folded):
                out.append(piece)
                places.append(place)
    return "".join(out), places


class Wording:
    """A text as tokens, and as one string without spaces in which terms are found at token borders."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = tuple(_tokens(text))

    @cached_property
    def squeezed(self) -> str:
        return "".join(token.norm for token in self.tokens)

    @cached_property
    def starts(self) -> list[int]:
        """Where each token starts in `squeezed`, and its length at the end."""
        places = [0]
        for token in self.tokens:
            places.append(places[-1] + len(token.norm))
        return places

    @cached_property
    def units(self) -> list[float]:
        """How much is said before each token: a word counts 1, a Chinese character one half."""
        sums = [0.0]
        for token in self.tokens:
            sums.append(sums[-1] + (0.5 if token.kind == "cjk" else 1.0))
        return sums

    @cached_property
    def sentences(self) -> list[tuple[int, int]]:
        """The sentences as token ranges."""
        ends = [at for at, (one, other) in enumerate(pairwise(self.tokens), 1) if one.sentence != other.sentence]
        ends = [*ends, len(self.tokens)] if self.tokens else []
        return list(zip([0, *ends], ends, strict=False))

    def find(self, term: str) -> list[tuple[int, int]]:
        """Places of a squeezed term as (first token, token after the last)."""
        found = []
        at = self.squeezed.find(term)
        while at >= 0:
            first, last = self._border(at), self._border(at + len(term))
            if first is not None and last is not None and self._in_one_sentence(first, last):
                found.append((first, last))
            at = self.squeezed.find(term, at + 1)
        return found

    def _in_one_sentence(self, first: int, last: int) -> bool:
        """Whether the tokens belong together: no sentence ends among them, and no comma before a Chinese negation."""
        tokens = self.tokens
        return tokens[first].sentence == tokens[last - 1].sentence and not any(
            tokens[index].norm in _CHINESE_NEGATIONS and tokens[index].clause != tokens[index - 1].clause
            for index in range(first + 1, last)
        )

    def _border(self, place: int) -> int | None:
        index = bisect_left(self.starts, place)
        return index if index < len(self.starts) and self.starts[index] == place else None

    def quote(self, first: int, last: int) -> str:
        """The original words from token `first` up to, not including, token `last`, with what hangs on to them."""
        start, end = self.tokens[first].start, self.tokens[last - 1].end
        before = self.text[self.tokens[first - 1].end if first else 0 : start]
        behind = self.text[end : self.tokens[last].start if last < len(self.tokens) else len(self.text)]
        start -= len(_HANGING_BEFORE.search(before).group())  # type: ignore[union-attr]
        end += len(_HANGING_BEHIND.match(behind).group())  # type: ignore[union-attr]
        return self.text[start:end]

    def clauses(self, first: int, last: int) -> tuple[int, int]:
        """The token range widened to whole clauses."""
        clauses = [token.clause for token in self.tokens]
        return bisect_left(clauses, clauses[first]), bisect_right(clauses, clauses[last - 1])

    def corrected(self, vocabulary: Iterable[str], real: Set[str] = frozenset()) -> "Wording":
        """The same text with misspelt long words read as the nearest word of `vocabulary`; `real` words stay."""
        known = frozenset(word for word in vocabulary if len(word) >= 5)
        tokens = tuple(token if token.written in real else _corrected(token, known) for token in self.tokens)
        if tokens == self.tokens:
            return self
        again = Wording.__new__(Wording)
        again.text, again.tokens = self.text, tokens
        return again


def passage(words: str, text: str) -> str:
    """The words as they stand in `text`, whatever their case, width, white space and kind of brackets; else nothing."""
    said, places = _unspaced(text)
    wanted, _ = _unspaced(words)
    at = said.find(wanted) if wanted else -1
    return text[places[at] : places[at + len(wanted) - 1] + 1] if at >= 0 else ""


def _unspaced(text: str) -> tuple[str, list[int]]:
    folded, places = _folded(text.translate(_BRACKETS))
    kept = [index for index, char in enumerate(folded) if not char.isspace()]
    return "".join(folded[index] for index in kept), [places[index] for index in kept]


def _corrected(token: Token, known: frozenset[str]) -> Token:
    """The token, or the word of `known` it must be: one slip from five letters on, two from nine on."""
    length = len(token.written)
    if token.kind != "word" or length < 5 or token.written in known or not token.written.isalpha():
        return token
    allowed = 2 if length >= 9 else 1
    near = (
        (OSA.distance(token.written, word, score_cutoff=allowed), word)
        for word in known
        if word[:2] == token.written[:2] and abs(len(word) - length) <= allowed
    )
    distance, word = min(near, default=(allowed + 1, ""))
    return token if distance > allowed else replace(token, norm=stem(word))


def _tokens(text: str) -> Iterable[Token]:
    folded, places = _folded(text)
    sentence = clause = 0
    end_of_last = 0
    for match in _TOKEN.finditer(folded):
        kind = str(match.lastgroup)
        norm = _norm(kind, match.group(), folded, match.start(), match.end())
        if norm is None:
            continue
        if end_of_last and _ends(_SENTENCE_END, folded, end_of_last, match.start()):
            sentence, clause = sentence + 1, clause + 1
        elif end_of_last and _ends(_CLAUSE_END, folded, end_of_last, match.start()):
            clause += 1
        start, end = places[match.start()], places[match.end() - 1] + 1
        yield Token(norm, match.group(), "operator" if kind == "fraction" else kind, start, end, sentence, clause)
        end_of_last = match.end()


def _ends(border: re.Pattern[str], folded: str, start: int, end: int) -> bool:
    """Whether a border lies in what stands between two words; it may look at what comes before."""
    return border.search(folded, start, end + 1) is not None


def _norm(kind: str, found: str, folded: str, start: int, end: int) -> str | None:
    """The folded form of a token, or None for what carries no meaning of its own."""
    if kind == "latex":
        return None if found[1:] in _LATEX_SILENT else stem(found[1:])
    if kind == "word":
        return None if found in _SILENT_WORDS else "".join(stem(part) for part in _NAME_PARTS.findall(found))
    if kind == "number":
        return re.sub("[{},]", "", found)
    if kind == "cjk":
        return None if found in _PARTICLES else found
    if kind == "fraction":
        return "/"
    joins = folded[start - 1 : start].isalnum() and folded[end : end + 1].isalnum()
    return None if found == "-" and joins else _slash(found, folded, start, end)


def _slash(operator: str, folded: str, start: int, end: int) -> str | None:
    """A slash between two whole words is only a separator; between symbols it divides."""
    if operator != "/":
        return operator
    before, behind = folded[max(0, start - 2) : start], folded[end : end + 2]
    between_words = all(len(side) == 2 and side.isalpha() for side in (before, behind))
    return None if between_words else operator
