"""Markdown and formulas as plain blocks and spans, from which every platform writes its own form.

What a learner or a model wrote is only text here: nothing of it becomes a link, an image or a mention.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tutor.formulas import readable
from tutor.plain import harmless, width

Kind = Literal["text", "heading", "item", "quote", "code"]
_MARKDOWN = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable(["table", "strikethrough"])
_MATH = re.compile(r"```.*?(?:```|\Z)|`[^`\n]+`|\$\$.+?\$\$|\\\[.+?\\\]|\\\(.+?\\\)|\$[^$\n]+\$", re.DOTALL)
"""Formulas, and code, in which a dollar sign is none."""
_HELD = re.compile("\ue000(\\d+)\ue001")
_ADDRESS = re.compile(r"(?:https?://|www\.)[^\s<>()\"'“”，。]*[^\s<>()\"'“”，。.,;:!?]", re.IGNORECASE)
_MENTION = re.compile(r"@(?=everyone|here|channel|group)|<(?=[@#!&:/]|[at]:|sub)", re.IGNORECASE)
BREAK = "\u200b"
"""Has no width; stands behind a sign that would otherwise begin a mention."""


@dataclass(frozen=True)
class Span:
    """Text of one style. `whole` text, a formula, is not to be cut; `address` makes it a link (of ours only)."""

    text: str
    bold: bool = False
    italic: bool = False
    struck: bool = False
    code: bool = False
    whole: bool = False
    address: str = ""


@dataclass(frozen=True)
class Block:
    """A paragraph, heading, list item (`marker`, `depth` from 0), quotation, or code (one span, lines as they are)."""

    kind: Kind
    spans: tuple[Span, ...]
    depth: int = 0
    marker: str = ""

    @property
    def text(self) -> str:
        """The words alone."""
        return "".join(span.text for span in self.spans)


def blocks(markdown: str, *, ours: bool = False) -> tuple[Block, ...]:
    """The blocks of a Markdown text. Links live only in texts of `ours`, those of cards and phrases."""
    formulas: list[str] = []

    def hold(found: re.Match[str]) -> str:
        if found.group().startswith("`"):
            return found.group()
        formulas.append(found.group())
        return f"\ue000{len(formulas) - 1}\ue001"

    text = _MATH.sub(hold, harmless(markdown).replace("\ue000", "").replace("\ue001", ""))
    reader = _Reader(formulas, ours)
    return tuple(reader.read(_MARKDOWN.parse(text)))


def plain(text: str, kind: Kind = "text") -> Block:
    """Text as it was typed: a learner's words, in which no sign is mark-up."""
    return Block(kind, (Span(without_mentions(harmless(text))),))


def without_mentions(text: str) -> str:
    """The text in which nothing calls a whole channel, a person or a place."""
    return _MENTION.sub(lambda found: found.group() + BREAK, text)


class _Reader:
    """Turns the tokens of one text into blocks."""

    def __init__(self, formulas: Sequence[str], ours: bool) -> None:
        self._formulas = formulas
        self._ours = ours

    def read(self, tokens: Sequence[Token]) -> Iterator[Block]:
        lists: list[list[str]] = []
        rows: list[list[str]] = []
        quoted, kind, marker = 0, "text", ""
        for token in tokens:
            match token.type:
                case "bullet_list_open":
                    lists.append(["•"])
                case "ordered_list_open":
                    start = int(token.attrs.get("start", 1))
                    lists.append([f"{number}." for number in range(start, start + 1000)])
                case "bullet_list_close" | "ordered_list_close":
                    lists.pop()
                case "list_item_open":
                    marker = lists[-1][0] if len(lists[-1]) == 1 else lists[-1].pop(0)
                case "blockquote_open" | "blockquote_close":
                    quoted += 1 if token.nesting > 0 else -1
                case "heading_open" | "heading_close":
                    kind = "heading" if token.nesting > 0 else "text"
                case "fence" | "code_block" | "html_block":
                    yield Block("code", (Span(self._raw(token.content).rstrip("\n")),))
                case "table_open":
                    rows = []
                case "tr_open":
                    rows.append([])
                case "inline" if token.level and rows and kind != "heading" and _in_table(tokens, token):
                    rows[-1].append("".join(span.text for span in self._spans(token)))
                case "table_close":
                    yield Block("code", (Span(_table(rows)),))
                    rows = []
                case "inline":
                    spans = tuple(self._spans(token))
                    if kind == "heading":
                        yield Block("heading", spans)
                    elif lists:
                        yield Block("item", spans, len(lists) - 1, marker)
                        marker = ""
                    else:
                        yield Block("quote" if quoted else "text", spans)

    def _spans(self, token: Token) -> Iterator[Span]:
        style = Span("")
        for part in token.children or ():
            match part.type:
                case "strong_open" | "strong_close":
                    style = replace(style, bold=part.nesting > 0)
                case "em_open" | "em_close":
                    style = replace(style, italic=part.nesting > 0)
                case "s_open" | "s_close":
                    style = replace(style, struck=part.nesting > 0)
                case "link_open" if self._ours:
                    style = replace(style, address=str(part.attrs["href"]))
                case "link_close":
                    style = replace(style, address="")
                case "code_inline":
                    yield replace(style, text=self._raw(part.content), code=True)
                case "softbreak" | "hardbreak":
                    yield replace(style, text="\n")
                case "text" | "html_inline" | "text_special" | "image":
                    yield from self._text(part.content, style)

    def _text(self, text: str, style: Span) -> Iterator[Span]:
        for index, piece in enumerate(_HELD.split(text)):
            if index % 2:
                yield replace(style, text=readable(_dollars(self._formulas[int(piece)])), whole=True)
            elif piece:
                yield from self._words(piece, style)

    def _words(self, text: str, style: Span) -> Iterator[Span]:
        """Words; an address in them is shown as code, which no platform turns into a link or a preview."""
        at = 0
        for found in () if style.address else _ADDRESS.finditer(text):
            if text[at : found.start()]:
                yield replace(style, text=without_mentions(text[at : found.start()]))
            shown = replace(style, text=found.group())
            yield replace(shown, address=found.group()) if self._ours else replace(shown, code=True)
            at = found.end()
        if text[at:]:
            yield replace(style, text=without_mentions(text[at:]))

    def _raw(self, code: str) -> str:
        return _HELD.sub(lambda found: self._formulas[int(found.group(1))], code)


def _in_table(tokens: Sequence[Token], token: Token) -> bool:
    before = tokens[next(index for index, other in enumerate(tokens) if other is token) - 1]
    return before.type in ("th_open", "td_open")


def _table(rows: Sequence[Sequence[str]]) -> str:
    """The table in columns of equal width, for a typeface in which Chinese signs take two places."""
    widths = [max(width(row[column]) for row in rows if column < len(row)) for column in range(len(rows[0]))]
    lines = [
        "  ".join(cell + " " * (wide - width(cell)) for cell, wide in zip(row, widths, strict=False)).rstrip()
        for row in rows
    ]
    return "\n".join([lines[0], "  ".join("-" * wide for wide in widths), *lines[1:]])


def _dollars(formula: str) -> str:
    r"""The formula between dollar signs, also where `\(` or `\[` stood."""
    return f"${formula[2:-2]}$" if formula.startswith("\\") else formula
