"""What the tutor says to a question in the middle of an interview: a term in a sentence or two, or other words.

Nothing that would earn a key point of the open question is said before the learner has said it.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property

from tutor.cards import Card, Shelf, Text
from tutor.events import Clarified
from tutor.interview import Interview, Round
from tutor.matching import squeeze
from tutor.prompts import Phrases
from tutor.rubric import RubricGrader
from tutor.search import CardSearch
from tutor.turns import TurnReader
from tutor.wording import Wording

ABOUT = ("count", "previous", "language", "right", "score", "tutor", "example")
"""What of the interview itself learners ask about."""
TERMS = 2
"""Terms that one reply explains."""
CENTRAL = 3


class Asides:
    """Answers questions to the tutor out of the glossary and the cards."""

    def __init__(self, shelf: Shelf, search: CardSearch, phrases: Phrases, turns: TurnReader) -> None:
        self._shelf = shelf
        self._search = search
        self._phrases = phrases
        self._turns = turns

    @cached_property
    def _rubric(self) -> RubricGrader:
        return RubricGrader(self._shelf)

    def answer(self, question: str, interview: Interview, card: Card) -> Clarified:
        """What there is to say to the question, while this card is open."""
        this = interview.current
        texts = list(self._terms(question)) or list(self._points(question, card))
        if texts and this:
            told = Text(en=" ".join(text.en for text in texts), zh="".join(text.zh for text in texts))
            if self._gives_away(told, this, card):
                return Clarified(card_id=card.id, held_back=True)
            return Clarified(card_id=card.id, text=told)
        return Clarified(card_id=card.id, about=self._about(question))

    def other_words(self, interview: Interview, card: Card) -> Clarified:
        """The question that was put last, in another wording that stands on the card."""
        this = interview.current
        asked = this.helps[-1] if this and this.helps and this.helps[-1].step in ("hint", "probe") else None
        point = next((point for point in card.key_points if asked and point.id == asked.key_point), None)
        if asked and point and not (this and this.given_away):
            return Clarified(card_id=card.id, text=point.probe if asked.step == "hint" else point.hint)
        en = _nearest(card.question.en, card.asked_as.en)
        zh = _nearest(card.question.zh, card.asked_as.zh)
        return Clarified(card_id=card.id, text=Text(en=en, zh=zh) if en and zh else None)

    def _terms(self, question: str) -> Iterator[Text]:
        """What the glossary says to the terms in the question, the longest names first."""
        wording, taken = Wording(question), set[int]()
        named = [(squeeze(word), term) for term in self._shelf.glossary for word in term.words]
        found = 0
        for name, term in sorted(named, key=lambda pair: -len(pair[0])):
            places = [set(range(*place)) for place in wording.find(name)]
            if found < TERMS and places and not places[0] & taken:
                taken |= places[0]
                found += 1
                yield term.text

    def _points(self, question: str, card: Card) -> Iterator[Text]:
        """The first central point of another card whose question names what is asked about."""
        subject = squeeze(self._turns.subject(question))
        hits = self._search.find(question, limit=3) if len(subject) > 1 else []
        for hit in hits:
            other = hit.card
            named = any(Wording(other.question[language]).find(subject) for language in ("en", "zh"))
            if other.id != card.id and named:
                yield next(point.text for point in other.key_points if point.weight == CENTRAL)
                return

    def _gives_away(self, text: Text, this: Round, card: Card) -> bool:
        """Whether saying the text would earn a key point that the learner has not said and was not told."""
        if this.given_away:
            return False
        marks = this.grade.marks if this.grade else ()
        known = {mark.key_point for mark in marks if mark.verdict == "covered"} | this.told
        grades = (self._rubric.grade(card, said) for said in (text.en, text.zh))
        return any(
            mark.verdict in ("covered", "partly") and mark.key_point not in known
            for grade in grades
            for mark in grade.marks
        )

    def _about(self, question: str) -> str:
        """What of the interview itself the question is about; nothing where that is not clear."""
        said = Wording(question)
        named = ((key, self._phrases.words(f"asks.about_{key}")) for key in ABOUT)
        return next((key for key, words in named if any(said.find(squeeze(word)) for word in words)), "")


def _nearest(question: str, wordings: Sequence[str]) -> str:
    """The wording with most of the question's words: others often stress one side of it."""
    own = {token.norm for token in Wording(question).tokens}

    def shared(wording: str) -> float:
        words = {token.norm for token in Wording(wording).tokens}
        return len(own & words) / len(own | words)

    return max((wording for wording in wordings if wording != question), key=shared, default="")
