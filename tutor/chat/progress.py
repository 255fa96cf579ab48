"""Progress as a post: what was done, what is due, what is known by topic."""

from collections.abc import Mapping

from tutor.cards import Text
from tutor.chat.markup import Block, Span, blocks
from tutor.chat.posts import Post, Section, Writer
from tutor.progress import Progress, by_day
from tutor.reporting import duration, named

LISTED = 5
"""Questions that are due and are named."""
DAYS = 7
"""Days on which something is due later and which are named."""


def post(made: Progress, writer: Writer, topics: Mapping[str, Text]) -> Post:
    """Where the learner stands, for the learner alone."""
    if not made.sittings:
        return writer.note("progress.none", private=True)
    time = duration(made.seconds, writer.language, writer.phrases)
    figures = (
        ("interviews", len(made.sittings)),
        ("questions", made.questions),
        ("time", time),
        ("streak", made.streak),
    )
    done = " · ".join(f"{figure} {writer.say(f'progress.{key}')}" for key, figure in figures)
    return Post(
        (
            Section(blocks(done, ours=True), writer.say("progress.title"), "report"),
            Section(_due(made, writer), writer.say("progress.due", number=len(made.due)), "report"),
            Section(_topics(made, writer, topics), writer.say("progress.by_topic"), "report"),
        ),
        private=True,
    )


def _due(made: Progress, writer: Writer) -> tuple[Block, ...]:
    found = [_item(card.card.question[writer.language]) for card in made.due[:LISTED]]
    if len(made.due) > LISTED:
        found.append(_line(writer.say("progress.more", number=len(made.due) - LISTED)))
    if not made.due:
        found.append(_line(writer.say("progress.none_due")))
    if days := by_day(made.later)[:DAYS]:
        told = "; ".join(writer.say("progress.day", date=day, number=len(own)) for day, own in days)
        found.append(_line(writer.say("progress.later", days=told)))
    return tuple(found)


def _topics(made: Progress, writer: Writer, topics: Mapping[str, Text]) -> tuple[Block, ...]:
    return tuple(
        _item(
            f"{named(topic.topic, writer.language, topics)}: "
            + writer.say(
                "progress.topic", percent=round(100 * topic.known), asked=topic.asked, cards=topic.cards, due=topic.due
            )
        )
        for topic in made.topics
    )


def _item(text: str) -> Block:
    found = blocks(text, ours=True)
    return Block("item", found[0].spans if found else (), marker="•")


def _line(text: str) -> Block:
    return Block("text", (Span(text, italic=True),))
