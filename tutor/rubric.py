"""Grades an answer by the signals of its card: without a model, and the same answer always gets the same grade."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from tutor.cards import LANGUAGES, Card, KeyPoint, Misconception, Shelf, Signal, Verdict
from tutor.grading import LONGEST_QUOTE, Found, Gate, Grade, Mark, found, gated, graded, marked, replaced
from tutor.likeness import Heard, Likeness
from tutor.matching import Match, Reading, Term, Thesaurus, compiled
from tutor.reciting import Known, known_statements, recited
from tutor.rough import rough_grade
from tutor.stance import unasserted
from tutor.statements import discounted_tokens, is_placeholder
from tutor.wording import Wording

COPIED_RUN = 10.0
"""So many words in a row that the tutor said itself are no answer (two Chinese characters are one word)."""
COPIED_WHOLE = 4.0
"""An answer of so many words that is nothing else than a passage of the tutor's is no answer either."""
CARDS_KEPT = 24
"""Cards whose examples stay in memory, a few MB each."""


@dataclass(frozen=True, slots=True)
class _Rubric:
    """A card's signals, compiled, with the question and all else that the tutor says before an answer."""

    covered: dict[str, list[tuple[Term, ...]]]
    partly: dict[str, list[tuple[Term, ...]]]
    beliefs: dict[str, list[tuple[Term, ...]]]
    vocabulary: frozenset[str]
    question: tuple[Wording, ...]
    tutor_said: tuple[Wording, ...]
    held_right: tuple[Known, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What of an answer can be evidence: a gate that it failed, and the tokens that count for nothing.

    `denied` names the key points that are recited with their sense turned round, with the words that do so; `right`
    are tokens of sentences that the card itself holds right, so that they cannot be a misconception.
    """

    wording: Wording
    gate: Gate | None
    discounted: frozenset[int]
    denied: Mapping[str, str]
    right: frozenset[int]
    tutor_said: tuple[Wording, ...]

    @property
    def reading(self) -> Reading:
        """The answer, read for what it asserts."""
        return Reading(self.wording, self.discounted)

    @property
    def doubtful(self) -> Reading:
        """The answer, read for what in it can be a misconception."""
        return Reading(self.wording, self.discounted | self.right)

    def admits(self, words: str) -> bool:
        """Whether these words of the answer are evidence: not out of a mere list, and not the tutor's own."""
        said = Wording(words).squeezed
        if not said or any(tutors.find(said) for tutors in self.tutor_said):
            return False
        return any(not self.discounted.issuperset(range(*place)) for place in self.wording.find(said))


class RubricGrader:
    """Grades by the signals of the card: deterministic, without a model or a download."""

    def __init__(self, shelf: Shelf) -> None:
        self._thesaurus = Thesaurus(shelf.terms)
        self._shelf = shelf
        self._examples: dict[str, tuple[Card, Heard]] = {}
        self._rubrics: dict[str, tuple[Card, _Rubric]] = {}
        self._real_words = _english_words(shelf)

    def grade(self, card: Card, answer: str) -> Grade:
        rubric, evidence = self._rubric(card), self.evidence(card, answer)
        if evidence.gate:
            return gated(card, evidence.gate)
        reading = evidence.reading
        if not any(point.signals for point in card.key_points):
            return rough_grade(card, reading)
        misconceptions = tuple(_found(card.misconceptions, rubric, evidence.doubtful))
        denied = _denied(card, misconceptions)
        likeness = self._heard(card).likeness(reading)
        marks = self.by_signals(card, evidence)
        return graded(
            card,
            [
                _heard(mark, likeness.get(point), reading, point in denied) if point not in evidence.denied else mark
                for point, mark in marks.items()
            ],
            misconceptions,
        )

    def by_signals(self, card: Card, evidence: Evidence) -> dict[str, Mark]:
        """The mark that its signals alone give each key point; one that is recited turned round is contradicted."""
        rubric, reading = self._rubric(card), evidence.reading
        return {
            point.id: marked(point, "contradicted", evidence.denied[point.id])
            if point.id in evidence.denied
            else self._judged(point, rubric, reading)
            for point in card.key_points
        }

    def signs(self, card: Card, evidence: Evidence) -> dict[str, tuple[bool, ...]]:
        """What the signals say of each key point, as the likeness to examples is weighed with it."""
        denied = _denied(card, list(_found(card.misconceptions, self._rubric(card), evidence.doubtful)))
        return {point: _signs(mark, point in denied) for point, mark in self.by_signals(card, evidence).items()}

    def reconsidered(self, card: Card, answer: str, grade: Grade, key_point: str, argument: str) -> Grade:
        """One key point once more; who says it clearly in the argument no longer holds what denied it."""
        again = self.grade(card, f"{answer}\n\n{argument}")
        alone = next(mark for mark in self.grade(card, argument).marks if mark.key_point == key_point)
        if alone.verdict == "covered":
            marks = tuple(alone if mark.key_point == key_point else mark for mark in again.marks)
            again = again.model_copy(update={"marks": marks, "misconceptions": ()})
        return replaced(card, grade, again, key_point)

    def evidence(self, card: Card, answer: str) -> Evidence:
        """The answer as it is read, and what of it can be evidence."""
        rubric = self._rubric(card)
        wording = _read(answer).corrected(rubric.vocabulary, self._real_words)
        gate, discounted = _evidence(wording, rubric.tutor_said)
        if gate:
            return Evidence(wording, gate, discounted, {}, frozenset(), rubric.tutor_said)
        said = Reading(wording, discounted | unasserted(wording))
        found = recited(said, rubric.held_right, self._thesaurus)
        denied = {
            one.key_point: wording.quote(one.first, one.last)[:LONGEST_QUOTE]
            for one in found
            if one.turned and one.key_point
        }
        silent = said.discounted.union(*(range(one.first, one.last) for one in found if one.turned))
        right = frozenset(at for one in found if not one.turned for at in range(one.first, one.last))
        return Evidence(wording, None, silent, denied, right, rubric.tutor_said)

    def _heard(self, card: Card) -> Heard:
        known = self._examples.get(card.id)
        if known is None or known[0] is not card:
            known = (card, Heard(card, self._shelf.examples(card)))
            self._examples[card.id] = known
            while len(self._examples) > CARDS_KEPT:
                self._examples.pop(next(iter(self._examples)), None)
        return known[1]

    def _rubric(self, card: Card) -> _Rubric:
        known = self._rubrics.get(card.id)
        if known is None or known[0] is not card:
            known = (card, _rubric(card, self._thesaurus))
            self._rubrics[card.id] = known
        return known[1]

    def _judged(self, point: KeyPoint, rubric: _Rubric, reading: Reading) -> Mark:
        full = list(_said(rubric.covered[point.id], rubric, reading))
        if said := [match for match in full if not match.denied]:
            return marked(point, "covered", _quote(reading.wording, said))
        if against := [match for match in full if match.denied] or _opposed(rubric.covered[point.id], reading):
            return marked(point, "contradicted", _quote(reading.wording, against))
        half = _said(rubric.partly[point.id], rubric, reading)
        if said := [match for match in half if not match.denied]:
            return marked(point, "partly", _quote(reading.wording, said))
        return marked(point, "missed")


@lru_cache(maxsize=512)
def _read(answer: str) -> Wording:
    return Wording(answer)


def _english_words(shelf: Shelf) -> frozenset[str]:
    """Words that the cards themselves use, and which are therefore not misspellings of other words."""
    texts = (
        text.en
        for card in shelf.cards
        for text in (card.question, card.answer, *card.explanation, *(point.text for point in card.key_points))
    )
    return frozenset(word for text in texts for word in re.findall(r"[a-z]{5,}", text.lower()))


def _rubric(card: Card, thesaurus: Thesaurus) -> _Rubric:
    question = (Wording(card.question.en), Wording(card.question.zh))

    def compile_all(signals: tuple[Signal, ...]) -> list[tuple[Term, ...]]:
        return [compiled(signal, thesaurus) for signal in signals]

    covered = {point.id: compile_all(point.signals) for point in card.key_points}
    partly = {point.id: compile_all(point.partly) for point in card.key_points}
    beliefs = {belief.id: compile_all(belief.signals) for belief in card.misconceptions}
    written = [
        word
        for signals in (*(p.signals + p.partly for p in card.key_points), *(b.signals for b in card.misconceptions))
        for signal in signals
        for term in signal
        for word in term.split("|")
    ]
    said = {same for word in written for same in thesaurus.same(word.strip())}
    vocabulary = frozenset(token.written for word in said for token in Wording(word).tokens if token.kind == "word")
    helps = [text for point in card.key_points for text in (point.hint, point.probe)]
    tutor_said = (*question, *(Wording(text[language]) for text in helps for language in LANGUAGES))
    right = [(point.text[language], point.id) for point in card.key_points for language in LANGUAGES]
    held_right = known_statements([*right, *((card.answer[language], None) for language in LANGUAGES)])
    return _Rubric(covered, partly, beliefs, vocabulary, question, tutor_said, tuple(held_right))


def _said(signals: Sequence[tuple[Term, ...]], rubric: _Rubric, reading: Reading) -> Iterable[Match]:
    """Where the signals stand, in words that are not all taken from the question."""
    for signal in signals:
        for match in reading.matches(signal):
            if not all(_stands_in(rubric.question, reading.wording, place) for place in match.ranges):
                yield match


def _stands_in(question: tuple[Wording, ...], wording: Wording, place: tuple[int, int]) -> bool:
    words = "".join(token.norm for token in wording.tokens[place[0] : place[1]])
    return any(asked.find(words) for asked in question)


def _evidence(wording: Wording, tutor_said: tuple[Wording, ...]) -> tuple[Gate | None, frozenset[int]]:
    """Why nothing in the answer can be evidence, or which of its tokens cannot."""
    if not wording.tokens:
        return "empty", frozenset()
    if gate := is_placeholder(wording):
        return gate, frozenset()
    copied = frozenset(_copied(wording, tutor_said))
    rest = len(wording.tokens) - len(copied)
    if copied and rest < max(3, len(wording.tokens) // 4):
        return "question_copied", frozenset()
    listed = discounted_tokens(wording)
    if listed and len(listed | copied) == len(wording.tokens):
        return "keyword_list", frozenset()
    return None, copied | listed


def _copied(wording: Wording, tutor_said: tuple[Wording, ...]) -> Iterable[int]:
    """Tokens in long runs of words that the tutor said just so."""
    units = wording.units
    first = 0
    while first < len(wording.tokens):
        last = first + 1
        sources = [said.squeezed for said in tutor_said if wording.tokens[first].norm in said.squeezed]
        while sources and last < len(wording.tokens):
            run = "".join(token.norm for token in wording.tokens[first : last + 1])
            sources = [said for said in sources if run in said]
            last += bool(sources)
        whole = first == 0 and last == len(wording.tokens) and units[last] >= COPIED_WHOLE
        if whole or units[last] - units[first] >= COPIED_RUN:
            yield from range(first, last)
            first = last
        else:
            first += 1


def _opposed(signals: Sequence[tuple[Term, ...]], reading: Reading) -> list[Match]:
    """Where a signal stands with one of its terms replaced by the opposite."""
    return [
        match
        for signal in signals
        if len(signal) > 1
        for index, term in enumerate(signal)
        if term.opposites
        for match in reading.matches(signal, opposed=index)
        if not match.denied
    ]


def _heard(mark: Mark, likeness: Likeness | None, reading: Reading, denied: bool) -> Mark:
    """The mark that signals and the likeness to examples make together; without examples the signals' own."""
    if likeness is None:
        return mark
    verdict = likeness.verdict(_signs(mark, denied))
    if verdict in (mark.verdict, "missed"):
        return mark if verdict == mark.verdict else mark.model_copy(update={"verdict": verdict, "quote": ""})
    like: Verdict = "contradicted" if verdict == "unsure" else verdict
    quote = mark.quote if mark.verdict != "missed" and like != "contradicted" else ""
    quote = quote or reading.wording.quote(*likeness.passages[like])[:LONGEST_QUOTE]
    return mark.model_copy(update={"verdict": verdict, "quote": quote})


def _signs(mark: Mark, denied: bool) -> tuple[bool, ...]:
    return mark.verdict == "covered", mark.verdict == "partly", mark.verdict == "contradicted", denied


def _denied(card: Card, misconceptions: Sequence[Found]) -> set[str | None]:
    """The key points that these misconceptions deny."""
    held = {found.misconception for found in misconceptions}
    return {belief.contradicts for belief in card.misconceptions if belief.id in held}


def _found(beliefs: Sequence[Misconception], rubric: _Rubric, reading: Reading) -> Iterable[Found]:
    for belief in beliefs:
        matches = (match for signal in rubric.beliefs[belief.id] for match in reading.matches(signal))
        if said := [match for match in matches if not match.denied]:
            yield found(belief, _quote(reading.wording, said))


def _quote(wording: Wording, matches: Sequence[Match]) -> str:
    """The shortest passage that shows it, in whole clauses where they are not too long."""
    best = min(matches, key=lambda match: wording.units[match.last] - wording.units[match.first])
    whole = wording.quote(*wording.clauses(best.first, best.last))
    return whole if len(whole) <= LONGEST_QUOTE else wording.quote(best.first, best.last)[:LONGEST_QUOTE]
