"""Markdown as HTML in which nobody but us has put a tag, an image or a link; formulas are set or left as they are."""

import re
from collections.abc import Callable
from html import escape

from markdown_it import MarkdownIt

_MARKDOWN = (
    MarkdownIt("commonmark", {"html": False, "linkify": False}).enable("table").disable(["image", "link", "autolink"])
)
_MATH = re.compile(r"\$\$.+?\$\$|\$[^$\n]+\$", re.DOTALL)


def _kept(formula: str) -> str:
    return escape(formula, quote=False)


def markdown(text: str, renderer: MarkdownIt = _MARKDOWN, formula: Callable[[str], str] = _kept) -> str:
    """Markdown as HTML; `formula` sets what stands between dollar signs, or leaves it for the page."""
    return _with_formulas(text, lambda rest: str(renderer.render(rest)), formula)


def inline(text: str, formula: Callable[[str], str] = _kept) -> str:
    """Markdown inside a line as HTML; `formula` sets what stands between dollar signs, or leaves it for the page."""
    return _with_formulas(text, lambda rest: str(_MARKDOWN.renderInline(rest)), formula)


def _with_formulas(text: str, render: Callable[[str], str], formula: Callable[[str], str] = _kept) -> str:
    """Renders the text while its formulas stand aside, so that Markdown leaves their signs alone."""
    formulas = _MATH.findall(text)
    counter = iter(range(len(formulas)))
    html = render(_MATH.sub(lambda _: f"\ue000{next(counter)}\ue001", text))
    return re.sub("\ue000(\\d+)\ue001", lambda found: formula(formulas[int(found.group(1))]), html)
