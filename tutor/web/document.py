"""A page that stands alone: its style inside it, formulas as MathML, nothing fetched from anywhere, fit to print."""

from collections.abc import Iterable
from functools import lru_cache
from html import escape
from pathlib import Path

from latex2mathml import exceptions
from latex2mathml.converter import convert

from tutor.cards import Language, Source
from tutor.formulas import readable
from tutor.html import inline as inline_html

_STYLE = Path(__file__).with_name("document.css")

_UNREADABLE: tuple[type[Exception], ...] = tuple(
    kind for kind in vars(exceptions).values() if isinstance(kind, type) and issubclass(kind, Exception)
)
"""What the converter raises for a formula that it cannot read; its errors have no parent of their own."""


def document(title: str, language: Language, body: Iterable[str]) -> str:
    """The whole page; `body` is HTML of ours."""
    return (
        f'<!doctype html>\n<html lang="{"zh-CN" if language == "zh" else "en"}">\n<head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title>\n<style>{_style()}</style></head>\n"
        f"<body><main>\n{''.join(body)}\n</main></body></html>\n"
    )


@lru_cache(maxsize=1)
def _style() -> str:
    return _STYLE.read_text(encoding="utf-8")


def inline(text: str) -> str:
    """Words of a card inside a line as HTML, formulas set."""
    return inline_html(text, _formula)


def link(address: str, words: str, *, download: bool = False) -> str:
    """A link within the tutor's own pages."""
    return f'<a href="{escape(address)}"{" download" if download else ""}>{escape(words)}</a>'


def sources(listed: Iterable[Source]) -> str:
    """Sources as a list of links."""
    items = (
        f"<li>{escape(source.title)}, {escape(source.authors)} {source.year}: "
        f'<a href="{escape(source.address)}" rel="noopener noreferrer">{escape(source.address)}</a></li>'
        for source in listed
    )
    return f"<ul>{''.join(items)}</ul>"


@lru_cache(maxsize=4096)
def _formula(latex: str) -> str:
    """A formula between its dollar signs as MathML, or as plain Unicode where it cannot be read."""
    whole = latex.startswith("$$")
    try:
        return str(convert(latex.strip("$"), display="block" if whole else "inline"))
    except _UNREADABLE:
        return escape(readable(latex))
