"""Simulated learners who are interviewed: `make simulate` prints how long dialogues are and what a plan is worth.

A learner knows a set of key points and some wrong beliefs, gains a point now and then when it is hinted at, asked for
or told, gets tired, and wishes for things. They see only what a person sees: the events of the last turn. All are
bounded and seeded.
"""

import argparse
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean
from types import SimpleNamespace
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from tests.many import DAY, stamped
from tutor.cards import LANGUAGES, Card, Language, Shelf, load_shelf
from tutor.dialogue import IMPORTANT, PATIENCE, required_move
from tutor.events import (
    COMMANDS,
    AnswerGraded,
    AnswerShown,
    Command,
    CommandGiven,
    Event,
    FollowUpAsked,
    QuestionAsked,
    SessionStarted,
    SummaryGiven,
    event_of,
    events,
    learner_message,
    to_json,
)
from tutor.grading import CENTRAL
from tutor.history import Store
from tutor.interview import Interview, Round
from tutor.models import make_engine
from tutor.opening import tutor_prompts
from tutor.planning import with_past
from tutor.progress import Sitting, due, latest_scores, sitting
from tutor.prompts import Phrases, load_phrases
from tutor.resources import resource
from tutor.rubric import RubricGrader
from tutor.search import CardSearch
from tutor.settings import Settings
from tutor.tools import TOOLS, Desk
from tutor.tutor import Tutor

MOST_TURNS = PATIENCE + 8
"""Messages that a question can take at most: the answer, each step, the restatement, and a few wishes."""
NOISE = {"en": ("something about speed", "it is better in practice", "hm, the gradient?", "many papers do that"),
         "zh": ("好像跟速度有关", "实际效果更好", "嗯，梯度？", "很多论文都这么做")}  # fmt: skip
GIVING_UP = {"en": ("I don't know", "no idea", "not sure"), "zh": ("不知道", "不太清楚", "忘了")}


class Wordings:
    """How a learner says a key point: words that earn it by themselves."""

    def __init__(self, shelf: Shelf) -> None:
        self._grader = RubricGrader(shelf)
        self._known: dict[tuple[str, Language], dict[str, str]] = {}

    def of(self, card: Card, language: Language) -> dict[str, str]:
        key = card.id, language
        if key not in self._known:
            whole = {mark.key_point: mark.quote for mark in self._grader.grade(card, card.answer[language]).marks}
            self._known[key] = {
                point.id: next(
                    (text for text in (point.text[language], whole[point.id]) if self._earns(card, point.id, text)), ""
                )
                for point in card.key_points
            }
        return {point: words for point, words in self._known[key].items() if words}

    def _earns(self, card: Card, point: str, text: str) -> bool:
        return any(m.key_point == point and m.verdict == "covered" for m in self._grader.grade(card, text).marks)


@dataclass
class Learner:
    """A person: what they know, how fast they learn, how they talk. All shares and chances are 0 to 1."""

    chance: random.Random
    wordings: Wordings
    language: Language
    knows: set[tuple[str, str]]
    believes: set[tuple[str, str]]
    learns: float
    talks: float
    gives_up: float
    tires: float
    wishes: float
    said: set[str] = field(default_factory=set)

    @staticmethod
    def made(shelf: Shelf, wordings: Wordings, seed: int) -> "Learner":
        chance = random.Random(seed)
        share = chance.random()
        points = [(card.id, point.id) for card in shelf.cards for point in card.key_points]
        beliefs = [(card.id, belief.id) for card in shelf.cards for belief in card.misconceptions]
        return Learner(
            chance=chance,
            wordings=wordings,
            language=chance.choice(LANGUAGES),
            knows={point for point in points if chance.random() < share},
            believes={belief for belief in beliefs if chance.random() < 0.3 * (1 - share)},
            learns=chance.uniform(0.1, 0.9),
            talks=chance.uniform(0.3, 1.0),
            gives_up=chance.random(),
            tires=chance.choice((0.0, 0.0, 0.0, 0.05, 0.15)),
            wishes=chance.choice((0.0, 0.0, 0.1, 0.2)),
        )

    def reply(self, card: Card, turn: Sequence[Event]) -> str | Command:
        """What the learner sends after a turn of the tutor: words, or a command."""
        if self.chance.random() < self.tires:
            return "skip"
        if self.chance.random() < self.wishes:
            return self.chance.choice(("hint", "easier", "why", "repeat", "shorter", "misread", "explain", "show"))
        asked: Event | None = None
        for event in turn:
            asked = self._hears(card, event) or asked
        match asked:
            case QuestionAsked():
                return self._answer(card)
            case FollowUpAsked() if asked.step == "pump":
                return self._statements(card, self._unsaid(card)) or self._nothing()
            case FollowUpAsked():
                return (
                    self._statements(card, [p for p in self._unsaid(card) if p == asked.key_point]) or self._nothing()
                )
            case SummaryGiven():
                return self._restatement(card)
            case _:
                return self._statements(card, self._unsaid(card)) or self._nothing()

    def _hears(self, card: Card, event: Event) -> Event | None:
        """Learns from what the tutor says, and gives it back if it asks for an answer."""
        if isinstance(event, QuestionAsked):
            self.said = set()
        if isinstance(event, FollowUpAsked) and event.key_point and self.chance.random() < self.learns:
            self.knows.add((card.id, event.key_point))
        if isinstance(event, SummaryGiven) and event.card_id == card.id:
            self.knows |= {(card.id, m.key_point) for m in event.missing if self.chance.random() < self.learns}
        if isinstance(event, AnswerShown):
            self.knows |= {(card.id, p.id) for p in card.key_points if self.chance.random() < self.learns}
        if isinstance(event, AnswerGraded):
            corrected = {(card.id, found.misconception) for found in event.grade.misconceptions}
            self.believes -= corrected
        telling = isinstance(event, FollowUpAsked) and event.step == "tell"
        return event if isinstance(event, QuestionAsked | FollowUpAsked | SummaryGiven) and not telling else None

    def _answer(self, card: Card) -> str:
        volunteered = [point for point in self._unsaid(card) if self.chance.random() < self.talks]
        wrong = [belief.text[self.language] for belief in card.misconceptions if (card.id, belief.id) in self.believes]
        statements = [*wrong[:1], self._statements(card, volunteered)]
        return "\n".join(filter(None, statements)) or self._nothing()

    def _restatement(self, card: Card) -> str | Command:
        if self.chance.random() < 0.4:
            return "skip"
        self.said = set()
        return self._statements(card, self._unsaid(card)) or self._nothing()

    def _unsaid(self, card: Card) -> list[str]:
        return [p.id for p in card.key_points if (card.id, p.id) in self.knows and p.id not in self.said]

    def _statements(self, card: Card, points: Sequence[str]) -> str:
        words = self.wordings.of(card, self.language)
        self.said |= set(points)
        return "\n".join(words[point] for point in points if point in words)

    def _nothing(self) -> str:
        return self.chance.choice((GIVING_UP if self.chance.random() < self.gives_up else NOISE)[self.language])


# Through the real agent


@dataclass(frozen=True)
class Dialogues:
    """What was measured over many interviews."""

    interviews: int
    questions: int
    messages: int
    worked_on: int
    steps: Counter[str]
    won: Counter[str]
    longest: int

    @property
    def turns_per_question(self) -> float:
        return self.messages / self.questions

    @property
    def steps_per_point(self) -> float:
        return sum(number for step, number in self.steps.items() if step != "pump") / max(1, self.worked_on)


def interviewed(tutor: Tutor, learner: Learner, name: str, choices: SessionStarted) -> list[BaseMessage]:
    """The transcript of a whole interview of the learner; raises AssertionError where it does not come to an end."""
    session = tutor.start(name, choices)
    for _ in range(choices.questions * MOST_TURNS):
        transcript = tutor.transcript(name, session)
        interview = Interview.of(transcript)
        if interview.finished:
            return transcript
        card = tutor.desk.shelf.by_id[interview.rounds[-1].asked.card_id]
        said = learner.reply(card, interview.turn)
        if said in COMMANDS:
            tutor.reply(name, session, tutor.phrases.words(f"commands.{said}")[0])
        else:
            tutor.reply(name, session, said)
    raise AssertionError(f"{name} in {session}: no end after {choices.questions * MOST_TURNS} messages")


def checked(transcript: Sequence[BaseMessage], phrases: Phrases) -> Interview:
    """The interview of the transcript; raises AssertionError where the dialogue broke one of its promises."""
    interview = Interview.of(transcript)
    assert interview.finished
    for this in interview.rounds:
        _check_round(this)
    for turn in turns(transcript):
        happened = list(events(turn))
        asked = [event for event in happened if isinstance(event, FollowUpAsked) and event.step != "tell"]
        assert len(asked) <= 1, "two questions in one turn"
        assert sum(isinstance(event, FollowUpAsked) and event.step == "tell" for event in happened) <= 1
        _check_praise(turn, interview.language, phrases)
    return interview


def _check_round(this: Round) -> None:
    where = this.asked.card_id
    steps = [(help_.key_point, help_.step) for help_ in this.helps]
    assert len(steps) == len(set(steps)), f"{where}: a step was repeated: {steps}"
    for at, (point, step) in enumerate(steps):
        if step == "tell":
            before = [earlier for earlier, asked in steps[:at] if asked in ("hint", "probe")]
            assert point in before, f"{where}: {point} was told before it was asked for"
    if this.summary:
        assert this.grades, f"{where}: summed up before an attempt"
    if this.shown or this.explained or not this.grades:
        return
    grade = this.grade
    assert grade is not None
    asked = {point for point, _ in steps}
    missing = {mark.key_point for mark in this.summary.missing} if this.summary else set()
    for mark in grade.marks:
        if mark.weight < CENTRAL or (mark.verdict == "covered" and mark.key_point not in this.told):
            continue
        assert mark.key_point in missing | this.told, f"{where}: {mark.key_point} was left untold"
        assert this.left or mark.key_point in asked, f"{where}: {mark.key_point} was told but never asked for"
    for point in this.told:
        verdicts = [
            m.verdict for g in this.grades if not g.after_showing for m in g.grade.marks if m.key_point == point
        ]
        assert verdicts[-1] != "covered", f"{where}: {point} was told and counted"


def _check_praise(turn: Sequence[BaseMessage], language: Language, phrases: Phrases) -> None:
    """Words of praise stand with a quote that the learner has said."""
    openings = [phrases(f"say.{key}", language, quotes="\0").split("\0")[0] for key in ("right", "right_all", "half")]
    graded = next((event for event in events(turn) if isinstance(event, AnswerGraded)), None)
    for message in turn:
        if isinstance(message, AIMessage) and any(opening in str(message.text) for opening in openings):
            assert graded, f"praise without a grade: {message.text}"
            quotes = [m.quote for m in graded.grade.marks if m.verdict in ("covered", "partly") and m.quote]
            assert any(f"“{quote}”" in str(message.text) for quote in quotes), f"praise without a quote: {message.text}"
            assert all(quote in graded.answer for quote in quotes), f"a quote that was not said: {quotes}"


def turns(transcript: Sequence[BaseMessage]) -> Iterator[list[BaseMessage]]:
    """The transcript by turns: a message of the learner and what followed."""
    turn: list[BaseMessage] = []
    for message in transcript:
        if isinstance(message, HumanMessage) and turn:
            yield turn
            turn = []
        turn.append(message)
    yield turn


def measured(transcripts: Sequence[Sequence[BaseMessage]]) -> Dialogues:
    rounds = [this for transcript in transcripts for this in Interview.of(transcript).rounds]
    steps, won = Counter[str](), Counter[str]()
    worked_on = 0
    for this in rounds:
        steps.update(help_.step for help_ in this.helps)
        worked_on += len({help_.key_point for help_ in this.helps if help_.key_point})
        won.update(_winners(this))
    messages = [_messages_by_question(transcript) for transcript in transcripts]
    return Dialogues(
        interviews=len(transcripts),
        questions=len(rounds),
        messages=sum(map(sum, messages)),
        worked_on=worked_on,
        steps=steps,
        won=won,
        longest=max(number for by_question in messages for number in by_question),
    )


def _messages_by_question(transcript: Sequence[BaseMessage]) -> list[int]:
    numbers: list[int] = []
    for turn in turns(transcript):
        if numbers and not isinstance(event_of(turn[0]), SessionStarted):
            numbers[-1] += 1
        if any(isinstance(event, QuestionAsked) for event in events(turn)):
            numbers.append(0)
    return numbers


def _winners(this: Round) -> Iterator[str]:
    """What won each central or important point: nothing, a pump, a hint, a probe; or told, or only summed up."""
    grade = this.grade
    first = next((graded.grade for graded in this.grades), None)
    if grade is None or first is None or this.shown or this.explained:
        return
    alone = {mark.key_point for mark in first.marks if mark.verdict == "covered"}
    for mark in grade.marks:
        if mark.weight < IMPORTANT:
            continue
        steps = [help_.step for help_ in this.helps if help_.key_point == mark.key_point and help_.step != "tell"]
        if mark.key_point in this.told:
            yield "told"
        elif mark.verdict != "covered":
            yield "summary"
        elif mark.key_point in alone:
            yield "alone"
        else:
            yield steps[-1] if steps else "pump"


def open_tutor(shelf: Shelf, folder: Path, phrases: Phrases) -> Tutor:
    """A tutor with the offline engine on these cards."""
    settings = Settings(data=folder, cards=resource("knowledge"))
    store = Store(settings)
    desk = Desk(shelf, RubricGrader(shelf), CardSearch(shelf, store), phrases)
    return Tutor(settings, desk, make_engine(settings, phrases), store, phrases, tutor_prompts(phrases))


def choices_of(learner: Learner, seed: int, questions: int) -> SessionStarted:
    return SessionStarted(language=learner.language, questions=questions, seed=seed)


def run_dialogues(shelf: Shelf, number: int, seed: int, questions: int = 4) -> Dialogues:
    """Interviews `number` learners through the real agent and checks every dialogue."""
    phrases = load_phrases(resource("prompts"))
    wordings = Wordings(shelf)
    transcripts = []
    with tempfile.TemporaryDirectory() as folder:
        tutor = open_tutor(shelf, Path(folder) / "data", phrases)
        for index in range(number):
            learner = Learner.made(shelf, wordings, seed + index)
            choices = choices_of(learner, seed + index, questions)
            transcript = interviewed(tutor, learner, f"learner-{index}", choices)
            checked(transcript, phrases)
            transcripts.append(transcript)
        tutor.store.close()
    return measured(transcripts)


# The plan, over weeks


class Talk:
    """The dialogue without agent and storage: the real moves and tools on a transcript in memory."""

    def __init__(self, desk: Desk, choices: SessionStarted, card: Callable[[Interview], Card] | None = None) -> None:
        self._desk = desk
        self._card = card
        self.messages: list[BaseMessage] = []
        self._send(choices)

    @property
    def interview(self) -> Interview:
        return Interview.of(self.messages)

    def say(self, said: str | Command) -> None:
        if said in COMMANDS:
            self._send(CommandGiven.model_validate({"command": said}))
        else:
            self._send(None, said)

    def _send(self, event: SessionStarted | CommandGiven | None, text: str = "") -> None:
        self.messages.append(learner_message(text, str(len(self.messages)), event))
        while move := required_move(self.interview):
            if move.tool == "ask_question" and self._card:
                self._leave(self._question(self._card(self.interview)))
                continue
            runtime: Any = SimpleNamespace(state={"messages": self.messages}, context=self._desk)
            function: Any = next(tool for tool in TOOLS if tool.name == move.tool)
            self._leave(function.func(runtime=runtime, **move.arguments)[1])

    def _leave(self, artifact: dict[str, Any]) -> None:
        self.messages.append(ToolMessage("", tool_call_id="t", artifact=artifact))

    def _question(self, card: Card) -> dict[str, Any]:
        interview = self.interview
        assert interview.started
        asked = QuestionAsked(card_id=card.id, topic=card.topic, level=card.level, question=card.question,
                              number=len(interview.rounds) + 1, of=interview.started.questions)  # fmt: skip
        return to_json(asked)


HALF_LIFE = 2.0
"""Days after which half of what was just told is forgotten."""
RECALLED, HELPED, RELEARNED = 2.5, 1.6, 0.7
"""What a recall without help, one with help, and a relapse make of the half-life."""


class Memory:
    """What a learner remembers: each point fades by half in its half-life, and lasts longer after each recall."""

    def __init__(self, learner: Learner, days: float = 8.0) -> None:
        self._learner = learner
        self.traces = dict.fromkeys(learner.knows, (0.0, days))

    def wake(self, day: float) -> None:
        """What is known this morning."""
        chance = self._learner.chance
        self._learner.knows = {point for point in sorted(self.traces) if chance.random() < self.recall(point, day)}

    def recall(self, point: tuple[str, str], day: float) -> float:
        last, half_life = self.traces[point]
        return float(0.5 ** ((day - last) / half_life))

    def after(self, interview: Interview, day: float, before: set[tuple[str, str]]) -> None:
        """The evening: what was recalled, helped along or told today lasts longer from now on."""
        for this in interview.rounds:
            alone = {m.key_point for m in this.unprompted.marks if m.verdict == "covered"} if this.unprompted else set()
            for point in {p for card, p in self._learner.knows if card == this.asked.card_id}:
                key = this.asked.card_id, point
                _, half_life = self.traces.get(key, (day, HALF_LIFE / HELPED))
                factor = RECALLED if point in alone else HELPED if key in before else RELEARNED
                self.traces[key] = (day, max(HALF_LIFE, half_life * factor))

    def known(self, day: float) -> float:
        """Key points known, expected."""
        return sum(self.recall(point, day) for point in self.traces)


Policy = Callable[[Shelf, int], Callable[[Interview], Card] | None]


def _planned(shelf: Shelf, seed: int) -> None:
    return None


def _at_random(shelf: Shelf, seed: int) -> Callable[[Interview], Card]:
    chance = random.Random(seed)
    return lambda interview: chance.choice([c for c in shelf.cards if c.id not in interview.asked_ids])


def _in_order(shelf: Shelf, seed: int) -> Callable[[Interview], Card]:
    order = iter([card for _ in range(100) for card in shelf.cards])
    return lambda interview: next(order)


POLICIES: dict[str, Policy] = {"the plan": _planned, "random choice": _at_random, "fixed order": _in_order}


@dataclass(frozen=True)
class Course:
    """Thirty days of one learner under one policy."""

    known_before: float
    known_after: float
    questions: int

    @property
    def gain(self) -> float:
        """Key points known at the end per question asked, beyond what would be known without any question."""
        return (self.known_after - self.known_before) / self.questions


def course(shelf: Shelf, desk: Desk, wordings: Wordings, policy: str, seed: int, days: int = 30) -> Course:
    """A learner who answers five questions a day."""
    learner = replace(Learner.made(shelf, wordings, seed), tires=0.0, wishes=0.0)
    memory = Memory(learner)
    untouched = sum(memory.recall(point, days) for point in memory.traces)
    pick = POLICIES[policy](shelf, seed)
    sittings: list[Sitting] = []
    for day in range(days):
        memory.wake(day)
        before = set(learner.knows)
        choices = SessionStarted(language=learner.language, questions=5, seed=seed * 1000 + day)
        if pick is None:
            choices = with_past(choices, shelf, latest_scores(sittings), due(sittings, shelf), day * DAY)
        talk = Talk(desk, choices, pick)
        while not (interview := talk.interview).finished:
            card = shelf.by_id[interview.rounds[-1].asked.card_id]
            talk.say(learner.reply(card, interview.turn))
        memory.after(interview, day, before)
        times = [day * DAY + 60.0 * at for at in range(len(talk.messages))]
        sittings += filter(None, [sitting(str(day), stamped(talk.messages, times))])
    return Course(untouched, memory.known(days), days * 5)


def run_plans(shelf: Shelf, learners: int, seed: int, days: int = 30) -> dict[str, list[Course]]:
    """The same learners under each policy."""
    phrases = load_phrases(resource("prompts"))
    wordings = Wordings(shelf)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Settings(data=Path(folder) / "data", cards=resource("knowledge")))
        desk = Desk(shelf, RubricGrader(shelf), CardSearch(shelf, store), phrases)
        courses = {
            policy: [course(shelf, desk, wordings, policy, seed + index, days) for index in range(learners)]
            for policy in POLICIES
        }
        store.close()
    return courses


def within(values: Sequence[float], digits: int) -> str:
    """The mean and the 95 % interval of the mean over learners, by a seeded bootstrap."""
    chance = random.Random(0)
    means = sorted(fmean(chance.choices(values, k=len(values))) for _ in range(2000))
    return f"{fmean(values):.{digits}f} (95 %: {means[49]:.{digits}f} to {means[1949]:.{digits}f})"


def main() -> None:
    parser = argparse.ArgumentParser(description="Simulated learners: the length of dialogues and the worth of a plan.")
    parser.add_argument("--interviews", type=int, default=500, help="practice interviews through the agent")
    parser.add_argument("--learners", type=int, default=20, help="learners over 30 days for each plan")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    shelf = load_shelf(resource("knowledge"))
    if chosen.interviews:
        began = time.perf_counter()
        done = run_dialogues(shelf, chosen.interviews, chosen.seed)
        print(f"{done.interviews} interviews, {done.questions} questions, {done.messages} messages of learners, "
              f"{time.perf_counter() - began:.0f} s; every dialogue was checked")  # fmt: skip
        print(f"turns per question: {done.turns_per_question:.2f} (at most {done.longest})")
        print(f"steps per key point that was worked on: {done.steps_per_point:.2f}")
        print("steps taken:", ", ".join(f"{step} {number}" for step, number in done.steps.most_common()))
        total = sum(done.won.values())
        print("central and important points:", ", ".join(f"{how} {n / total:.0%}" for how, n in done.won.most_common()))
    if chosen.learners:
        courses = run_plans(shelf, chosen.learners, chosen.seed + 10_000)
        points = sum(len(card.key_points) for card in shelf.cards)
        print(f"\n{chosen.learners} learners, 30 days of 5 questions, {points} key points in all")
        for policy, of_learners in courses.items():
            known, gain = [c.known_after for c in of_learners], [c.gain for c in of_learners]
            print(f"{policy:14} key points known at the end {within(known, 1)}   "
                  f"gained per question asked {within(gain, 2)}")  # fmt: skip
        planned = courses["the plan"]
        for policy, others in courses.items():
            if others is not planned:
                more = [own.gain - other.gain for own, other in zip(planned, others, strict=True)]
                print(f"the plan against {policy}: {within(more, 2)} more per question, "
                      f"better for {sum(d > 0 for d in more)} of {len(more)} learners")  # fmt: skip


if __name__ == "__main__":
    main()
