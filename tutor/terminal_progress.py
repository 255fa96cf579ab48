"""Progress in a terminal: what is due, what is known by topic, the last weeks and the trend."""

from datetime import timedelta

from rich.console import Console
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text as Styled

from tutor.cards import Language, Shelf
from tutor.formulas import readable
from tutor.progress import Progress, by_day
from tutor.prompts import Phrases
from tutor.reporting import duration, named

LISTED = 10
WEEKS = 26
_SCALE = " ▁▂▃▄▅▆▇█"
_DAYS = "·░▒▓█"


def show(made: Progress, language: Language, phrases: Phrases, shelf: Shelf, console: Console) -> None:
    """Prints where the learner stands."""

    def say(key: str, **values: object) -> str:
        return phrases(f"progress.{key}", language, **values)

    def heading(text: str) -> None:
        console.print()
        console.print(Styled(text, style="bold"))

    if not made.sittings:
        console.print(say("none"))
    else:
        time = duration(made.seconds, language, phrases)
        figures = (("interviews", len(made.sittings)), ("questions", made.questions), ("time", time),
                   ("streak", made.streak))  # fmt: skip
        console.print(Styled(" · ".join(f"{figure} {say(key)}" for key, figure in figures)))
    heading(say("due", number=len(made.due)))
    for card in made.due[:LISTED]:
        console.print(Padding(Styled(f"- {readable(card.card.question[language])}"), (0, 0, 0, 2)))
    if len(made.due) > LISTED:
        console.print(Styled(f"  {say('more', number=len(made.due) - LISTED)}"))
    if made.due:
        console.print(Styled(f"  {say('review')}: tutor chat --due", style="cyan"))
    if days := by_day(made.later)[:7]:
        told = "; ".join(say("day", date=day, number=len(own)) for day, own in days)
        console.print(Styled(f"  {say('later', days=told)}", style="bright_black"))
    heading(say("by_topic"))
    console.print(_topics(made, language, phrases, shelf))
    scores = [sitting.score for sitting in made.sittings if sitting.score is not None]
    if scores:
        heading(say("trend"))
        console.print(Styled("  " + "".join(_SCALE[1 + round(score * 0.7)] for score in scores[-60:])))
        heading(say("calendar"))
        console.print(_calendar(made))


def _topics(made: Progress, language: Language, phrases: Phrases, shelf: Shelf) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    for topic in made.topics:
        told = phrases(
            "progress.topic", language,
            percent=round(100 * topic.known), asked=topic.asked, cards=topic.cards, due=topic.due,
        )  # fmt: skip
        bar = ProgressBar(total=1.0, completed=topic.known, width=20)
        table.add_row("", named(topic.topic, language, shelf.topics), bar, told)
    return table


def _calendar(made: Progress) -> Styled:
    """One line for each weekday, Monday first, the last weeks from left to right."""
    first = made.today - timedelta(days=made.today.weekday(), weeks=WEEKS - 1)
    lines = []
    for weekday in range(7):
        days = [first + timedelta(weeks=week, days=weekday) for week in range(WEEKS)]
        lines.append("  " + "".join(_DAYS[min(4, -(-made.days.get(d, 0) // 3))] for d in days if d <= made.today))
    return Styled("\n".join(lines))
