"""What a button carries, and what pressing it asks for: the same on every platform."""

from dataclasses import dataclass
from typing import get_args

from tutor.cards import Language
from tutor.chat.posts import Action, Button
from tutor.chat.wishes import Again, Confirm, Press, Say, Wish, language_of
from tutor.events import COMMANDS

_NAME = "tutor"


@dataclass(frozen=True)
class Mark:
    """What a button does, in whose interview, and in which language."""

    action: str
    session: str
    user: str
    language: Language


def mark(button: Button, user: str) -> str:
    """The mark of a button that is posted for that person, at most 100 characters."""
    return f"{_NAME}:{button.action}:{button.session}:{user}:{language_of(button.label) or 'en'}"


def mark_of(text: str) -> Mark | None:
    """The mark that `mark` made; None for anything else."""
    name, *parts = text.split(":")
    if name != _NAME or len(parts) != 4 or parts[0] not in get_args(Action):
        return None
    return Mark(parts[0], parts[1], parts[2], "zh" if parts[3] == "zh" else "en")


def wish_of(pressed: Mark) -> Wish:
    """What pressing the button asks for; the one that opens the form for an answer says nothing yet."""
    if pressed.action in ("forget", "keep"):
        return Confirm(forget=pressed.action == "forget")
    if pressed.action == "again":
        return Again(session=pressed.session)
    command = next((command for command in COMMANDS if command == pressed.action), None)
    return Press(command=command, session=pressed.session) if command else Say(text="", session=pressed.session)
