"""Formulas for places without typesetting: LaTeX between dollar signs as plain Unicode."""

import re

from pylatexenc.latex2text import LatexNodes2Text

_MATH = re.compile(r"\$\$(.+?)\$\$|\$(.+?)\$", re.DOTALL)
_LONG_SCRIPT = re.compile(r"([_^])\{([^{}]{2,})\}")
_TO_TEXT = LatexNodes2Text(math_mode="text")


def readable(text: str) -> str:
    """The text with its formulas as a person would type them: `$\\sqrt{d_k}$` becomes √(d_k)."""
    return _MATH.sub(lambda found: _plain(found.group(1) or found.group(2)), text)


def _plain(formula: str) -> str:
    return str(_TO_TEXT.latex_to_text(_LONG_SCRIPT.sub(r"\1(\2)", formula)))
