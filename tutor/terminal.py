"""The interview in a terminal: readable colours on a screen, plain text in a pipe."""

import sys
from dataclasses import dataclass, field
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.markdown import Markdown
from rich.padding import Padding
from rich.panel import Panel
from rich.text import Text as Styled

from tutor.cards import Language, Source
from tutor.costs import lines
from tutor.events import (
    AnswerGraded,
    AnswerShown,
    ExplanationGiven,
    FollowUpAsked,
    QuestionAsked,
    SessionStarted,
    SummaryGiven,
)
from tutor.formulas import readable
from tutor.interview import Interview
from tutor.plain import harmless
from tutor.report import band, footnotes, verdict_of
from tutor.reporting import as_markdown
from tutor.shown import Happened, Item, Said, Spent, shown
from tutor.tutor import NotSent, Tutor

_COLOURS = {"covered": "green", "partly": "yellow", "missed": "bright_black", "contradicted": "red", "unsure": "cyan"}
_SIGNS = {"covered": "●", "partly": "◐", "missed": "○", "contradicted": "✗", "unsure": "?"}


class Terminal:
    """Shows items of an interview on a console, in one language."""

    def __init__(self, tutor: Tutor, console: Console) -> None:
        self._tutor = tutor
        self._console = console

    def show(self, item: Item, language: Language) -> None:
        """Prints one item."""
        if isinstance(item, Said):
            style = "cyan" if item.by_learner else ""
            mark = "> " if item.by_learner else ""
            self._console.print(Styled(mark + harmless(item.text), style=style))
        elif isinstance(item, Spent):
            style = "yellow" if item.event.failure else "bright_black"
            for line in lines(item, self._tutor.phrases, language):
                self._console.print(Styled(harmless(line), style=style))
        else:
            self._console.print(self._block(item, language))
        self._console.print()

    def say(self, key: str, language: Language, **values: object) -> None:
        """Prints a phrase."""
        self._console.print(Styled(self._tutor.phrases(key, language, **values), style="bright_black"))

    def report(self, session: str, learner: str) -> None:
        """Prints the report of a session."""
        language = self._tutor.interview(learner, session).language
        made = self._tutor.report(learner, session)
        text = as_markdown(made, language, self._tutor.phrases, self._tutor.desk.shelf.topics)
        self._console.print(Markdown(harmless(readable(text))))

    def _block(self, item: Happened, language: Language) -> RenderableType:
        event, phrases = item.event, self._tutor.phrases
        match event:
            case QuestionAsked():
                title = phrases("block.question", language, number=event.number, of=event.of)
                meta = phrases("block.question_meta", language, topic=self._topic(event.topic, language),
                               level=phrases(f"level.{event.level}", language))  # fmt: skip
                return Panel(_formulas(event.question[language], "bold"), title=f"{title} · {meta}", title_align="left")
            case FollowUpAsked():
                title = phrases(f"block.{event.step}", language)
                return Panel(_formulas(event.text[language]), title=title, title_align="left", border_style="yellow")
            case AnswerGraded():
                return self._grade(event, item, language)
            case SummaryGiven():
                return self._summary(event, language)
            case ExplanationGiven():
                title = phrases("block.explanation", language, question=event.question[language])
                steps = "\n".join(f"{n}. {step[language]}" for n, step in enumerate(event.steps, start=1))
                return self._teaching(title, steps, event.sources, language)
            case AnswerShown():
                title = phrases("block.reference", language, question=event.question[language])
                return self._teaching(title, event.answer[language], event.sources, language)

    def _summary(self, event: SummaryGiven, language: Language) -> RenderableType:
        say = self._tutor.phrases
        parts = [(say("block.summary_said", language), [f"“{harmless(quote)}”" for quote in event.quotes])]
        parts.append((say("block.summary_missing", language), [mark.text[language] for mark in event.missing]))
        body = [
            Group(Styled(title, style="bold"), *(_formulas(f"• {line}") for line in lines))
            for title, lines in parts
            if lines
        ]
        return Panel(Group(*body), title=say("block.summary", language), title_align="left", border_style="green")

    def _topic(self, slug: str, language: Language) -> str:
        names = self._tutor.desk.shelf.topics
        return names[slug][language] if slug in names else slug

    def _teaching(self, title: str, text: str, sources: tuple[Source, ...], language: Language) -> RenderableType:
        listed = "\n".join(f"- {source.title}, {source.authors} {source.year}: {source.address}" for source in sources)
        heading = self._tutor.phrases("block.sources", language)
        return Group(
            Styled(readable(title), style="bold"),
            Padding(Markdown(readable(text)), (0, 0, 0, 2)),
            Styled(heading, style="bold"),
            Padding(Markdown(listed), (0, 0, 0, 2)),
        )

    def _grade(self, event: AnswerGraded, item: Happened, language: Language) -> RenderableType:
        phrases, grade = self._tutor.phrases, event.grade
        score = phrases("block.grade", language, score=grade.score)
        lines: list[RenderableType] = [Styled(f"{score} · {band(grade.score, language, phrases)}", style="bold")]
        for mark in (mark for mark in grade.marks if item.revealed or mark.key_point not in item.known):
            verdict = verdict_of(mark, language, phrases)
            weight = phrases(f"weight.{mark.weight}", language)
            line = Styled(f"{_SIGNS[mark.verdict]} {verdict} · {weight}", style=_COLOURS[mark.verdict])
            if item.revealed or mark.verdict == "covered":
                line.append(f" — {readable(mark.text[language])}", style="default")
            lines.append(Padding(line, (0, 0, 0, 2)))
            if mark.quote:
                lines.append(Padding(Styled(f"“{harmless(mark.quote)}”", style="reverse"), (0, 0, 0, 6)))
        if item.withheld:
            lines.append(Padding(Styled(phrases("block.open_points", language), style="italic"), (0, 0, 0, 2)))
        for found in grade.misconceptions:
            heading = phrases("block.misconception", language)
            lines.append(
                Padding(Styled(f"! {heading}: {readable(found.correction[language])}", style="red"), (0, 0, 0, 2))
            )
        notes = footnotes(grade, language, phrases)
        lines += [Padding(Styled(harmless(note), style="italic"), (0, 0, 0, 2)) for note in notes]
        return Group(*lines)


def _formulas(text: str, style: str = "") -> Styled:
    return Styled(readable(text), style=style)


def chosen_preset(tutor: Tutor, language: Language, stdin: TextIO | None = None) -> str:
    """The ready-made interview that the person at the terminal picks; none in a pipe, or for an empty line."""
    source = stdin or sys.stdin
    presets = tutor.desk.shelf.offered()
    if not presets or not source.isatty():
        return ""
    console = Console(highlight=False)
    console.print(tutor.phrases("terminal.presets", language))
    for number, preset in enumerate(presets.values(), start=1):
        console.print(f"  {number}  {preset.name[language]}", Styled(preset.about[language], style="bright_black"))
    while True:
        line = _read(source, console, tutor.phrases("terminal.preset_prompt", language))
        picked = (line or "").strip()
        if not picked:
            return ""
        if picked in presets:
            return picked
        if picked.isdigit() and 1 <= int(picked) <= len(presets):
            return list(presets)[int(picked) - 1]


def chat(tutor: Tutor, learner: str, session: str | None, choices: SessionStarted, stdin: TextIO | None = None) -> str:
    """Runs an interview on standard input and output until it ends, and gives its session."""
    source = stdin or sys.stdin
    console = Console(highlight=False)
    resumed = session is not None
    if session is None:
        session = tutor.start(learner, choices)
    else:
        tutor.resume(learner, session)
    screen = _Screen(tutor, Terminal(tutor, console), learner, session)
    if resumed:
        screen.skip_closed()
    screen.catch_up(echo=True)
    language = tutor.interview(learner, session).language
    if source.isatty():
        console.print(Styled(tutor.phrases("terminal.more_lines", language), style="bright_black"))
    while not tutor.interview(learner, session).finished:
        text = _read(source, console, tutor.phrases("terminal.prompt", language))
        if text is None:
            break
        try:
            tutor.reply(learner, session, text)
        except NotSent as refusal:
            console.print(Styled(str(refusal), style="yellow"))
            continue
        screen.catch_up(echo=not source.isatty())
    if tutor.interview(learner, session).finished:
        screen.terminal.report(session, learner)
    else:
        console.print(Styled(tutor.phrases("terminal.resume", language, session=session), style="bright_black"))
    return session


@dataclass
class _Screen:
    """What of a session was printed already: the places of its messages, each with what was shown of it."""

    tutor: Tutor
    terminal: Terminal
    learner: str
    session: str
    printed: set[tuple[int, type]] = field(default_factory=set)

    def skip_closed(self) -> None:
        """Says where the interview stands; the questions that are closed are not printed again."""
        interview = self.tutor.interview(self.learner, self.session)
        items = shown(self.tutor.transcript(self.learner, self.session))
        asked = [item.at for item in items if isinstance(item, Happened) and isinstance(item.event, QuestionAsked)]
        if interview.current is None or len(asked) < 2:
            return
        self.printed |= {(item.at, type(item)) for item in items if item.at < asked[-1]}
        question = interview.current.asked
        self.terminal.say("terminal.back", interview.language, number=question.number, of=question.of)

    def catch_up(self, *, echo: bool) -> None:
        """Prints what is new; the learner's own words only with `echo`, since on a screen they stand there."""
        transcript = self.tutor.transcript(self.learner, self.session)
        language = Interview.of(transcript).language
        for item in shown(transcript):
            own = isinstance(item, Said) and item.by_learner
            if (item.at, type(item)) not in self.printed and (echo or not own):
                self.terminal.show(item, language)
            self.printed.add((item.at, type(item)))


def _read(source: TextIO, console: Console, prompt: str) -> str | None:
    """One message: a line, with `\\` at its end to go on in the next; None at the end of input."""
    lines: list[str] = []
    while True:
        if source.isatty():
            console.print(prompt, end="")
        try:
            line = source.readline()
        except KeyboardInterrupt:
            return None
        if not line:
            return "\n".join(lines) if lines else None
        line = line.rstrip("\n")
        if not line.endswith("\\"):
            return "\n".join([*lines, line])
        lines.append(line[:-1])
