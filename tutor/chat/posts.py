"""What happened in a turn as posts: sections of blocks, buttons, a file. Every platform draws them its own way."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from langchain_core.messages import BaseMessage

from tutor import costs
from tutor.cards import Language, Source, Text
from tutor.chat.markup import Block, Span, blocks, plain
from tutor.events import AnswerGraded, AnswerShown, ExplanationGiven, FollowUpAsked, QuestionAsked, SummaryGiven
from tutor.grading import Mark
from tutor.interview import Interview
from tutor.prompts import Phrases
from tutor.report import band, footnotes, report, verdict_of
from tutor.reporting import as_markdown
from tutor.shown import Happened, Item, Said, Spent, shown

Tone = Literal["plain", "question", "grade", "teaching", "follow_up", "report", "note", "alert"]
Action = Literal["answer", "hint", "explain", "show", "skip", "end", "again", "forget", "keep"]
SIGNS = {"covered": "●", "partly": "◐", "missed": "○", "contradicted": "✗", "unsure": "?"}


@dataclass(frozen=True)
class Section:
    """Some blocks that belong together; the tone says what they are."""

    blocks: tuple[Block, ...]
    title: str = ""
    tone: Tone = "plain"


@dataclass(frozen=True)
class Button:
    """A button; `session` is the interview that it acts on."""

    action: Action
    label: str
    session: str = ""
    strong: bool = False
    risky: bool = False


@dataclass(frozen=True)
class File:
    """A text file to take away."""

    name: str
    title: str
    text: str


@dataclass(frozen=True)
class Post:
    """One answer of the tutor. `private`: for the eyes of the person asked alone, where others read along."""

    sections: tuple[Section, ...]
    buttons: tuple[Button, ...] = ()
    file: File | None = None
    private: bool = False

    @property
    def summary(self) -> str:
        """One line for a notification."""
        first = self.sections[0] if self.sections else Section(())
        text = first.title or (first.blocks[0].text if first.blocks else "")
        return text[:150]


class Writer:
    """Writes posts in one language with the names of the topics."""

    def __init__(self, phrases: Phrases, topics: Mapping[str, Text], language: Language) -> None:
        self.phrases = phrases
        self._topics = topics
        self.language = language

    def say(self, key: str, **values: object) -> str:
        """A phrase in the writer's language."""
        return self.phrases(key, self.language, **values)

    def note(self, key: str, *, private: bool = False, buttons: tuple[Button, ...] = (), **values: object) -> Post:
        """A post of one phrase."""
        return Post((Section(blocks(self.say(key, **values), ours=True), tone="note"),), buttons, None, private)

    def refusal(self, text: str, *, private: bool = False) -> Post:
        """A post that says why something was not done."""
        return Post((Section((plain(text),), tone="alert"),), private=private)

    def turn(
        self, transcript: Sequence[BaseMessage], begins: int, session: str, *, typed: bool = True, echo: bool = False
    ) -> Post:
        """The post of the turn that begins there in the transcript.

        `typed`: answers can just be typed here. `echo`: the learner's words came by a form and stand nowhere yet.
        """
        interview = Interview.of(transcript)
        sections = [self.section(item) for item in _of_turn(transcript, begins - echo, interview)]
        if not interview.finished:
            return Post(tuple(sections), self._help(interview, session, typed))
        again = Button("again", self.say("chat.again"), session, strong=True)
        return Post((*sections, self._report(interview)), (again,), self.report_file(interview, session))

    def report(self, interview: Interview, session: str) -> Post:
        """The report of an interview, finished or not, for the learner alone."""
        return Post((self._report(interview),), file=self.report_file(interview, session), private=True)

    def growing(self, text: str) -> Post:
        """What the tutor has said so far in a turn that still runs."""
        words = blocks(text) if text.strip() else blocks(self.say("chat.thinking"))
        return Post((Section(words),))

    def report_file(self, interview: Interview, session: str) -> File:
        """The whole report as a file, named after its session."""
        text = as_markdown(report(interview), self.language, self.phrases, self._topics)
        return File(f"interview-report-{session[:6]}.md", self.say("report.title"), text)

    def section(self, item: Item) -> Section:
        """One item as a section."""
        if isinstance(item, Said):
            return Section((plain(item.text, "quote"),) if item.by_learner else blocks(item.text))
        if isinstance(item, Spent):
            return Section(blocks("\n\n".join(costs.lines(item, self.phrases, self.language))))
        return self._block(item)

    def _block(self, item: Happened) -> Section:
        event, language = item.event, self.language
        match event:
            case QuestionAsked():
                topic = self._topics[event.topic][language] if event.topic in self._topics else event.topic
                meta = self.say("block.question_meta", topic=topic, level=self.say(f"level.{event.level}"))
                title = f"{self.say('block.question', number=event.number, of=event.of)} · {meta}"
                return Section(blocks(event.question[language], ours=True), title, "question")
            case FollowUpAsked():
                return Section(blocks(event.text[language], ours=True), self.say(f"block.{event.step}"), "follow_up")
            case SummaryGiven():
                return Section(tuple(self._summary(event)), self.say("block.summary"), "teaching")
            case AnswerGraded():
                return Section(tuple(self._grade(event, item)), self._grade_title(event), "grade")
            case ExplanationGiven():
                steps = "\n".join(f"{number}. {step[language]}" for number, step in enumerate(event.steps, start=1))
                return self._teaching("block.explanation", event.question, steps, event.sources)
            case AnswerShown():
                return self._teaching("block.reference", event.question, event.answer[language], event.sources)

    def _teaching(self, key: str, question: Text, text: str, sources: Sequence[Source]) -> Section:
        title = self.say(key, question="".join(block.text for block in blocks(question[self.language], ours=True)))
        heading = Block("heading", (Span(self.say("block.sources")),))
        listed = [
            Block("item", (Span(source.title, address=source.address), Span(f", {source.authors} {source.year}")),
                  marker="•")
            for source in sources
        ]  # fmt: skip
        return Section((*blocks(text, ours=True), *((heading, *listed) if listed else ())), title, "teaching")

    def _grade_title(self, event: AnswerGraded) -> str:
        score = event.grade.score
        return f"{self.say('block.grade', score=score)} · {band(score, self.language, self.phrases)}"

    def _summary(self, event: SummaryGiven) -> Iterator[Block]:
        """What the learner said themselves, and what belongs to the answer besides."""
        if event.quotes:
            yield Block("heading", (Span(self.say("block.summary_said")),))
            yield from (plain(quote, "quote") for quote in event.quotes)
        if event.missing:
            yield Block("heading", (Span(self.say("block.summary_missing")),))
        for mark in event.missing:
            text = blocks(mark.text[self.language], ours=True)
            yield Block("item", text[0].spans if text else (), marker="•")

    def _grade(self, event: AnswerGraded, item: Happened) -> Iterator[Block]:
        for mark in event.grade.marks:
            if item.revealed or mark.key_point not in item.known:
                yield from self._mark(mark, item.revealed)
        if item.withheld:
            yield Block("text", (Span(self.say("block.open_points"), italic=True),))
        for note in footnotes(event.grade, self.language, self.phrases):
            yield Block("text", (Span(note, italic=True),))
        for found in event.grade.misconceptions:
            heading = Span(f"{self.say('block.misconception')}: ", bold=True)
            correction = blocks(found.correction[self.language], ours=True)
            yield Block("text", (heading, *(correction[0].spans if correction else ())))

    def _mark(self, mark: Mark, revealed: bool) -> Iterator[Block]:
        verdict, weight = verdict_of(mark, self.language, self.phrases), self.say(f"weight.{mark.weight}")
        spans = [Span(verdict, bold=True), Span(f" · {weight}")]
        if revealed or mark.verdict == "covered":
            text = blocks(mark.text[self.language], ours=True)
            spans += [Span(" — "), *(text[0].spans if text else ())]
        yield Block("item", tuple(spans), marker=SIGNS[mark.verdict])
        if mark.quote:
            yield plain(mark.quote, "quote")

    def _report(self, interview: Interview) -> Section:
        made = report(interview)
        if made.score is None:
            return Section(blocks(self.say("report.none")), self.say("report.title"), "report")
        number = sum(result.standing != "open" for result in made.results)
        total = self.say("report.score", score=made.score, number=number)
        lines = [Block("text", (Span(total, bold=True), Span(f" — {band(made.score, self.language, self.phrases)}")))]
        for topic in made.topics:
            name = self._topics[topic.topic][self.language] if topic.topic in self._topics else topic.topic
            lines.append(Block("item", (Span(f"{name}: {topic.score}"),), marker="•"))
        return Section((*lines, *blocks(self.say("chat.report_below"))), self.say("report.title"), "report")

    def _help(self, interview: Interview, session: str, typed: bool) -> tuple[Button, ...]:
        """The buttons under a turn: what can be done now."""
        actions: list[Action] = [] if typed else ["answer"]
        actions += ["skip", "end"] if interview.exam else ["hint", "explain", "show", "skip", "end"]
        return tuple(
            Button(action, self.say("chat.answer" if action == "answer" else f"page.{action}"), session,
                   strong=action == "answer")
            for action in actions
        )  # fmt: skip


def _of_turn(transcript: Sequence[BaseMessage], begins: int, interview: Interview) -> list[Item]:
    """What the turn shows: its own items, and at the end of an exam all grades that waited for it."""
    waited = interview.exam and interview.finished
    return [
        item
        for item in shown(transcript)
        if item.at >= begins or (waited and isinstance(item, Happened) and isinstance(item.event, AnswerGraded))
    ]
