"""Cuts what is too long for one message into several: never inside a sign or a formula, every code block closed."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from tutor.chat.markup import Block, Span
from tutor.plain import graphemes

Size = Callable[[Sequence[Block]], int]
_SENTENCE_END = tuple("。！？!?.；;\n")
BACK = 0.3
"""Share of a message that is given up, at most, to end it with a sentence."""


def split(blocks: Iterable[Block], limit: int, size: Size) -> list[list[Block]]:
    """The blocks in groups of at most `limit` by `size`; blocks that fit stay whole.

    A formula is cut only when it is longer than a whole message.
    """
    groups: list[list[Block]] = []
    for block in blocks:
        for piece in [block] if size([block]) <= limit else _pieces(block, limit, size):
            if groups and size([*groups[-1], piece]) <= limit:
                groups[-1].append(piece)
            else:
                groups.append([piece])
    return groups


def _pieces(block: Block, limit: int, size: Size) -> Iterator[Block]:
    """The block as several that fit."""
    atoms = list(_lines(block) if block.kind == "code" else _atoms(block.spans))
    first = True
    while atoms:
        count = _fitting(block, atoms, limit, size)
        if not count:
            atoms = [*_smaller(atoms[0]), *atoms[1:]]
            continue
        if block.kind != "code" and count < len(atoms):
            count = _at_sentence(atoms, count)
        piece = replace(block, spans=_merged(atoms[:count]))
        yield piece if first else replace(piece, marker="")
        first = False
        atoms = atoms[count:]


def _fitting(block: Block, atoms: Sequence[Span], limit: int, size: Size) -> int:
    """How many of the atoms fit."""
    low, high = 0, min(len(atoms), limit)
    while low < high:
        middle = (low + high + 1) // 2
        if size([replace(block, spans=_merged(atoms[:middle]))]) <= limit:
            low = middle
        else:
            high = middle - 1
    return low


def _at_sentence(atoms: Sequence[Span], count: int) -> int:
    """The last end of a sentence that gives up not too much, else the place itself."""
    for end in range(count, max(1, int(count * (1 - BACK))), -1):
        if atoms[end - 1].text.rstrip(" ").endswith(_SENTENCE_END):
            return end
    return count


def _atoms(spans: Iterable[Span]) -> Iterator[Span]:
    for span in spans:
        if span.whole or span.address:
            yield span
        else:
            yield from (replace(span, text=word) for word in _words(span.text))


def _words(text: str) -> Iterator[str]:
    """The text in words with the space behind them; a Chinese sign is a word."""
    word = ""
    for sign in graphemes(text):
        if word and (sign > "\u2e80" or word[-1] > "\u2e80" or (word[-1].isspace() and not sign.isspace())):
            yield word
            word = ""
        word += sign
    if word:
        yield word


def _lines(block: Block) -> Iterator[Span]:
    yield from (Span(line) for line in block.text.splitlines(keepends=True))


def _smaller(atom: Span) -> list[Span]:
    """An atom that is longer than a message as its signs; raises ValueError when it is one."""
    signs = graphemes(atom.text)
    if len(signs) < 2:
        raise ValueError(f"a message cannot hold {atom.text!r}")
    return [replace(atom, text=sign, whole=False) for sign in signs]


def _merged(atoms: Sequence[Span]) -> tuple[Span, ...]:
    """The atoms with neighbours of the same style as one."""
    merged: list[Span] = []
    for atom in atoms:
        if merged and replace(merged[-1], text="") == replace(atom, text="") and not atom.whole:
            merged[-1] = replace(atom, text=merged[-1].text + atom.text)
        else:
            merged.append(atom)
    return tuple(merged)
