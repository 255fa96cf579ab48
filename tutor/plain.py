"""Text as signs that a person sees: without control characters, counted and cut where it can be."""

import re
import unicodedata

import regex

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def harmless(text: str) -> str:
    """The text without control characters and marks of direction, which could rewrite the screen."""
    return _CONTROL.sub("", text.replace("\r\n", "\n"))


def graphemes(text: str) -> list[str]:
    """What a reader takes for single signs: a letter with its accents, an emoji with all its parts."""
    return list(regex.findall(r"\X", text))


def width(text: str) -> int:
    """Columns that the text takes in a typeface of equal widths; a Chinese sign takes two."""
    return sum(2 if unicodedata.east_asian_width(sign[0]) in "WF" else 1 for sign in graphemes(text))
